"""Weights that another program keeps in a safetensors file, as a classifier."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._network import ACTIVATIONS, Layers, as_layers
from sk_mnist_mlp._storage import KEY, Arrays, read_tensors
from sk_mnist_mlp.exceptions import ModelFileError
from sk_mnist_mlp.export.models import check_chain, fitted_classifier

__all__ = ["from_safetensors"]

_WHO = "from_safetensors"
_WHAT = "the weights of a multilayer perceptron"


def from_safetensors(
    path: str | os.PathLike[str],
    *,
    classes: ArrayLike | None = None,
    activation: str = "relu",
) -> Any:
    """Make a fitted classifier of weights that another program keeps in a safetensors file.

    Its tensors are kernels and biases whose names number the layers, such as ``coefs_0`` and
    ``intercepts_0``, ``dense_1/kernel`` and ``dense_1/bias``, or PyTorch's ``0.weight`` and
    ``0.bias``. Kernels are of shape (n_in, n_out), those named ``weight`` of shape (n_out, n_in),
    as PyTorch has them. Nothing in the file is executed.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file. :func:`~sk_mnist_mlp.save_model` writes another kind, with all that a
        model is: read that by :func:`~sk_mnist_mlp.load_model`.
    classes : array-like of shape (n_classes,) or None, default=None
        Labels in the order of the outputs; None counts from 0.
    activation : str, default="relu"
        Of the hidden layers.

    Returns
    -------
    estimator : MLPDigitClassifier
        Fitted, without history or optimizer state.

    Raises
    ------
    ModelFileError
        If the file holds anything else, or is damaged.
    OSError
        If it is missing or may not be read.
    ValueError
        If there is no such activation, or the classes are not one for each output.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from safetensors.numpy import save_file
    >>> from sk_mnist_mlp.export import from_safetensors
    >>> rng = np.random.default_rng(0)
    >>> shapes = {"0.weight": (16, 64), "0.bias": (16,), "2.weight": (10, 16), "2.bias": (10,)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "torch.safetensors")
    ...     save_file({name: rng.random(shape) for name, shape in shapes.items()}, path)
    ...     classifier = from_safetensors(path)
    >>> classifier.predict(np.zeros((2, 64))).shape
    (2,)
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"{_WHO}: expected activation to be one of {', '.join(sorted(ACTIVATIONS))}, got "
            f"{activation!r}. Give the one of the hidden layers."
        )
    metadata, arrays = read_tensors(path, who=_WHO, what=_WHAT)
    if KEY in metadata:
        raise ModelFileError(
            f"{_WHO}: expected {str(path)!r} to hold the weights of another program, got a file of "
            "this package. Read a model of save_model by load_model."
        )
    try:
        layers = _layers_of(arrays)
        check_chain(_WHO, layers)
    except ValueError as error:
        raise ModelFileError(
            f"{_WHO}: expected {str(path)!r} to be {_WHAT}, got a file where that fails ({error}). "
            "Save kernels and biases alone, numbered by layer."
        ) from error
    return fitted_classifier(_WHO, layers, activation, classes, {})


def _layers_of(arrays: Arrays) -> Layers:
    """Kernel and bias of each layer, in the order of the numbers in their names."""
    dtypes = sorted({array.dtype.name for array in arrays.values()})
    if dtypes not in (["float32"], ["float64"]):
        raise ValueError(f"its tensors are of {', '.join(dtypes) or 'no type'}")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("its weights are not finite")
    kernels: dict[tuple[int, ...], NDArray[Any]] = {}
    biases: dict[tuple[int, ...], NDArray[Any]] = {}
    for name, array in arrays.items():
        part = kernels if array.ndim == 2 else biases
        is_transposed = array.ndim == 2 and name.endswith("weight")
        part[_numbers_in(name)] = np.ascontiguousarray(array.T) if is_transposed else array
    if kernels.keys() != biases.keys() or 2 * len(kernels) != len(arrays):
        raise ValueError(f"its {len(arrays)} names are no numbered pairs of kernels and biases")
    return as_layers([part[key] for key in sorted(kernels) for part in (kernels, biases)])


def _numbers_in(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))
