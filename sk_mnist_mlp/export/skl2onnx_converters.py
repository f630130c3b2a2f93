"""skl2onnx: converters, so that ``convert_sklearn`` knows this package's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._extras import require
from sk_mnist_mlp.export.onnx_models import onnx_labels, write_onnx

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
        ImageFlattener, "SkMnistMlpImageFlattener", _flattener_shapes, _convert
    )
    skl2onnx.update_registered_converter(
        MLPDigitClassifier,
        "SkMnistMlpMLPDigitClassifier",
        _classifier_shapes,
        _convert,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
    )


def _flattener_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([n_rows, operator.raw_operator.n_features_in_])


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common import data_types

    n_rows = operator.inputs[0].get_first_dimension()
    labels = _labels_of(operator.raw_operator.classes_)
    kinds = {"O": data_types.StringTensorType, "i": data_types.Int64TensorType}
    kind = kinds.get(labels.dtype.kind, data_types.DoubleTensorType)
    operator.outputs[0].type = kind([n_rows])
    operator.outputs[1].type = data_types.FloatTensorType([n_rows, len(labels)])


def _labels_of(classes: NDArray[Any]) -> NDArray[Any]:
    """The classes as skl2onnx wants them, which makes whole numbers of bools."""
    labels = onnx_labels(classes)
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
    model = write_onnx([step], "images", source.shape[1:], dtype, _labels_of)
    add_onnx_graph(scope, operator, container, model)
