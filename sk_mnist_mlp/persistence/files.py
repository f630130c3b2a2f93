"""``save_model`` and ``load_model``: a fitted classifier as one file that holds no code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

from sk_mnist_mlp._storage import read_manifest_and_tensors, write_tensors
from sk_mnist_mlp.exceptions import ModelFileError
from sk_mnist_mlp.persistence.estimators import pack_model, unpack_model

__all__ = ["FORMAT_NUMBER", "load_model", "read_manifest", "save_model"]

FORMAT_NUMBER = 1
"""Goes up when a reader of the number before could misread a file; see ``docs/files.md``."""

_LIBRARIES = ("sk_mnist_mlp", "numpy", "scikit-learn", "keras", "tensorflow")


def save_model(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file that holds data only, no code.

    It is a safetensors file: the weights as tensors ``coefs_0``, ``intercepts_0`` and so on, all
    else as JSON in the metadata. It takes the place of an older file whole or not at all, whatever
    happens meanwhile. The optimizer's state goes along if ``warm_start`` or ``partial_fit`` will
    need it, as it does in a pickle.

    Parameters
    ----------
    estimator : MLPDigitClassifier or Pipeline
        Fitted. A pipeline of :class:`~sk_mnist_mlp.ImageFlattener` and the classifier; its
        ``memory`` is no part of the model and stays behind.
    path : str or os.PathLike
        Path of the file; its name may end as you like.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If a parameter cannot be written as a plain value (an optimizer of your own class), or the
        weights are not finite.
    OSError
        If the file cannot be written; an older one is then untouched.

    Warns
    -----
    UserWarning
        If there are callbacks: they are code and stay behind.

    See Also
    --------
    load_model : Reads the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier, load_model, save_model
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=2, random_state=0).fit(X / 16, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, pathlib.Path(folder, "digits.skmlp"))
    ...     loaded = load_model(pathlib.Path(folder, "digits.skmlp"))
    >>> bool((loaded.predict_proba(X / 16) == model.predict_proba(X / 16)).all())
    True
    """
    described, arrays = pack_model(estimator, "save_model")
    manifest = {
        "kind": "model",
        "format": FORMAT_NUMBER,
        "written_by": _versions(),
        "model": described,
    }
    write_tensors(path, manifest, arrays, who="save_model")


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a model that :func:`save_model` wrote; safe whoever made the file.

    Nothing in the file is executed or unpickled, and neither TensorFlow nor Keras is imported.
    Memory stays below 16 times the file's size plus 128 MiB, whatever the file claims.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file.

    Returns
    -------
    estimator : MLPDigitClassifier or Pipeline
        Fitted; its predictions are bit for bit those of the model that was saved.

    Raises
    ------
    ModelFileError
        If the file is no model file, damaged, or of a newer format.
    OSError
        If it is missing, a folder, or may not be read.

    See Also
    --------
    save_model : Writes the file, and has an example.
    """
    fields, arrays = read_manifest_and_tensors(path, who="load_model", what="a model file")
    fields.text("kind", ("model",))
    fields.take("written_by")
    number = fields.whole("format", 1)
    if number > FORMAT_NUMBER:
        version = fields.fields("written_by").text("sk_mnist_mlp")
        raise ModelFileError(
            f"load_model: expected {str(path)!r} to be of format {FORMAT_NUMBER} or below, got "
            f"format {number}, written by sk_mnist_mlp {version}. Upgrade sk_mnist_mlp to read it."
        )
    try:
        model = unpack_model(fields.fields("model"), arrays)
    except RecursionError:
        fields.refuse("values that lie a few levels deep", "deeper ones")
    fields.close()
    return model


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a model file says about itself, checked like :func:`load_model` does.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file.

    Returns
    -------
    manifest : dict
        ``sha256``, ``kind``, ``format``, ``written_by`` (library to version) and ``model``.

    Raises
    ------
    ModelFileError, OSError
        As :func:`load_model` does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sk_mnist_mlp import MLPDigitClassifier, save_model
    >>> from sk_mnist_mlp.persistence import read_manifest
    >>> model = MLPDigitClassifier(hidden_units=2, epochs=1).fit([[0.0], [1.0]], [3, 8])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, pathlib.Path(folder, "digits.skmlp"))
    ...     manifest = read_manifest(pathlib.Path(folder, "digits.skmlp"))
    >>> manifest["model"]["class"]
    'MLPDigitClassifier'
    """
    load_model(path)
    fields, _ = read_manifest_and_tensors(path, who="read_manifest", what="a model file")
    return {name: fields.take(name) for name in fields.names()}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue  # a place that only predicts has no TensorFlow
    return versions
