"""Which pixels made a network answer as it did: numbers, and a picture of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._estimators import MLPDigitClassifier
from sk_mnist_mlp._extras import require
from sk_mnist_mlp._network import ACTIVATIONS, NumpyNamespace, as_layers, forward
from sk_mnist_mlp.inspection.axes import image_axes
from sk_mnist_mlp.inspection.models import as_images, pixel_shape, read_model

__all__ = ["AttributionDisplay", "pixel_attributions"]

_WHO = "pixel_attributions"
_TOLERANCE = 5e-4  # of the sum of an image's integrated gradients, in logits
_FIRST_STEPS, _ROUNDS = 32, 20


def pixel_attributions(
    estimator: Any,
    X: ArrayLike,
    target: Any = None,
    method: str = "integrated_gradients",
) -> NDArray[np.float64]:
    """Say how much each pixel spoke for a class, compared with a black image.

    ``"integrated_gradients"`` follows the gradient of the class's logit on the straight way from a
    black image to this one. Over an image the attributions sum to the difference of the two logits,
    within 1e-3. ``"occlusion"`` blackens 3 by 3 pixels around each one and tells how far the logit
    falls.

    Parameters
    ----------
    estimator : MLPDigitClassifier, or Pipeline or search of one
        Fitted. The transformers of a pipeline must keep the pixels apart, as
        :class:`~sk_mnist_mlp.ImageFlattener` and scalers do.
    X : array-like of shape (n_images, height, width) or (n_images, n_pixels)
        Images as the estimator takes them.
    target : label, array-like of shape (n_images,) or None, default=None
        The class to explain, or one for each image; None takes what the estimator answers.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        How to measure.

    Returns
    -------
    attributions : ndarray of the shape of X
        In logits: above 0 where a pixel speaks for the class, below where it speaks against it.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else or not fitted.
    ValueError
        If a target or the method is unknown, or a transformer does not keep the pixels.

    References
    ----------
    Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML. Zeiler and
    Fergus (2014), Visualizing and understanding convolutional networks, ECCV.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import pixel_attributions
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> pixel_attributions(model, X[:5] / 16).shape
    (5, 64)
    """
    if method not in _METHODS:
        raise ValueError(
            f"{_WHO}: expected method to be one of {', '.join(_METHODS)}, got {method!r}. Choose "
            "one of these."
        )
    transformers, classifier = read_model(_WHO, estimator)
    pixels = np.asarray(X)
    rows, black = pixels, np.zeros_like(pixels[:1])
    for step in transformers:
        rows, black = step.transform(rows), step.transform(black)
    rows, black = (np.asarray(part, np.float64) for part in (rows, black))
    n_pixels = int(np.prod(pixels.shape[1:]))
    if rows.ndim != 2 or rows.shape[1] != n_pixels or n_pixels != classifier.n_features_in_:
        raise ValueError(
            f"{_WHO}: expected a feature for each of {n_pixels} pixels, got "
            f"{classifier.n_features_in_} features. Pass images as the model was fitted on, and "
            "leave out transformers that mix pixels."
        )
    outputs = _outputs(classifier, rows, target)
    shape = pixel_shape(transformers, n_pixels)
    found = [
        _METHODS[method](classifier, row, black[0], output, shape)
        for row, output in zip(rows, outputs, strict=True)
    ]
    return np.reshape(found, pixels.shape).astype(np.float64)


def _outputs(classifier: MLPDigitClassifier, rows: NDArray[Any], target: Any) -> NDArray[np.intp]:
    """The output to explain for each row."""
    classes = classifier.classes_
    labels = classifier.predict(rows) if target is None else np.asarray(target)
    if labels.ndim > 1 or (labels.ndim == 1 and len(labels) != len(rows)):
        raise ValueError(
            f"{_WHO}: expected a label, or one for each of {len(rows)} images, got target of shape "
            f"{labels.shape}. Pass one of estimator.classes_."
        )
    known = labels[..., np.newaxis] == classes
    if not np.all(np.any(known, axis=-1)):
        raise ValueError(
            f"{_WHO}: expected targets among {classes.tolist()}, got {labels.tolist()!r}. Pass "
            "labels that the estimator was fitted on."
        )
    return np.broadcast_to(np.argmax(known, axis=-1), len(rows))


def _integrate_gradients(
    classifier: MLPDigitClassifier,
    row: NDArray[np.float64],
    black: NDArray[np.float64],
    output: int,
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Midpoint rule on a grid that grows denser where the logit bends, as it does at a ReLU."""
    way, grid = row - black, np.linspace(0, 1, _FIRST_STEPS + 1)
    for _ in range(_ROUNDS):
        steps, middles = np.diff(grid), (grid[1:] + grid[:-1]) / 2
        gradients = _logit_gradients(classifier, black + np.outer(middles, way), output)
        logits = _logits(classifier, black + np.outer(grid, way), output)
        errors = np.abs(np.diff(logits) - steps * (gradients @ way))
        if errors.sum() <= _TOLERANCE:
            break
        grid = np.sort(np.append(grid, middles[errors > _TOLERANCE / len(errors)]))
    return way * (steps @ gradients)


