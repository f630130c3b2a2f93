"""ONNX: a fitted model as a graph that runs without this package, alone or by skl2onnx."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, divisor_of
from sk_mnist_mlp._extras import require
from sk_mnist_mlp.export.models import check_model

__all__ = ["register_skl2onnx_converters", "to_onnx"]

_OPSET = 17
"""Version of ONNX's operators that the graphs are written in; onnxruntime 1.12 of 2022 has it."""

_IR_VERSION = 8  # of the files that _OPSET came with


def to_onnx(estimator: Any) -> Any:
    """Turn a fitted model into an ONNX model.

    Needs the extra ``onnx``, and neither Keras nor TensorFlow. Checked against onnxruntime, its
    probabilities are within 1e-5 of ``predict_proba``. It computes in single precision, as few
    runtimes have every operator in double; rows that overflow that give NaN.

    Parameters
    ----------
    estimator : MLPDigitClassifier or Pipeline
        Fitted; a pipeline of :class:`~sk_mnist_mlp.ImageFlattener` and the classifier; or a search,
        whose best estimator counts.

    Returns
    -------
    model : onnx.ModelProto
        Write it by ``onnx.save(model, path)``. Its input is ``images``, of the shape and dtype seen
        in fit (``uint8`` of shape (n, 28, 28) for MNIST), or, of a bare classifier, ``rows``,
        float32 of shape (n, n_features). Its outputs are ``label`` of shape (n,), int64, bool,
        double or string, and ``probabilities``, float32 of shape (n, n_classes).

    Raises
    ------
    ImportError
        If ``onnx`` is not installed.
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else or not fitted.
    ValueError
        If its labels or pixels are of a type that ONNX does not have, such as dates.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import to_onnx
    >>> X, y = load_digits(return_X_y=True)
    >>> model = to_onnx(MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y))
    >>> [value.name for value in (*model.graph.input, *model.graph.output)]
    ['rows', 'label', 'probabilities']
    """
    flatteners, classifier = check_model("to_onnx", estimator, pipelines=True)
    require("onnx", who="to_onnx")
    if not flatteners:
        width = classifier.n_features_in_
        return _write([classifier], "rows", (width,), np.dtype(np.float32))
    shape, dtype = flatteners[0]._input_shape, flatteners[0].image_dtype_
    if dtype.kind == "f" and dtype.itemsize > 8:
        raise ValueError(
            f"to_onnx: expected pixels of a type that ONNX has, got {dtype}. Fit again on "
            "X.astype(float)."
        )
    return _write([*flatteners, classifier], "images", shape, dtype)


def register_skl2onnx_converters() -> None:
    """Teach ``skl2onnx.convert_sklearn`` the estimators of this package.

    Needs the extra ``onnx``. Call it once in a process; a second call changes nothing. Images go
    in as ``UInt8TensorType([None, 28, 28])``, or of what dtype and shape the flattener has seen in
    fit; the option ``zipmap=False`` gives probabilities as one array.

    Raises
    ------
    ImportError
        If ``skl2onnx`` is not installed.

    See Also
    --------
    to_onnx : Needs only ``onnx``, and no conversion options.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import register_skl2onnx_converters
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> import skl2onnx
    >>> register_skl2onnx_converters()
    >>> skl2onnx.to_onnx(model, X[:1].astype("float32")).graph.input[0].name
    'X'
    """
    skl2onnx = require("skl2onnx", who="register_skl2onnx_converters")
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for kind, taken in ((ImageFlattener, None), (MLPDigitClassifier, options)):
        alias = f"SkMnistMlp{kind.__name__}"
        skl2onnx.update_registered_converter(kind, alias, _set_shapes, _convert, options=taken)


