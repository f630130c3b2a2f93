"""Who is told of a training's epochs, and may change its course."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sk_mnist_mlp._training.epochs import Run

__all__ = ["EpochObserver"]


class EpochObserver:
    """Is told when a training and its epochs begin and end; every method may be left out.

    An observer reads ``run.logs``, ``run.history`` and ``run.layers``, whose arrays never change;
    it may set ``run.layers``, ``run.learning_rate`` and ``run.stopped``. What it raises ends this
    training alone.
    """

    def begin(self, run: Run) -> None:
        """Hear that the training begins."""

    def begin_epoch(self, run: Run) -> None:
        """Hear that an epoch begins."""

    def begin_validation(self, run: Run) -> None:
        """Hear that the held-out rows are about to be measured, with ``run.layers``."""

    def end_validation(self, run: Run) -> None:
        """Hear that they were."""

    def end_epoch(self, run: Run) -> None:
        """Hear that an epoch has ended."""

    def end(self, run: Run) -> None:
        """Hear that the training has ended, unless an error or Ctrl-C ended it."""
