"""Keras optimizers and schedules as plain values: a class of a fixed list, and numbers.

A record is all that a file needs to keep of an optimizer, and it is built, which imports Keras,
only when somebody asks for the optimizer itself.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["KERAS_CLASSES", "KerasRecord", "record_of", "with_records"]

_OPTIMIZERS = (
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "SGD",
)
_SCHEDULES = (
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
)
KERAS_CLASSES = frozenset(_OPTIMIZERS + _SCHEDULES)
"""Names of the classes that can be recorded; no other is ever built."""


@dataclass(frozen=True)
class KerasRecord:
    """A Keras optimizer or learning rate schedule, not yet built.

    Attributes
    ----------
    class_name : str
        One of :data:`KERAS_CLASSES`.
    config : dict
        Arguments of the class: None, bools, numbers, strings, lists of numbers, other records.
    """

    class_name: str
    config: dict[str, Any]

    def build(self) -> Any:
        """Make the object; imports Keras.

        Raises
        ------
        ValueError
            If this Keras has no such class or refuses the configuration.
        """
        import keras

        home = keras.optimizers if self.class_name in _OPTIMIZERS else keras.optimizers.schedules
        config = {
            name: value.build() if isinstance(value, KerasRecord) else value
            for name, value in self.config.items()
        }
        try:
            assert self.class_name in KERAS_CLASSES
            return getattr(home, self.class_name)(**config)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"load_model: expected a configuration that Keras {keras.__version__} takes for "
                f"{self.class_name}, got one it refuses ({error}). Set the parameter anew: "
                'set_params(optimizer="adam").'
            ) from error


def record_of(value: Any) -> KerasRecord | None:
    """The record of a Keras object; None if it is no plain one of a known class.

    Examples
    --------
    >>> record_of("adam") is None
    True
    """
    keras = sys.modules.get("keras")  # where it was never imported, nothing can be of its classes
    name = type(value).__name__
    if keras is None or name not in KERAS_CLASSES:
        return None
    home = keras.optimizers if name in _OPTIMIZERS else keras.optimizers.schedules
    if getattr(home, name, None) is not type(value):
        return None  # a class of the user's own that has the same name
    return _record(name, value.get_config())


def with_records(attributes: dict[str, Any]) -> dict[str, Any]:
    """An estimator's attributes with Keras objects as records, under the name ``"_recorded"``.

    So a pickle holds plain values: it loads without Keras, and with loaders that build no classes
    they do not know.
    """
    found = {name: record_of(value) for name, value in attributes.items()}
    records = {name: record for name, record in found.items() if record is not None}
    if not records:
        return attributes
    rest = {name: value for name, value in attributes.items() if name not in records}
    return rest | {"_recorded": attributes.get("_recorded", {}) | records}


def _record(name: str, config: dict[str, Any]) -> KerasRecord | None:
    plain: dict[str, Any] = {}
    for field, value in config.items():
        if isinstance(value, dict) and value.get("class_name") in _SCHEDULES:
            inner = _record(value["class_name"], value["config"])
            if inner is None or not str(value.get("module")).startswith("keras."):
                return None
            plain[field] = inner
        elif _is_plain(value):
            plain[field] = value
        else:
            return None
    return KerasRecord(name, plain)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(entry, (int, float)) and math.isfinite(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float, str))
