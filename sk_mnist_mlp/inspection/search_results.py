"""``SearchResultsDisplay``: the scores of a search over one or two of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import is_real
from sk_mnist_mlp.inspection.axes import GREY, import_pyplot, tidy
from sk_mnist_mlp.inspection.search_table import label, read_search

__all__ = ["SearchResultsDisplay"]

_NAME = "SearchResultsDisplay"
_BEST, _FAILED = "#d62728", "#e5e7eb"


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
    >>> display = SearchResultsDisplay.from_search(search)
    >>> display.split_scores.shape
    (2, 2, 2)
    """

    def __init__(
        self,
        *,
        parameters: Mapping[str, Sequence[Any]],
        split_scores: NDArray[np.float64],
        tried: NDArray[np.bool_],
        score_name: str = "score",
        best_over_others: bool = False,
    ) -> None:
        self.parameters = parameters
        self.split_scores = split_scores
        self.tried = tried
        self.score_name = score_name
        self.best_over_others = best_over_others

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
        ValueError
            If more than two parameters vary and none was named, or a name is not in the search.
        NotFittedError
            If the search is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        table = read_search(search, parameters, metric)
        return cls(**table._asdict()).plot(ax)

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
        plt = import_pyplot(f"{_NAME}.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=self._figure_size(), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.im_: Any = None
        self.errorbar_: Any = None
        if len(self.parameters) == 1:
            self._draw_intervals()
        else:
            self._draw_heat_map(plt, cmap, values_format, colorbar)
        return self

    def _figure_size(self) -> tuple[float, float]:
        if len(self.parameters) == 1:
            return 6.4, 4.2
        n_rows, n_columns = self.tried.shape
        return min(2.6 + 1.05 * n_columns, 12.0), min(1.4 + 0.85 * n_rows, 9.0)

    def _best(self) -> tuple[np.intp, ...] | None:
        """Index of the best candidate; None where none was scored."""
        means = self.split_scores.mean(axis=-1)
        if np.isnan(means).all():
            return None
        return np.unravel_index(np.nanargmax(means), means.shape)

    # ------------------------------------------------------------------------------------------
    # Two parameters

    def _draw_heat_map(self, plt: Any, cmap: str, values_format: str, colorbar: bool) -> None:
        ax = self.ax_
        means, stds = self.split_scores.mean(-1), self.split_scores.std(-1)
        self.im_ = ax.imshow(means, cmap=plt.get_cmap(cmap), aspect="auto")
        crowded = max(means.shape) > 8
        for cell in np.argwhere(self.tried):
            mean, std = means[tuple(cell)], stds[tuple(cell)]
            if not np.isfinite(mean):
                self._frame(plt, cell, facecolor=_FAILED)
            ax.text(
                *cell[::-1],
                _cell_text(mean, std, values_format, crowded),
                ha="center",
                va="center",
                color=self._ink(mean),
                fontsize=7 if crowded else 9,
                linespacing=1.4,
            )
        best = self._best()
        if best is not None:
            self._frame(plt, best, fill=False, edgecolor=_BEST, linewidth=2.5)
        (row_name, rows), (column_name, columns) = self.parameters.items()
        ax.set_yticks(range(len(rows)), [label(value) for value in rows])
        ax.set_xticks(range(len(columns)), [label(value) for value in columns])
        ax.set(xlabel=_short(column_name), ylabel=_short(row_name))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=ax, label=self._score_label())
            bar.outline.set_visible(False)

    def _frame(self, plt: Any, cell: Any, **style: Any) -> None:
        corner = (cell[1] - 0.49, cell[0] - 0.49)
        self.ax_.add_patch(plt.Rectangle(corner, 0.98, 0.98, **style))

    def _ink(self, mean: float) -> str:
        """Choose a colour that can be read on the cell's."""
        if not np.isfinite(mean):
            return GREY
        brightness = np.dot(self.im_.to_rgba(mean)[:3], (0.299, 0.587, 0.114))
        return "white" if brightness < 0.55 else "black"

    def _score_label(self) -> str:
        best = ", best over the others" if self.best_over_others else ""
        return f"{self.score_name}{best}, mean of {self.split_scores.shape[-1]} folds"

    # ------------------------------------------------------------------------------------------
    # One parameter

    def _draw_intervals(self) -> None:
        ax = self.ax_
        ((name, values),) = self.parameters.items()
        means, stds = self.split_scores.mean(-1), self.split_scores.std(-1)
        at = self._positions(values)
        # A line between candidates that differ in other parameters too would mean nothing.
        joined = all(is_real(value) for value in values) and not self.best_over_others
        for fold in self.split_scores.T:
            ax.plot(at, fold, "o", color=GREY, alpha=0.45, markersize=4, markeredgewidth=0)
        self.errorbar_ = ax.errorbar(
            at,
            means,
            stds,
            fmt="o",
            linestyle="-" if joined else "none",
            capsize=5,
            markersize=7,
            linewidth=1.6,
            label="mean ± standard deviation",
        )
        best = self._best()
        if best is not None:
            ax.plot(
                at[best],
                means[best],
                "o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor=_BEST,
                markeredgewidth=2,
                label=f"best: {label(values[int(best[0])])}, {means[best]:.3f}",
            )
        ax.set(xlabel=_short(name), ylabel=self._score_label())
        ax.legend(frameon=False)
        tidy(ax)

    def _positions(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """Where the values stand: at their size if they are numbers, else one after another."""
        if len(values) > 1 and all(is_real(value) for value in values):
            at = np.array(values, float)
            low, high = at.min(), at.max()
            # Set here, as matplotlib would leave out where candidates failed.
            if _spreads_over_decades(at):
                self.ax_.set_xscale("log")
                self.ax_.set_xlim(low * (low / high) ** 0.05, high * (high / low) ** 0.05)
            else:
                self.ax_.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
            return at
        at = np.arange(len(values), dtype=float)
        self.ax_.set_xticks(at, [label(value) for value in values])
        self.ax_.set_xlim(-0.5, len(values) - 0.5)
        return at


def _short(name: str) -> str:
    return name.rsplit("__", 1)[-1]


def _cell_text(mean: float, std: float, values_format: str, crowded: bool) -> str:
    if not np.isfinite(mean):
        return "failed"
    return f"{mean:{values_format}}" + ("" if crowded else f"\n± {std:{values_format}}")


def _spreads_over_decades(at: NDArray[np.float64]) -> bool:
    return bool(at.min() > 0 and at.max() / at.min() >= 30)
