"""Plain values: what to train, on what, for how long, and what came out.

The estimator writes a plan and reads a result; the engines read a plan and write a result. Nothing
here computes, so either side can be tested, sent to another process or stored on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import NetworkSpec, Weights
from sk_mnist_mlp.training._augmentation import Distortion

__all__ = [
    "EarlyStopping",
    "EpochObserver",
    "History",
    "Progress",
    "Seeds",
    "TrainingData",
    "TrainingPlan",
    "TrainingResult",
    "TrainingState",
]

History = dict[str, list[float]]
"""Plain columns, one value an epoch: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``."""


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


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the validation accuracy has not risen by ``tol`` for ``patience`` epochs."""

    patience: int
    tol: float


@dataclass(frozen=True)
class TrainingData:
    """The rows to learn from; never copied whole.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Any real dtype, in memory or memory-mapped; batches are cast as they are gathered.
    labels : ndarray of shape (n_samples,), int32
        Index of each row's class.
    sample_weight : ndarray of shape (n_samples,) or None
        Positive where used; None for all ones.
    rows : ndarray of int
        Rows of ``X`` to train on.
    validation_rows : ndarray of int
        Rows of ``X`` to validate on; may be empty.
    """

    X: NDArray[Any]
    labels: NDArray[np.int32]
    sample_weight: NDArray[Any] | None
    rows: NDArray[np.intp]
    validation_rows: NDArray[np.intp]


@dataclass
class TrainingState:
    """All that a later call needs to go on training as if it had never stopped.

    Attributes
    ----------
    weights : list of ndarray
        Kernel, bias, …
    optimizer_state : list of ndarray
        Moments of the optimizer, in the order of the engine that wrote them.
    engine : str
        The engine that wrote ``optimizer_state``; another one starts its moments afresh.
    rule : str
        The update rule that wrote them, by the engine's name for it; another one starts afresh too.
    seeds : Seeds
        Where all chance comes from, together with ``step`` and ``epoch``.
    average : list of ndarray
        Running average of the weights; empty where none is kept.
    step, epoch : int
        Optimizer steps and whole epochs behind these weights.
    """

    weights: Weights
    optimizer_state: list[NDArray[Any]]
    engine: str
    seeds: Seeds
    average: Weights = field(default_factory=list)
    rule: str = ""
    step: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Progress:
    """Where a call of ``train`` stands after a whole epoch.

    Attributes
    ----------
    state : TrainingState
        After that epoch.
    history : dict of str to list of float
        Of this call so far.
    best_weights : list of ndarray
        Those of the best epoch, where early stopping asks for them; else empty.
    best_score : float
        Validation accuracy of that epoch, -inf without one.
    stale_epochs : int
        Epochs without improvement up to now.
    rate_factor : float
        What callbacks have made of the learning rate.
    finished : bool
        Whether no further epoch is wanted.
    """

    state: TrainingState
    history: History
    best_weights: Weights
    best_score: float
    stale_epochs: int
    rate_factor: float
    finished: bool


class EpochObserver(Protocol):
    """Somebody who is told of each epoch and may ask to stop."""

    def begin_epoch(self) -> None:
        """Hear that an epoch begins."""

    def end_epoch(self, history: History, weights: Weights) -> bool:
        """Hear that an epoch has ended, with weights that stay as they are; say whether to stop."""


@dataclass(frozen=True)
class TrainingPlan:
    """What to train, and for how long.

    Attributes
    ----------
    network : NetworkSpec
        The network, dropout and l2 included.
    optimizer : str or keras.optimizers.Optimizer
        As the user gave it.
    learning_rate : float
        Used when ``optimizer`` is a name.
    label_smoothing : float
        In [0, 1).
    batch_size : int
        Rows a step, at most.
    epochs : int
        Passes over the rows in this call.
    seeds : Seeds
        Where all chance comes from.
    early_stopping : EarlyStopping or None
        None trains for all epochs.
    callbacks : tuple
        Keras callbacks, the engine's own to change.
    verbose : int
        0 silent, 1 a line an epoch, 2 a live bar.
    start : TrainingState or None
        Where to go on from; None starts from drawn weights.
    observers : tuple of EpochObserver
        Told of each epoch, in order.
    planned_epochs : int
        Epochs that the user means to train in all, where this call is one of several.
    schedule : str, keras.optimizers.schedules.LearningRateSchedule or None
        See :func:`~sk_mnist_mlp.training._schedules.schedule_rates`.
    averaging : float or None
        Momentum of the running average of the weights that is to predict.
    distortion : Distortion or None
        How images are distorted in training.
    image_shape : tuple of int or None
        Shape of the images in the rows, where they are distorted.
    progress : Progress or None
        Where an earlier call of the same plan, which broke off, stood; this one goes on there.
    keep_progress : callable or None
        Told after every whole epoch where the training stands.
    """

    network: NetworkSpec
    optimizer: Any
    learning_rate: float
    label_smoothing: float
    batch_size: int
    epochs: int
    seeds: Seeds
    early_stopping: EarlyStopping | None = None
    callbacks: tuple[Any, ...] = ()
    verbose: int = 0
    start: TrainingState | None = None
    observers: tuple[EpochObserver, ...] = ()
    planned_epochs: int = 1
    schedule: Any = None
    averaging: float | None = None
    distortion: Distortion | None = None
    image_shape: tuple[int, ...] | None = None
    progress: Progress | None = None
    keep_progress: Callable[[Progress], None] | None = None


@dataclass
class TrainingResult:
    """What came out.

    Attributes
    ----------
    weights : list of ndarray
        Those to predict with: the last, the best by early stopping, or their average.
    state : TrainingState
        What to go on from.
    history : dict of str to list of float
        One value an epoch of this call.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    weights: Weights
    state: TrainingState
    history: History = field(default_factory=dict)
    interrupted: bool = False
