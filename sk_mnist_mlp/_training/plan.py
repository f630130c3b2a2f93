"""Plain values: what to train, on what, for how long.

The estimator writes a plan, the engines read it. Nothing here computes, so a plan can be stored,
sent to another process or compared; what is code stands beside it, in :class:`TrainingHooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp._training.distortions import Distortion
from sk_mnist_mlp._training.observers import EpochObserver
from sk_mnist_mlp._training.optimizers import OptimizerSpec
from sk_mnist_mlp._training.result import Checkpoint, FittedNetwork, Seeds

__all__ = ["EarlyStopping", "Job", "TrainingData", "TrainingHooks", "TrainingPlan"]


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
    classes : ndarray of shape (n_classes,)
        The classes as the user knows them.
    sample_weight : ndarray of shape (n_samples,) or None
        Positive where used; None for all ones.
    rows : ndarray of int
        Rows of ``X`` to train on.
    validation_rows : ndarray of int
        Rows of ``X`` to validate on; may be empty.
    """

    X: NDArray[Any]
    labels: NDArray[np.int32]
    classes: NDArray[Any]
    sample_weight: NDArray[Any] | None
    rows: NDArray[np.intp]
    validation_rows: NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What to train, and for how long.

    Attributes
    ----------
    network : NetworkSpec
        The network, dropout and l2 included.
    optimizer : str or keras.optimizers.Optimizer
        As the user gave it.
    rule : OptimizerSpec or None
        The same as a rule of our own engines; None where only Keras can run it.
    learning_rate : float
        The optimizer's.
    schedule : str, keras.optimizers.schedules.LearningRateSchedule or None
        See :func:`~sk_mnist_mlp._training.schedules.relative_rates`.
    label_smoothing : float
        In [0, 1).
    batch_size : int
        Rows a step, at most.
    epochs : int
        Passes over the rows in this call.
    planned_epochs : int
        Epochs that the user means to train in all, where this call is one of several.
    seeds : Seeds
        Where all chance comes from.
    early_stopping : EarlyStopping or None
        None trains for all epochs.
    distortion : Distortion or None
        How images are distorted in training.
    image_shape : tuple of int or None
        Shape of the images in the rows, where they are distorted.
    start : FittedNetwork or None
        What to resume; None starts from drawn weights.
    """

    network: NetworkSpec
    optimizer: Any
    rule: OptimizerSpec | None
    learning_rate: float
    batch_size: int
    epochs: int
    planned_epochs: int
    seeds: Seeds
    label_smoothing: float = 0.0
    schedule: Any = None
    early_stopping: EarlyStopping | None = None
    distortion: Distortion | None = None
    image_shape: tuple[int, ...] | None = None
    start: FittedNetwork | None = None

    def n_steps(self, n_rows: int) -> int:
        """Steps of one epoch over this many rows."""
        return -(-n_rows // self.batch_size)


@dataclass(frozen=True, kw_only=True)
class TrainingHooks:
    """Code that runs while a plan is trained.

    Attributes
    ----------
    who : str
        Name of the estimator, for warnings.
    callbacks : tuple of keras.callbacks.Callback
        The engine's own to change.
    observers : tuple of EpochObserver
        Told of each epoch, in order, before the callbacks.
    verbose : int
        0 silent; 1 a bar, or lines where nobody watches; 2 or more lines.
    resume : Checkpoint or None
        Where an earlier call of the same plan, which broke off, stood.
    keep : callable or None
        Told after every whole epoch where the training stands, and at its end.
    """

    who: str = "MLPDigitClassifier"
    callbacks: tuple[Any, ...] = ()
    observers: tuple[EpochObserver, ...] = ()
    verbose: int = 0
    resume: Checkpoint | None = None
    keep: Callable[[Checkpoint], None] | None = None


class Job(NamedTuple):
    """A plan, its rows, and what runs meanwhile."""

    plan: TrainingPlan
    data: TrainingData
    hooks: TrainingHooks = TrainingHooks()
