"""Progress of a fit: a live bar in a terminal, or one line per epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from sk_mnist_mlp._training.plan import EpochObserver, Training

__all__ = ["ProgressDisplay"]

_LONG = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}
_SHORT = {"loss": "loss", "accuracy": "accuracy", "val_accuracy": "held out"}
"""The figures that fit beside a bar on 80 columns."""


class ProgressDisplay(EpochObserver):
    """Shows the epochs of one fit as its ``verbose`` asks."""

    def __init__(self, verbose: int, n_epochs: int) -> None:
        self._verbose, self._n_epochs = verbose, n_epochs
        self._bar: Any = None
        self._began = 0.0

    def begin(self, run: Training) -> None:
        """Open the bar where somebody watches."""
        if self._verbose == 1 and sys.stdout is not None and sys.stdout.isatty():
            self._bar = _open_bar(self._n_epochs)

    def begin_epoch(self, run: Training) -> None:
        """Start the epoch's clock."""
        self._began = time.perf_counter()

    def end_epoch(self, run: Training) -> None:
        """Show the epoch."""
        number, logs = run.n_epochs, run.logs
        if self._bar is not None:
            figures = "  ".join(
                f"{_SHORT[name]} {logs[name]:.4f}" for name in _SHORT if name in logs
            )
            self._bar.update(self._bar.task_ids[0], completed=number, description=figures)
        elif self._verbose:
            figures = "  ".join(f"{_LONG.get(name, name)} {logs[name]:.4f}" for name in logs)
            counted = f"{number:>{len(str(self._n_epochs))}}/{self._n_epochs}"
            seconds = time.perf_counter() - self._began
            print(f"Epoch {counted}  {figures}  {seconds:.2f} s", flush=True)

    def close(self) -> None:
        """End the display; where training stopped early, the epochs done are all there will be."""
        if self._bar is not None:
            (task,) = self._bar.tasks
            self._bar.update(task.id, total=task.completed)
            self._bar.stop()


def _open_bar(n_epochs: int) -> Any:
    """A live bar by rich."""
    from rich import progress
    from rich.errors import LiveError

    bar = progress.Progress(
        progress.TextColumn("Epoch"),
        progress.MofNCompleteColumn(),
        progress.BarColumn(bar_width=None),
        progress.TextColumn("{task.description}"),
        progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        expand=True,
    )
    bar.add_task("", total=n_epochs)
    try:
        bar.start()
    except LiveError:  # rich before 14.1 shows one display at a time; the first one stays
        bar.disable = True
    return bar
