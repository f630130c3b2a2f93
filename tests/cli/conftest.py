"""What tests of several commands are given."""

import numpy as np
import pytest

from sk_mnist_mlp.datasets import load_mnist


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A thousand digits to train on and two hundred to test on, as Keras stores them."""
    X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    parts = {"x_train": X_train[:1000], "y_train": y_train[:1000]}
    np.savez(path, **parts, x_test=X_test[:200], y_test=y_test[:200])
    return str(path)
