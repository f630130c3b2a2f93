"""skl2onnx: converters, so that ``convert_sklearn`` knows this package's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._extras import require
from sk_mnist_mlp.export.graph import Graph, add_classifier, add_flattener, onnx_labels

__all__ = ["register_skl2onnx_converters"]


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
    skl2onnx.update_registered_converter(
        ImageFlattener, "SkMnistMlpImageFlattener", _flattener_shapes, _convert_flattener
    )
    skl2onnx.update_registered_converter(
        MLPDigitClassifier,
        "SkMnistMlpMLPDigitClassifier",
        _classifier_shapes,
        _convert_classifier,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
    )


def _flattener_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    flattener = operator.raw_operator
    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([n_rows, flattener.n_features_in_])


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common import data_types

    classifier = operator.raw_operator
    n_rows = operator.inputs[0].get_first_dimension()
    kinds = {"O": data_types.StringTensorType, "i": data_types.Int64TensorType}
    kind = kinds.get(_labels(classifier).dtype.kind, data_types.DoubleTensorType)
    operator.outputs[0].type = kind([n_rows])
    operator.outputs[1].type = data_types.FloatTensorType([n_rows, len(classifier.classes_)])


def _labels(classifier: MLPDigitClassifier) -> NDArray[Any]:
    """The classes as skl2onnx wants them, which makes whole numbers of bools."""
    labels = onnx_labels(classifier.classes_)
    return labels.astype(np.int64) if labels.dtype == bool else labels


def _convert_flattener(scope: Any, operator: Any, container: Any) -> None:
    source = operator.inputs[0]
    kind = type(source.type).__name__
    if kind not in _TENSOR_TYPES:
        raise ValueError(
            f"convert_sklearn: expected images as one of {', '.join(_TENSOR_TYPES)}, got {kind}. "
            "MNIST's are UInt8TensorType([None, 28, 28])."
        )
    graph = Graph()
    dtype = np.dtype(_TENSOR_TYPES[kind])
    rows = add_flattener(graph, operator.raw_operator, source.full_name, dtype)
    _write(graph, {rows: operator.outputs[0].full_name}, scope, container)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph = Graph()
    rows = graph.add("Cast", operator.inputs[0].full_name, to_type=np.dtype(np.float32))
    classifier = operator.raw_operator
    add_classifier(graph, classifier, rows, _labels(classifier), ("label", "probabilities"))
    label, probabilities = (output.full_name for output in operator.outputs)
    _write(graph, {"label": label, "probabilities": probabilities}, scope, container)


def _write(graph: Graph, names: dict[str, str], scope: Any, container: Any) -> None:
    """Add a graph to skl2onnx's, under names that are free there."""
    import onnx

    for name, array in graph.constants.items():
        names[name] = scope.get_unique_variable_name(name)
        tensor = onnx.numpy_helper.from_array(array, names[name])
        container.initializers.append(tensor)
    for node in graph.nodes:
        if node.output not in names:
            names[node.output] = scope.get_unique_variable_name(node.output)
        attributes = dict(node.attributes)
        if "to_type" in attributes:
            to_type = attributes.pop("to_type")
            attributes["to"] = int(onnx.helper.np_dtype_to_tensor_dtype(to_type))
        container.add_node(
            node.kind,
            [names.get(name, name) for name in node.inputs],
            [names[node.output]],
            op_version=_OPERATOR_VERSIONS.get(node.kind, 1),
            name=scope.get_unique_operator_name(node.kind),
            **attributes,
        )


_TENSOR_TYPES = {
    "BooleanTensorType": "bool",
    "DoubleTensorType": "float64",
    "FloatTensorType": "float32",
    "Int16TensorType": "int16",
    "Int32TensorType": "int32",
    "Int64TensorType": "int64",
    "Int8TensorType": "int8",
    "UInt16TensorType": "uint16",
    "UInt8TensorType": "uint8",
}

_OPERATOR_VERSIONS = {
    "Add": 14,
    "ArgMax": 13,
    "Cast": 13,
    "Clip": 13,
    "Div": 14,
    "Elu": 6,
    "Erf": 13,
    "Flatten": 13,
    "Gather": 13,
    "Gemm": 13,
    "LeakyRelu": 16,
    "Mul": 14,
    "Relu": 14,
    "Selu": 6,
    "Sigmoid": 13,
    "Softmax": 13,
    "Tanh": 13,
}
"""The versions of the operators that version OPSET of the whole set has."""
