"""What is computed: the shape of a network, its first weights, and its Keras twin."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

__all__ = ["NetworkSpec", "Weights", "build_network", "initial_weights"]

Weights = list[NDArray[Any]]
"""Kernel, bias, kernel, bias, …, from the input on: the order of ``keras.Model.get_weights``."""


@dataclass(frozen=True)
class NetworkSpec:
    """A multilayer perceptron with softmax output, as a value.

    Attributes
    ----------
    n_features : int
        Width of the input.
    hidden_units : tuple of int
        Width of each hidden layer.
    n_classes : int
        Width of the output, 2 or more.
    activation : str
        A name in :data:`sk_mnist_mlp._activations.ACTIVATIONS`.
    dropout : float
        Fraction of each hidden layer's units dropped in training, in [0, 1).
    l2 : float
        Weight of the sum of squared kernel entries in the loss.
    dtype : str
        ``"float32"`` or ``"float64"``.

    Examples
    --------
    >>> NetworkSpec(784, (256, 256), 10).n_parameters
    269322
    """

    n_features: int
    hidden_units: tuple[int, ...]
    n_classes: int
    activation: str = "relu"
    dropout: float = 0.0
    l2: float = 0.0
    dtype: str = "float32"

    @property
    def layer_widths(self) -> tuple[int, ...]:
        """Widths from the input to the output."""
        return (self.n_features, *self.hidden_units, self.n_classes)

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of kernel, bias and so on, as in :data:`Weights`."""
        pairs = itertools.pairwise(self.layer_widths)
        return [shape for n_in, n_out in pairs for shape in ((n_in, n_out), (n_out,))]

    @property
    def n_parameters(self) -> int:
        """Number of trained weights, biases included."""
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(self.layer_widths))


def initial_weights(spec: NetworkSpec, seed: int) -> Weights:
    """Draw kernels from Glorot's uniform distribution, biases zero, as Keras's ``Dense`` does.

    Drawn by NumPy, so that every engine starts from the same weights.

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural
    networks, AISTATS.
    """
    rng = np.random.default_rng(seed)
    weights: Weights = []
    for n_in, n_out in itertools.pairwise(spec.layer_widths):
        limit = np.sqrt(6.0 / (n_in + n_out))
        weights.append(rng.uniform(-limit, limit, (n_in, n_out)).astype(spec.dtype))
        weights.append(np.zeros(n_out, spec.dtype))
    return weights


def build_network(
    spec: NetworkSpec, weights: Weights | None = None, *, seed: int = 0
) -> keras.Sequential:
    """Build the network as a ``keras.Sequential``: Dense, Activation, Dropout, …, softmax.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    weights : list of arrays or None, default=None
        Its weights; None draws them from ``seed``.
    seed : int, default=0
        Seeds the first weights and the dropout layers. Every layer is given a seed, because Keras
        would draw a missing one from Python's global generator.

    Returns
    -------
    model : keras.Sequential
        Uncompiled.
    """
    import keras

    layers: list[Any] = [keras.Input((spec.n_features,), dtype=spec.dtype)]
    regularizer = keras.regularizers.L2(spec.l2) if spec.l2 else None
    for depth, width in enumerate((*spec.hidden_units, spec.n_classes)):
        layers.append(
            keras.layers.Dense(
                width,
                kernel_initializer=keras.initializers.GlorotUniform(seed=seed + depth),
                kernel_regularizer=regularizer,
                dtype=spec.dtype,
            )
        )
        if depth < len(spec.hidden_units):
            layers.append(keras.layers.Activation(spec.activation, dtype=spec.dtype))
            layers.append(keras.layers.Dropout(spec.dropout, seed=seed + depth, dtype=spec.dtype))
        else:
            layers.append(keras.layers.Activation("softmax", dtype=spec.dtype))
    model = keras.Sequential(layers)
    model.set_weights(initial_weights(spec, seed) if weights is None else weights)
    return model
