"""y and weights: from labels as users give them to indices into classes and one number a row.

Rows without weight drop out, as if they had never been given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

__all__ = [
    "check_classes",
    "check_labels",
    "combine_weights",
    "encode_labels",
    "find_classes",
    "shown",
]


def check_labels(y: Any, name: str = "y") -> NDArray[Any]:
    """Labels of one kind, one a row and none missing, as scikit-learn and we want them."""
    if np.ma.is_masked(y):
        raise ValueError(
            f"expected a label in every row of {name}, got masked ones. Drop such rows first."
        )
    # An array first: scikit-learn would make numbers of nullable booleans.
    labels = column_or_1d(np.asarray(y) if hasattr(y, "__array__") else y, warn=True)
    if labels.dtype.kind not in "biufUOmM":
        raise TypeError(
            f"expected {name} of numbers, text or dates, got dtype {labels.dtype}. Convert it, for "
            f"example with {name}.astype(str)."
        )
    if labels.dtype.kind in "mM":
        gaps = np.isnat(labels)
    elif labels.dtype.kind == "O":
        is_text = np.array([isinstance(label, str) for label in labels], bool)
        gaps = ~is_text & is_text.any()
    else:
        gaps = np.zeros(1, bool)
    if gaps.any():
        row = int(gaps.argmax())
        raise ValueError(
            f"expected a label in every row of {name}, all of one kind, got {labels[row]!r} in row "
            f"{row}. Drop rows without a label, and convert the rest, as by {name}.astype(str)."
        )
    assert_all_finite(labels, input_name=name)
    # Classes come twice, as scikit-learn warns of labels that are all different.
    check_classification_targets(labels if name == "y" else np.repeat(labels, 2))
    return labels.astype(labels.dtype.newbyteorder("="), copy=False)


def check_classes(classes: Any, known: NDArray[Any] | None) -> NDArray[Any]:
    """The sorted classes that ``partial_fit`` names in its first call, and may name again."""
    if classes is None:
        if known is not None:
            return known
        raise ValueError(
            "expected classes in the first call of partial_fit, got None. Name all labels there "
            "will ever be: partial_fit(X, y, classes=np.unique(y))."
        )
    if np.ndim(classes) != 1:
        raise ValueError(
            f"expected classes of 1 dimension, got shape {np.shape(classes)}. List each label once."
        )
    labels = np.unique(check_labels(classes, "classes"))
    if len(labels) < 2:
        raise ValueError(
            f"expected two classes or more, got {shown(labels)}. Name all labels there will ever "
            "be."
        )
    if known is not None and not np.array_equal(labels, known):
        raise ValueError(
            f"expected the classes of the first call, {shown(known)}, got {shown(labels)}. Leave "
            "classes out, or clone the estimator to start anew."
        )
    return labels


def shown(labels: NDArray[Any]) -> str:
    """Labels as they stand in an error sentence: plain, and not too many."""
    plain = [repr(label) for label in labels[:10].tolist()]
    return f"[{', '.join(plain)}{', …' if len(labels) > 10 else ''}]"


def find_classes(y: NDArray[Any], sample_weight: NDArray[np.float64] | None) -> NDArray[Any]:
    """Sort the distinct labels of the rows that count."""
    classes = np.unique(y if sample_weight is None else y[sample_weight > 0])
    if len(classes) < 2:
        raise ValueError(
            f"expected y of two classes or more, got 1 class ({shown(classes)}). Give rows of at "
            "least one more class, with a weight above 0."
        )
    return classes


def encode_labels(
    y: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    name: str = "y",
) -> NDArray[np.int32]:
    """Index of each label in ``classes``; rows without weight may have any label."""
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
        fix = "Name all classes in the first call: partial_fit(X, y, classes=...), or fit anew "
        raise ValueError(
            f"expected {name} of the known classes {shown(classes)}, got the label "
            f"{y[unseen].tolist()[0]!r}. "
            + (f"{fix}with warm_start=False." if name == "y" else "Leave its rows out.")
        )
    return places.astype(np.int32)


# ----------------------------------------------------------------------------------------------
# Weights


def combine_weights(
    labels: NDArray[np.int32],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    class_weight: Mapping[Any, float] | str | None,
    dtype: str,
) -> NDArray[np.float64] | None:
    """One weight a row out of sample and class weights, the largest below one; None for all alike.

    The loss divides by their sum, so only their ratios count. They are scaled by powers of two,
    which change no ratio, before anything is multiplied, so that weights of any size neither
    overflow nor vanish. What is too small for ``dtype`` counts as zero, lest a batch of such rows
    alone divide by zero.

    Examples
    --------
    >>> rows = np.array([0, 1, 1], np.int32), np.array(["a", "b"]), np.array([1e300, 3e300, 1.0])
    >>> combine_weights(*rows, None, "float32").round(3)
    array([0.187, 0.56 , 0.   ])
    >>> combine_weights(*rows, {"a": 1e300, "b": 0}, "float32").round(3)
    array([0.557, 0.   , 0.   ])
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(len(labels)) if sample_weight is None else sample_weight
    with np.errstate(under="ignore"):
        if class_weight == "balanced":
            weights = _balanced(weights, labels, len(classes))
        elif isinstance(class_weight, Mapping):
            weights = _scaled(weights) * _scaled(_factors(classes, class_weight))[labels]
        if not weights.any():
            raise ValueError(
                "expected class_weight to leave some row with a weight above 0, got "
                f"{class_weight!r}. Raise a weight."
            )
        weights = _scaled(weights)
    return np.where(weights < np.finfo(dtype).tiny, 0.0, weights)


def _scaled(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide by a power of two that brings the largest below one."""
    return np.ldexp(weights, -np.frexp(weights.max())[1])


def _balanced(
    weights: NDArray[np.float64], labels: NDArray[np.int32], n_classes: int
) -> NDArray[np.float64]:
    """Have the weights of each class sum to one, but of a class that has none."""
    largest = np.zeros(n_classes)
    np.maximum.at(largest, labels, weights)
    scaled = np.ldexp(weights, -np.frexp(largest)[1][labels])
    sums = np.bincount(labels, scaled, minlength=n_classes)
    return scaled / np.where(sums > 0, sums, 1.0)[labels]


def _factors(classes: NDArray[Any], class_weight: Mapping[Any, float]) -> NDArray[np.float64]:
    """Weight of each class; one where it is not named.

    As in scikit-learn, a label that does not occur is a mistake only where a class is not named:
    the rows of one fold may lack a class that others have.
    """
    labels = classes.tolist()
    strange = [label for label in class_weight if label not in labels]
    if strange and not all(label in class_weight for label in labels):
        raise ValueError(
            f"expected class_weight of the classes {shown(classes)}, got the label "
            f"{strange[0]!r}. Key it by labels as they stand in y."
        )
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])
