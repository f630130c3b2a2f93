"""A fitted model as one network over pixels from 0 (paper) to 1 (full ink), in few bytes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, divisor_of
from sk_mnist_mlp._network import Layer, Layers, forward

__all__ = ["PixelNetwork", "encode_layers", "pixel_network"]

_MIN_SIDE = 8
_DAMPING = 0.01
"""Added to the diagonal of the inputs' moments, as a share of their mean: many pixels are always
zero."""


class PixelNetwork(NamedTuple):
    """A network that reads square images, and how it comes to its rows of pixels.

    Attributes
    ----------
    layers : tuple of Layer
        In double precision; scalers and the pixels' range are part of the first.
    activation : str
        Of the hidden layers.
    side : int
        Pixels of a side.
    flattener : ImageFlattener or None
        What turns images into rows; None where the model reads rows.
    white : float
        What full ink is in a row.
    """

    layers: Layers
    activation: str
    side: int
    flattener: ImageFlattener | None
    white: float

    def pixels(self, X: Any) -> NDArray[np.float64]:
        """Rows of pixels in [0, 1]: what the network reads of a model's X, shades outside cut."""
        rows = np.asarray(X) if self.flattener is None else self.flattener.transform(X)
        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        return np.clip(flat / self.white, 0.0, 1.0)

    def labels(self, pixels: NDArray[Any], layers: Layers) -> NDArray[np.intp]:
        """Index of the class that these layers answer for each row."""
        return forward(pixels, layers, self.activation).argmax(axis=1)


def pixel_network(who: str, model: Any, X: Any = None) -> PixelNetwork:
    """Fold a model's steps into one network.

    Parameters
    ----------
    who : str
        Name of the function the user called.
    model : MLPDigitClassifier or Pipeline
        A pipeline may have an ``ImageFlattener`` and then scalers before the classifier.
    X : array-like or None, default=None
        What the model reads, where there is some: it tells the range of pixels that no step tells.

    Raises
    ------
    TypeError, ValueError, NotFittedError
    """
    steps, classifier = _split(who, model)
    flattener = steps.pop(0) if steps and isinstance(steps[0], ImageFlattener) else None
    for step in steps:
        if not isinstance(step, _SCALERS) or getattr(step, "clip", False):
            raise TypeError(
                f"{who}: expected steps that scale pixels (an ImageFlattener first, then "
                f"{', '.join(kind.__name__ for kind in _SCALERS)} without clip), got "
                f"{step!r}. Fit a pipeline without it."
            )
    side = _side(who, classifier, flattener)
    fitted = classifier._fitted()
    if not fitted.is_finite:
        raise ValueError(
            f"{who}: expected finite weights, got those of a training that diverged. Fit again "
            "with a smaller learning_rate."
        )
    white = _white(flattener, X)
    factor, offset = np.full(side * side, white), np.zeros(side * side)
    for step in steps:
        slope, shift = _line_of(step)
        factor, offset = factor * slope, offset * slope + shift
    first, *others = (Layer(*(array.astype(float) for array in pair)) for pair in fitted.layers)
    folded = Layer(factor[:, np.newaxis] * first.kernel, first.bias + offset @ first.kernel)
    return PixelNetwork((folded, *others), fitted.network.activation, side, flattener, white)


_SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)


def _split(who: str, model: Any) -> tuple[list[Any], MLPDigitClassifier]:
    """The steps of a fitted model, and its classifier."""
    steps, classifier = [], model
    if isinstance(model, Pipeline):
        *steps, classifier = [step for _, step in model.steps]
        steps = [step for step in steps if step is not None and step != "passthrough"]
    if not isinstance(classifier, MLPDigitClassifier):
        hint = "Pass its best_estimator_" if hasattr(model, "best_estimator_") else "Pass one"
        raise TypeError(
            f"{who}: expected an MLPDigitClassifier or a Pipeline that ends in one, got "
            f"{type(model).__name__}. {hint}."
        )
    if not hasattr(classifier, "coefs_") or not all(hasattr(s, "n_features_in_") for s in steps):
        raise NotFittedError(
            f"{who}: expected a fitted model, got one without fit. Call fit first."
        )
    return steps, classifier


