"""Probabilities with dropout left on: how sure a network is of its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace as xp
from sk_mnist_mlp._network.arrays import row_blocks
from sk_mnist_mlp._network.dropout import dropout_constants, dropout_scale
from sk_mnist_mlp._network.prediction import softmax
from sk_mnist_mlp._network.random_bits import step_keys
from sk_mnist_mlp._network.spec import Layer, Layers, NetworkSpec

__all__ = ["sample_probabilities"]


def sample_probabilities(
    X: NDArray[Any], network: NetworkSpec, layers: Layers, n_samples: int, seed: int
) -> NDArray[np.float64]:
    """Draw probabilities from a network whose hidden units drop out as in training.

    The first layer comes before any dropout, so its product is computed once for all samples.
    Memory beside the answer is that of a block of rows.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Any real dtype.
    network : NetworkSpec
        Its activation and its rate of dropout are used.
    layers : tuple of Layer
        Its weights.
    n_samples : int
        Draws for each row.
    seed : int
        Decides the draws.

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_rows, n_classes)
        Each ``[s, i]`` sums to one, or is NaN where the network overflows.

    References
    ----------
    Gal and Ghahramani (2016), Dropout as a Bayesian approximation: representing model uncertainty
    in deep learning, ICML.
    """
    # Double precision, for the reason that forward gives.
    first_layer, *middle, last = (Layer(*(a.astype(np.float64) for a in one)) for one in layers)
    value = ACTIVATIONS[network.activation].value
    threshold, scale = dropout_constants([network.dropout], np.float64)
    n_hidden = len(network.hidden_units)

    def dropped(hidden: NDArray[Any], key: NDArray[np.uint32]) -> NDArray[Any]:
        shape = len(hidden), hidden.shape[1]
        return hidden * dropout_scale(xp, key[None], shape, threshold, scale)[0]

    answers = np.empty((n_samples, len(X), network.n_classes))
    blocks = row_blocks(len(X), max(network.layer_widths), answers.itemsize)
    with np.errstate(all="ignore"):  # what overflows is NaN in the end
        for number, rows in enumerate(blocks):
            block = np.asarray(X[rows], np.float64)
            first = value(xp, block @ first_layer.kernel + first_layer.bias)
            keys = step_keys(seed, number * n_samples, n_samples, n_hidden)
            for sample in range(n_samples):
                hidden = dropped(first, keys[sample, 0])
                for depth, layer in enumerate(middle, start=1):
                    hidden = value(xp, hidden @ layer.kernel + layer.bias)
                    hidden = dropped(hidden, keys[sample, depth])
                answers[sample, rows] = softmax(hidden @ last.kernel + last.bias)
    return answers
