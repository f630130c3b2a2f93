"""A few digits, and a classifier that learns them in a moment."""

import numpy as np
from sklearn.datasets import load_digits

from sk_mnist_mlp import MLPDigitClassifier

__all__ = ["digits", "small_classifier"]


def digits(n_rows=None, *, n_classes=10, dtype=np.float64):
    """Return rows of 64 numbers in [0, 1], of scikit-learn's first digits, and their labels."""
    X, y = load_digits(return_X_y=True)
    kept = np.flatnonzero(y < n_classes)[:n_rows]
    return (X[kept] / 16).astype(dtype), y[kept]


def small_classifier(**parameters):
    """Return a classifier that trains in milliseconds, and in the same way each time."""
    return MLPDigitClassifier(**{"hidden_units": 8, "epochs": 2, "random_state": 0} | parameters)