def _onnx_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Class labels in a type that ONNX has, each of them exactly; a ValueError for others."""
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


def _write(
    steps: Sequence[ImageFlattener | MLPDigitClassifier],
    source: str,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    labels_of: Callable[[NDArray[Any]], NDArray[Any]] = _onnx_labels,
) -> Any:
    """Write fitted steps, one after the other, as an ONNX model.

    ``source`` names the input, whose samples have this shape and dtype. The last step decides the
    outputs: labels and probabilities of a classifier, rows of a flattener.
    """
    from onnx import TensorProto, helper

    def describe(name: str, kind: np.dtype[Any], size: Sequence[int]) -> Any:
        element = helper.np_dtype_to_tensor_dtype(kind)
        return helper.make_tensor_value_info(name, element, ["n", *size])

    graph, float32 = _Graph(), np.dtype(np.float32)
    inputs = [describe(source, dtype, shape)]
    value = graph.add("Cast", source, to=TensorProto.FLOAT)
    for step in steps:
        if isinstance(step, MLPDigitClassifier):
            labels, fitted = labels_of(step.classes_), step._fitted().astype("float32")
            *hidden_layers, last = fitted.layers
            for layer in hidden_layers:
                value = graph.add("Gemm", value, *layer)
                value = _activate(graph, fitted.network.activation, value)
            logits = graph.add("Gemm", value, *last)
            graph.add("Softmax", logits, output="probabilities", axis=-1)
            winner = graph.add("ArgMax", logits, axis=-1, keepdims=0)
            graph.add("Gather", labels, winner, output="label", axis=0)
            outputs = [
                describe("label", labels.dtype, ()),
                describe("probabilities", float32, labels.shape),
            ]
        else:
            divisor = divisor_of(step.scale, dtype)
            if divisor is not None:
                value = graph.add("Div", value, divisor)
            value = graph.add("Flatten", value, axis=1)
            dtype = float32
            outputs = [describe(value, dtype, (step.n_features_in_,))]
    return helper.make_model(
        helper.make_graph(graph.nodes, "sk_mnist_mlp", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sk_mnist_mlp",
        producer_version=importlib.metadata.version("sk_mnist_mlp"),
    )


class _Graph:
    """Operators in order, each of which reads only what stands before it, and their constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: Any, output: str = "", **attributes: Any) -> str:
        """Add an operator over named values and constants; returns its output's name."""
        from onnx import helper, numpy_helper

        names = []
        for value in inputs:
            if isinstance(value, str):
                names.append(value)
            else:
                names.append(f"constant_{len(self.constants)}")
                self.constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        output = output or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], output, **attributes))
        return output


def _activate(graph: _Graph, activation: str, z: str) -> str:
    half, one = np.float32(0.5), np.float32(1)
    match activation:
        case "gelu":  # z / 2 * (1 + erf(z / √2))
            erf = graph.add("Erf", graph.add("Mul", z, np.sqrt(half)))
            return graph.add("Mul", graph.add("Mul", z, half), graph.add("Add", erf, one))
        case "leaky_relu":
            return graph.add("LeakyRelu", z, alpha=0.2)
        case "mish":
            return graph.add("Mul", z, graph.add("Tanh", graph.add("Softplus", z)))
        case "relu6":
            return graph.add("Clip", z, np.float32(0), np.float32(6))
        case "silu" | "swish":
            return graph.add("Mul", z, graph.add("Sigmoid", z))
    return graph.add(_OPERATORS[activation], z)


_OPERATORS = {  # the activations that are one operator without attributes
    "elu": "Elu",
    "linear": "Identity",
    "relu": "Relu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "tanh": "Tanh",
}


# ----------------------------------------------------------------------------------------------
# skl2onnx


def _set_shapes(operator: Any) -> None:
    """Tell skl2onnx what comes out: rows, or labels and probabilities."""
    from skl2onnx.common import data_types

    n_rows, width = operator.inputs[0].get_first_dimension(), operator.raw_operator.n_features_in_
    *labels_of_classifier, last = operator.outputs
    for output in labels_of_classifier:
        labels = _skl2onnx_labels(operator.raw_operator.classes_)
        kinds = {"O": data_types.StringTensorType, "i": data_types.Int64TensorType}
        output.type = kinds.get(labels.dtype.kind, data_types.DoubleTensorType)([n_rows])
        width = len(labels)
    last.type = data_types.FloatTensorType([n_rows, width])


def _skl2onnx_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """The classes as skl2onnx wants them, which makes whole numbers of bools."""
    labels = _onnx_labels(classes)
    return labels.astype(np.int64) if labels.dtype == bool else labels


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Put into skl2onnx's graph what :func:`to_onnx` writes of this step."""
    from onnx.helper import tensor_dtype_to_np_dtype
    from skl2onnx.helpers import add_onnx_graph

    step, source = operator.raw_operator, operator.inputs[0].type
    dtype = tensor_dtype_to_np_dtype(source.to_onnx_type().tensor_type.elem_type)
    if dtype.kind not in "biuf":
        raise ValueError(
            f"convert_sklearn: expected images as a tensor of numbers, got {type(source).__name__}."
            " MNIST's are UInt8TensorType([None, 28, 28])."
        )
    model = _write([step], "images", source.shape[1:], dtype, _skl2onnx_labels)
    add_onnx_graph(scope, operator, container, model)
