"""The forward pass in NumPy: what a fitted network answers, without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace as xp
from sk_mnist_mlp._network.arrays import row_blocks
from sk_mnist_mlp._network.spec import Layer, Layers

__all__ = ["SURE", "check_overflow", "forward", "log_softmax", "most_probable", "softmax"]

SURE = 0.9
"""Probability from which an answer is sure; ``examples/benchmarks/bench_sure.py`` measures how
often one is then, and how often rightly."""


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
        Before the softmax; not finite where they overflow, which :func:`check_overflow` refuses.
    """
    return _forward(X, layers, activation, dtype, None)


def _forward(
    X: NDArray[Any],
    layers: Layers,
    activation: str,
    dtype: Any,
    squares: NDArray[Any] | None,
) -> NDArray[Any]:
    """Logits; ``squares`` takes the largest squared norm that a row meets on its way."""
    *hidden_layers, last = (
        Layer(*(array.astype(dtype, copy=False) for array in layer)) for layer in layers
    )
    value = ACTIVATIONS[activation].value
    logits = np.empty((X.shape[0], len(last.bias)), dtype)
    width = max(len(layer.kernel) for layer in layers)

    def note(rows: slice, met: NDArray[Any]) -> None:
        if squares is not None:
            np.maximum(squares[rows], np.vecdot(met, met), out=squares[rows])  # NaN stays

    # What overflows is dealt with where it comes out, not warned of where it happens.
    with np.errstate(all="ignore"):
        for rows in row_blocks(X.shape[0], width, logits.itemsize):
            hidden = np.asarray(X[rows], dtype)
            note(rows, hidden)
            for layer in hidden_layers:
                hidden = hidden @ layer.kernel
                hidden += layer.bias
                note(rows, hidden)
                hidden = value(xp, hidden)
            np.matmul(hidden, last.kernel, out=logits[rows])
            logits[rows] += last.bias
        note(slice(None), logits)
    return logits


def check_overflow(
    who: str, answers: NDArray[Any], rows: NDArray[np.intp] | None = None
) -> NDArray[Any]:
    """Refuse logits that are not finite, or the probabilities of NaN that come of them.

    Parameters
    ----------
    who : str
        For error sentences.
    answers : ndarray of shape (n_rows, n_classes)
        In double precision.
    rows : ndarray of int or None, default=None
        Where they stand among the user's; None for all of them.

    Raises
    ------
    ValueError
    """
    beyond = np.flatnonzero(~np.isfinite(answers).all(axis=1))
    if len(beyond):
        row = beyond[0] if rows is None else rows[beyond[0]]
        raise ValueError(
            f"{who}: expected rows whose answers float64 can hold, got row {row}, where the "
            "network overflows. Scale X to about [0, 1], for example with "
            "sklearn.preprocessing.MinMaxScaler, or fit again with a smaller learning_rate."
        )
    return answers


def most_probable(who: str, X: NDArray[Any], layers: Layers, activation: str) -> NDArray[np.intp]:
    """Index of each row's largest logit.

    Single precision settles nearly every row; the few whose two best logits are too close for it,
    or that overflow it, are computed again in double, so that the answer is :func:`forward`'s.

    Raises
    ------
    ValueError
        As :func:`check_overflow`.
    """
    dtype = layers[0].kernel.dtype
    if dtype == np.float64:
        return check_overflow(who, forward(X, layers, activation)).argmax(axis=1)
    squares = np.zeros(X.shape[0], dtype)
    logits = _forward(X, layers, activation, dtype, squares)
    winners = logits.argmax(axis=1)
    with np.errstate(all="ignore"):
        best_two = np.partition(logits, -2, axis=1)[:, -2:]
        # Rounding grows with the norms on the way, which an activation may hide afterwards. 1e-3 is
        # about 100 times what was seen on networks of up to three hidden layers. What is not finite
        # is never above a margin, and so not settled.
        margin = 1e-3 * (1.0 + np.sqrt(squares))
        settled = best_two[:, 1] - best_two[:, 0] > margin
    close = np.flatnonzero(~settled)
    if len(close):
        again = check_overflow(who, forward(X[close], layers, activation), close)
        winners[close] = again.argmax(axis=1)
    return winners


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of logits, row by row; rows sum to one."""
    with np.errstate(all="ignore"):  # differences beyond all floats have no probability
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Logarithms of the probabilities, finite also where a probability underflows."""
    with np.errstate(all="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.maximum(shifted, np.finfo(shifted.dtype).min)
