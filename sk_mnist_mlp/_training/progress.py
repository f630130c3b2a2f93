"""Progress of a fit: a live bar in a terminal, or one line per epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from sk_mnist_mlp._training.observers import EpochObserver, Training

__all__ = ["ProgressDisplay"]

_NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}


class ProgressDisplay(EpochObserver):
    """Shows the epochs of one fit.

    Parameters
    ----------
    verbose : int
        0: nothing. 1: a bar in a terminal, lines where nobody watches, as in a log file or a
        notebook. 2 or more: lines.
    n_epochs : int
        Epochs there will be, at most.
    """

    def __init__(self, verbose: int, n_epochs: int) -> None:
        self._verbose = verbose
        self._n_epochs = n_epochs
        self._bar: _TerminalBar | None = None
        self._began = 0.0

    def begin(self, run: Training) -> None:
        """Open the bar."""
        watched = sys.stdout is not None and sys.stdout.isatty()
        if self._verbose == 1 and watched:
            self._bar = _TerminalBar(self._n_epochs)

    def begin_epoch(self, run: Training) -> None:
        """Start the epoch's clock."""
        self._began = time.perf_counter()

    def end_epoch(self, run: Training) -> None:
        """Show the epoch."""
        if self._bar is not None:
            self._bar.show(run.n_epochs, run.logs)
        elif self._verbose:
            figures = (f"{_NAMES.get(name, name)} {value:.4f}" for name, value in run.logs.items())
            number = f"{run.n_epochs:>{len(str(self._n_epochs))}}/{self._n_epochs}"
            seconds = time.perf_counter() - self._began
            print(f"Epoch {number}  {'  '.join(figures)}  {seconds:.2f} s", flush=True)

    def close(self) -> None:
        """End the display."""
        if self._bar is not None:
            self._bar.close()


class _TerminalBar:
    """A live bar by rich."""

    def __init__(self, n_epochs: int) -> None:
        from rich.errors import LiveError
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress: Any = Progress(
            TextColumn("Epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            expand=True,
        )
        self._task = self._progress.add_task("", total=n_epochs)
        try:
            self._progress.start()
        except LiveError:  # rich before 14.1 shows one display at a time; the first one stays
            self._progress.disable = True

    def show(self, number: int, logs: dict[str, float]) -> None:
        """Show the epoch of this number, with the figures that fit beside a bar on 80 columns."""
        short = {"loss": "loss", "accuracy": "accuracy", "val_accuracy": "held out"}
        figures = "  ".join(f"{short[name]} {logs[name]:.4f}" for name in short if name in logs)
        self._progress.update(self._task, completed=number, description=figures)

    def close(self) -> None:
        if not self._progress.finished:
            # Stopped early: the epochs done are all there will be.
            self._progress.update(self._task, total=self._progress.tasks[0].completed)
        self._progress.stop()
