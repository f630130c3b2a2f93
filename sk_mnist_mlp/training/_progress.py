"""Progress on the terminal: a line an epoch, or a live bar."""

from __future__ import annotations

import sys
from typing import Any, Protocol

__all__ = ["Reporter", "make_reporter"]

_NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}


class Reporter(Protocol):
    """What is told of each epoch."""

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        """Show the epoch of this number, counted from 1."""

    def close(self) -> None:
        """End the display."""


class _Silent:
    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


def _figures(logs: dict[str, float]) -> str:
    return "  ".join(f"{_NAMES.get(name, name)} {value:.4f}" for name, value in logs.items())


class _Lines:
    """One line an epoch, to standard output."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        width = len(str(self._n_epochs))
        line = f"Epoch {number:>{width}}/{self._n_epochs}  {_figures(logs)}  {seconds:.2f} s"
        print(line, flush=True)

    def close(self) -> None:
        pass


class _Bar:
    """A live bar by rich, which Keras brings along; silent where there is nobody to see it."""

    def __init__(self, n_epochs: int) -> None:
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
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("", total=n_epochs)
        self._progress.start()

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        self._progress.update(self._task, completed=number, description=_figures(logs))

    def close(self) -> None:
        self._progress.stop()


def _has_audience() -> bool:
    return sys.stdout.isatty() or "ipykernel" in sys.modules


def make_reporter(verbose: int, n_epochs: int) -> Reporter:
    """Choose the display: 0 none, 1 lines, 2 or more a bar where somebody watches."""
    if verbose <= 0:
        return _Silent()
    if verbose == 1:
        return _Lines(n_epochs)
    return _Bar(n_epochs) if _has_audience() else _Silent()
