"""A fitted model as a graph of ONNX operators: plain values, no ``onnx`` needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, divisor_of

__all__ = ["OPSET", "Graph", "Node", "add_classifier", "add_flattener", "onnx_labels"]

OPSET = 17
"""Version of ONNX's operators that the graphs are written in; onnxruntime 1.12 of 2022 has it."""


class Node(NamedTuple):
    """One operator: its type, the names it reads and writes, its attributes."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass
class Graph:
    """Operators in order, and the constants they read.

    Attributes
    ----------
    nodes : list of Node
        Each reads only what stands before it.
    constants : dict of str to ndarray
        Arrays by name.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, kind: str, *inputs: str | NDArray[Any], to: str = "", **attributes: Any) -> str:
        """Add an operator over named values and constants; returns its output's name."""
        names = tuple(
            value if isinstance(value, str) else self._constant(value) for value in inputs
        )
        output = to or f"value_{len(self.nodes)}"
        self.nodes.append(Node(kind, names, output, attributes))
        return output

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name


def _number(value: float) -> NDArray[Any]:
    return np.array(value, np.float32)


def _gelu(graph: Graph, z: str) -> str:
    erf = graph.add("Erf", graph.add("Mul", z, _number(0.7071067811865476)))
    share = graph.add("Mul", graph.add("Add", erf, _number(1.0)), _number(0.5))
    return graph.add("Mul", z, share)


def _mish(graph: Graph, z: str) -> str:
    return graph.add("Mul", z, graph.add("Tanh", graph.add("Softplus", z)))


def _silu(graph: Graph, z: str) -> str:
    return graph.add("Mul", z, graph.add("Sigmoid", z))


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "elu": lambda graph, z: graph.add("Elu", z),
    "gelu": _gelu,
    "leaky_relu": lambda graph, z: graph.add("LeakyRelu", z, alpha=0.2),
    "linear": lambda graph, z: z,
    "mish": _mish,
    "relu": lambda graph, z: graph.add("Relu", z),
    "relu6": lambda graph, z: graph.add("Clip", z, _number(0.0), _number(6.0)),
    "selu": lambda graph, z: graph.add("Selu", z),
    "sigmoid": lambda graph, z: graph.add("Sigmoid", z),
    "silu": _silu,
    "softplus": lambda graph, z: graph.add("Softplus", z),
    "softsign": lambda graph, z: graph.add("Softsign", z),
    "swish": _silu,
    "tanh": lambda graph, z: graph.add("Tanh", z),
}


def add_flattener(graph: Graph, flattener: ImageFlattener, images: str, dtype: Any) -> str:
    """Add a flattener's cast, division and flattening; returns the rows' name."""
    pixels = graph.add("Cast", images, to_type=np.dtype(np.float32))
    divisor = divisor_of(flattener.scale, np.dtype(dtype))
    if divisor is not None:
        pixels = graph.add("Div", pixels, _number(float(divisor)))
    return graph.add("Flatten", pixels, axis=1)


def add_classifier(
    graph: Graph,
    classifier: MLPDigitClassifier,
    rows: str,
    labels: NDArray[Any],
    outputs: tuple[str, str],
) -> None:
    """Add a network in single precision, from rows to the two outputs label and probabilities."""
    fitted = classifier._fitted().astype("float32")
    activate = _ACTIVATIONS[fitted.network.activation]
    hidden = rows
    for layer in fitted.layers[:-1]:
        hidden = activate(graph, graph.add("Gemm", hidden, layer.kernel, layer.bias))
    logits = graph.add("Gemm", hidden, fitted.layers[-1].kernel, fitted.layers[-1].bias)
    graph.add("Softmax", logits, to=outputs[1], axis=-1)
    winner = graph.add("ArgMax", logits, axis=-1, keepdims=0)
    graph.add("Gather", labels, winner, to=outputs[0], axis=0)


def onnx_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Class labels in a type that ONNX has, each of them exactly: bool, int64, float64 or string.

    Raises
    ------
    ValueError
    """
    values = classes.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    if classes.dtype.kind == "O":  # of numbers, in models of older versions
        classes = np.array(values)
    wanted = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64}.get(classes.dtype.kind)
    labels = classes if wanted is None else classes.astype(wanted)
    if wanted is None or not (labels == classes).all():
        raise ValueError(
            "to_onnx: expected labels that are text, booleans or numbers that int64 or float64 can "
            f"hold, got {classes.dtype} such as {classes[-1]}. Use smaller numbers or strings."
        )
    return labels


def onnx_pixels(dtype: Any) -> np.dtype[Any]:
    """The dtype of images as a graph's input.

    Raises
    ------
    ValueError
        If ONNX has no such type.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f" and dtype.itemsize > 8:
        raise ValueError(
            f"to_onnx: expected pixels of a type that ONNX has, got {dtype}. Fit again on "
            "X.astype(float)."
        )
    return dtype.newbyteorder("=")
