"""Who is told of a training's epochs, and may change its course."""

from __future__ import annotations

from typing import Protocol

from sk_mnist_mlp._network import Layers
from sk_mnist_mlp._training.result import FittedNetwork, History, TrainingState

__all__ = ["EpochObserver", "Training"]


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
