"""What to train, on what, for how long; and whom to tell meanwhile.

The estimator writes a plan, the engines read it. A plan and its data compute nothing, so they can
be stored, sent to another process or compared; what is code stands beside them, in
:class:`TrainingHooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import Layers, NetworkSpec
from sk_mnist_mlp._training.distortions import Distortion
from sk_mnist_mlp._training.optimizers import OptimizerSpec
from sk_mnist_mlp._training.result import Checkpoint, FittedNetwork, History, Seeds, TrainingState

__all__ = [
    "EarlyStopping",
    "EpochObserver",
    "Job",
    "Training",
    "TrainingData",
    "TrainingHooks",
    "TrainingPlan",
    "ValidationData",
]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when what is monitored has not improved by ``tol`` for ``patience`` epochs."""

    patience: int
    tol: float
    monitor: str = "val_accuracy"  # or "val_loss", which improves by falling


@dataclass(frozen=True)
class ValidationData:
    """Rows that are measured after each epoch, and never trained on."""

    X: NDArray[Any]
    labels: NDArray[np.int32]
    sample_weight: NDArray[Any] | None
    rows: NDArray[np.intp] | slice  # those of X that count


@dataclass(frozen=True)
class TrainingData:
    """The rows to learn from; never copied whole."""

    X: NDArray[Any]  # any real dtype, in memory or memory-mapped; cast as batches are gathered
    labels: NDArray[np.int32]  # index of each row's class
    classes: NDArray[Any]  # as the user knows them
    sample_weight: NDArray[Any] | None  # positive where used; None for all ones
    rows: NDArray[np.intp]  # of X to train on
    validation: ValidationData | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What to train, and for how long."""

    network: NetworkSpec
    optimizer: Any  # a name or a keras.optimizers.Optimizer, as the user gave it
    rule: OptimizerSpec  # the same as our own engines read it
    learning_rate: float  # that the optimizer begins with
    batch_size: int  # rows a step, at most
    epochs: int  # passes over the rows in this call
    planned_epochs: int  # that the user means to train in all, where this call is one of several
    seeds: Seeds
    label_smoothing: float = 0.0
    schedule: Any = None  # see relative_rates
    early_stopping: EarlyStopping | None = None
    distortion: Distortion | None = None  # of each image, which has the shape below
    image_shape: tuple[int, ...] | None = None
    start: FittedNetwork | None = None  # what to resume; None starts from drawn weights

    def n_steps(self, n_rows: int) -> int:
        """Steps of one epoch over this many rows."""
        return -(-n_rows // self.batch_size)


class Training(Protocol):
    """What an observer sees of a training: a :class:`~sk_mnist_mlp._training.epochs.Run`.

    It may set ``layers``, ``learning_rate`` and ``stopped``; arrays never change.
    """

    layers: Layers
    validated: Layers
    state: TrainingState
    history: History
    logs: dict[str, float]
    learning_rate: float
    stopped: bool
    engine: str

    @property
    def who(self) -> str:
        """Name of the estimator, for warnings."""

    @property
    def n_epochs(self) -> int:
        """Whole epochs of this call."""

    def fitted(self) -> FittedNetwork:
        """What has come out so far."""


class EpochObserver:
    """Is told when a training and its epochs begin and end; every method may be left out.

    What it raises ends this training alone.
    """

    def begin(self, run: Training) -> None:
        """Hear that the training begins."""

    def begin_epoch(self, run: Training) -> None:
        """Hear that an epoch begins."""

    def begin_validation(self, run: Training) -> None:
        """Hear that the held-out rows are about to be measured, with ``run.layers``."""

    def end_validation(self, run: Training) -> None:
        """Hear that they were."""

    def end_epoch(self, run: Training) -> None:
        """Hear that an epoch has ended."""

    def end(self, run: Training) -> None:
        """Hear that the training has ended, unless an error or Ctrl-C ended it."""


@dataclass(frozen=True, kw_only=True)
class TrainingHooks:
    """Code that runs while a plan is trained."""

    who: str = "MLPDigitClassifier"  # name of the estimator, for warnings
    callbacks: tuple[Any, ...] = ()  # Keras's, the engine's own to change
    observers: tuple[EpochObserver, ...] = ()  # told of each epoch, before the callbacks
    verbose: int = 0  # 0 silent; 1 a bar, or lines where nobody watches; 2 or more lines
    resume: Checkpoint | None = None  # where an earlier call of the same plan broke off
    keep: Callable[[Checkpoint], None] | None = None  # told after every whole epoch, and at the end


class Job(NamedTuple):
    """A plan, its rows, and what runs meanwhile."""

    plan: TrainingPlan
    data: TrainingData
    hooks: TrainingHooks = TrainingHooks()
