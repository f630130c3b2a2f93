"""From sample and class weights as users give them to one number a row.

Rows without weight drop out, as if they had never been given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._estimators.targets import shown

__all__ = ["check_sample_weight", "combine_weights"]


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
    weights = _as_weights(who, sample_weight)
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


def _as_weights(who: str, sample_weight: ArrayLike) -> NDArray[np.float64]:
    try:
        weights = np.asarray(sample_weight)
        if weights.dtype.kind in "biufO":
            with np.errstate(over="ignore"):  # what float64 cannot hold is refused as infinite
                return weights.astype(np.float64)
    except OverflowError:  # whole numbers beyond every float
        return np.array(np.inf)
    except (TypeError, ValueError):  # ragged, or objects that are no numbers
        pass
    kind = type(sample_weight).__name__
    raise ValueError(
        f"{who}: expected sample_weight of one number a row, got a {kind} that holds something "
        'else. Pass an array of numbers; weights by class are class_weight="balanced" or a dict.'
    )


def combine_weights(
    who: str,
    labels: NDArray[np.int32],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    class_weight: Mapping[Any, float] | str | None,
    dtype: str,
) -> NDArray[np.float64] | None:
    """One weight a row out of sample and class weights, the largest below one; None for all alike.

    The loss divides by their sum, so only their ratios count. Mantissas and powers of two are
    kept apart until the largest product is known: finite weights of any size neither overflow nor
    vanish on the way, and a power of two changes no ratio by as much as a bit.

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
    dtype : {"float32", "float64"}
        Of the arithmetic. What is too small for it counts as zero, lest a batch of such rows
        alone divide by zero.

    Raises
    ------
    ValueError
        If a mapping names a label that is not among the classes while one of the classes is not
        named, or leaves no row with weight.

    Examples
    --------
    >>> rows = np.array([0, 1, 1], np.int32), np.array(["a", "b"]), np.array([1e300, 3e300, 1.0])
    >>> combine_weights("fit", *rows, None, "float32").round(3)
    array([0.187, 0.56 , 0.   ])
    >>> combine_weights("fit", *rows, {"a": 1e300, "b": 0}, "float32").round(3)
    array([0.557, 0.   , 0.   ])
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(len(labels)) if sample_weight is None else sample_weight
    mantissas, powers = np.frexp(weights)
    if class_weight is not None:
        if isinstance(class_weight, str):
            factors, of_factors = _balance(mantissas, powers, labels, len(classes))
        else:
            factors, of_factors = np.frexp(_factors(who, classes, class_weight))
        mantissas, carried = np.frexp(mantissas * factors[labels])
        powers = powers + carried + of_factors[labels]
        if not mantissas.any():
            raise ValueError(
                f"{who}: expected class_weight to leave some row with a weight above 0, got "
                f"{class_weight!r}. Raise a weight."
            )
    with np.errstate(under="ignore"):
        scaled = np.ldexp(mantissas, powers - powers[mantissas > 0].max())
    return np.where(scaled < np.finfo(dtype).tiny, 0.0, scaled)


def _balance(
    mantissas: NDArray[np.float64],
    powers: NDArray[np.int32],
    labels: NDArray[np.int32],
    n_classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Factor of each class that makes all weigh alike, as a number and a power of two.

    A class whose rows weigh nothing gets a factor too, since there is no row that it could weigh.
    """
    top: NDArray[np.int32] = np.full(n_classes, np.iinfo(np.int32).min, np.int32)
    counted = mantissas > 0
    np.maximum.at(top, labels[counted], powers[counted])
    top = np.where(top == np.iinfo(np.int32).min, 0, top)
    with np.errstate(under="ignore"):
        shares = np.ldexp(mantissas, powers - top[labels])
        counts = np.bincount(labels, shares, minlength=n_classes)
        total = np.ldexp(counts, top - top[counts > 0].max()).sum()
    return total / (n_classes * np.where(counts > 0, counts, 1.0)), -top


def _factors(
    who: str, classes: NDArray[Any], class_weight: Mapping[Any, float]
) -> NDArray[np.float64]:
    """Weight of each class.

    As in scikit-learn, a label that does not occur is a mistake only where a class is not named:
    the rows of one fold may lack a class that others have.
    """
    named = {_plain(label): float(weight) for label, weight in class_weight.items()}
    labels = [_plain(label) for label in classes]
    strange = [label for label in named if label not in labels]
    if strange and not all(label in named for label in labels):
        raise ValueError(
            f"{who}: expected class_weight of the classes {shown(classes)}, got the label "
            f"{strange[0]!r}. Key it by labels as they stand in y."
        )
    return np.array([named.get(label, 1.0) for label in labels])


def _plain(label: Any) -> Any:
    """Return a label as Python's own, however it was made."""
    return label.item() if isinstance(label, np.generic) else label
