"""Checks of parameters and arrays, and the home of the error sentences.

Every sentence reads ``Who: expected what, got what. How to fix it.``
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._activations import ACTIVATIONS
from sk_mnist_mlp._inference import row_blocks
from sk_mnist_mlp.exceptions import InvalidParameterError

__all__ = [
    "check_finite",
    "check_parameters",
    "check_table",
    "is_integer",
    "is_real",
    "parameter_error",
]


# ----------------------------------------------------------------------------------------------
# Parameters


def is_real(value: Any) -> bool:
    """Whether ``value`` is a finite number (and no bool)."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, (bool, np.bool_))
        and bool(np.isfinite(float(value)))
    )


def is_integer(value: Any) -> bool:
    """Whether ``value`` is a whole number of an integer type (and no bool)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))


def is_flag(value: Any) -> bool:
    """Whether ``value`` is True or False."""
    return isinstance(value, (bool, np.bool_))


class Rule(NamedTuple):
    """What a parameter must be.

    Attributes
    ----------
    holds : callable
        Whether a value is allowed.
    expected : str
        What is allowed, in words that follow "expected NAME to be".
    fix : str
        What to do about it.
    """

    holds: Callable[[Any], bool]
    expected: str
    fix: str


def parameter_error(who: str, name: str, value: Any, rule: Rule) -> InvalidParameterError:
    """The error for a parameter that breaks its rule."""
    shown = repr(value)
    if len(shown) > 80:
        shown = f"{shown[:77]}..."
    return InvalidParameterError(
        f"{who}: expected {name} to be {rule.expected}, got {shown}. {rule.fix}"
    )


def _is_widths(value: Any) -> bool:
    if is_integer(value):
        return bool(value >= 1)
    if isinstance(value, (str, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        return False
    return len(value) > 0 and all(is_integer(width) and width >= 1 for width in value)


def _is_class_weight(value: Any) -> bool:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return True
    return isinstance(value, Mapping) and all(
        is_real(weight) and weight >= 0 for weight in value.values()
    )


def _is_optimizer(value: Any) -> bool:
    from sk_mnist_mlp.training._optimizers import COMPILED_OPTIMIZERS

    if isinstance(value, str) and value.lower() in COMPILED_OPTIMIZERS:
        return True
    if value is None or isinstance(value, (numbers.Number, Mapping)):
        return False
    import keras

    if isinstance(value, str):
        try:
            keras.optimizers.get(value)
        except ValueError:
            return False
        return True
    return isinstance(value, keras.optimizers.Optimizer)


def _is_callbacks(value: Any) -> bool:
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return True
    if isinstance(value, (str, numbers.Number)):
        return False
    import keras

    if not isinstance(value, (list, tuple)):
        return isinstance(value, keras.callbacks.Callback)
    return all(isinstance(callback, keras.callbacks.Callback) for callback in value)


def _positive(value: Any) -> bool:
    return is_real(value) and value > 0


def _not_negative(value: Any) -> bool:
    return is_real(value) and value >= 0


def _count(value: Any) -> bool:
    return is_integer(value) and value >= 1


def _fraction(value: Any) -> bool:
    return is_real(value) and 0 <= value < 1


def _open_fraction(value: Any) -> bool:
    return is_real(value) and 0 < value < 1


def _one_of(names: Sequence[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


CLASSIFIER_RULES: dict[str, Rule] = {
    "hidden_units": Rule(
        _is_widths,
        "a whole number of 1 or more, or a sequence of them",
        "Use 256 for two hidden layers of 256 units, or (512, 128) for one width a layer.",
    ),
    "dropout": Rule(
        _fraction, "a number in [0, 1)", "Use 0 for no dropout; the tutorial uses 0.45."
    ),
    "activation": Rule(
        _one_of(tuple(ACTIVATIONS)),
        f"one of {', '.join(sorted(ACTIVATIONS))}",
        'The tutorial uses "relu".',
    ),
    "optimizer": Rule(
        _is_optimizer,
        "the name of a Keras optimizer or an instance of one",
        'Use "adam", "adamw", "sgd", "rmsprop" or keras.optimizers.SGD(0.1, momentum=0.9).',
    ),
    "learning_rate": Rule(_positive, "a number above 0", "The tutorial's Adam uses 0.001."),
    "l2": Rule(_not_negative, "a number of 0 or more", "Use 0 for no penalty."),
    "label_smoothing": Rule(_fraction, "a number in [0, 1)", "Use 0 for none; 0.1 is usual."),
    "batch_size": Rule(_count, "a whole number of 1 or more", "The tutorial uses 128 rows a step."),
    "epochs": Rule(_count, "a whole number of 1 or more", "The tutorial uses 20."),
    "early_stopping": Rule(is_flag, "True or False", "Use False to train all epochs."),
    "validation_fraction": Rule(
        _open_fraction, "a number in (0, 1)", "Use 0.1 to hold out a tenth of each class."
    ),
    "n_epochs_no_change": Rule(
        _count, "a whole number of 1 or more", "Use 10 to wait ten epochs for an improvement."
    ),
    "tol": Rule(
        _not_negative, "a number of 0 or more", "It is in units of accuracy; 0.0001 is usual."
    ),
    "class_weight": Rule(
        _is_class_weight,
        'None, "balanced" or a dict of label to weight of 0 or more',
        'Use "balanced" to weigh classes by the inverse of their frequency.',
    ),
    "warm_start": Rule(is_flag, "True or False", "Use True to go on from the last fit."),
    "callbacks": Rule(
        _is_callbacks,
        "None, a Keras callback or a list of them",
        "Derive your own from keras.callbacks.Callback.",
    ),
    "dtype": Rule(
        _one_of(("float32", "float64")), '"float32" or "float64"', "float32 is twice as fast."
    ),
    "engine": Rule(
        _one_of(("auto", "compiled", "keras")),
        '"auto", "compiled" or "keras"',
        'Use "auto" to take the fast engine wherever it can train what is asked for.',
    ),
    "verbose": Rule(
        lambda value: is_flag(value) or (is_integer(value) and value >= 0),
        "a whole number of 0 or more",
        "Use 0 for silence, 1 for a line an epoch, 2 for a live bar.",
    ),
}
"""What each parameter of ``MLPDigitClassifier`` must be; ``random_state`` is scikit-learn's."""


