"""``TrainingCurveDisplay``: loss and accuracy by epoch, of one training or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_mnist_mlp._estimators import unwrap
from sk_mnist_mlp._extras import require
from sk_mnist_mlp.inspection.axes import GREY, tidy

__all__ = ["TrainingCurveDisplay"]

_NAME = "TrainingCurveDisplay"
_DASHED = (0, (4, 2))


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingCurveDisplay:
    """Loss and accuracy of a training by epoch; several trainings are laid over each other.

    Make one by :meth:`from_estimator`. Solid lines are measured in training, with dropout; dashed
    ones on rows held out, where there are some. A dotted line stands at the epoch whose weights
    early stopping kept.

    Parameters
    ----------
    histories : dict of str to dict of str to list of float
        For each training's name its columns: ``loss``, ``accuracy`` and, with held-out rows,
        ``val_loss`` and ``val_accuracy``; one value per epoch.
    kept : dict of str to int or None, default=None
        For a training's name the epoch, from 1, whose weights were kept.

    Attributes
    ----------
    ax_ : ndarray of two matplotlib Axes
        Loss and accuracy.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    lines_ : dict of str to list of matplotlib Line2D
        Each training's lines.

    See Also
    --------
    SearchResultsDisplay : Scores of a search over its parameters.
    sklearn.model_selection.LearningCurveDisplay : Scores by number of training rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import TrainingCurveDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> rates = (0.0, 0.45)
    >>> models = [MLPDigitClassifier(epochs=1, dropout=rate).fit(X / 16, y) for rate in rates]
    >>> list(TrainingCurveDisplay.from_estimator(models).histories)
    ['dropout=0.0', 'dropout=0.45']
    """

    histories: Mapping[str, Mapping[str, Sequence[float]]]
    kept: Mapping[str, int] | None = None

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, names: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Draw what fitted estimators remember of their training.

        Parameters
        ----------
        estimator : MLPDigitClassifier, Pipeline, search, or a list of them
            Fitted. Of a pipeline the last step counts, of a search its best estimator.
        names : list of str or None, default=None
            One for each estimator; None names them by the parameters they differ in.
        ax : array of two matplotlib Axes or None, default=None
            What to draw loss and accuracy on; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
            Drawn.

        Raises
        ------
        TypeError, NotFittedError
            If an estimator keeps no history of a training.
        ValueError
            If there is not a name of its own for each estimator.
        """
        several = isinstance(estimator, (list, tuple))
        classifiers = [_classifier(one) for one in (estimator if several else [estimator])]
        labels = _differences(classifiers) if names is None else [str(name) for name in names]
        if not classifiers or len(set(labels)) != len(labels) or len(labels) != len(classifiers):
            raise ValueError(
                f"{_NAME}: expected a name of its own for each of {len(classifiers)} estimators, "
                f"got {labels}. Pass names=[...], one for each."
            )
        histories = [classifier.history_ for classifier in classifiers]
        kept = zip(labels, map(_kept_epoch, classifiers), strict=True)
        return cls(
            histories=dict(zip(labels, histories, strict=True)),
            kept={label: epoch for label, epoch in kept if epoch},
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : array of two matplotlib Axes or None, default=None
            What to draw loss and accuracy on; None makes a figure.

        Returns
        -------
        self : TrainingCurveDisplay
            With ``ax_``, ``figure_`` and ``lines_``.
        """
        plt = require("matplotlib.pyplot", who=f"{_NAME}.plot")
        if ax is None:
            _, ax = plt.subplots(1, 2, figsize=(10.0, 4.0), layout="constrained")
        self.ax_ = np.asarray(ax).ravel()
        if len(self.ax_) != 2:
            raise ValueError(
                f"{_NAME}.plot: expected two axes, for loss and accuracy, got {len(self.ax_)}. "
                "Make them by plt.subplots(1, 2)."
            )
        self.figure_ = self.ax_[0].figure
        self.lines_: dict[str, list[Any]] = {name: [] for name in self.histories}
        kept = []
        for axes, column in zip(self.ax_, ("loss", "accuracy"), strict=True):
            axes.set(xlabel="epoch", ylabel=column)
            axes.xaxis.get_major_locator().set_params(integer=True)
            tidy(axes)
        for i, (name, history) in enumerate(self.histories.items()):
            style: dict[str, Any] = {"color": f"C{i}", "lw": 1.8}
            for axes, column in zip(self.ax_, ("loss", "accuracy"), strict=True):
                epochs = np.arange(1, len(history[column]) + 1)
                marker = "o" if len(epochs) == 1 else ""
                lines = axes.plot(epochs, history[column], marker=marker, label=name, **style)
                held_out = history.get(f"val_{column}")
                if held_out and np.isfinite(held_out).any():  # NaN in epochs without such rows
                    lines += axes.plot(epochs, held_out, linestyle=_DASHED, **style)
                self.lines_[name] += lines
            epoch = (self.kept or {}).get(name)
            if epoch is not None:
                style |= {"lw": 1.2, "linestyle": ":", "label": f"kept: epoch {epoch}"}
                kept += [axes.axvline(epoch, **style) for axes in self.ax_][:1]
        handles = [lines[0] for lines in self.lines_.values()] if len(self.lines_) > 1 else []
        if any("val_loss" in history for history in self.histories.values()):
            handles += [
                plt.Line2D([], [], color=GREY, lw=1.8, linestyle=line, label=label)
                for label, line in (("training", "-"), ("held out", _DASHED))
            ]
        if handles + kept:
            beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
            self.ax_[1].legend(handles=handles + kept, **beside)
        return self

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each epoch of each training: ``training`` (its name), ``epoch`` (from 1), the
            columns of its history, and ``kept``, whether early stopping kept the epoch's weights.
        """
        pandas = require("pandas", who=f"{_NAME}.frame")
        tables = []
        for name, history in self.histories.items():
            table = pandas.DataFrame(dict(history))
            epochs = np.arange(1, len(table) + 1)
            table.insert(0, "training", name)
            table.insert(1, "epoch", epochs)
            table["kept"] = epochs == (self.kept or {}).get(name)
            tables.append(table)
        return pandas.concat(tables, ignore_index=True)


def _classifier(estimator: Any) -> Any:
    """The fitted classifier inside a search or a pipeline, with a history of its training."""
    check_is_fitted(estimator)
    _, classifier = unwrap(estimator)
    if not getattr(classifier, "history_", None):
        raise TypeError(
            f"{_NAME}: expected an estimator that keeps history_, got {type(classifier).__name__}. "
            "Pass a fitted MLPDigitClassifier, or a pipeline or a search of one."
        )
    return classifier


def _kept_epoch(classifier: Any) -> int | None:
    """The epoch that early stopping kept; None where a history of several calls cannot tell."""
    monitor = getattr(classifier, "monitor", "val_accuracy")
    scores = np.array(classifier.history_.get(monitor, [np.nan]))
    scores = -scores if monitor == "val_loss" else scores
    one_call = getattr(classifier, "early_stopping", False) and not classifier.warm_start
    return int(np.argmax(scores)) + 1 if one_call and np.isfinite(scores).all() else None


def _differences(classifiers: Sequence[Any]) -> list[str]:
    """Name estimators by the parameters they differ in; by number where they differ in none."""
    if len(classifiers) == 1:
        return [type(classifiers[0]).__name__]
    settings = [classifier.get_params(deep=False) for classifier in classifiers]
    names = dict.fromkeys(name for setting in settings for name in setting)
    differing = [name for name in names if len({repr(s.get(name)) for s in settings}) > 1]
    labels = [", ".join(f"{name}={s.get(name)}" for name in differing) for s in settings]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{number}: {label}".rstrip(": ") for number, label in enumerate(labels, start=1)]
