"""``SearchResultsDisplay``: the scores of a search over one or two of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sk_mnist_mlp._estimators import is_real
from sk_mnist_mlp._extras import require
from sk_mnist_mlp.inspection.axes import GREY, tidy

__all__ = ["SearchResultsDisplay"]

_NAME = "SearchResultsDisplay"
_BEST = "#d62728"


@dataclass(kw_only=True, eq=False, repr=False)
class SearchResultsDisplay:
    """The scores of a search: a heat map over two parameters, intervals over one.

    Make one by :meth:`from_search`. A heat map shows each cell's mean score over the folds and its
    standard deviation; an interval plot shows mean, standard deviation and every fold. The best
    candidate is marked.

    Parameters
    ----------
    parameters : dict of str to list
        One or two parameters, each with its values in the order of the axis. With two, the first
        runs down the rows and the second along the columns.
    split_scores : ndarray of shape (n_values, n_folds) or (n_rows, n_columns, n_folds)
        Score of each candidate on each fold; NaN where a candidate failed or was not tried.
    tried : ndarray of bool of shape (n_values,) or (n_rows, n_columns)
        Which candidates the search fitted.
    score_name : str, default="score"
        What the scores are.
    best_over_others : bool, default=False
        Whether other parameters varied too, over which the best candidate was taken.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it is drawn on.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    im_ : matplotlib AxesImage or None
        The heat map, where there is one.
    errorbar_ : matplotlib ErrorbarContainer or None
        The intervals, where there are some.

    See Also
    --------
    TrainingCurveDisplay : Loss and accuracy by epoch.
    sklearn.model_selection.ValidationCurveDisplay : Scores over one parameter, without a search.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import SearchResultsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> grid = {"dropout": [0.0, 0.4], "hidden_units": [8, 16]}
    >>> model = MLPDigitClassifier(epochs=2, random_state=0)
    >>> search = GridSearchCV(model, grid, cv=2).fit(X[:200] / 16, y[:200])
    >>> SearchResultsDisplay.from_search(search).split_scores.shape
    (2, 2, 2)
    """

    parameters: Mapping[str, Sequence[Any]]
    split_scores: NDArray[np.float64]
    tried: NDArray[np.bool_]
    score_name: str = "score"
    best_over_others: bool = False

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        parameters: str | Sequence[str] | None = None,
        metric: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the results of a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or a successive halving search
            Fitted. Of successive halving each candidate's longest training counts.
        parameters : str, list of str or None, default=None
            One or two parameters to show, by their names in the grid. Where others vary too, the
            best candidate for each shown value counts. None shows all that vary, if those are one
            or two.
        metric : str or None, default=None
            One of the metrics of a search with several; None takes the one of ``refit``.
        ax : matplotlib Axes or None, default=None
            What to draw on; None makes a figure.

        Returns
        -------
        display : SearchResultsDisplay
            Drawn.

        Raises
        ------
        ValueError, NotFittedError
            If more than two parameters vary and none was named, or a name is not in the search.
        """
        return cls(**_read(search, parameters, metric)).plot(ax)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: str = "viridis",
        values_format: str = ".3f",
        colorbar: bool = True,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            What to draw on; None makes a figure.
        cmap : str, default="viridis"
            Colour map of a heat map.
        values_format : str, default=".3f"
            Format of the scores written into a heat map.
        colorbar : bool, default=True
            Whether a heat map gets a colour bar.

        Returns
        -------
        self : SearchResultsDisplay
            With ``ax_`` and ``figure_``.
        """
        plt = require("matplotlib.pyplot", who=f"{_NAME}.plot")
        is_map = self.tried.ndim == 2
        if ax is None:
            cells = np.array(self.tried.shape[::-1])
            size = np.minimum((2.6, 1.4) + (1.05, 0.85) * cells, (12, 9)) if is_map else (6.4, 4.2)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.im_: Any = None
        self.errorbar_: Any = None
        means, stds = self.split_scores.mean(axis=-1), self.split_scores.std(axis=-1)
        scored = np.isfinite(means).any()
        best = np.unravel_index(np.nanargmax(means), means.shape) if scored else None
        others = ", best over the others" if self.best_over_others else ""
        score = f"{self.score_name}{others}, mean of {self.split_scores.shape[-1]} folds"
        if not is_map:
            self._draw_intervals(means, stds, best, score)
            return self
        self.im_ = ax.imshow(means, cmap=plt.get_cmap(cmap), aspect="auto")
        self._write_cells(means, stds, values_format)
        if best is not None:
            corner = best[1] - 0.49, best[0] - 0.49
            frame = plt.Rectangle(corner, 0.98, 0.98, fill=False, edgecolor=_BEST, linewidth=2.5)
            ax.add_patch(frame)
        if colorbar:
            self.figure_.colorbar(self.im_, ax=ax, label=score).outline.set_visible(False)
        return self

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each candidate shown: its parameters, ``mean_test_score``, ``std_test_score``
            and ``split0_test_score`` and so on, NaN where it failed, as in ``cv_results_``.
        """
        pandas = require("pandas", who=f"{_NAME}.frame")
        cells, folds = np.nonzero(self.tried), self.split_scores[self.tried]
        shown = zip(self.parameters.items(), cells, strict=True)
        return pandas.DataFrame(
            {name: [values[int(i)] for i in cell] for (name, values), cell in shown}
            | {"mean_test_score": folds.mean(axis=1), "std_test_score": folds.std(axis=1)}
            | {f"split{k}_test_score": scores for k, scores in enumerate(folds.T)}
        )

    def _write_cells(self, means: Any, stds: Any, values_format: str) -> None:
        crowded = max(means.shape) > 8
        for row, column in np.argwhere(self.tried):
            mean, std = means[row, column], stds[row, column]
            text, ink = "failed", GREY
            if np.isfinite(mean):
                text = f"{mean:{values_format}}" + f"\n± {std:{values_format}}" * (not crowded)
                brightness = np.dot(self.im_.to_rgba(mean)[:3], (0.299, 0.587, 0.114))
                ink = "white" if brightness < 0.55 else "black"
            style = {"fontsize": 7 if crowded else 9, "ha": "center", "va": "center"}
            self.ax_.text(column, row, text, color=ink, **style)
        (row_name, rows), (column_name, columns) = self.parameters.items()
        self.ax_.set_yticks(range(len(rows)), map(_label, rows))
        self.ax_.set_xticks(range(len(columns)), map(_label, columns))
        self.ax_.set(xlabel=_short(column_name), ylabel=_short(row_name))
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)

    def _draw_intervals(self, means: Any, stds: Any, best: Any, score: str) -> None:
        ax = self.ax_
        ((name, values),) = self.parameters.items()
        numbers = all(map(is_real, values))
        at = np.array(values, float) if numbers else np.arange(len(values), dtype=float)
        low, high = at.min(), at.max()
        # Limits are set here, as matplotlib would leave out where candidates failed.
        if not numbers:
            ax.set_xticks(at, map(_label, values))
            ax.set_xlim(low - 0.5, high + 0.5)
        elif low > 0 and high / low >= 30:
            ax.set_xscale("log")
            ax.set_xlim(low * (low / high) ** 0.05, high * (high / low) ** 0.05)
        else:
            margin = 0.05 * (high - low) or 0.5
            ax.set_xlim(low - margin, high + margin)
        for fold in self.split_scores.T:
            ax.plot(at, fold, "o", color=GREY, alpha=0.45, markersize=4, markeredgewidth=0)
        # A line between candidates that differ in other parameters too would mean nothing.
        line = "-" if numbers and not self.best_over_others else "none"
        style = {"fmt": "o", "linestyle": line, "capsize": 5, "markersize": 7, "linewidth": 1.6}
        self.errorbar_ = ax.errorbar(at, means, stds, label="mean ± standard deviation", **style)
        if best is not None:
            text = f"best: {_label(values[int(best[0])])}, {means[best]:.3f}"
            ring = {"markersize": 13, "markerfacecolor": "none", "markeredgewidth": 2}
            ax.plot(at[best], means[best], "o", markeredgecolor=_BEST, label=text, **ring)
        ax.set(xlabel=_short(name), ylabel=score)
        ax.legend(frameon=False)
        tidy(ax)


