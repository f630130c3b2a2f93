"""Checks of parameters and arrays, and the home of the error sentences.

Every sentence reads ``Who: expected what, got what. How to fix it.``
"""

from __future__ import annotations

import contextlib
import inspect
import math
import numbers
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import ACTIVATIONS, row_blocks
from sk_mnist_mlp._storage import config_of, undecayed
from sk_mnist_mlp._training import ENGINES, OPTIMIZERS, SCHEDULES, start_tensorflow
from sk_mnist_mlp.exceptions import InvalidParameterError

__all__ = [
    "CLASSIFIER_RULES",
    "Rule",
    "check_finite",
    "check_parameters",
    "check_random_state_of_draws",
    "check_sampling",
    "check_table",
    "clear_sentences",
    "is_integer",
    "is_real",
    "parameter_error",
    "warn_of_raw_pixels",
]


# ----------------------------------------------------------------------------------------------
# Parameters


def is_real(value: Any) -> bool:
    """Whether ``value`` is a finite number (and no bool)."""
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # an int beyond every float
        return False


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
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return False
    return len(value) > 0 and all(is_integer(width) and width >= 1 for width in value)


def _is_class_weight(value: Any) -> bool:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return True
    return isinstance(value, Mapping) and all(
        is_real(weight) and weight >= 0 for weight in value.values()
    )


def _import_keras() -> Any:
    start_tensorflow()  # quietly
    import keras

    return keras


