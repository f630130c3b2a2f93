"""X: what scikit-learn cannot know of a table, after its own checks."""

from __future__ import annotations

import inspect
import math
import warnings
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import assert_all_finite, validate_data

__all__ = ["check_table", "user_level", "warn_of_raw_pixels"]


def check_table(estimator: Any, X: Any, dtype: Any, *, reset: bool) -> NDArray[Any]:
    """A table of finite numbers that ``dtype`` holds, as scikit-learn and we want it."""
    X = np.asarray(X) if isinstance(X, (list, tuple)) else X
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        raise ValueError(
            f"expected X of 2 dimensions, got shape {tuple(shape)}. Put an ImageFlattener before "
            f"it: make_pipeline(ImageFlattener(), {type(estimator).__name__}())."
        )
    with np.errstate(invalid="ignore"):  # the sum by which scikit-learn looks for NaN
        table: NDArray[Any] = validate_data(estimator, X, dtype="numeric", reset=reset)
    if table.dtype.kind == "O":  # from polars
        table = table.astype(np.float64)
        assert_all_finite(table, input_name="X")
    if table.dtype.kind not in "biuf":
        raise ValueError(
            f"expected X of numbers, got dtype {table.dtype}. Convert it first, for example with "
            "X.astype(float)."
        )
    # No |X|, which would be a copy.
    most = np.finfo(dtype).max
    if table.dtype.kind == "f" and np.finfo(table.dtype).max > most:
        low, high = table.min(), table.max()
        if low < -most or high > most:
            raise ValueError(
                f"expected X within the range of {np.dtype(dtype).name}, got "
                f"{low if low < -most else high:g}. Scale X to about [0, 1], for example with "
                "sklearn.preprocessing.MinMaxScaler."
            )
    return table


_FEWEST_PIXELS = 64  # of an 8 x 8 image; smaller tables of whole numbers are anything
_DARKEST_WHITE = 100  # sklearn.datasets.load_digits ends at 16, and needs no warning


def warn_of_raw_pixels(who: str, X: NDArray[Any], *, are_images: bool) -> None:
    """Warn of rows that look like images of 0 to 255, which train badly.

    Some hundred rows tell: they must be whole numbers from 0 on, with some above 100 and none
    above 255 or, of uint16, above 65,535, in as many columns as an image has pixels.
    """
    n_columns = X.shape[1]
    sides = math.isqrt(n_columns), math.isqrt(n_columns // 3)
    are_images |= X.dtype == np.uint8 or n_columns in (sides[0] ** 2, 3 * sides[1] ** 2)
    if n_columns < _FEWEST_PIXELS or not are_images or X.dtype == bool:
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
        stacklevel=user_level(),
    )


def user_level() -> int:
    """``stacklevel`` of the line outside this package and scikit-learn that led to the caller."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and _package_of(frame) in ("sk_mnist_mlp", "sklearn", "joblib"):
        frame, level = frame.f_back, level + 1
    return level


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
