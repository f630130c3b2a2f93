"""`ImageFlattener`, which turns images into the float32 rows that scikit-learn expects."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sk_mnist_mlp._estimators.rules import Number, OneOf, check_parameters
from sk_mnist_mlp._estimators.sklearn_compat import (
    DOC_LINK_TEMPLATE,
    CallbackSupportMixin,
    check_input_features,
    single_task,
)

__all__ = ["ImageFlattener", "cast_pixels", "check_images", "divisor_of"]

# Integers that stay below this share of their type's range are most likely 8-bit pixels in a wider
# dtype: 255 / 32767, the share of 8-bit pixels in int16, is just below it.
_DARK = 1 / 128


class ImageFlattener(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Turn images into flat float32 rows with pixels in [0, 1].

    The pixels of an image are read row by row, the channels of a pixel side by side.

    Parameters
    ----------
    scale : "auto", None or float, default="auto"
        What every pixel is divided by. ``"auto"``: integers by the largest value of their dtype,
        so `uint8` by 255 and `uint16` by 65535; booleans become 0 and 1; floats stay as they are.
        None: nothing. A number: that, whatever the dtype, such as 255 for pixels of 0 to 255 in a
        list or a table, or 16 for :func:`sklearn.datasets.load_digits`.

    Attributes
    ----------
    n_features_in_ : int
        Number of pixels of one image: height x width x channels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns seen in `fit`. Only there after fitting a table whose column names
        are all strings.
    image_shape_ : tuple of int
        Shape of one image, without the samples: ``(height, width)`` or
        ``(height, width, channels)``. Flat rows do not tell it: a square number of pixels is taken
        as a square image of one channel (784 as 28 x 28), any other number stays flat,
        ``(n_features_in_,)``.
    image_dtype_ : numpy.dtype
        Type of the pixels seen in `fit`, which `inverse_transform` gives back.

    Notes
    -----
    `transform` needs no `fit`. What `fit` remembers serves to check later images and to name and
    rebuild them; it never decides how pixels are scaled.

    Under ``scale="auto"`` the dtype alone decides, never the values, so that training and test
    images cannot be scaled differently. The price is paid by 8-bit pixels in a wider type, such as
    the int64 of a Python list or a CSV file, which come out all but black. `transform` warns then;
    ``scale=255`` is the remedy. Negative integers come out negative, as zero stays zero.

    The input is never written to. The output is a new array, except for float32 pixels that need
    no scaling: it may then share memory with the input.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist_mlp import ImageFlattener
    >>> images = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)
    >>> flattener = ImageFlattener().fit(images)
    >>> flattener.transform(images)
    array([[0. , 0.2, 0.4, 1. ]], dtype=float32)
    >>> flattener.get_feature_names_out()
    array(['pixel_0_0', 'pixel_0_1', 'pixel_1_0', 'pixel_1_1'], dtype=object)
    >>> flattener.inverse_transform([[0.0, 0.2, 0.4, 1.0]])
    array([[[  0,  51],
            [102, 255]]], dtype=uint8)
    """

    _doc_link_module = "sk_mnist_mlp"
    _doc_link_template = DOC_LINK_TEMPLATE

    def __init__(self, *, scale: str | float | None = "auto") -> None:
        self.scale = scale

    @single_task
    def fit(self, X: ArrayLike, y: object = None) -> ImageFlattener:
        """Check the images and remember their shape and dtype.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_pixels)
            Images of any real dtype, or flat rows, which may be a table. Channels come last.
        y : object, default=None
            Ignored. There because scikit-learn's pipelines pass it.

        Returns
        -------
        ImageFlattener
            The transformer itself.

        Raises
        ------
        ValueError
            If `scale` is none of the documented values, or `X` is not a batch of at least one
            image of at least one finite, real pixel.
        TypeError
            If `X` is sparse or a scalar.
        """
        divisor_of(self.scale, np.dtype(np.uint8))
        images = self._check_images(X, reset=True)
        shape = images.shape[1:]
        self.n_features_in_ = math.prod(shape)
        side = math.isqrt(self.n_features_in_)
        self._fitted_on_rows = len(shape) == 1
        self.image_shape_ = (side, side) if shape == (side * side,) else shape
        self.image_dtype_ = images.dtype
        return self

    @property
    def _input_shape(self) -> tuple[int, ...]:
        """Shape of one sample as `fit` saw it, where `image_shape_` may be a guess."""
        return (self.n_features_in_,) if self._fitted_on_rows else self.image_shape_

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Flatten and scale the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_pixels)
            Images or flat rows. After `fit`, of the shape seen there; flat rows and images, with
            or without a single channel, may take each other's place.

        Returns
        -------
        ndarray of shape (n_samples, n_pixels), dtype float32
            One row an image, in [0, 1] for unsigned and boolean pixels under ``scale="auto"``.
            A table if `set_output` asks for one.

        Raises
        ------
        ValueError
            As for `fit`, or if the images have another shape than those seen in `fit`, or their
            scaled pixels do not fit float32.
        TypeError
            If `X` is sparse or a scalar.

        Warns
        -----
        UserWarning
            If ``scale="auto"`` makes integer pixels of more than 8 bits all but black.
        """
        images = self._check_images(X, reset=False)
        divisor = divisor_of(self.scale, images.dtype)
        if self.scale == "auto":
            _warn_if_dark(images)
        flat = images.reshape(len(images), -1)
        try:
            # Integers are cast and divided in one pass: nothing else as exact was faster
            # (60,000 uint8 images of 28 x 28: 21 ms; through a table of 256 floats: 58 ms).
            with np.errstate(over="raise"):
                if divisor is None:
                    return flat.astype(np.float32, copy=False)
                scaled: NDArray[np.float32] = np.divide(flat, divisor, dtype=np.float32)
                return scaled
        except FloatingPointError:
            raise ValueError(
                f"{type(self).__name__}: expected scaled pixels up to 3.4e38, the range of "
                "float32, got larger ones. Scale X down, or set a larger scale."
            ) from None

    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Turn flat rows back into images of the shape and dtype seen in `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Flat rows as `transform` makes them.

        Returns
        -------
        ndarray of shape (n_samples, height, width) or as `image_shape_` says, dtype `image_dtype_`
            The images. Integers are rounded and clipped to their range, booleans are cut at 0.5.
            Pixels of up to 16 bits come back exactly, wider ones to the 24 bits of float32.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` was not called: the shape is not known then.
        ValueError
            If `scale` is none of the documented values, or `X` is not a batch of rows of
            `n_features_in_` finite numbers.
        """
        check_is_fitted(self, "image_shape_")
        rows = check_array(X, dtype=[np.float32, np.float64], estimator=self, input_name="X")
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"{type(self).__name__}: expected rows of {self.n_features_in_} pixels, got shape "
                f"{rows.shape}. Pass rows as transform returns them."
            )
        divisor = divisor_of(self.scale, self.image_dtype_)
        # float32 holds pixels of up to 16 bits exactly; wider ones need float64 for the product.
        wide = np.result_type(np.float32, self.image_dtype_)
        pixels = np.multiply(rows, 1 if divisor is None else divisor, dtype=wide)
        return cast_pixels(pixels, self.image_dtype_).reshape(len(rows), *self.image_shape_)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns of the output after the place of the pixel.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used, but checked as scikit-learn does: the number of pixels in length, and equal
            to `feature_names_in_` where that exists.

        Returns
        -------
        ndarray of shape (n_pixels,), dtype object
            ``pixel_{row}_{column}`` for images of one channel, else
            ``pixel_{row}_{column}_{channel}``; ``pixel_{index}`` for flat rows that are no square.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` was not called: the shape is not known then.
        ValueError
            If `input_features` are not those seen in `fit`.
        """
        check_is_fitted(self, "image_shape_")
        check_input_features(self, input_features)
        places = np.ndindex(_unstacked(self.image_shape_))
        names = ["_".join(["pixel", *map(str, place)]) for place in places]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what goes in (2-D, 3-D; no fit needed) and what comes out (float32)."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _check_images(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        """Return `X` as an array, once its layout, pixels and agreement with `fit` are checked."""
        images = check_images(self, X)
        # Before the first fit there is nothing to compare with, and scikit-learn would warn that
        # a table has names which "fit" had not.
        if not (reset or hasattr(self, "image_shape_")):
            return images
        are_rows = images.ndim == 2
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=are_rows)
        shape = images.shape[1:]
        if not (reset or are_rows) and _unstacked(shape) != _unstacked(self.image_shape_):
            raise ValueError(
                f"{type(self).__name__}: expected images of shape {self.image_shape_} as in fit, "
                f"got images of shape {shape}. Resize them, or fit on images of their shape."
            )
        return images


def check_images(estimator: Any, X: Any) -> NDArray[Any]:
    """A batch of images, or of flat rows, of at least one pixel that is a finite number."""
    images: NDArray[Any] = check_array(
        X, dtype="numeric", ensure_2d=False, allow_nd=True, estimator=estimator, input_name="X"
    )
    if images.ndim not in (2, 3, 4) or images.size == 0 or images.dtype.kind not in "biuf":
        raise ValueError(
            f"{type(estimator).__name__}: expected numbers of shape (n_samples, height, width), "
            "(n_samples, height, width, channels) or (n_samples, n_pixels), got "
            f"{images.dtype} of shape {images.shape}. Reshape your data: X[np.newaxis] makes "
            "a batch of one image or one flat row."
        )
    return images


_RULES = {
    "scale": [
        OneOf(["auto"]),
        None,
        Number(Real, float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max), "both"),
    ],
}


def divisor_of(scale: Any, dtype: np.dtype[Any]) -> np.float32 | None:
    """What pixels of ``dtype`` are divided by, None for nothing, once ``scale`` is checked."""
    check_parameters("ImageFlattener", {"scale": scale}, _RULES)
    if scale == "auto":
        return np.float32(np.iinfo(dtype).max) if dtype.kind in "iu" else None
    return None if scale is None else np.float32(scale)


def _unstacked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without a single channel."""
    return shape[:2] if shape[2:] == (1,) else shape


def _warn_if_dark(images: NDArray[Any]) -> None:
    """Warn of integers that are small for their dtype: most likely 8-bit pixels in a wider one."""
    if images.dtype.kind not in "iu" or images.dtype.itemsize == 1:
        return
    top, brightest = np.iinfo(images.dtype).max, int(images.max())
    if 0 < brightest < _DARK * top:
        warnings.warn(
            f"ImageFlattener: expected {images.dtype} pixels that use their range of 0 to {top}, "
            f"got none above {brightest}, so all come out below {_DARK:.1g}. Set scale=255 if "
            "white is 255, or cast X to uint8.",
            UserWarning,
            stacklevel=4,  # the caller of `transform`, beyond scikit-learn's wrapper for set_output
        )


def cast_pixels(pixels: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Cast floats to `dtype`, rounding and clipping where it holds no fractions."""
    if dtype.kind == "f":
        return pixels.astype(dtype, copy=False)
    if dtype.kind == "b":
        return pixels > 0.5
    limits = np.iinfo(dtype)
    low, high = pixels.dtype.type(limits.min), pixels.dtype.type(limits.max)
    if int(high) > limits.max:
        # No float64 is 2**63 - 1: the nearest is 2**63, which would wrap around to the minimum.
        high = np.nextafter(high, low)
    whole = np.rint(pixels)
    integers: NDArray[Any] = np.clip(whole, low, high, out=whole).astype(dtype)
    return integers
