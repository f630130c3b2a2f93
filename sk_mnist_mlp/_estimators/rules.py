"""What parameters must be: tables of scikit-learn's constraints, and a few of our own beside them.

Sentences about parameters are scikit-learn's. All others of this folder read
``Who: expected what, got what. How to fix it.``; :class:`named` puts the first word to them.
"""

from __future__ import annotations

import contextlib
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from sk_mnist_mlp._estimators.sklearn_compat import constraints
from sk_mnist_mlp._network import ACTIVATIONS
from sk_mnist_mlp._training import ENGINES, OPTIMIZERS, SCHEDULES, start_tensorflow
from sk_mnist_mlp.exceptions import InvalidParameterError

__all__ = [
    "CLASSIFIER_RULES",
    "COUNT",
    "RANDOM_STATE",
    "Number",
    "OneOf",
    "Satisfying",
    "check_parameters",
    "is_real",
    "is_widths",
    "named",
]


@contextlib.contextmanager
def named(who: str) -> Iterator[None]:
    """Say who refuses: put a name before sentences that begin with "expected"."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if str(error).startswith("expected "):
            error.args = (f"{who}: {error}",)
        raise


def check_parameters(
    who: str, parameters: Mapping[str, Any], rules: Mapping[str, Sequence[Any]]
) -> None:
    """Raise InvalidParameterError for the first parameter that satisfies none of its rules."""
    try:
        constraints.validate_parameter_constraints(rules, parameters, who)
    except ValueError as error:
        raise InvalidParameterError(str(error)) from None


# ----------------------------------------------------------------------------------------------
# Rules


def is_real(value: Any) -> bool:
    """Whether ``value`` is a finite number (and no bool)."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # an int beyond every float
        return False


class Number(constraints.Interval):
    """Finite numbers of an interval; scikit-learn's own takes True and False for numbers."""

    def __init__(self, kind: type, left: float, right: float | None = None, closed: str = "left"):
        super().__init__(kind, left, right, closed=closed)

    def is_satisfied_by(self, value: Any) -> bool:
        return is_real(value) and bool(super().is_satisfied_by(value))


class OneOf(constraints.StrOptions):
    """Strings, listed in the order in which they are given."""

    def __init__(self, names: Iterable[str]):
        super().__init__(dict.fromkeys(names).keys())


class Satisfying(constraints.HasMethods):
    """What a function says yes to; a subclass, as scikit-learn takes only kinds that it knows."""

    def __init__(self, holds: Callable[[Any], bool], words: str):
        self.holds, self.words, self.hidden = holds, words, False

    def is_satisfied_by(self, value: Any) -> bool:
        return self.holds(value)

    def __str__(self) -> str:
        return self.words


def is_widths(value: Any) -> bool:
    """Whether ``value`` is a sequence of whole numbers above 0."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        return False
    flat = getattr(value, "ndim", 1) == 1 and len(value) > 0
    return flat and all(map(COUNT.is_satisfied_by, value))


def _is_class_weight(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        is_real(weight) and weight >= 0 for weight in value.values()
    )


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and os.fspath(value) != ""


def _import_keras() -> Any:
    start_tensorflow()  # quietly
    import keras

    return keras


# What cannot be a Keras object is told without the seconds that importing Keras takes.
_PLAIN = (type(None), numbers.Number, Mapping)


def _is_optimizer(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in OPTIMIZERS:
        return True
    if isinstance(value, _PLAIN):
        return False
    keras = _import_keras()
    if not isinstance(value, str):
        return isinstance(value, keras.optimizers.Optimizer)
    try:
        keras.optimizers.get(value)
    except (TypeError, ValueError):  # the former for wrappers of other optimizers
        return False
    return True


def _is_callbacks(value: Any) -> bool:
    callbacks = value if isinstance(value, (list, tuple)) else [value]
    if not callbacks or isinstance(value, (str, *_PLAIN)):
        return value is None or not callbacks
    others = [callback for callback in callbacks if not is_function(callback)]
    return all(isinstance(callback, _import_keras().callbacks.Callback) for callback in others)


def is_function(callback: Any) -> bool:
    """Whether a callback is a function of epoch and logs; Keras's cannot be called."""
    return callable(callback) and not isinstance(callback, type)


def _is_schedule(value: Any) -> bool:
    if isinstance(value, (Sequence, *_PLAIN)):
        return False
    kind = _import_keras().optimizers.schedules.LearningRateSchedule
    return isinstance(value, kind)


COUNT = Number(Integral, 1)
RANDOM_STATE = [Number(Integral, 0, 2**32 - 1, "both"), np.random.RandomState, None]
_SHARE = Number(Real, 0, 1)
_NOT_NEGATIVE = Number(Real, 0)

CLASSIFIER_RULES: dict[str, list[Any]] = {
    "hidden_units": [COUNT, Satisfying(is_widths, "a sequence of such ints")],
    "dropout": [_SHARE],
    "activation": [OneOf(sorted(ACTIVATIONS))],
    "optimizer": [
        Satisfying(_is_optimizer, "the name of a Keras optimizer or an instance of one"),
    ],
    "learning_rate": [Number(Real, 0, None, "neither")],
    "learning_rate_schedule": [
        None,
        OneOf(SCHEDULES),
        Satisfying(_is_schedule, "a Keras LearningRateSchedule"),
    ],
    "l2": [_NOT_NEGATIVE],
    "label_smoothing": [_SHARE],
    "batch_size": [COUNT],
    "epochs": [COUNT],
    "early_stopping": ["boolean"],
    "validation_fraction": [Number(Real, 0, 1, "neither")],
    "monitor": [OneOf(["val_accuracy", "val_loss"])],
    "n_iter_no_change": [COUNT],
    "tol": [_NOT_NEGATIVE],
    "class_weight": [
        None,
        OneOf(["balanced"]),
        Satisfying(_is_class_weight, "a dict of label to finite weight of 0 or more"),
    ],
    "warm_start": ["boolean"],
    "callbacks": [
        Satisfying(_is_callbacks, "None, a function, a Keras callback or a list of them")
    ],
    "checkpoint": [None, Satisfying(_is_path, "a file's path")],
    "dtype": [OneOf(["float32", "float64"])],
    "engine": [OneOf(ENGINES)],
    "random_state": RANDOM_STATE,
    "verbose": ["verbose"],
}
"""What each parameter of ``MLPDigitClassifier`` must be, but for ``augmentation``."""
