"""Parameters as JSON, and back: plain values only.

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

from sk_mnist_mlp._estimators import RandomDistortion
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

__all__ = ["LEFT_OUT", "decode", "decode_parameters", "encode"]

LEFT_OUT = ("callbacks", "checkpoint")
"""Parameters that no file has: code, and a path of this machine."""


def encode(value: Any) -> Any:
    """A value as what ``json`` can write; NotPlainError if :func:`decode` could not give it back.

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
    if isinstance(value, tuple):
        return {"tuple": [encode(entry) for entry in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key), encode(entry)] for key, entry in value.items()]}
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        return {"array": {"dtype": value.dtype.name, "values": encode(value.tolist())}}
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        if isinstance(state, dict) and state["bit_generator"] == "MT19937":
            return {"random_state": encode(state)}
    if type(value) is RandomDistortion:
        parameters = value.get_params(deep=False)
        return {"distortion": {name: encode(entry) for name, entry in parameters.items()}}
    config = config_of(value)
    if config is None:
        raise NotPlainError(f"{type(value).__module__}.{type(value).__qualname__}")
    arguments = {name: encode(entry) for name, entry in config.arguments.items()}
    return {"keras": {"class": config.class_name, "arguments": arguments}}


def decode(value: Any, where: str, refuse: Refuse) -> Any:
    """The value that :func:`encode` wrote; Keras objects come back as their configurations."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [decode(entry, where, refuse) for entry in value]
    fields = Fields(value, where, refuse)
    names = fields.names()
    if len(names) != 1 or names[0] not in _DECODERS:
        refuse(f"one of {', '.join(_DECODERS)} in {where}", shown(names[0] if names else ""))
    return _DECODERS[names[0]](fields, names[0])


def _decode_float(fields: Fields, name: str) -> float:
    return float(fields.text(name, ("inf", "-inf", "nan")))


def _decode_tuple(fields: Fields, name: str) -> tuple[Any, ...]:
    return tuple(decode(fields.items(name), fields.where, fields.refuse))


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


def _decode_random_state(fields: Fields, name: str) -> np.random.RandomState:
    state = decode(fields.take(name), fields.where, fields.refuse)
    random_state = np.random.RandomState(0)
    try:
        if not 0 <= state["state"]["pos"] <= 624:  # NumPy would read beyond its words
            raise ValueError
        random_state.set_state(state)
    except (IndexError, KeyError, OverflowError, TypeError, ValueError):
        fields.fail(name, "the state of a RandomState")
    return random_state


def _decode_distortion(fields: Fields, name: str) -> RandomDistortion:
    return RandomDistortion(**decode_parameters(fields.fields(name), RandomDistortion))


def _decode_keras(fields: Fields, name: str) -> KerasConfig:
    inner = fields.fields(name)
    class_name, arguments = inner.text("class", KERAS_CLASSES), inner.fields("arguments")
    inner.close()
    decoded = {}
    for key in arguments.names():
        decoded[key] = decode(arguments.take(key), arguments.where, fields.refuse)
        if isinstance(decoded[key], (dict, np.random.RandomState, RandomDistortion)):
            arguments.fail(key, "a plain value")
    return KerasConfig(class_name, decoded)


_DECODERS = {
    "array": _decode_array,
    "dict": _decode_dict,
    "distortion": _decode_distortion,
    "float": _decode_float,
    "keras": _decode_keras,
    "random_state": _decode_random_state,
    "tuple": _decode_tuple,
}


def decode_parameters(fields: Fields, kind: type[BaseEstimator]) -> dict[str, Any]:
    """The parameters of an estimator; those that the file does not name keep their defaults."""
    known = set(kind().get_params(deep=False)) - set(LEFT_OUT)
    decoded = {}
    for name in fields.names():
        if name not in known:
            expected = f"parameters that a file of {kind.__name__} may have"
            fields.refuse(expected, f"{shown(name)}, of a newer version perhaps")
        decoded[name] = decode(fields.take(name), f"{fields.where}.{name}", fields.refuse)
    return decoded
