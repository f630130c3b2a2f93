"""All chance in training, as pure functions of a seed and a position.

Nothing keeps a generator's state, so training can stop after any epoch and resume elsewhere, and
one network's draws never depend on what is trained beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_order", "stratified_holdout"]


def row_order(rows: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """Order in which an epoch visits ``rows``.

    Examples
    --------
    >>> order = row_order(np.arange(5), seed=0, epoch=3)
    >>> sorted(order.tolist())
    [0, 1, 2, 3, 4]
    """
    return np.random.default_rng([seed, epoch]).permutation(rows)


def stratified_holdout(
    labels: NDArray[np.int32], rows: NDArray[np.intp], n_classes: int, fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split ``rows`` into those to train on and those to validate on, class by class.

    Parameters
    ----------
    labels : ndarray of int
        Class of every row of the data.
    rows : ndarray of int
        Rows to split.
    n_classes : int
        Number of classes.
    fraction : float
        Share of each class to hold out, rounded to the nearest row, one row at least of a class
        that has any.
    seed : int
        Which rows.

    Returns
    -------
    train, held_out : ndarrays of int
        Both in rising order.
    """
    rng = np.random.default_rng(seed)
    held_out = []
    for label in range(n_classes):
        members = rows[labels[rows] == label]
        n_held_out = max(1, round(fraction * len(members)))
        held_out.append(rng.permutation(members)[:n_held_out])
    chosen = np.sort(np.concatenate(held_out))
    return np.setdiff1d(rows, chosen, assume_unique=True), chosen
