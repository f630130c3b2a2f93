"""Parameters, classes and numbers as JSON, and back: plain values only.

JSON's own scalars and lists stand for themselves. Everything else is an object of one field, whose
name says what it is: ``{"tuple": [256, 64]}``, ``{"dict": [[3, 2.0]]}``, ``{"float": "nan"}``.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, RandomDistortion
from sk_mnist_mlp._storage import (
    KERAS_CLASSES,
    NUMBERS,
    Fields,
    KerasConfig,
    NotPlainError,
    Refuse,
    config_of,
    decode_numbers,
    shown,
)

__all__ = [
    "decode",
    "decode_parameters",
    "encode",
]

_SPECIAL_FLOATS = ("inf", "-inf", "nan")
_ESTIMATORS: dict[str, type[BaseEstimator]] = {
    kind.__name__: kind for kind in (ImageFlattener, MLPDigitClassifier, RandomDistortion)
}
"""Estimators that may be a parameter; no other is ever made."""
_MT19937_WORDS = 624


# ----------------------------------------------------------------------------------------------
# Values of parameters


def encode(value: Any) -> Any:
    """A value as what ``json`` can write.

    Raises
    ------
    NotPlainError
        If it is none that :func:`decode` can give back.

    Examples
    --------
    >>> encode((256, 64))
    {'tuple': [256, 64]}
    >>> encode({3: 2.0})
    {'dict': [[3, 2.0]]}
    """
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else {"float": repr(number)}
    if isinstance(value, list):
        return [encode(entry) for entry in value]
    return _encode_tagged(value)


def _encode_tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {"tuple": [encode(entry) for entry in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key), encode(entry)] for key, entry in value.items()]}
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        return {"array": {"dtype": value.dtype.name, "values": encode(value.tolist())}}
    if isinstance(value, np.random.RandomState):
        return {"random_state": _encode_random_state(value)}
    if type(value) in _ESTIMATORS.values():
        parameters = value.get_params(deep=False).items()
        encoded = {name: encode(entry) for name, entry in parameters}
        return {"estimator": {"class": type(value).__name__, "parameters": encoded}}
    record = value if isinstance(value, KerasConfig) else config_of(value)
    if record is None:
        raise NotPlainError(f"{type(value).__module__}.{type(value).__qualname__}")
    config = {name: encode(entry) for name, entry in record.arguments.items()}
    return {"keras": {"class": record.class_name, "config": config}}


def decode(value: Any, where: str, refuse: Refuse) -> Any:
    """The value that :func:`encode` wrote; Keras objects come back as their records.

    Parameters
    ----------
    value : object
        What ``json`` has read.
    where : str
        Its name in error sentences.
    refuse : callable
        Called for anything that :func:`encode` would not have written.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [decode(entry, where, refuse) for entry in value]
    fields = Fields(value, where, refuse)
    names = fields.names()
    if len(names) != 1 or names[0] not in _DECODERS:
        refuse(
            f"one of {', '.join(sorted(_DECODERS))} in {where}", shown(names[0] if names else "")
        )
    decoded = _DECODERS[names[0]](fields, names[0])
    fields.close()
    return decoded


def _decode_float(fields: Fields, name: str) -> float:
    return float(fields.text(name, _SPECIAL_FLOATS))


def _decode_tuple(fields: Fields, name: str) -> tuple[Any, ...]:
    return tuple(decode(entry, fields.where, fields.refuse) for entry in fields.items(name))


def _decode_dict(fields: Fields, name: str) -> dict[Any, Any]:
    decoded: dict[Any, Any] = {}
    for pair in fields.items(name):
        if not isinstance(pair, list) or len(pair) != 2 or isinstance(pair[0], (dict, list)):
            fields.fail(name, "pairs of a plain key and a value")
        decoded[pair[0]] = decode(pair[1], fields.where, fields.refuse)
    return decoded


def _decode_array(fields: Fields, name: str) -> NDArray[Any]:
    inner = fields.fields(name)
    array = decode_numbers(inner, inner.text("dtype", NUMBERS))
    inner.close()
    return array


def _decode_estimator(fields: Fields, name: str) -> BaseEstimator:
    inner = fields.fields(name)
    kind = _ESTIMATORS[inner.text("class", _ESTIMATORS)]
    parameters = decode_parameters(inner.fields("parameters"), kind)
    inner.close()
    for entry in parameters.values():
        if isinstance(entry, (KerasConfig, BaseEstimator)):
            fields.refuse(f"plain parameters in {inner.where}", type(entry).__name__)
    return kind(**parameters)


def _decode_keras(fields: Fields, name: str) -> KerasConfig:
    inner = fields.fields(name)
    class_name, config = inner.text("class", KERAS_CLASSES), inner.fields("config")
    inner.close()
    decoded = {key: decode(config.take(key), config.where, fields.refuse) for key in config.names()}
    for key, entry in decoded.items():
        is_plain = entry is None or isinstance(entry, (bool, int, float, str, list, tuple))
        if not is_plain and not isinstance(entry, KerasConfig):
            config.fail(key, "a plain value")
    return KerasConfig(class_name, decoded)


def _encode_random_state(value: np.random.RandomState) -> dict[str, Any]:
    state = value.get_state(legacy=False)
    if not isinstance(state, dict) or state["bit_generator"] != "MT19937":
        raise NotPlainError("a RandomState around another bit generator than MT19937")
    return {
        "words": state["state"]["key"].astype("<u4").tobytes().hex(),
        "position": int(state["state"]["pos"]),
        "has_gauss": int(state["has_gauss"]),
        "gauss": float(state["gauss"]),
    }


def _decode_random_state(fields: Fields, name: str) -> np.random.RandomState:
    inner = fields.fields(name)
    text = inner.text("words")
    try:
        words = np.frombuffer(bytes.fromhex(text), "<u4").astype(np.uint32)
    except ValueError:
        inner.fail("words", "hexadecimal digits")
    if len(words) != _MT19937_WORDS:
        inner.fail("words", f"{_MT19937_WORDS} words")
    position, has_gauss = inner.whole("position", 0, _MT19937_WORDS), inner.whole("has_gauss", 0, 1)
    random_state = np.random.RandomState(0)
    random_state.set_state(("MT19937", words, position, has_gauss, inner.number("gauss")))
    inner.close()
    return random_state


_DECODERS = {
    "array": _decode_array,
    "dict": _decode_dict,
    "estimator": _decode_estimator,
    "float": _decode_float,
    "keras": _decode_keras,
    "random_state": _decode_random_state,
    "tuple": _decode_tuple,
}


def decode_parameters(fields: Fields, kind: type[BaseEstimator]) -> dict[str, Any]:
    """The parameters of an estimator; those that the file does not name keep their defaults."""
    known = kind().get_params(deep=False)
    decoded = {}
    for name in fields.names():
        if name not in known:
            fields.refuse(
                f"parameters that this {kind.__name__} has", f"{name!r}, of a newer version perhaps"
            )
        decoded[name] = decode(fields.take(name), f"{fields.where}.{name}", fields.refuse)
    return decoded
