"""Many fits at once: scikit-learn's searches and ensembles, trained as stacks.

>>> from sk_mnist_mlp.model_selection import fused
"""

import joblib

from sk_mnist_mlp.model_selection.backend import FusedBackend, fused

__all__ = ["fused"]

joblib.register_parallel_backend("fused", FusedBackend)
