"""``MistakesDisplay``: the images that a model gets wrong, the surest answer first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels

from sk_mnist_mlp._extras import require
from sk_mnist_mlp.inspection.axes import GREY, image_axes
from sk_mnist_mlp.inspection.models import as_images, pixel_shape, read_model

__all__ = ["MistakesDisplay"]

_NAME = "MistakesDisplay"


@dataclass(kw_only=True, eq=False, repr=False)
class MistakesDisplay:
    """The wrong answers to images, the most confident first.

    Make one by :meth:`from_estimator` or :meth:`from_predictions`. Over each image stands what it
    is and what it was taken for, under it the probability of that answer.

    Parameters
    ----------
    images : ndarray of shape (n_mistakes, height, width) or (n_mistakes, height, width, n_channels)
        What was answered wrongly.
    truth : ndarray of shape (n_mistakes,)
        The true label of each.
    answer : ndarray of shape (n_mistakes,)
        The label that it got.
    probability : ndarray of shape (n_mistakes,) or None, default=None
        Of that answer, in [0, 1]; None where it is not known.
    index : ndarray of int of shape (n_mistakes,) or None, default=None
        Where each stands among the images that were answered, from 0; None numbers them.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes
        One for each image drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : How often each mistake is made.
    AttributionDisplay : Which pixels made the model answer so.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import MistakesDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=5).fit(X / 16, y)
    >>> frame = MistakesDisplay.from_estimator(model, X / 16, y, truth=9).frame()
    >>> list(frame)
    ['index', 'truth', 'answer', 'probability']
    >>> bool((frame["truth"] == 9).all())
    True
    """

    images: NDArray[Any]
    truth: NDArray[Any]
    answer: NDArray[Any]
    probability: NDArray[np.float64] | None = None
    index: NDArray[np.intp] | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        truth: Any = None,
        answer: Any = None,
        n_images: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw what a fitted estimator gets wrong.

        Parameters
        ----------
        estimator : MLPDigitClassifier, or Pipeline or search of one
            Fitted.
        X : array-like of shape (n_images, height, width) or (n_images, n_pixels)
            Images as the estimator takes them, best ones that it was not trained on.
        y : array-like of shape (n_images,)
            Their true labels.
        truth : label or None, default=None
            As in :meth:`from_predictions`.
        answer : label or None, default=None
            As in :meth:`from_predictions`.
        n_images : int or None, default=None
            As in :meth:`plot`.
        ax : array of matplotlib Axes or None, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : MistakesDisplay
            Drawn. It holds all mistakes.

        Raises
        ------
        TypeError, sklearn.exceptions.NotFittedError
            If ``estimator`` is something else or not fitted.
        ValueError
            As in :meth:`from_predictions`.
        """
        transformers, classifier = read_model(_NAME, estimator)
        pixels = np.asarray(X)
        return cls.from_predictions(
            as_images(pixels, pixel_shape(transformers, int(np.prod(pixels.shape[1:])))),
            y,
            estimator.predict_proba(X),
            labels=classifier.classes_,
            truth=truth,
            answer=answer,
            n_images=n_images,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        images: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        truth: Any = None,
        answer: Any = None,
        n_images: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the wrong ones among answers that any model gave.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width) or (n_images, n_pixels)
            What was answered.
        y_true : array-like of shape (n_images,)
            True labels.
        y_pred : array-like of shape (n_images,) or (n_images, n_classes)
            Labels that a model answered, or its probabilities of all labels. Without probabilities
            the mistakes stay in the order of the images.
        labels : array-like of shape (n_classes,) or None, default=None
            The label of each column of probabilities; None takes those in ``y_true``, sorted.
        truth : label or None, default=None
            Show only images that are this, a row of the confusion matrix; with ``answer`` a cell.
        answer : label or None, default=None
            Show only images that were taken for this, a column of the confusion matrix.
        n_images : int or None, default=None
            As in :meth:`plot`.
        ax : array of matplotlib Axes or None, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : MistakesDisplay
            Drawn. It holds all mistakes.

        Raises
        ------
        ValueError
            If lengths differ, labels do not fit the probabilities, ``truth`` or ``answer`` is
            among no labels, both are the same, or there are too few axes.
        """
        found = cls._from_predictions(images, y_true, y_pred, labels, truth, answer)
        return found.plot(ax, n_images=n_images)

    @classmethod
    def _from_predictions(
        cls,
        images: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        labels: ArrayLike | None,
        truth: Any = None,
        answer: Any = None,
    ) -> Self:
        """The numbers alone, without matplotlib."""
        pixels, true, predicted = np.asarray(images), column_or_1d(y_true), np.asarray(y_pred)
        check_consistent_length(pixels, true, predicted)
        if predicted.ndim == 2:
            columns = np.unique(true) if labels is None else np.asarray(labels)
            if columns.shape != predicted.shape[1:]:
                raise ValueError(
                    f"{_NAME}: expected a label for each of {predicted.shape[1]} columns of "
                    f"probabilities, got {len(columns)}. Pass labels=estimator.classes_."
                )
            winners = predicted.argmax(axis=1)
            answers, sure = columns[winners], predicted[np.arange(len(winners)), winners]
        else:
            answers, sure = predicted, np.zeros(len(predicted))
        known = unique_labels(true, answers, *([] if labels is None else [labels])).tolist()
        for name, value in (("truth", truth), ("answer", answer)):
            if value is not None and value not in known:
                raise ValueError(
                    f"{_NAME}: expected {name} to be one of {known}, got {value!r}. Pass a label "
                    "of these, or None for all."
                )
        if truth is not None and truth == answer:
            raise ValueError(
                f"{_NAME}: expected truth and answer to differ, got {truth!r} for both. Pass a "
                "cell of the confusion matrix off its diagonal."
            )
        wrong = answers != true
        for values, value in ((true, truth), (answers, answer)):
            wrong &= True if value is None else values == value
        index = np.flatnonzero(wrong)
        index = index[np.argsort(-sure[index], kind="stable")]
        return cls(
            images=as_images(pixels[index]),
            truth=true[index],
            answer=answers[index],
            probability=sure[index] if predicted.ndim == 2 else None,
            index=index,
        )

    def plot(self, ax: Any = None, *, n_images: int | None = None, cmap: str = "gray_r") -> Self:
        """Draw.

        Parameters
        ----------
        ax : array of matplotlib Axes or None, default=None
            What to draw on, one for each image; None makes a figure.
        n_images : int or None, default=None
            How many to draw, at most; None as many as there are axes, or 15.
        cmap : str, default="gray_r"
            Colour map of images without channels.

        Returns
        -------
        self : MistakesDisplay
            With ``ax_`` and ``figure_``.
        """
        if n_images is None:
            n_images = 15 if ax is None else np.size(ax)
        images = self.images[:n_images]
        which = "first" if self.probability is None else "most confident"
        title = f"the {len(images)} {which} of {len(self.images):,} mistakes"
        if len(images) == len(self.images):
            title = f"{len(images) or 'no'} mistake{'s' * (len(images) != 1)}"
        self.ax_, self.figure_ = image_axes(f"{_NAME}.plot", ax, len(images), title)
        for i, (axes, image) in enumerate(zip(self.ax_, images, strict=True)):
            axes.imshow(image, cmap=cmap)
            axes.set_axis_on()
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color=GREY, alpha=0.4)
            axes.set_title(f"{self.truth[i]}, taken for {self.answer[i]}", fontsize=9, pad=4)
            if self.probability is not None:
                share = f"{self.probability[i]:.1%}".replace("100.0%", "over 99.9%")
                axes.set_xlabel(share.replace("%", " %"), fontsize=8, color=GREY, labelpad=3)
        if ax is None and self.probability is not None:
            self.figure_.set_figheight(1.15 * self.figure_.get_figheight())  # for the second line
        return self

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each mistake, the most confident first: ``index`` (of the image among those
            answered), ``truth``, ``answer`` and ``probability`` (NaN where it is not known).
        """
        pandas = require("pandas", who=f"{_NAME}.frame")
        n = len(self.images)
        return pandas.DataFrame(
            {
                "index": np.arange(n) if self.index is None else self.index,
                "truth": self.truth,
                "answer": self.answer,
                "probability": np.full(n, np.nan) if self.probability is None else self.probability,
            }
        )