def _side(who: str, classifier: MLPDigitClassifier, flattener: ImageFlattener | None) -> int:
    n_pixels = classifier.n_features_in_
    side = math.isqrt(n_pixels)
    shape = (n_pixels,) if flattener is None else flattener.image_shape_
    square = shape in ((n_pixels,), (side, side), (side, side, 1)) and side * side == n_pixels
    if not square or side < _MIN_SIDE:
        raise ValueError(
            f"{who}: expected a model of square grey images, of {_MIN_SIDE} by {_MIN_SIDE} pixels "
            f"or more, got one of shape {shape}. The page has no other drawing area."
        )
    return side


def _white(flattener: ImageFlattener | None, X: Any) -> float:
    """What full ink is in a row: 1 where the pixels are scaled, else what X or their type tells."""
    if flattener is not None:
        if divisor_of(flattener.scale, flattener.image_dtype_) is not None:
            return 1.0
        if flattener.image_dtype_.kind in "iu":
            return float(np.iinfo(flattener.image_dtype_).max)
        X = None if X is None else flattener.transform(X)
    return 1.0 if X is None else max(1.0, float(np.max(np.asarray(X, np.float64), initial=1.0)))


def _line_of(scaler: Any) -> tuple[Any, Any]:
    """Slope and shift of each column."""
    if isinstance(scaler, MinMaxScaler):
        return scaler.scale_, scaler.min_
    # Where a scaler was told to leave out a part, that part is None.
    centre = getattr(scaler, "mean_", getattr(scaler, "center_", None))
    if not getattr(scaler, "with_mean", getattr(scaler, "with_centering", True)) or centre is None:
        centre = 0.0
    slope = 1.0 if scaler.scale_ is None else 1.0 / scaler.scale_
    return slope, -centre * slope


def encode_layers(
    layers: Layers, activation: str, precision: str, pixels: NDArray[Any] | None
) -> tuple[bytes, Layers]:
    """Write layers in few bytes; gives them, and the layers that can be read from them.

    A weight is a code times its unit's scale, which is the unit's largest weight. The codes of all
    layers stand row by row, of ``float16`` first all low bytes and then all high ones, which
    compress better; then come each layer's scales and biases as float32.

    Parameters
    ----------
    layers : tuple of Layer
        What to write.
    activation : str
        Of the hidden layers.
    precision : {"float16", "int8"}
        Of a code.
    pixels : ndarray of shape (n_rows, n_pixels) or None
        What the network will read, for ``"int8"`` alone: each rounding is made good, as far as it
        goes, by the weights that are not rounded yet (Frantar et al. 2023, GPTQ, ICLR).
    """
    codes, numbers = [], []
    read: list[Layer] = []
    for layer in layers:
        scale = np.abs(layer.kernel).max(axis=0).astype(np.float32)
        scale[scale == 0.0] = 1.0
        kernel, bias = layer.kernel / scale, layer.bias.astype(np.float32)
        if precision == "float16":
            code = kernel.astype(np.float16)
            kept = code.astype(np.float64)
        else:
            assert pixels is not None
            inputs = forward(pixels, (*read, _identity(len(kernel))), activation)
            kept = _round_well(kernel, inputs)
            code = np.rint(kept * 127.0).astype(np.int8)
        codes.append(code.ravel())
        numbers += [scale, bias]
        read.append(Layer(kept * scale, bias.astype(np.float64)))
    planes = np.concatenate(codes).view(np.uint8).reshape(-1, codes[0].itemsize)
    data = (
        np.ascontiguousarray(planes.T).tobytes() + np.concatenate(numbers).astype("<f4").tobytes()
    )
    return data, tuple(read)


def _identity(width: int) -> Layer:
    return Layer(np.eye(width), np.zeros(width))


def _round_well(kernel: NDArray[Any], inputs: NDArray[Any]) -> NDArray[np.float64]:
    """Round to multiples of 1/127 so that products with such inputs change least."""
    moments = inputs.T @ inputs / len(inputs)
    moments[np.diag_indices_from(moments)] += _DAMPING * np.trace(moments) / len(moments) + 1e-12
    # Row i of this factor says how later weights make good an error of weight i.
    factor = np.linalg.cholesky(np.linalg.inv(moments)).T
    left, rounded = kernel.astype(np.float64), np.empty(kernel.shape)
    for i, row in enumerate(left):
        rounded[i] = np.clip(np.rint(row * 127.0), -127, 127) / 127.0
        error = (row - rounded[i]) / factor[i, i]
        left[i + 1 :] -= np.outer(factor[i, i + 1 :], error)
    return rounded