def _occlude(
    classifier: MLPDigitClassifier,
    row: NDArray[np.float64],
    black: NDArray[np.float64],
    output: int,
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """How far the logit falls without the 3 by 3 pixels around each one, in every channel."""
    height, width, *channels = shape
    y, x = np.indices((height, width)).reshape(2, -1)
    hidden = (np.abs(y[:, None] - y) <= 1) & (np.abs(x[:, None] - x) <= 1)
    n_channels = int(np.prod(channels))
    hidden = np.repeat(hidden, n_channels, axis=1)
    falls = _logits(classifier, row[np.newaxis], output) - _logits(
        classifier, np.where(hidden, black, row), output
    )
    return np.repeat(falls, n_channels)


_Method = Callable[..., NDArray[np.float64]]
_METHODS: dict[str, _Method] = {
    "integrated_gradients": _integrate_gradients,
    "occlusion": _occlude,
}


def _logits(
    classifier: MLPDigitClassifier, rows: NDArray[np.float64], output: int
) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = forward(
        rows, classifier._layers(), classifier._network.activation
    )
    return logits[:, output]


def _logit_gradients(
    classifier: MLPDigitClassifier, rows: NDArray[np.float64], output: int
) -> NDArray[np.float64]:
    """Derivatives of one logit by the features, of shape (n_rows, n_features)."""
    weights = [np.asarray(array, np.float64) for pair in classifier._layers() for array in pair]
    *hidden_layers, last = as_layers(weights)
    activation, xp = ACTIVATIONS[classifier._network.activation], NumpyNamespace
    value, slopes = rows, []
    for layer in hidden_layers:
        z = value @ layer.kernel + layer.bias
        value = activation.value(xp, z)
        slopes.append(activation.slope(xp, z, value))
    gradient = np.broadcast_to(last.kernel[:, output], value.shape)
    for layer, slope in zip(hidden_layers[::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ layer.kernel.T
    return gradient


@dataclass(kw_only=True, eq=False, repr=False)
class AttributionDisplay:
    """Images under the pixels that spoke for their class, in red, or against it, in blue.

    Make one by :meth:`from_estimator`. Every image has its own scale of colours; a pixel is the
    more opaque, the more it counts.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        What was explained.
    attributions : ndarray of the shape of images
        Of :func:`pixel_attributions`.
    target : ndarray of shape (n_images,)
        The class that each image's attributions are of.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_images,)
        One for each image.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    pixel_attributions : The numbers alone.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import AttributionDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> AttributionDisplay.from_estimator(model, X[:5] / 16).attributions.shape
    (5, 8, 8)
    """

    images: NDArray[Any]
    attributions: NDArray[np.float64]
    target: NDArray[Any]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        target: Any = None,
        *,
        method: str = "integrated_gradients",
        ax: Any = None,
    ) -> Self:
        """Explain what a fitted estimator answers for some images.

        Parameters
        ----------
        estimator : MLPDigitClassifier, or Pipeline or search of one
            Fitted.
        X : array-like of shape (n_images, height, width) or (n_images, n_pixels)
            Images as the estimator takes them; a dozen fill a figure.
        target : label, array-like of shape (n_images,) or None, default=None
            The class to explain, or one for each image; None takes what the estimator answers.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            As in :func:`pixel_attributions`.
        ax : array of matplotlib Axes or None, default=None
            What to draw on, one for each image; None makes a figure.

        Returns
        -------
        display : AttributionDisplay
            Drawn.
        """
        pixels = np.asarray(X)
        transformers, _ = read_model("AttributionDisplay", estimator)
        shape = pixel_shape(transformers, int(np.prod(pixels.shape[1:])))
        labels = estimator.predict(pixels) if target is None else target
        return cls(
            images=as_images(pixels, shape),
            attributions=as_images(pixel_attributions(estimator, pixels, labels, method), shape),
            target=np.broadcast_to(labels, len(pixels)),
        ).plot(ax)

    def plot(self, ax: Any = None, *, cmap: str = "RdBu_r") -> Self:
        """Draw.

        Parameters
        ----------
        ax : array of matplotlib Axes or None, default=None
            What to draw on, one for each image; None makes a figure.
        cmap : str, default="RdBu_r"
            Colour map, whose middle stands for a pixel that does not count.

        Returns
        -------
        self : AttributionDisplay
            With ``ax_`` and ``figure_``.
        """
        self.ax_, self.figure_ = image_axes(
            "AttributionDisplay.plot", ax, len(self.images), "red speaks for it, blue against it"
        )
        for axes, image, found, label in zip(
            self.ax_, self.images, self.attributions, self.target, strict=True
        ):
            share = found.sum(axis=-1) if found.ndim == 3 else found
            largest = np.abs(share).max() or 1.0
            axes.imshow(image, cmap="gray_r", alpha=0.35)
            opacity = np.abs(share) / largest
            axes.imshow(share, cmap=cmap, vmin=-largest, vmax=largest, alpha=opacity)
            axes.set_title(f"why {label}?", fontsize=9)
        return self

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each pixel of each image: ``image``, ``target``, ``pixel`` (counted along the
            rows), ``value`` and ``attribution``.
        """
        pandas = require("pandas", who="AttributionDisplay.frame")
        image, pixel = np.indices((len(self.images), self.images[0].size)).reshape(2, -1)
        return pandas.DataFrame(
            {
                "image": image,
                "target": self.target[image],
                "pixel": pixel,
                "value": self.images.ravel(),
                "attribution": self.attributions.ravel(),
            }
        )
