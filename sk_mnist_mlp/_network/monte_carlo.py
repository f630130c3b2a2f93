"""Probabilities with dropout left on: how sure a network is of its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace as xp
from sk_mnist_mlp._network.arrays import row_blocks
from sk_mnist_mlp._network.prediction import softmax
from sk_mnist_mlp._network.random_bits import dropout_constants, dropout_scale, step_keys
from sk_mnist_mlp._network.spec import Layer, Layers, NetworkSpec

__all__ = ["sample_probabilities"]


def sample_probabilities(
    X: NDArray[Any], network: NetworkSpec, layers: Layers, n_samples: int, seed: int
) -> NDArray[np.float64]:
    """Draw probabilities from a network whose hidden units drop out as in training.

    The answer has shape (n_samples, n_rows, n_classes) and is NaN where the network overflows.
    The first layer comes before any dropout, so its product is computed once for all samples.
    Memory beside the answer is that of a block of rows. See Gal and Ghahramani (2016), Dropout as
    a Bayesian approximation: representing model uncertainty in deep learning, ICML.
    """
    # Double precision, for the reason that forward gives.
    first_layer, *middle, last = (Layer(*(a.astype(np.float64) for a in one)) for one in layers)
    value = ACTIVATIONS[network.activation].value
    threshold, scale = dropout_constants([network.dropout], np.float64)

    def dropped(hidden: NDArray[Any], key: NDArray[np.uint32]) -> NDArray[Any]:
        shape = len(hidden), hidden.shape[1]
        return hidden * dropout_scale(xp, key[None], shape, threshold, scale)[0]

    answers = np.empty((n_samples, len(X), network.n_classes))
    blocks = row_blocks(len(X), max(network.layer_widths), answers.itemsize)
    with np.errstate(all="ignore"):  # what overflows is NaN in the end
        for number, rows in enumerate(blocks):
            block = np.asarray(X[rows], np.float64)
            first = value(xp, block @ first_layer.kernel + first_layer.bias)
            first_step = number * n_samples
            all_keys = step_keys(seed, first_step, n_samples, len(network.hidden_units))
            for answer, keys in zip(answers, all_keys, strict=True):
                hidden = dropped(first, keys[0])
                for layer, key in zip(middle, keys[1:], strict=True):
                    hidden = dropped(value(xp, hidden @ layer.kernel + layer.bias), key)
                answer[rows] = softmax(hidden @ last.kernel + last.bias)
    return answers
