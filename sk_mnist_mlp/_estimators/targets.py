"""From labels as users give them to what training reads: indices into the sorted classes."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target

__all__ = [
    "check_classes",
    "check_labels",
    "encode_labels",
    "find_classes",
    "shown",
]


def check_labels(who: str, y: Any, n_samples: int | None = None, name: str = "y") -> NDArray[Any]:
    """Check that ``y`` holds labels, one a row, all of one kind.

    Parameters
    ----------
    who : str
        For error sentences.
    y : array-like
        Labels as users have them: lists, arrays, pandas and polars columns.
    n_samples : int or None, default=None
        Rows to label; None takes any number.
    name : str, default="y"
        What the labels are called in error sentences.

    Returns
    -------
    y : ndarray of shape (n_samples,) or (n_samples, 1)
        A column is scikit-learn's to warn of.

    Raises
    ------
    TypeError
        For sparse or bytes labels, and NumPy's StringDType.
    ValueError
        For no labels, of another shape, with gaps, fractional, of several kinds, or of a kind that
        scikit-learn's scores do not take.
    """
    labels = _as_labels(who, y, name)
    if labels.ndim != 1 and not (labels.ndim == 2 and labels.shape[1] == 1):
        raise ValueError(
            f"{who}: expected {name} of 1 dimension, got shape {labels.shape}. Give one label a "
            "row; one-hot rows become labels by argmax(axis=1)."
        )
    if n_samples is not None and len(labels) != n_samples:
        raise ValueError(
            f"{who}: expected a label for each of {n_samples} rows, got {len(labels)} labels. "
            f"Give X and {name} of one length."
        )
    _refuse_gaps(who, y, labels.ravel(), name)
    if labels.dtype.kind == "O":
        return _of_one_kind(who, y, labels, name)
    _refuse_fractions(who, labels.ravel(), name)
    return labels.astype(labels.dtype.newbyteorder("="), copy=False)


def _as_labels(who: str, y: Any, name: str) -> NDArray[Any]:
    from scipy.sparse import issparse

    if y is None:
        raise ValueError(
            f"{who}: expected {name} of labels, got None; it requires {name} to be passed, but "
            f"the target {name} is None. Call fit(X, y)."
        )
    if issparse(y):
        raise TypeError(
            f"{who}: expected {name} of dense labels, got a sparse {type(y).__name__}. Pass "
            f"{name}.toarray().ravel()."
        )
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            f"{who}: expected {name} of 1 dimension, got rows of different lengths. Give one "
            "label a row."
        ) from error
    if labels.dtype.kind == "S":
        raise TypeError(
            f"{who}: expected {name} of labels that are text or numbers, got bytes. Decode them "
            f"with np.char.decode({name})."
        )
    if labels.dtype.kind == "T":
        raise TypeError(
            f"{who}: expected {name} of labels that scikit-learn's scores take, got NumPy's "
            f"{labels.dtype}. Convert them with {name}.astype(str)."
        )
    if labels.dtype.kind in "cV":
        raise ValueError(
            f"{who}: expected {name} of labels, got dtype {labels.dtype}. Use whole numbers or "
            "strings."
        )
    return labels


def _refuse_gaps(who: str, y: Any, labels: NDArray[Any], name: str) -> None:
    gaps: Any = y.mask.ravel() if isinstance(y, np.ma.MaskedArray) else False
    if labels.dtype.kind == "f":
        gaps = gaps | ~np.isfinite(labels)
    elif labels.dtype.kind in "mM":
        gaps = gaps | np.isnat(labels)
    elif labels.dtype.kind == "O":
        missing = (_is_missing(label) for label in labels)
        gaps = gaps | np.fromiter(missing, bool, len(labels))
    if np.any(gaps):
        row = int(np.argmax(gaps))
        got = "a masked one" if isinstance(y, np.ma.MaskedArray) else labels[row]
        raise ValueError(
            f"{who}: expected a label in every row of {name}, got {got} in row {row}. "
            "Drop rows without a label first."
        )


def _is_missing(label: Any) -> bool:
    if label is None or type(label).__name__ in ("NAType", "NaTType"):  # pandas, not imported
        return True
    return isinstance(label, float) and not np.isfinite(label)


def _of_one_kind(who: str, y: Any, labels: NDArray[Any], name: str) -> NDArray[Any]:
    """Objects as they are if all are text, as numbers if scikit-learn too takes them as such."""
    if all(isinstance(label, str) for label in labels.flat):
        return labels
    numbers = np.array(labels.tolist()) if _are_numbers(labels) else labels
    if numbers.dtype.kind not in "biuf":
        kinds = sorted({type(label).__name__ for label in labels.flat})
        raise ValueError(
            f"{who}: expected {name} of labels of one kind, numbers or text, got "
            f"{' and '.join(kinds)} (Unknown label type: unknown). Convert them, for example with "
            f"{name}.astype(str)."
        )
    _refuse_fractions(who, numbers.ravel(), name)
    # Columns of pandas that may hold gaps become objects in some versions, and are taken.
    if type_of_target(y) == "unknown":
        words = {"b": "bool", "f": "float"}.get(numbers.dtype.kind, "int")
        raise ValueError(
            f"{who}: expected {name} of labels that scikit-learn's scores take, got "
            f"{type(labels.flat[0]).__name__} in an array of objects (Unknown label type: "
            f"unknown). Convert them with np.asarray({name}, dtype={words})."
        )
    return numbers


def _are_numbers(labels: NDArray[Any]) -> bool:
    kinds = {isinstance(label, (bool, np.bool_)) for label in labels.flat}
    if len(kinds) > 1:  # True and 1 would become one label
        return False
    return all(isinstance(label, numbers.Real) or True in kinds for label in labels.flat)


def _refuse_fractions(who: str, labels: NDArray[Any], name: str) -> None:
    if labels.dtype.kind != "f":
        return
    fractions = labels != np.floor(labels)
    if fractions.any():
        raise ValueError(
            f"{who}: expected {name} of labels, got fractional numbers such as "
            f"{labels[fractions][0]:g} (Unknown label type: continuous). Bin them into classes, "
            "for example with np.digitize, or use a regressor."
        )
    # Among them lists of whole numbers that only a float can hold.
    beyond = np.abs(labels) >= np.float64(2**63)
    if beyond.any():
        raise ValueError(
            f"{who}: expected {name} of whole numbers that int64 or uint64 holds, got floats such "
            f"as {labels[beyond][0]:g} (Unknown label type: continuous). Use smaller numbers or "
            "strings."
        )


def check_classes(who: str, classes: Any) -> NDArray[Any]:
    """Check and sort the classes named in the first call of ``partial_fit``.

    Raises
    ------
    TypeError, ValueError
        If they are no labels, or fewer than two.
    """
    named = np.unique(check_labels(who, classes, name="classes"))
    if len(named) < 2:
        raise ValueError(
            f"{who}: expected two classes or more, got {shown(named)}. Name all labels there will "
            "ever be."
        )
    return named


def shown(labels: NDArray[Any]) -> str:
    """Labels as they stand in an error sentence: plain, and not too many."""
    plain = [repr(label) for label in labels[:10].tolist()]
    return f"[{', '.join(plain)}{', …' if len(labels) > 10 else ''}]"


def find_classes(
    who: str, y: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> NDArray[Any]:
    """Sort the distinct labels of the rows that count.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    counted = y if sample_weight is None else y[sample_weight > 0]
    classes = np.unique(counted)
    if len(classes) < 2:
        raise ValueError(
            f"{who}: expected y of two classes or more, got 1 class ({shown(classes)}). Give rows "
            "of at least one more class, with a weight above 0."
        )
    return classes


def encode_labels(
    who: str, y: NDArray[Any], classes: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> NDArray[np.int32]:
    """Index of each label in ``classes``; rows without weight may have any label.

    Raises
    ------
    ValueError
        If a row that counts has a label that is not among them.
    """
    # int64 and uint64 would meet as floats, which round them; what a cast changes is unseen.
    are_whole = classes.dtype.kind in "iu" and y.dtype.kind in "iu"
    own = y.astype(classes.dtype) if are_whole else y
    try:
        places = np.minimum(np.searchsorted(classes, own), len(classes) - 1)
        unseen = (classes[places] != own) | (own != y)
    except TypeError:  # text and numbers have no order
        places, unseen = np.zeros(len(y), np.intp), np.ones(len(y), bool)
    if sample_weight is not None:
        unseen &= sample_weight > 0
    if unseen.any():
        raise ValueError(
            f"{who}: expected y of the known classes {shown(classes)}, got the label "
            f"{y[unseen].tolist()[0]!r}. Name all classes in the first call: "
            "partial_fit(X, y, classes=...), or fit anew with warm_start=False."
        )
    return places.astype(np.int32)
