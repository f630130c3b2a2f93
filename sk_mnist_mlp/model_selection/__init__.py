"""Many fits at once: scikit-learn's searches and ensembles, trained as stacks.

>>> from sk_mnist_mlp.model_selection import fused
"""

from sk_mnist_mlp.model_selection.fused import fused

__all__ = ["fused"]
