"""``WeightsDisplay``: what the units of the first layer look for, as images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import require
from sk_mnist_mlp.inspection.axes import image_axes
from sk_mnist_mlp.inspection.models import as_images, pixel_shape, read_model

__all__ = ["WeightsDisplay"]

_NAME = "WeightsDisplay"


@dataclass(kw_only=True, eq=False, repr=False)
class WeightsDisplay:
    """The weights of each unit of the first layer as an image, the largest norm first.

    Make one by :meth:`from_estimator`. A unit answers to light on red pixels, and light on blue
    ones holds it back. All images have one scale of colours.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width) or (n_units, height, width, n_channels)
        Weights of each unit, by the pixels that they belong to.
    units : ndarray of int of shape (n_units,)
        The number of each unit in its layer, from 0: its column in ``coefs_[0]``.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes
        One for each image drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    NetworkDisplay : All layers, without what they learnt.
    AttributionDisplay : Which pixels counted in one image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import WeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> WeightsDisplay.from_estimator(model).weights.shape
    (16, 8, 8)
    """

    weights: NDArray[np.floating[Any]]
    units: NDArray[np.intp]

    @classmethod
    def from_estimator(cls, estimator: Any, *, n_units: int | None = None, ax: Any = None) -> Self:
        """Draw the first layer of a fitted estimator.

        Parameters
        ----------
        estimator : MLPDigitClassifier, or Pipeline or search of one
            Fitted. The transformers of a pipeline must keep the pixels apart, as
            :class:`~sk_mnist_mlp.ImageFlattener` and scalers do.
        n_units : int or None, default=None
            As in :meth:`plot`.
        ax : array of matplotlib Axes or None, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : WeightsDisplay
            Drawn. It holds all units.

        Raises
        ------
        TypeError, sklearn.exceptions.NotFittedError
            If ``estimator`` is something else or not fitted.
        ValueError
            If a transformer does not keep the pixels, or there are too few axes.
        """
        transformers, classifier = read_model(_NAME, estimator)
        n_features = classifier.n_features_in_
        shape = pixel_shape(transformers, n_features)
        if math.prod(shape) != n_features:
            raise ValueError(
                f"{_NAME}: expected a feature for each of {math.prod(shape)} pixels, got "
                f"{n_features} features. Leave out transformers that mix pixels."
            )
        rows = classifier.coefs_[0].T
        units = np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")
        return cls(weights=as_images(rows[units], shape), units=units).plot(ax, n_units=n_units)

    def plot(self, ax: Any = None, *, n_units: int | None = None, cmap: str = "RdBu_r") -> Self:
        """Draw.

        Parameters
        ----------
        ax : array of matplotlib Axes or None, default=None
            What to draw on, one for each unit; None makes a figure.
        n_units : int or None, default=None
            How many units to draw, at most; None as many as there are axes, or 25.
        cmap : str, default="RdBu_r"
            Colour map, whose middle stands for a weight of 0.

        Returns
        -------
        self : WeightsDisplay
            With ``ax_`` and ``figure_``.
        """
        if n_units is None:
            n_units = 25 if ax is None else np.size(ax)
        images = self.weights[:n_units]
        if images.ndim == 4:
            images = images.sum(axis=-1)
        # A few weights are much larger than the rest, which they would leave pale.
        limit = float(np.quantile(np.abs(images), 0.995)) if images.size else 1.0
        title = (
            f"first layer: the {len(images)} strongest of {len(self.units)} units\n"
            f"red pixels excite a unit, blue ones inhibit it; full colour at ±{limit:.2g}"
        )
        self.ax_, self.figure_ = image_axes(f"{_NAME}.plot", ax, len(images), title)
        for axes, image, unit in zip(self.ax_, images, self.units[:n_units], strict=True):
            axes.imshow(image, cmap=cmap, vmin=-limit, vmax=limit)
            axes.set_title(f"unit {unit}", fontsize=8, pad=3)
        return self

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each pixel of each unit, the largest norm first: ``unit``, ``norm`` (of all
            its weights), ``pixel`` (counted along the rows) and ``weight``.
        """
        pandas = require("pandas", who=f"{_NAME}.frame")
        rows = self.weights.reshape(len(self.units), -1)
        unit, pixel = np.indices(rows.shape).reshape(2, -1)
        return pandas.DataFrame(
            {
                "unit": self.units[unit],
                "norm": np.linalg.norm(rows, axis=1)[unit],
                "pixel": pixel,
                "weight": rows.ravel(),
            }
        )
