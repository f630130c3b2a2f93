"""MNIST, embedded, and the IDX format it comes in; nothing is ever downloaded."""

from sk_mnist_mlp.datasets.idx import load_idx
from sk_mnist_mlp.datasets.mnist import load_mnist

__all__ = ["load_idx", "load_mnist"]
