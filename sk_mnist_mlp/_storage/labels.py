"""Class labels and arrays of numbers as plain values, and back, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._storage.checked_json import Fields

__all__ = ["NUMBERS", "NotPlainError", "decode_labels", "decode_numbers", "encode_labels"]

NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
"""Names of the dtypes that labels, pixels and arrays of parameters may have."""
_STRINGS = ("object", "str", "string")
_MAX_LABEL_CHARACTERS = 1 << 22


class NotPlainError(Exception):
    """A value is no plain value; its one argument says what it is."""


def encode_labels(labels: NDArray[Any]) -> dict[str, Any]:
    """Class labels as what ``json`` can write; NotPlainError if no bools, numbers or strings."""
    kind = labels.dtype.kind
    name = {"U": "str", "O": "object", "T": "string"}.get(kind, labels.dtype.name)
    values = labels.tolist()
    if name not in NUMBERS + _STRINGS or not all(
        isinstance(v, (bool, int, float, str)) for v in values
    ):
        raise NotPlainError(f"labels of {labels.dtype}")
    encoded: dict[str, Any] = {"dtype": name, "values": values}
    if kind == "U":
        encoded["width"] = labels.dtype.itemsize // 4
        if encoded["width"] * len(labels) > _MAX_LABEL_CHARACTERS:
            raise NotPlainError(f"labels of {encoded['width']} characters")
    return encoded


def decode_labels(fields: Fields, n_labels: int) -> NDArray[Any]:
    """The labels that :func:`encode_labels` wrote: ``n_labels`` of them, sorted and distinct."""
    dtype = fields.text("dtype", NUMBERS + _STRINGS)
    if len(fields.items("values")) != n_labels:
        fields.fail("values", f"a list of {n_labels} labels, the width of the last layer,")
    labels = (_decode_strings if dtype in _STRINGS else decode_numbers)(fields, dtype)
    fields.close()
    if not (labels[1:] > labels[:-1]).all():
        fields.fail("values", "sorted and distinct labels")
    return labels


def decode_numbers(fields: Fields, dtype: str) -> NDArray[Any]:
    """An array of finite numbers of a type among :data:`NUMBERS`, from the field ``values``."""
    values = fields.items("values")
    kind = np.dtype(dtype).kind
    allowed = {"b": (bool,), "f": (int, float)}.get(kind, (int,))
    try:
        if all(type(value) in allowed for value in values):
            with np.errstate(over="ignore"):
                array = np.array(values, dtype)
            if np.isfinite(array).all():
                return array
    except OverflowError:
        pass
    fields.fail("values", f"a list of finite numbers of {dtype}")


def _decode_strings(fields: Fields, dtype: str) -> NDArray[Any]:
    values = fields.items("values")
    texts = all(isinstance(value, str) for value in values)
    numbers_only = all(isinstance(value, (bool, int, float)) for value in values)
    if not texts and not (dtype == "object" and numbers_only):
        fields.fail("values", "a list of strings")
    if dtype == "object":
        return np.array(values, dtype=object)
    if dtype == "string":
        return np.array(values, dtype="T")
    longest = max(map(len, values), default=1)
    width = fields.whole("width", longest, _MAX_LABEL_CHARACTERS // max(1, len(values)))
    return np.array(values, f"<U{width}")
