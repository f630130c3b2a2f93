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
    """The weights of a dense layer, or anything that has one array for each of them."""

    kernel: Any  # of shape (n_in, n_out)
    bias: Any  # of shape (n_out,)


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

    Examples
    --------
    >>> NetworkSpec(784, (256, 256), 10).n_parameters
    269322
    """

    n_features: int
    hidden_units: tuple[int, ...]
    n_classes: int
    activation: str = "relu"  # a name in ACTIVATIONS
    dropout: float = 0.0  # fraction of each hidden layer's units dropped in training, in [0, 1)
    l2: float = 0.0  # weight of the sum of squared kernel entries in the loss
    dtype: str = "float32"

    @property
    def layer_widths(self) -> tuple[int, ...]:
        """Widths from the input to the output."""
        return (self.n_features, *self.hidden_units, self.n_classes)

    @property
    def layer_shapes(self) -> tuple[tuple[tuple[int, int], tuple[int]], ...]:
        """Shapes of each layer's kernel and bias."""
        return tuple((pair, pair[1:]) for pair in itertools.pairwise(self.layer_widths))

    @property
    def n_parameters(self) -> int:
        """Number of weights, biases included."""
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(self.layer_widths))


def initial_layers(spec: NetworkSpec, seed: int) -> Layers:
    """Draw kernels from Glorot's uniform distribution, biases zero, as Keras's ``Dense`` does.

    Drawn by NumPy, so that every engine starts from the same weights. See Glorot and Bengio (2010),
    Understanding the difficulty of training deep feedforward neural networks, AISTATS.
    """
    rng = np.random.default_rng(seed)

    def draw(n_in: int, n_out: int) -> Layer:
        limit = np.sqrt(6.0 / (n_in + n_out))
        kernel: NDArray[Any] = rng.uniform(-limit, limit, (n_in, n_out)).astype(spec.dtype)
        return Layer(kernel, np.zeros(n_out, spec.dtype))

    return tuple(itertools.starmap(draw, itertools.pairwise(spec.layer_widths)))
