"""What the displays ask of a model: its classifier, and how its pixels make an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, unwrap

__all__ = ["as_images", "pixel_shape", "read_model"]


def read_model(who: str, estimator: Any) -> tuple[list[Any], MLPDigitClassifier]:
    """The transformers of a fitted model, and its classifier.

    Raises
    ------
    TypeError, NotFittedError
        In the name of the public function ``who``.
    """
    transformers, classifier = unwrap(estimator)
    if not isinstance(classifier, MLPDigitClassifier):
        raise TypeError(
            f"{who}: expected a fitted MLPDigitClassifier, or a pipeline or a search of one, got "
            f"{type(estimator).__name__}. Pass one of these."
        )
    check_is_fitted(classifier, "coefs_")
    return transformers, classifier


def pixel_shape(transformers: list[Any], n_features: int) -> tuple[int, ...]:
    """The shape of the images behind rows: what a flattener saw, else a square, else a line."""
    for step in transformers:
        if isinstance(step, ImageFlattener):
            shape = tuple(step.image_shape_)
            return shape if len(shape) > 1 else (1, *shape)
    side = math.isqrt(n_features)
    return (side, side) if side * side == n_features else (1, n_features)


def as_images(X: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Images to draw, of shape (n, height, width) or with channels; of rows by their pixels."""
    images = np.asarray(X)
    if images.ndim == 2:
        images = images.reshape(len(images), *(shape or pixel_shape([], images.shape[1])))
    return images[..., 0] if images.shape[3:] == (1,) else images
