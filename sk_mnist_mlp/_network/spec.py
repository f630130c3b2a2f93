"""What is computed: the shape of a network, its layers, and their first weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layer", "Layers", "NetworkSpec", "as_arrays", "as_layers", "initial_layers"]


class Layer(NamedTuple):
    """The weights of a dense layer, or anything that has one array for each of them.

    Attributes
    ----------
    kernel : ndarray of shape (n_in, n_out)
        Weights of the inputs.
    bias : ndarray of shape (n_out,)
        Added to their sum.
    """

    kernel: Any
    bias: Any


Layers = tuple[Layer, ...]
"""From the input on."""


def as_layers(arrays: Sequence[Any]) -> Layers:
    """Layers of kernel, bias, kernel, bias, …, as ``keras.Model.get_weights`` lists them."""
    return tuple(Layer(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True))


def as_arrays(layers: Iterable[Layer]) -> list[Any]:
    """Kernel, bias, kernel, bias, …, as ``keras.Model.set_weights`` takes them."""
    return [array for layer in layers for array in layer]


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
        A name in :data:`sk_mnist_mlp._network.activations.ACTIVATIONS`.
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
    def layer_shapes(self) -> tuple[tuple[tuple[int, int], tuple[int]], ...]:
        """Shapes of each layer's kernel and bias."""
        pairs = itertools.pairwise(self.layer_widths)
        return tuple(((n_in, n_out), (n_out,)) for n_in, n_out in pairs)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights, biases included."""
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(self.layer_widths))


def initial_layers(spec: NetworkSpec, seed: int) -> Layers:
    """Draw kernels from Glorot's uniform distribution, biases zero, as Keras's ``Dense`` does.

    Drawn by NumPy, so that every engine starts from the same weights.

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural
    networks, AISTATS.
    """
    rng = np.random.default_rng(seed)

    def draw(n_in: int, n_out: int) -> Layer:
        limit = np.sqrt(6.0 / (n_in + n_out))
        kernel: NDArray[Any] = rng.uniform(-limit, limit, (n_in, n_out)).astype(spec.dtype)
        return Layer(kernel, np.zeros(n_out, spec.dtype))

    return tuple(itertools.starmap(draw, itertools.pairwise(spec.layer_widths)))
