"""Which rows are trained on, and in which order: pure functions of a seed and a position.

Nothing keeps a generator's state, so training can stop after any epoch and resume elsewhere, and
one network's draws never depend on what is trained beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_order", "stratified_holdout"]


def row_order(rows: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """Order in which an epoch visits ``rows``."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def stratified_holdout(
    labels: NDArray[np.int32], rows: NDArray[np.intp], n_classes: int, fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split ``rows`` into those to train on and those to hold out, both in rising order.

    The fraction is taken of each class, rounded to the nearest row, and one row at least of a
    class that has any. ``labels`` has the class of every row of the data.
    """
    rng = np.random.default_rng(seed)
    held_out = []
    for label in range(n_classes):
        members = rows[labels[rows] == label]
        held_out.append(rng.permutation(members)[: max(1, round(fraction * len(members)))])
    chosen = np.sort(np.concatenate(held_out))
    return np.setdiff1d(rows, chosen, assume_unique=True), chosen
