"""What is known of a search: a line for each fit that ends, a table to read, CSV, a picture."""

from __future__ import annotations

import contextlib
import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid

from sk_mnist_mlp._extras import how_to_install
from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp._training import fit_identity, name_of
from sk_mnist_mlp.model_selection import finished_fits

__all__ = ["Results"]

_SECONDS_BETWEEN_LOOKS = 0.2


class Results:
    """The finished fits of a search, whose ``cv`` is a list of folds, read from their folder.

    ``candidates`` are in scikit-learn's order; ``scores``, ``seconds`` and ``done`` are of shape
    (n_candidates, n_folds). A score is NaN where a fit is not done yet or diverged.
    """

    def __init__(
        self, search: GridSearchCV, X: NDArray[Any], y: NDArray[Any], folder: Path
    ) -> None:
        candidates = list(ParameterGrid(search.param_grid))
        self.candidates = [{_short(name): c[name] for name in c} for c in candidates]
        shape = len(candidates), len(search.cv)
        self.scores, self.seconds = np.full(shape, np.nan), np.full(shape, np.nan)
        self.done = np.zeros(shape, bool)
        models = [clone(search.estimator).set_params(**candidate) for candidate in candidates]
        identities = [fit_identity(model.get_params()) for model in models]
        self._places: dict[str, tuple[int, int]] = {}
        for k, (rows, _) in enumerate(search.cv):
            data = fit_identity({}, X=X[rows], y=y[rows])
            self._places |= {name_of(told | data): (i, k) for i, told in enumerate(identities)}
        self._folder, self._seen = folder, 0

    # ------------------------------------------------------------------------------------------
    # Fits end in other processes, so the folder is what is watched

    def look(self) -> list[tuple[int, int]]:
        """Read what is new in the folder; return candidate and fold of each fit."""
        changed = self._folder.stat().st_mtime_ns if self._folder.is_dir() else 0
        if changed == self._seen:
            return []
        self._seen, found = changed, []
        for name, fit in finished_fits(self._folder).items():
            accuracies = [s["accuracy"] for s in fit["scores"] if isinstance(s, dict)]
            place = self._places.get(name)
            if place and accuracies and not self.done[place]:
                self.scores[place], self.seconds[place] = accuracies[0], fit["seconds"]
                self.done[place] = True
                found.append(place)
        return found

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Print a line for each fit that ends."""
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

    def _tell(self) -> None:
        n_before, n_fits = self.done.sum(), self.done.size
        for n_done, place in enumerate(self.look(), start=n_before + 1):
            score, (candidate, fold) = self.scores[place], place
            values = (f"{name}={_show(v)}" for name, v in self.candidates[candidate].items())
            print(
                f"Fit {n_done:>{len(str(n_fits))}}/{n_fits}  "
                f"{'diverged' if np.isnan(score) else f'accuracy {score:.4f}':15}  "
                f"{self.seconds[place]:6.1f} s  fold {fold + 1}  {'  '.join(values)}",
                flush=True,
            )

    # ------------------------------------------------------------------------------------------
    # Candidates compared

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean accuracy of each candidate; NaN where a fold is missing."""
        return self.scores.mean(axis=1)

    @property
    def best(self) -> int:
        """The candidate of rank one."""
        if np.isnan(self.means).all():
            raise ValueError(
                "expected a candidate with a finite loss, got none. Try a smaller --learning-rate."
            )
        return int(np.nanargmax(self.means))

    def _ranked(self) -> Iterator[tuple[int, int | None, float, float]]:
        """Candidate, rank, mean and deviation from the best on; those without a mean come last.

        Equals share a rank, as in scikit-learn.
        """
        means, deviations = self.means, self.scores.std(axis=1)
        for i in np.argsort(-means, kind="stable").tolist():  # NaN sorts last
            rank = None if np.isnan(means[i]) else 1 + int((means > means[i]).sum())
            yield i, rank, float(means[i]), float(deviations[i])

    def print_table(self) -> None:
        """Print the candidates from the best on."""
        rows = [["rank", "accuracy", "std", *self.candidates[0], "s/fit"]]
        for i, rank, mean, deviation in self._ranked():
            scores = [f"{rank}", f"{mean:.4f}", f"{deviation:.4f}"]
            values = map(_show, self.candidates[i].values())
            seconds = f"{self.seconds[i].mean():.1f}"
            rows.append([*(scores if rank else ["-", "diverged", "-"]), *values, seconds])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print()
        for row in rows:
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))

    def write_csv(self, path: Path) -> None:
        """Write every candidate under the names of ``cv_results_``, empty where not known."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        parameters = [f"param_{name}" for name in self.candidates[0]]
        splits = [f"split{k}_test_score" for k in range(self.scores.shape[1])]
        header = ["rank_test_score", "mean_test_score", "std_test_score", *parameters, *splits]
        writer.writerow([*header, "mean_fit_time"])
        for i, rank, mean, deviation in self._ranked():
            values = map(_show, self.candidates[i].values())
            numbers = [*self.scores[i].tolist(), float(self.seconds[i].mean())]
            row = [rank, mean, deviation, *values, *numbers]
            writer.writerow(["" if value != value else value for value in row])  # NaN
        with replacing(path, who="search") as file:
            file.write(text.getvalue().encode())


def _short(name: str) -> str:
    return name.rpartition("__")[2]


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def write_heat_map(search: GridSearchCV, path: Path) -> bool:
    """Draw the scores; without matplotlib say how to get it, as the search is worth more."""
    try:
        import matplotlib as mpl
        import matplotlib.pyplot as plt
    except ImportError:
        print(f"\nNo heat map: matplotlib is missing. {how_to_install('matplotlib')}")
        return False
    from sk_mnist_mlp.inspection import SearchResultsDisplay

    varying = [name for name, values in search.param_grid.items() if len(values) > 1]
    with mpl.rc_context({"backend": "agg"}):
        display = SearchResultsDisplay.from_search(
            search, parameters=varying[:2] or None, metric="accuracy"
        )
        with replacing(path, who="search") as file:
            display.figure_.savefig(file, format="png", dpi=150)
        plt.close(display.figure_)
    return True