def check_parameters(who: str, parameters: Mapping[str, Any]) -> None:
    """Raise for the first parameter that breaks its rule.

    Raises
    ------
    InvalidParameterError
        A ``ValueError`` and ``TypeError``, as scikit-learn raises for parameters.
    """
    for name, rule in CLASSIFIER_RULES.items():
        if not rule.holds(parameters[name]):
            raise parameter_error(who, name, parameters[name], rule)


# ----------------------------------------------------------------------------------------------
# Arrays


def check_table(who: str, X: Any) -> Any:
    """Refuse what is no table of numbers, in words that say what to do.

    Returns
    -------
    X
        As it came, or as numbers where it came as objects.

    Raises
    ------
    TypeError
        For a sparse matrix, or objects that are no numbers.
    ValueError
        For images that were not flattened, or strings that are no numbers.
    """
    from scipy.sparse import issparse

    if issparse(X):
        raise TypeError(
            f"{who}: expected a dense X, got a sparse {type(X).__name__} of shape {X.shape}. "
            "Pass X.toarray()."
        )
    if isinstance(X, (list, tuple)):
        X = np.asarray(X) if _is_regular(X) else X
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        raise ValueError(
            f"{who}: expected X of 2 dimensions, got shape {tuple(shape)}. Put an ImageFlattener "
            f"before it: make_pipeline(ImageFlattener(), {who}())."
        )
    if isinstance(X, np.ndarray) and X.dtype.kind in "OSU":
        return _as_numbers(who, X)
    return X


def _is_regular(X: Any) -> bool:
    try:
        np.shape(X)
    except ValueError:
        return False
    return True


def _as_numbers(who: str, X: NDArray[Any]) -> NDArray[Any]:
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{who}: expected X of numbers, got an array of {X.dtype} where {error}. "
            "Encode such columns first, for example with sklearn.preprocessing.OrdinalEncoder."
        ) from error


def check_finite(who: str, X: NDArray[Any]) -> None:
    """Refuse NaN and infinities, naming the first; reads block by block and copies nothing whole.

    Raises
    ------
    ValueError
    """
    if X.dtype.kind != "f":
        return
    for rows in row_blocks(X.shape[0], X.shape[1], X.dtype.itemsize):
        block = X[rows]
        # A sum is one pass without a mask; only a sum that is not finite needs the closer look.
        with np.errstate(all="ignore"):
            if np.isfinite(block.sum()):
                continue
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = bad[0]
            value = "NaN" if np.isnan(block[row, column]) else "infinity (inf)"
            raise ValueError(
                f"{who}: expected X of finite numbers, got {value} in row {rows.start + row}, "
                f"column {column}. Fill or drop such values first, for example with "
                "sklearn.impute.SimpleImputer."
            )
