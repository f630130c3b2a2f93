"""Progress of a fit: a line an epoch, or a live bar in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

__all__ = ["Reporter", "make_reporter"]

_NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}


class Reporter(Protocol):
    """Shows the epochs of one fit."""

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        """Show the epoch of this number, counted from 1."""

    def close(self) -> None:
        """End the display; a second call does nothing."""


class _Silent:
    """Shows nothing."""

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    """One line an epoch, to standard output."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        width = len(str(self._n_epochs))
        figures = "  ".join(f"{_NAMES.get(name, name)} {value:.4f}" for name, value in logs.items())
        print(f"Epoch {number:>{width}}/{self._n_epochs}  {figures}  {seconds:.2f} s", flush=True)

    def close(self) -> None:
        pass


def _short_figures(logs: dict[str, float]) -> str:
    """Choose the figures that fit beside a bar on 80 columns."""
    shown = {"loss": "loss", "accuracy": "accuracy", "val_accuracy": "held out"}
    return "  ".join(f"{shown[name]} {logs[name]:.4f}" for name in shown if name in logs)


class _TerminalBar:
    """A live bar by rich, which Keras brings along."""

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

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        self._progress.update(self._task, completed=number, description=_short_figures(logs))

    def close(self) -> None:
        if not self._progress.finished:
            # Stopped early: the epochs done are all there will be.
            self._progress.update(self._task, total=self._progress.tasks[0].completed)
        self._progress.stop()


class _NotebookBar:
    """A live bar of plain text, replaced in place: rich would need ipywidgets for it."""

    _WIDTH = 30

    def __init__(self, n_epochs: int) -> None:
        from IPython.display import display

        self._n_epochs = n_epochs
        self._began = time.perf_counter()
        self._handle: Any = display(self._text(0, ""), raw=True, display_id=True)

    def _text(self, number: int, figures: str) -> dict[str, str]:
        n_full = self._WIDTH * number // self._n_epochs
        bar = "━" * n_full + "┄" * (self._WIDTH - n_full)
        seconds = time.perf_counter() - self._began
        line = f"Epoch {number:>{len(str(self._n_epochs))}}/{self._n_epochs} {bar} {figures}"
        return {"text/plain": f"{line}  {seconds:.0f} s"}

    def epoch(self, number: int, logs: dict[str, float], seconds: float) -> None:
        self._handle.update(self._text(number, _short_figures(logs)), raw=True)

    def close(self) -> None:
        pass


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None


def make_reporter(verbose: int, n_epochs: int) -> Reporter:
    """Choose the display of a fit.

    Parameters
    ----------
    verbose : int
        0: none. 1: lines. 2 or more: a bar where somebody watches, which is in a terminal or in a
        notebook; a log file gets nothing.
    n_epochs : int
        Epochs there will be, at most.
    """
    if verbose <= 0:
        return _Silent()
    if verbose == 1:
        return _Lines(n_epochs)
    if _in_notebook():
        return _NotebookBar(n_epochs)
    watched = sys.stdout is not None and sys.stdout.isatty()
    return _TerminalBar(n_epochs) if watched else _Silent()
