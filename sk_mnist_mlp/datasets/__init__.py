"""MNIST, embedded, the IDX format it comes in, and pictures made alike; nothing is downloaded."""

from sk_mnist_mlp.datasets.idx import load_idx
from sk_mnist_mlp.datasets.images import (
    Digit,
    Shapes,
    find_shapes,
    load_image,
    prepare_digit,
    read_digit,
    read_digits,
)
from sk_mnist_mlp.datasets.mnist import load_mnist

__all__ = [
    "Digit",
    "Shapes",
    "find_shapes",
    "load_idx",
    "load_image",
    "load_mnist",
    "prepare_digit",
    "read_digit",
    "read_digits",
]
