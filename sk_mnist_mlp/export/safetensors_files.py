"""safetensors: the bare weights, for whoever reads tensors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from sk_mnist_mlp._extras import require
from sk_mnist_mlp._network import ACTIVATIONS, as_layers
from sk_mnist_mlp._storage import Fields, NotPlainError, decode_labels, encode_labels, replacing
from sk_mnist_mlp.exceptions import ModelFileError
from sk_mnist_mlp.export.models import check_chain, check_model, fitted_classifier

__all__ = ["from_safetensors", "to_safetensors"]

_MAX_LAYERS = 400


def to_safetensors(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a classifier's weights, and nothing else that it knows, as safetensors.

    Needs the extra ``safetensors``. The tensors are ``coefs_0`` of shape (n_features, width),
    ``intercepts_0`` of shape (width,) and so on; the metadata name the ``activation``, the
    ``classes`` as a JSON list, and in ``classes_type`` their dtype. An older file is replaced
    whole.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        Fitted.
    path : str or os.PathLike
        Path of the file.

    Raises
    ------
    ImportError
        If ``safetensors`` is not installed.
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else or not fitted.
    ValueError
        If its labels are neither text nor booleans nor numbers.
    OSError
        If the file cannot be written.

    See Also
    --------
    from_safetensors : Reads the file, and has an example.
    """
    check_model("to_safetensors", estimator, pipelines=False)
    numpy_format = require("safetensors.numpy", who="to_safetensors")
    try:
        labels = encode_labels(estimator.classes_)
    except NotPlainError as error:
        raise ValueError(
            f"to_safetensors: expected labels that are text, booleans or numbers, got {error}. "
            "Fit again with y.astype(str), or pickle the model."
        ) from None
    pairs = zip(estimator.coefs_, estimator.intercepts_, strict=True)
    tensors = {}
    for depth, (kernel, bias) in enumerate(pairs):
        tensors[f"coefs_{depth}"] = np.ascontiguousarray(kernel)
        tensors[f"intercepts_{depth}"] = np.ascontiguousarray(bias)
    metadata = {
        "activation": estimator._network.activation,
        "classes": json.dumps(labels.pop("values")),
        "classes_type": json.dumps(labels),
    }
    with replacing(path, who="to_safetensors") as file:
        file.write(numpy_format.save(tensors, metadata))


def from_safetensors(
    path: str | os.PathLike[str],
    *,
    classes: ArrayLike | None = None,
    activation: str | None = None,
) -> Any:
    """Make a fitted classifier of weights in a safetensors file.

    Needs the extra ``safetensors``.

    Parameters
    ----------
    path : str or os.PathLike
        A file as :func:`to_safetensors` writes it, whoever made it.
    classes : array-like of shape (n_classes,) or None, default=None
        Labels in the order of the outputs; None takes the file's, or counts from 0.
    activation : str or None, default=None
        Of the hidden layers; None takes the file's, or ``"relu"``.

    Returns
    -------
    estimator : MLPDigitClassifier
        Fitted, without history or optimizer state.

    Raises
    ------
    ImportError
        If ``safetensors`` is not installed.
    ModelFileError
        If the file is no such file.
    OSError
        If it is missing or may not be read.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import from_safetensors, to_safetensors
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "digits.safetensors")
    ...     to_safetensors(model, path)
    ...     loaded = from_safetensors(path)
    >>> bool((loaded.predict(X / 16) == model.predict(X / 16)).all())
    True
    """
    require("safetensors.numpy", who="from_safetensors")
    import safetensors

    path = Path(path)
    with open(path, "rb"):
        pass  # missing and unreadable files raise here, in Python's words
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            n_layers = len(file.keys()) // 2
            names = [f"{kind}_{i}" for i in range(n_layers) for kind in ("coefs", "intercepts")]
            if set(names) != set(file.keys()) or n_layers > _MAX_LAYERS:
                raise ValueError("its tensors are not named coefs_0, intercepts_0, …")
            arrays = [file.get_tensor(name) for name in names]
        dtypes = {array.dtype.name for array in arrays}
        if dtypes not in ({"float32"}, {"float64"}):
            raise ValueError(f"its tensors are of {', '.join(sorted(dtypes))}")
        layers = as_layers(arrays)
        check_chain("from_safetensors", layers)
        activation = activation or metadata.get("activation", "relu")
        if activation not in ACTIVATIONS:
            raise ValueError(f"its activation is {activation!r}")
        if classes is None and "classes" in metadata:
            classes = _read_classes(metadata, len(layers[-1].bias))
        return fitted_classifier("from_safetensors", layers, activation, classes, {})
    except (safetensors.SafetensorError, RecursionError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"from_safetensors: expected {str(path)!r} to hold the weights of a multilayer "
            f"perceptron, got a file where that fails ({error}). Write it by to_safetensors."
        ) from error


def _read_classes(metadata: dict[str, str], n_classes: int) -> ArrayLike:
    values = json.loads(metadata["classes"])
    if "classes_type" not in metadata:  # by versions or programs that keep no dtype
        return values

    def refuse(expected: str, got: str) -> NoReturn:
        raise ValueError(f"expected {expected}, got {got}")

    record = Fields(json.loads(metadata["classes_type"]), "classes_type", refuse)
    known = {name: record.take(name) for name in record.names()}
    return decode_labels(Fields(known | {"values": values}, "classes", refuse), n_classes)
