"""The forward pass in NumPy: what a fitted network answers, without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace as xp
from sk_mnist_mlp._network.arrays import row_blocks
from sk_mnist_mlp._network.spec import Layer, Layers

__all__ = ["forward", "log_softmax", "most_probable", "softmax"]


def forward(
    X: NDArray[Any], layers: Layers, activation: str, *, dtype: Any = np.float64
) -> NDArray[Any]:
    """Compute the logits of a network, block by block.

    In single precision a matrix product's last bits depend on how many rows it has and on where a
    row stands among them. Double precision hides that far below what a probability shows, so by
    default a row's answer does not depend on its neighbours.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Any real dtype; each block is cast, never the whole.
    layers : tuple of Layer
        Its weights.
    activation : str
        Activation of the hidden layers.
    dtype : dtype, default=float64
        Of the arithmetic.

    Returns
    -------
    logits : ndarray of shape (n_rows, n_classes)
        Before the softmax.
    """
    *hidden_layers, last = (
        Layer(*(a.astype(dtype, copy=False) for a in layer)) for layer in layers
    )
    value = ACTIVATIONS[activation].value
    logits = np.empty((X.shape[0], len(last.bias)), dtype)
    width = max(len(layer.kernel) for layer in layers)
    for rows in row_blocks(X.shape[0], width, logits.itemsize):
        hidden = np.asarray(X[rows], dtype)
        for layer in hidden_layers:
            hidden = hidden @ layer.kernel
            hidden += layer.bias
            hidden = value(xp, hidden)
        np.matmul(hidden, last.kernel, out=logits[rows])
    logits += last.bias
    return logits


def most_probable(X: NDArray[Any], layers: Layers, activation: str) -> NDArray[np.intp]:
    """Index of each row's largest logit.

    Single precision settles nearly every row; the few whose two best logits are too close for it
    are computed again in double, so that the answer is :func:`forward`'s.
    """
    logits = forward(X, layers, activation, dtype=layers[0].kernel.dtype)
    winners = logits.argmax(axis=1)
    if logits.dtype == np.float64:
        return winners
    # About 100 times the error of logits seen on networks of up to three hidden layers.
    margin = 1e-3 * (1.0 + np.abs(logits).max(axis=1))
    best_two = np.partition(logits, -2, axis=1)[:, -2:]
    close = np.flatnonzero(best_two[:, 1] - best_two[:, 0] < margin)
    if len(close):
        winners[close] = forward(X[close], layers, activation).argmax(axis=1)
    return winners


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of logits, row by row; rows sum to one."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Logarithms of the probabilities, exact where a probability underflows."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