def _read(search: Any, asked: str | Sequence[str] | None, metric: str | None) -> dict[str, Any]:
    """What :class:`SearchResultsDisplay` is made of."""
    check_is_fitted(search, "cv_results_")
    results = search.cv_results_
    scores, score_name = _scores(search, metric)
    candidates: dict[str, tuple[dict[str, Any], NDArray[np.float64]]] = {}
    # Of successive halving each candidate's longest training counts.
    for i in np.argsort(results.get("n_resources", np.zeros(len(scores))), kind="stable"):
        settings = dict(results["params"][i])
        settings.pop(getattr(search, "resource", None), None)
        candidates[repr(sorted(settings.items()))] = settings, scores[i]
    names = dict.fromkeys(name for settings, _ in candidates.values() for name in settings)
    levels = {
        name: _levels([settings.get(name, "default") for settings, _ in candidates.values()])
        for name in names
    }
    varying = [name for name in names if len(levels[name]) > 1]
    shown = {name: levels[name] for name in _choose(list(names), varying, asked)}
    table = np.full((*(len(level) for level in shown.values()), scores.shape[1]), np.nan)
    tried = np.zeros(table.shape[:-1], bool)
    for settings, folds in candidates.values():
        cell = tuple(
            list(level).index(_key(settings.get(name, "default"))) for name, level in shown.items()
        )
        tried[cell] = True
        # Of several candidates for one cell the best counts, and any before one that failed.
        if np.isfinite(folds).all() and not table[cell].mean() >= folds.mean():
            table[cell] = folds
    return {
        "parameters": {name: list(level.values()) for name, level in shown.items()},
        "split_scores": table,
        "tried": tried,
        "score_name": score_name,
        "best_over_others": not set(varying) <= set(shown),
    }


