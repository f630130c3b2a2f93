"""A search under way: ``GridSearchCV`` over recorded fits, and what it has so far."""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold

from sk_mnist_mlp.cli.models import classifier_of
from sk_mnist_mlp.cli.records import (
    FitRecord,
    RecordedFit,
    data_digest,
    fit_key,
    read_record,
    recorded_accuracy,
)
from sk_mnist_mlp.cli.results import ResultTable, describe_candidate

__all__ = ["Running"]

_PREFIX = "model__mlpdigitclassifier__"
_SECONDS_BETWEEN_LOOKS = 0.2


class Running:
    """A search over a grid whose finished fits are kept in a folder.

    Parameters
    ----------
    model : Pipeline
        Ends in a step ``mlpdigitclassifier``.
    grid : dict of str to list
        Parameters of the classifier and the values to try.
    X, y : ndarray
        Images and labels.
    n_folds : int
        2 or more.
    seed : int
        Decides the folds.
    folder : Path
        Where the records are.

    Attributes
    ----------
    candidates : list of dict
        In scikit-learn's order.
    keys : dict of str to (int, int)
        Each fit's name, with its candidate and its fold.
    """

    def __init__(
        self,
        model: Any,
        grid: dict[str, list[Any]],
        X: NDArray[Any],
        y: NDArray[Any],
        n_folds: int,
        seed: int,
        folder: Path,
    ) -> None:
        self._model, self._grid, self._X, self._y = model, grid, X, y
        self._folder = folder
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        self._folds = list(folds.split(X, y))
        self.candidates = list(ParameterGrid(grid))
        digests = [data_digest(X[rows], y[rows]) for rows, _ in self._folds]
        classifier = classifier_of(model)
        self.keys = {
            fit_key(clone(classifier).set_params(**candidate), digest): (i, k)
            for i, candidate in enumerate(self.candidates)
            for k, digest in enumerate(digests)
        }
        self._records: dict[str, FitRecord] = {}

    @property
    def n_done(self) -> int:
        """How many fits have a record."""
        self._look()
        return len(self._records)

    def fit(self, n_jobs: int) -> GridSearchCV:
        """Run the search, with a line for each fit that ends."""
        if self.n_done:
            print(f"{self.n_done} of {len(self.keys)} fits were done by an earlier call")
        n_jobs = min(n_jobs, len(self.keys))  # more would have nothing to do
        search = GridSearchCV(
            RecordedFit(self._model, str(self._folder)),
            {_PREFIX + name: values for name, values in self._grid.items()},
            scoring={"accuracy": recorded_accuracy},  # the name stands beside the heat map
            cv=self._folds,
            n_jobs=n_jobs,
            refit=False,
        )
        with self._progress(), warnings.catch_warnings():
            # A candidate that diverged has warned already, and its row of the table says so.
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
            warnings.filterwarnings("ignore", "MLPDigitClassifier: .* got interrupted")
            _start_workers(n_jobs)
            # The report of a fit that failed has its traceback; its last line says why.
            warnings.filterwarnings("ignore", category=FitFailedWarning)
            try:
                search.fit(self._X, self._y)
            except ValueError as error:
                raise ValueError(str(error).strip().splitlines()[-1]) from error
        return search

    def table(self) -> ResultTable:
        """What the records say of each candidate."""
        self._look()
        shape = len(self.candidates), len(self._folds)
        scores, seconds = np.full(shape, np.nan), np.full(shape, np.nan)
        done = np.zeros(shape, bool)
        for key, record in self._records.items():
            scores[self.keys[key]], seconds[self.keys[key]] = record
            done[self.keys[key]] = True
        return ResultTable(self.candidates, scores, seconds, done)

    def best(self, table: ResultTable) -> dict[str, Any]:
        """The candidate of rank one."""
        if not np.isfinite(table.means).any():
            raise ValueError(
                "expected a candidate with a finite loss, got none. Try a smaller --learning-rate."
            )
        return self.candidates[int(np.nanargmax(table.means))]

    # ------------------------------------------------------------------------------------------
    # Progress: fits end in other processes, so their records are what is watched

    def _look(self) -> list[str]:
        """Read the records that are new since the last look; return their names."""
        found = []
        for key in [key for key in self.keys if key not in self._records]:
            record = read_record(self._folder, key)
            if record is not None:
                self._records[key] = record
                found.append(key)
        return found

    def _tell(self) -> None:
        n_before = len(self._records)
        for n_done, key in enumerate(self._look(), start=n_before + 1):
            candidate, fold = self.keys[key]
            record = self._records[key]
            width = len(str(len(self.keys)))
            diverged = np.isnan(record.accuracy)
            result = f"{'diverged':15}" if diverged else f"accuracy {record.accuracy:.4f}"
            print(
                f"Fit {n_done:>{width}}/{len(self.keys)}  {result}  "
                f"{record.seconds:6.1f} s  fold {fold + 1}  "
                f"{describe_candidate(self.candidates[candidate])}",
                flush=True,
            )

    @contextlib.contextmanager
    def _progress(self) -> Iterator[None]:
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_SECONDS_BETWEEN_LOOKS):
                self._tell()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            self._tell()


def _start_workers(n_jobs: int) -> None:
    """Start joblib's worker processes deaf to Ctrl-C, which the terminal sends to them as well.

    The search's own process hears it and ends its workers; one that heard it by itself would only
    fill the terminal with a traceback. A signal ignored here stays ignored in a process started
    meanwhile; that takes a third of a second at most, as the workers' imports are not waited for.
    """
    n_workers = joblib.effective_n_jobs(n_jobs)
    if n_workers == 1 or threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = joblib.Parallel(n_jobs, return_as="generator")(
            joblib.delayed(abs)(0) for _ in range(n_workers)
        )
    finally:
        signal.signal(signal.SIGINT, before)
    list(started)
