"""The data as every contestant gets them: flat float32 rows in [0, 1] and integer labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


def mnist(n_rows: int = 60_000) -> tuple[Rows, Rows, Labels, Labels]:
    """Return the first training rows, the 10,000 test rows, and their labels."""
    from sk_mnist_mlp.datasets import load_mnist

    X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    X_train, y_train = X_train[:n_rows], y_train[:n_rows]
    return _flat(X_train), _flat(X_test), y_train.astype(np.int64), y_test.astype(np.int64)


def _flat(images: NDArray[Any]) -> Rows:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def digits() -> tuple[Rows, Labels]:
    """Return scikit-learn's 1,797 digits of 8 × 8 pixels."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y.astype(np.int64)