def _is_optimizer(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in OPTIMIZERS:
        return True
    if value is None or isinstance(value, (numbers.Number, Mapping)):
        return False
    keras = _import_keras()

    if isinstance(value, str):
        try:
            keras.optimizers.get(value)
        except (TypeError, ValueError):  # the former for wrappers of other optimizers
            return False
        return True
    return isinstance(value, keras.optimizers.Optimizer)


def _excludes_in_vain(optimizer: Any) -> bool:
    """Whether ``exclude_from_weight_decay`` was told what copies cannot carry.

    That is variables of another model, or names where the class is not Keras's own.
    """
    foreign = bool(getattr(optimizer, "_exclude_from_weight_decay", None))
    return foreign or (bool(undecayed(optimizer)) and config_of(optimizer) is None)


def _is_path(value: Any) -> bool:
    return value is None or (isinstance(value, (str, os.PathLike)) and os.fspath(value) != "")


def _is_callbacks(value: Any) -> bool:
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return True
    if isinstance(value, (str, numbers.Number)):
        return False
    keras = _import_keras()

    if not isinstance(value, (list, tuple)):
        return isinstance(value, keras.callbacks.Callback)
    return all(isinstance(callback, keras.callbacks.Callback) for callback in value)


def _is_schedule(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None or value in SCHEDULES
    if isinstance(value, (numbers.Number, Sequence, Mapping)):
        return False
    keras = _import_keras()

    return isinstance(value, keras.optimizers.schedules.LearningRateSchedule)


def _is_image_shape(value: Any) -> bool:
    return value is None or (not is_integer(value) and _is_widths(value) and len(value) in (2, 3))


def _is_random_state(value: Any) -> bool:
    if value is None or value is np.random or isinstance(value, np.random.RandomState):
        return True
    return is_integer(value) and 0 <= value < 2**32


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
    "learning_rate_schedule": Rule(
        _is_schedule,
        f"None, one of {', '.join(SCHEDULES)}, or a Keras LearningRateSchedule",
        'Use "cosine" to warm up and then decay to zero by the last epoch.',
    ),
    "l2": Rule(_not_negative, "a number of 0 or more", "Use 0 for no penalty."),
    "label_smoothing": Rule(_fraction, "a number in [0, 1)", "Use 0 for none; 0.1 is usual."),
    "image_shape": Rule(
        _is_image_shape,
        "None, (height, width) or (height, width, channels)",
        "Use None for square images of one channel.",
    ),
    "batch_size": Rule(_count, "a whole number of 1 or more", "The tutorial uses 128 rows a step."),
    "epochs": Rule(_count, "a whole number of 1 or more", "The tutorial uses 20."),
    "early_stopping": Rule(is_flag, "True or False", "Use False to train all epochs."),
    "validation_fraction": Rule(
        _open_fraction, "a number in (0, 1)", "Use 0.1 to hold out a tenth of each class."
    ),
    "n_iter_no_change": Rule(
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
    "warm_start": Rule(is_flag, "True or False", "Use True to resume the last fit."),
    "callbacks": Rule(
        _is_callbacks,
        "None, a Keras callback or a list of them",
        "Derive your own from keras.callbacks.Callback.",
    ),
    "checkpoint": Rule(
        _is_path, "None or a file's path", 'Use "digits.checkpoint", or None to keep nothing.'
    ),
    "dtype": Rule(
        _one_of(("float32", "float64")), '"float32" or "float64"', "float32 is twice as fast."
    ),
    "engine": Rule(
        _one_of(ENGINES),
        f"one of {', '.join(ENGINES)}",
        'Use "auto" to take the fastest engine that can train what is asked for.',
    ),
    "random_state": Rule(
        _is_random_state,
        "None, a whole number from 0 to 4294967295 or a numpy.random.RandomState",
        "Use 0, or any other number, to make every fit the same.",
    ),
    "verbose": Rule(
        lambda value: is_flag(value) or (is_integer(value) and value >= 0),
        "a whole number of 0 or more",
        "Use 0 for silence, 1 for a live bar, 2 for one line per epoch.",
    ),
}
"""What each parameter of ``MLPDigitClassifier`` must be."""


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
    if _excludes_in_vain(parameters["optimizer"]):
        raise InvalidParameterError(
            f"{who}: expected exclude_from_weight_decay with var_names, on one of Keras's own "
            "optimizers, got what copies of the optimizer cannot carry. Name the variables: "
            'exclude_from_weight_decay(var_names=["bias"]).'
        )


def check_sampling(who: str, n_samples: Any, random_state: Any) -> None:
    """Raise for the first argument that cannot say how to draw samples.

    Raises
    ------
    InvalidParameterError
    """
    if not _count(n_samples):
        rule = Rule(_count, "a whole number of 1 or more", "50 are usual.")
        raise parameter_error(who, "n_samples", n_samples, rule)
    check_random_state_of_draws(who, random_state)


def check_random_state_of_draws(who: str, random_state: Any) -> None:
    """Raise where something else than a seed is to decide what is drawn.

    Raises
    ------
    InvalidParameterError
    """
    rule = CLASSIFIER_RULES["random_state"]._replace(
        fix="Use 0, or any other number, to draw the same every time."
    )
    if not rule.holds(random_state):
        raise parameter_error(who, "random_state", random_state, rule)


# ----------------------------------------------------------------------------------------------
# Arrays


def check_table(who: str, X: Any) -> Any:
    """Refuse what is no table of numbers, in words that say what to do.

    Returns
    -------
    X
        As it came, or as numbers where it came as lists or objects.

    Raises
    ------
    TypeError
        For a sparse matrix, or objects that are no numbers.
    ValueError
        For images that were not flattened, a single row, complex numbers, dates or strings.
    """
    from scipy.sparse import issparse

    if issparse(X):
        raise TypeError(
            f"{who}: expected a dense X, got a sparse {type(X).__name__} of shape {X.shape}. "
            "Pass X.toarray()."
        )
    if X is None or isinstance(X, (str, bytes, numbers.Number)):
        raise ValueError(
            f"{who}: expected X of 2 dimensions, got {X!r}. Reshape your data to a table of one "
            "row a sample."
        )
    if isinstance(X, (list, tuple)):
        X = _as_array(who, X)
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 2:
        _refuse_shape(who, tuple(shape))
    return _as_numbers(who, X) if isinstance(X, np.ndarray) else X


def _as_array(who: str, rows: Any) -> NDArray[Any]:
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise ValueError(
            f"{who}: expected X of rows of one length, got rows of different lengths. Give each "
            "row a value for each feature."
        ) from error


def _refuse_shape(who: str, shape: tuple[int, ...]) -> None:
    if len(shape) > 2:
        raise ValueError(
            f"{who}: expected X of 2 dimensions, got shape {shape}. Put an ImageFlattener "
            f"before it: make_pipeline(ImageFlattener(), {who}())."
        )
    raise ValueError(
        f"{who}: expected X of 2 dimensions, got shape {shape}. Reshape your data: "
        "X.reshape(1, -1) is a table of one row, X.reshape(-1, 1) of one column."
    )


_KINDS = {"M": "dates", "S": "bytes", "T": "text", "U": "text", "m": "time spans"}


def _as_numbers(who: str, X: NDArray[Any]) -> NDArray[Any]:
    if X.dtype.kind == "c":
        raise ValueError(
            f"{who}: expected X of real numbers, got dtype {X.dtype} (Complex data not supported). "
            "Pass real and imaginary parts as columns of their own."
        )
    if X.dtype.kind not in "biufO":
        raise ValueError(
            f"{who}: expected X of numbers, got {_KINDS.get(X.dtype.kind, 'records')} (dtype "
            f"{X.dtype}). Convert them first, for example with X.astype(float)."
        )
    try:
        return X.astype(np.float64) if X.dtype.kind == "O" else X
    except (TypeError, ValueError) as error:
        raise type(error)(_not_numbers(who, error)) from error


def _not_numbers(who: str, error: Exception) -> str:
    return (
        f"{who}: expected X of numbers, got values that are none ({error}). Encode such columns "
        "first, for example with sklearn.preprocessing.OrdinalEncoder."
    )


@contextlib.contextmanager
def clear_sentences(who: str) -> Iterator[None]:
    """Put what scikit-learn says about the columns of X into sentences that say what to do.

    Its own words stay in them, for whoever looks for those.
    """
    try:
        yield
    except ValueError as error:
        words = str(error)
        if "features as input" in words:
            words = f"{who}: expected the columns of fit, got others: {words} Pass the same again."
        elif words.startswith("The feature names should match"):
            words = (
                f"{who}: expected the columns of fit in their order, got others. Select them with "
                f"X[model.feature_names_in_].\n{words}"
            )
        elif "could not convert" in words:
            words = _not_numbers(who, error)
        else:
            raise
        raise ValueError(words) from error


def check_finite(who: str, X: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Refuse what is no number, NaN, infinities and what ``dtype`` cannot hold, naming the first.

    Reads block by block and copies nothing whole.

    Parameters
    ----------
    who : str
        For error sentences.
    X : ndarray of shape (n_rows, n_columns)
        As scikit-learn validated it.
    dtype : dtype
        In which X will be computed with.

    Returns
    -------
    X : ndarray of shape (n_rows, n_columns)
        As it came, or as numbers where it came as objects.

    Raises
    ------
    TypeError, ValueError
    """
    X = _as_numbers(who, X)
    if X.dtype.kind != "f":
        return X
    narrows = np.finfo(X.dtype).max > np.finfo(dtype).max
    for rows in row_blocks(X.shape[0], X.shape[1], X.dtype.itemsize):
        # A sum is one pass without a mask; only a sum that is not finite needs the closer look.
        with np.errstate(all="ignore"):
            block = X[rows].astype(dtype) if narrows else X[rows]
            if np.isfinite(block.sum()):
                continue
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = rows.start + bad[0, 0], bad[0, 1]
            _refuse_value(who, X[row, column], f"in row {row}, column {column}", dtype)
    return X


def _refuse_value(who: str, value: Any, where: str, dtype: Any) -> None:
    if np.isfinite(value):
        raise ValueError(
            f"{who}: expected X within the range of {np.dtype(dtype).name}, got {value:g} {where}. "
            "Scale X to about [0, 1], for example with sklearn.preprocessing.MinMaxScaler."
        )
    shown = "NaN" if np.isnan(value) else "infinity (inf)"
    raise ValueError(
        f"{who}: expected X of finite numbers, got {shown} {where}. Fill or drop such values "
        "first, for example with sklearn.impute.SimpleImputer."
    )


_FEWEST_PIXELS = 64  # of an 8 x 8 image; smaller tables of whole numbers are anything
_DARKEST_WHITE = 100  # sklearn.datasets.load_digits ends at 16, and needs no warning


def warn_of_raw_pixels(who: str, X: NDArray[Any], image_shape: Sequence[int] | None) -> None:
    """Warn of rows that look like images of 0 to 255, which train badly.

    Some hundred rows tell: they must be whole numbers from 0 on, with some above 100 and none
    above 255 or, of uint16, above 65,535, in as many columns as an image has pixels.

    Parameters
    ----------
    who : str
        For the sentence.
    X : ndarray of shape (n_rows, n_columns)
        As :func:`check_finite` returns it.
    image_shape : tuple of int or None
        What the user says of the images.
    """
    n_columns = X.shape[1]
    sides = (math.isqrt(n_columns), math.isqrt(n_columns // 3))
    is_image = image_shape is not None or n_columns in (sides[0] ** 2, 3 * sides[1] ** 2)
    if n_columns < _FEWEST_PIXELS or not (is_image or X.dtype == np.uint8) or X.dtype == bool:
        return
    sample = X[:: len(X) // 500 + 1]
    low, high = sample.min(), sample.max()
    most = 65535 if X.dtype == np.uint16 else 255
    if low < 0 or not _DARKEST_WHITE < high <= most or (sample % 1).any():
        return
    fits_auto = X.dtype == np.uint8 or high > 255  # what scale="auto" would divide by is right
    warnings.warn(
        f"{who}: expected X in about [0, 1], got whole numbers up to {int(high)} that look like "
        "raw pixels, with which it learns badly. Put an ImageFlattener before it: "
        f"make_pipeline(ImageFlattener({'' if fits_auto else 'scale=255'}), {who}()).",
        UserWarning,
        stacklevel=_user_level(),
    )


def _user_level() -> int:
    """``stacklevel`` of the line outside this package and scikit-learn that led to the caller."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and _package_of(frame) in ("sk_mnist_mlp", "sklearn", "joblib"):
        frame, level = frame.f_back, level + 1
    return level


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