def _choose(
    names: list[str], varying: list[str], asked: str | Sequence[str] | None
) -> Sequence[str]:
    """The parameters to show."""
    if not names:
        raise ValueError(
            f"{_NAME}: expected a search over one or two parameters, got one over none. Give its "
            "grid a parameter."
        )
    chosen = [asked] if isinstance(asked, str) else asked
    if chosen is None:
        chosen = varying or names[:1]
    if not 1 <= len(chosen) <= 2 or not set(chosen) <= set(names):
        raise ValueError(
            f"{_NAME}: expected one or two of the search's parameters, {', '.join(names)}, got "
            f"{chosen!r}. Name those to show, for example parameters={names[:2]}; the best "
            "candidate over the others is shown for each."
        )
    return chosen


def _scores(search: Any, metric: str | None) -> tuple[NDArray[np.float64], str]:
    """Scores of shape (n_candidates, n_folds), and what they are."""
    results = search.cv_results_
    metrics = [name[len("mean_test_") :] for name in results if name.startswith("mean_test_")]
    if metric is None:
        metric = search.refit if search.multimetric_ and isinstance(search.refit, str) else "score"
    if metric not in metrics:
        raise ValueError(
            f"{_NAME}: expected metric to be one of {', '.join(sorted(metrics))}, got {metric!r}. "
            "Name one of the search's metrics."
        )
    folds = [results[f"split{k}_test_{metric}"] for k in range(search.n_splits_)]
    name = metric
    if metric == "score" and search.scoring is None:
        name = "accuracy"
    elif metric == "score" and isinstance(search.scoring, str):
        name = search.scoring
    name = name.replace("neg_", "negative ").replace("_", " ")
    return np.stack(folds, axis=1).astype(float), name


def _key(value: Any) -> Any:
    """What tells values apart: numbers by size, whatever their type, others by how they read."""
    return float(value) if is_real(value) else repr(value)


def _levels(values: Sequence[Any]) -> dict[Any, Any]:
    """Different values by key in the order of an axis: numbers by size, others as they came."""
    levels = {_key(value): value for value in values}
    return dict(sorted(levels.items())) if all(map(is_real, values)) else levels


def _label(value: Any) -> str:
    """A parameter's value, written beside an axis."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value))
    shown = str(value)
    return type(value).__name__ if len(shown) > 20 and not isinstance(value, str) else shown


def _short(name: str) -> str:
    return name.rsplit("__", 1)[-1]
