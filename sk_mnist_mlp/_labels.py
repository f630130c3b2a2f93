"""From labels and weights as users give them to what training reads.

Labels become indices into the sorted classes; sample and class weights become one positive number
a row, and rows without weight drop out, as if they had never been given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_sample_weight", "combine_weights", "encode_labels", "find_classes"]


def check_sample_weight(
    who: str, sample_weight: ArrayLike | None, n_samples: int
) -> NDArray[np.float64] | None:
    """Check sample weights; None stays None.

    Raises
    ------
    ValueError
        If they are not one finite number of 0 or more a row, or all zero.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{who}: expected sample_weight of shape ({n_samples},), one number a row, got shape "
            f"{weights.shape}. Pass sample_weight.ravel() or None."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        worst = weights[~np.isfinite(weights) | (weights < 0)][0]
        raise ValueError(
            f"{who}: expected sample_weight of finite numbers of 0 or more, got {worst:g} (a "
            "negative or non-finite weight). Use 0 to leave a row out."
        )
    if not weights.any():
        raise ValueError(
            f"{who}: expected at least one sample_weight above 0, got {n_samples} zeros. "
            "Pass None to weigh all rows alike."
        )
    return weights


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
            f"{who}: expected y of two classes or more, got 1 class ({classes[0]!r}). Give rows "
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
    places = np.searchsorted(classes, y)
    places = np.minimum(places, len(classes) - 1)
    unseen = classes[places] != y
    if sample_weight is not None:
        unseen &= sample_weight > 0
    if unseen.any():
        raise ValueError(
            f"{who}: expected y of the known classes {classes.tolist()}, got the label "
            f"{y[unseen][0]!r}. Name all classes in the first call: partial_fit(X, y, classes=...),"
            " or fit anew with warm_start=False."
        )
    return places.astype(np.int32)


def combine_weights(
    who: str,
    labels: NDArray[np.int32],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    class_weight: Mapping[Any, float] | str | None,
) -> NDArray[np.float64] | None:
    """One weight a row out of sample and class weights; None where all are one.

    Parameters
    ----------
    who : str
        For error sentences.
    labels : ndarray of int
        Indices into ``classes``.
    classes : ndarray
        Labels as users know them.
    sample_weight : ndarray or None
        Checked.
    class_weight : mapping, "balanced" or None
        Label to weight; labels not named weigh one. ``"balanced"`` is ``n / (n_classes * n_k)``
        with weighted counts.

    Raises
    ------
    ValueError
        If a mapping names a label that is not among the classes, or leaves no row with weight.
    """
    if class_weight is None:
        return sample_weight
    if isinstance(class_weight, str):
        counts = np.bincount(labels, sample_weight, minlength=len(classes))
        factors = counts.sum() / (len(classes) * np.maximum(counts, np.finfo(float).tiny))
    else:
        factors = np.ones(len(classes))
        for label, weight in class_weight.items():
            place = np.flatnonzero(classes == label)
            if not len(place):
                raise ValueError(
                    f"{who}: expected class_weight of the classes {classes.tolist()}, got the "
                    f"label {label!r}. Key it by labels as they stand in y."
                )
            factors[place] = weight
    weights = factors[labels] if sample_weight is None else factors[labels] * sample_weight
    if not weights.any():
        raise ValueError(
            f"{who}: expected class_weight to leave some row with a weight above 0, got "
            f"{class_weight!r}. Raise a weight."
        )
    return weights
