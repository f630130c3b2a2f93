"""Plain values: what came out of a training, and what it needs to be resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import Layers, NetworkSpec, as_arrays, as_layers

__all__ = ["Checkpoint", "FittedNetwork", "History", "Seeds", "TrainingState", "join_histories"]

History = dict[str, list[float]]
"""Columns of one value per epoch: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``."""


@dataclass(frozen=True)
class Seeds:
    """One seed for each use of chance, so that changing one use leaves the others alone."""

    weights: int
    order: int
    dropout: int
    validation: int
    augmentation: int

    @classmethod
    def draw(cls, random_state: np.random.RandomState) -> Seeds:
        """Draw all seeds from a NumPy generator."""
        return cls(*(int(seed) for seed in random_state.randint(0, 2**31 - 1, size=5)))


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What a later call needs, beside the weights, to resume as if it had never stopped."""

    seeds: Seeds  # with step and epoch, where all chance comes from
    rule: str = ""  # that wrote the moments; another one starts afresh
    moments: tuple[NDArray[Any], ...] = ()  # in the rule's own order; empty where left behind
    updates: int = 0  # behind the moments, by which Adam corrects their bias
    step: int = 0  # batches and whole epochs behind the weights
    epoch: int = 0


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """A trained network: all that an estimator is made of, wherever it comes from."""

    network: NetworkSpec
    layers: Layers
    classes: NDArray[Any]  # labels, sorted
    history: History  # NaN where an epoch behind the weights has no value
    engine: str  # "numpy", "xla" or "keras"
    state: TrainingState

    def astype(self, dtype: str) -> FittedNetwork:
        """The same with weights and moments of this dtype."""

        def cast(array: NDArray[Any]) -> NDArray[Any]:
            return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array

        return replace(
            self,
            network=replace(self.network, dtype=dtype),
            layers=as_layers([cast(array) for array in as_arrays(self.layers)]),
            state=replace(self.state, moments=tuple(map(cast, self.state.moments))),
        )

    @property
    def is_finite(self) -> bool:
        """Whether it can predict: a training that diverged leaves NaN or infinity behind."""
        loss = self.history.get("loss", ())[-1:]
        return all(map(math.isfinite, loss)) and all(
            np.isfinite(array).all() for array in as_arrays(self.layers)
        )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a training stands after a whole epoch, or at its end."""

    layers: Layers  # at the end those to predict with
    state: TrainingState
    history: History  # of this call so far
    best_layers: Layers  # of the best epoch, where early stopping asks for it; else empty
    best_score: float  # what early stopping monitors, the higher the better; -inf without
    stale_epochs: int  # without improvement up to now
    learning_rate: float  # what callbacks have made of it
    stopped: bool  # no further epoch is wanted
    finished: bool  # all is done, the work of callbacks at the end included


def join_histories(earlier: History, later: History) -> History:
    """Put two histories one after the other; a column that one of them lacks is NaN there.

    Examples
    --------
    >>> join_histories({"loss": [0.5]}, {"loss": [0.4], "val_loss": [0.6]})
    {'loss': [0.5, 0.4], 'val_loss': [nan, 0.6]}
    """

    def column(history: History, name: str) -> list[float]:
        n_epochs = max(map(len, history.values()), default=0)
        return history.get(name, [math.nan] * n_epochs)

    return {name: column(earlier, name) + column(later, name) for name in earlier | later}
