"""Many fits at once: scikit-learn's searches and ensembles, trained as stacks, or resumed.

>>> from sk_mnist_mlp.model_selection import fused
"""

from sk_mnist_mlp.model_selection.fused import fused
from sk_mnist_mlp.model_selection.resuming import finished_fits, resumable

__all__ = ["finished_fits", "fused", "resumable"]
