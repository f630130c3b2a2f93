"""The results of a search: as a table to read, as CSV, as a picture."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import how_to_install
from sk_mnist_mlp._storage import replacing

__all__ = ["ResultTable", "describe_candidate", "print_table", "write_csv", "write_heat_map"]


@dataclass(frozen=True)
class ResultTable:
    """Scores of candidates, some perhaps not there yet.

    Attributes
    ----------
    candidates : list of dict
        Parameters.
    scores, seconds : ndarray of shape (n_candidates, n_folds)
        NaN where not known, or where the fit diverged.
    done : ndarray of bool of shape (n_candidates, n_folds)
        Whether the fit has ended.
    """

    candidates: list[dict[str, Any]]
    scores: NDArray[np.float64]
    seconds: NDArray[np.float64]
    done: NDArray[np.bool_]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean accuracy of each candidate; NaN where a fold is missing."""
        return self.scores.mean(axis=1)

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation over the folds, as scikit-learn computes it."""
        return self.scores.std(axis=1)

    @property
    def ranks(self) -> list[int | None]:
        """1 for the best; equals share a rank, as in scikit-learn; None without a mean."""
        return [
            1 + int((self.means > mean).sum()) if np.isfinite(mean) else None for mean in self.means
        ]

    @property
    def order(self) -> list[int]:
        """Candidates from the best on, those without a mean last."""
        return np.argsort(-self.means, kind="stable").tolist()  # NaN sorts last


def describe_candidate(candidate: dict[str, Any]) -> str:
    """Parameters in one line."""
    return "  ".join(f"{name}={_show(value)}" for name, value in candidate.items())


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def print_table(table: ResultTable) -> None:
    """Print the candidates from the best on."""
    names = list(table.candidates[0])
    header = ["rank", "accuracy", "std", *names, "s/fit"]
    rows = [
        [
            str(table.ranks[i] or "-"),
            f"{table.means[i]:.4f}" if table.ranks[i] else "diverged",
            f"{table.deviations[i]:.4f}" if table.ranks[i] else "-",
            *(_show(table.candidates[i][name]) for name in names),
            f"{table.seconds[i].mean():.1f}",
        ]
        for i in table.order
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print()
    for row in [header, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def write_csv(table: ResultTable, path: Path) -> None:
    """Write every candidate, under the names that ``cv_results_`` has, empty where not known."""
    names = list(table.candidates[0])
    folds = range(table.scores.shape[1])
    header = ["rank_test_score", "mean_test_score", "std_test_score"]
    header += [f"param_{name}" for name in names]
    header += [*(f"split{k}_test_score" for k in folds), "mean_fit_time"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for i in table.order:
        values = (_show(table.candidates[i][name]) for name in names)
        row = [table.ranks[i], _cell(table.means[i]), _cell(table.deviations[i]), *values]
        writer.writerow([*row, *map(_cell, table.scores[i]), _cell(table.seconds[i].mean())])
    with replacing(path, who="write_csv") as file:
        file.write(text.getvalue().encode())


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_heat_map(search: Any, path: Path) -> bool:
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
        if len(varying) > 2:
            display.ax_.set_title("the best over the other parameters", fontsize=9)
        with replacing(path, who="write_heat_map") as file:
            display.figure_.savefig(file, format="png", dpi=150)
        plt.close(display.figure_)
    return True
