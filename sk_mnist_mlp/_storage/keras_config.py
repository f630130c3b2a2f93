"""Keras optimizers and schedules as plain values: a class of a fixed list, and its arguments.

This is all that a file needs to keep of an optimizer. The object is built, which imports Keras,
only when somebody asks for it.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

__all__ = [
    *("KERAS_CLASSES", "KerasConfig", "config_of", "copy_optimizer", "undecayed", "with_configs"),
]

_OPTIMIZERS = (
    *("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl"),
    *("Lamb", "Lion", "Muon", "Nadam", "RMSprop", "SGD"),
)
_SCHEDULES = (
    *("CosineDecay", "CosineDecayRestarts", "ExponentialDecay"),
    *("InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"),
)
KERAS_CLASSES = frozenset(_OPTIMIZERS + _SCHEDULES)
"""Names of the classes that can be described; no other is ever built."""

_UNDECAYED = "exclude_from_weight_decay"
"""Field of what is no argument of a class: it is set by a method of this name."""


@dataclass(frozen=True)
class KerasConfig:
    """A Keras optimizer or learning rate schedule, not yet built.

    ``arguments`` are those of the class: None, bools, numbers, strings, lists of numbers, other
    configurations; and ``exclude_from_weight_decay``, a list of strings, where that was called.
    """

    class_name: str
    arguments: dict[str, Any]

    def build(self) -> Any:
        """Make the object; imports Keras, and raises ValueError where that refuses."""
        if self.class_name not in KERAS_CLASSES:
            raise ValueError(
                f"KerasConfig: expected one of {', '.join(sorted(KERAS_CLASSES))}, got "
                f"{self.class_name!r}. Set the parameter anew."
            )
        import keras

        home = keras.optimizers if self.class_name in _OPTIMIZERS else keras.optimizers.schedules
        arguments = {
            name: value.build() if isinstance(value, KerasConfig) else value
            for name, value in self.arguments.items()
        }
        names = arguments.pop(_UNDECAYED, ())
        try:
            built = getattr(home, self.class_name)(**arguments)
            if names:
                built.exclude_from_weight_decay(var_names=list(names))
            return built
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"load_model: expected a configuration that Keras {keras.__version__} takes for "
                f"{self.class_name}, got one it refuses ({error}). Set the parameter anew: "
                'set_params(optimizer="adam").'
            ) from error

    def __str__(self) -> str:
        """All that distinguishes it: Keras numbers the names of its objects in each process."""
        told = {name: value for name, value in self.arguments.items() if name != "name"}
        return f"{self.class_name}({', '.join(f'{name}={value}' for name, value in told.items())})"


def config_of(value: Any) -> KerasConfig | None:
    """The configuration of a Keras object, built or not; None if it is of no known class.

    Examples
    --------
    >>> config_of("adam") is None
    True
    """
    if isinstance(value, KerasConfig):
        return value
    keras = sys.modules.get("keras")  # where it was never imported, nothing can be of its classes
    name = type(value).__name__
    if keras is None or name not in KERAS_CLASSES:
        return None
    home = keras.optimizers if name in _OPTIMIZERS else keras.optimizers.schedules
    if getattr(home, name, None) is not type(value):
        return None  # a class of the user's own that has the same name
    config, names = _config(name, value.get_config()), undecayed(value)
    if config is None or not names:
        return config
    return KerasConfig(name, config.arguments | {_UNDECAYED: list(names)})


def undecayed(optimizer: Any) -> tuple[str, ...]:
    """What ``exclude_from_weight_decay(var_names=…)`` was told; Keras has no public way to ask."""
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return tuple(sorted(pattern.pattern.split("|"))) if pattern else ()


def copy_optimizer(optimizer: Any) -> Any:
    """A fresh optimizer of the same settings; Keras's own copies forget what is not decayed."""
    copied = type(optimizer).from_config(optimizer.get_config())
    if undecayed(optimizer):
        copied.exclude_from_weight_decay(var_names=list(undecayed(optimizer)))
    return copied


def with_configs(attributes: dict[str, Any]) -> dict[str, Any]:
    """An estimator's attributes with its Keras objects as plain values, under ``"_recorded"``.

    So a pickle loads without Keras, and with loaders that build no classes they do not know.
    """
    found = {name: config_of(value) for name, value in attributes.items()}
    configs = {name: config for name, config in found.items() if config is not None}
    if not configs:
        return attributes
    rest = {name: value for name, value in attributes.items() if name not in configs}
    return rest | {"_recorded": attributes.get("_recorded", {}) | configs}


def _config(name: str, arguments: dict[str, Any]) -> KerasConfig | None:
    plain: dict[str, Any] = {}
    for field, value in arguments.items():
        if isinstance(value, dict) and value.get("class_name") in _SCHEDULES:
            inner = _config(value["class_name"], value["config"])
            if inner is None or not str(value.get("module")).startswith("keras."):
                return None
            plain[field] = inner
        elif _is_plain(value):
            plain[field] = value
        else:
            return None
    return KerasConfig(name, plain)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(entry, (int, float)) and math.isfinite(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float, str))
