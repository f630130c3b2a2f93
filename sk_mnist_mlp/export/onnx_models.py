"""ONNX: a fitted model as a graph that runs without this package, Keras or TensorFlow."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np

from sk_mnist_mlp._extras import require
from sk_mnist_mlp.export.graph import (
    OPSET,
    Graph,
    add_classifier,
    add_flattener,
    onnx_labels,
    onnx_pixels,
)
from sk_mnist_mlp.export.models import check_model, split_model

__all__ = ["to_onnx"]

_IR_VERSION = 8  # of the files that OPSET came with


def to_onnx(estimator: Any) -> Any:
    """Turn a fitted model into an ONNX model.

    Needs the extra ``onnx``, and neither Keras nor TensorFlow. Checked against onnxruntime, its
    probabilities are within 1e-5 of ``predict_proba``.

    Parameters
    ----------
    estimator : MLPDigitClassifier or Pipeline
        Fitted; a pipeline of :class:`~sk_mnist_mlp.ImageFlattener` and the classifier.

    Returns
    -------
    model : onnx.ModelProto
        Write it by ``onnx.save(model, path)``, or hand ``model.SerializeToString()`` to a runtime.
        Its input is ``images``, of the shape and dtype seen in fit with any number of images in
        front (``uint8`` of shape (n, 28, 28) for MNIST, or (n, 784) where fit saw flat rows), or,
        of a bare classifier, ``rows``, float32 of shape (n, n_features). Its outputs are ``label``
        of shape (n,), int64, bool, double or string, and ``probabilities``, float32 of shape
        (n, n_classes).

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
    check_model("to_onnx", estimator, pipelines=True)
    onnx = require("onnx", who="to_onnx")
    helper = onnx.helper
    flatteners, classifier = split_model(estimator)
    graph = Graph()
    source, dtype = "rows", np.dtype(np.float32)
    shape: tuple[int, ...] = (classifier.n_features_in_,)
    if flatteners:
        source, shape = "images", flatteners[0]._input_shape
        dtype = onnx_pixels(flatteners[0].image_dtype_)
    value, value_dtype = source, dtype
    for flattener in flatteners:
        value = add_flattener(graph, flattener, value, value_dtype)
        value_dtype = np.dtype(np.float32)
    labels = onnx_labels(classifier.classes_)
    add_classifier(graph, classifier, value, labels, ("label", "probabilities"))
    n_classes = len(classifier.classes_)
    made = helper.make_graph(
        [_node(helper, node) for node in graph.nodes],
        "sk_mnist_mlp",
        [helper.make_tensor_value_info(source, _type(helper, dtype), ["n", *shape])],
        [
            helper.make_tensor_value_info("label", _type(helper, labels.dtype), ["n"]),
            helper.make_tensor_value_info(
                "probabilities", onnx.TensorProto.FLOAT, ["n", n_classes]
            ),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sk_mnist_mlp",
        producer_version=importlib.metadata.version("sk_mnist_mlp"),
    )


def _type(helper: Any, dtype: np.dtype[Any]) -> int:
    return int(helper.np_dtype_to_tensor_dtype(dtype))


def _node(helper: Any, node: Any) -> Any:
    attributes = dict(node.attributes)
    if "to_type" in attributes:
        attributes["to"] = _type(helper, attributes.pop("to_type"))
    return helper.make_node(node.kind, node.inputs, [node.output], **attributes)
