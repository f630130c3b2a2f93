"""``RandomDistortion``: how images are distorted at random, as values that can be searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state

from sk_mnist_mlp._estimators.flattener import cast_pixels
from sk_mnist_mlp._estimators.rules import (
    Rule,
    check_random_state_of_draws,
    is_real,
    parameter_error,
)
from sk_mnist_mlp._estimators.sklearn_compat import DOC_LINK_TEMPLATE
from sk_mnist_mlp._network import NumpyNamespace as xp
from sk_mnist_mlp._network import step_keys
from sk_mnist_mlp._training import Distortion, distort, distortion_values

__all__ = ["RandomDistortion", "augmentation_plan"]

_NAME = "RandomDistortion"
_BLOCK_IMAGES = 256
"""Images distorted at once, so that a large batch takes little memory beside itself."""


class RandomDistortion(BaseEstimator):
    """Random distortions of images: rotated, stretched, slanted, moved and bent, each by chance.

    Given to :class:`MLPDigitClassifier` as ``augmentation``, it distorts every training image
    anew in every epoch, so that a network of the same size learns from far more images than there
    are. Rows to predict are never distorted.

    Every number is the end of a range around "as it is"; zero leaves that part out. Images are
    sampled bilinearly; beyond their frame is zero.

    Parameters
    ----------
    rotation : float, default=12.0
        Degrees, 0 to 180: turned about the centre by an angle uniform in ±rotation.
    scale : float, default=0.13
        Fraction, in [0, 1): height and width are each stretched by a factor uniform in 1 ± scale.
    shear : float, default=0.15
        Fraction, 0 to 1: rows are moved sideways by their distance from the centre times a number
        uniform in ±shear; 1 slants a vertical line by 45 degrees.
    translation : float, default=2.0
        Pixels, 0 or more and less than half of an image's smaller side: moved up or down, and
        left or right, each by a distance uniform in ±translation.
    elastic : float, default=0.0
        Pixels, 0 or more and less than half of an image's smaller side: root mean square of the
        displacement along each axis by a smooth random field (Simard et al. 2003).
    smoothing : float, default=4.0
        Pixels, 1 or more: length over which that field changes, the standard deviation of the
        Gaussian that smooths it. Only with ``elastic``.
    random_state : int, RandomState instance or None, default=None
        Decides the distortions of :meth:`transform`. In training the classifier's own
        ``random_state`` decides, whatever stands here.

    See Also
    --------
    MLPDigitClassifier : Trains on distorted images, by its parameter ``augmentation``.

    Notes
    -----
    There is no ``fit``, so that no pipeline takes this for a step of its own, which would distort
    the images to predict as well.

    References
    ----------
    Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks applied
    to visual document analysis, ICDAR.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist_mlp import RandomDistortion
    >>> images = np.zeros((2, 28, 28), dtype=np.uint8)
    >>> images[:, 4:24, 13:15] = 255
    >>> distorted = RandomDistortion(elastic=1.0, random_state=0).transform(images)
    >>> distorted.shape, distorted.dtype
    ((2, 28, 28), dtype('uint8'))
    >>> bool((distorted[0] == distorted[1]).all())
    False
    """

    _doc_link_module = "sk_mnist_mlp"
    _doc_link_template = DOC_LINK_TEMPLATE

    def __init__(
        self,
        *,
        rotation: float = 12.0,
        scale: float = 0.13,
        shear: float = 0.15,
        translation: float = 2.0,
        elastic: float = 0.0,
        smoothing: float = 4.0,
        random_state: Any = None,
    ) -> None:
        self.rotation = rotation
        self.scale = scale
        self.shear = shear
        self.translation = translation
        self.elastic = elastic
        self.smoothing = smoothing
        self.random_state = random_state

    def transform(self, images: ArrayLike) -> NDArray[Any]:
        """Distort images, to look at them.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width), \
                (n_images, height, width, channels) or (n_images, n_pixels)
            Of any real dtype. Flat rows are square images of one channel.

        Returns
        -------
        distorted : ndarray of the shape and dtype of ``images``
            Each image by a distortion of its own; integers are rounded.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range, which is narrower for small images.
        TypeError, ValueError
            If ``images`` are no images.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sk_mnist_mlp import RandomDistortion
        >>> RandomDistortion(translation=1).transform(load_digits().data[:5]).shape
        (5, 64)
        """
        array: NDArray[Any] = check_array(
            images, dtype="numeric", ensure_2d=False, allow_nd=True, estimator=self
        )
        shape = _shape_of_images(array)
        distortion = _checked(_NAME, self, shape)
        check_random_state_of_draws(_NAME, self.random_state)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return _distort_blocks(array, shape, distortion, seed)


def _distort_blocks(
    images: NDArray[Any], shape: tuple[int, ...], distortion: Distortion, seed: int
) -> NDArray[Any]:
    """Distort block by block, each under a key of its own."""
    flat = images.reshape(len(images), -1)
    # float32 holds pixels of up to 16 bits exactly; wider ones are computed in float64.
    dtype = np.result_type(np.float32, images.dtype)
    values = distortion_values([distortion], shape, dtype)
    out = np.empty(flat.shape, images.dtype)
    for number, begin in enumerate(range(0, len(flat), _BLOCK_IMAGES)):
        block = flat[begin : begin + _BLOCK_IMAGES].astype(dtype)
        key = step_keys(seed, number, 1, 1)[0]
        moved = distort(xp, block[None], key, values, shape, len(block), dtype.name)[0]
        out[begin : begin + len(block)] = cast_pixels(moved, images.dtype)
    return out.reshape(images.shape)


# ----------------------------------------------------------------------------------------------
# Checks


def augmentation_plan(
    who: str, augmentation: Any, image_shape: Sequence[int] | None, n_features: int
) -> tuple[Distortion | None, tuple[int, ...] | None]:
    """Read a classifier's ``augmentation`` and ``image_shape`` as what a plan holds.

    Parameters
    ----------
    who : str
        For error sentences.
    augmentation : RandomDistortion or None
        As the user gave it.
    image_shape : sequence of int or None
        As the user gave it; None infers a square image of one channel.
    n_features : int
        Columns of X.

    Returns
    -------
    distortion : Distortion or None
    image_shape : tuple of int or None
        Both None without augmentation.

    Raises
    ------
    InvalidParameterError
        If ``augmentation`` is something else, or a range of it is wrong for these images.
    ValueError
        If rows of ``n_features`` are no images.
    """
    if augmentation is None:
        return None, None
    if not isinstance(augmentation, RandomDistortion):
        raise parameter_error(who, "augmentation", augmentation, _AUGMENTATION)
    shape = _shape_of_rows(who, image_shape, n_features)
    return _checked(who, augmentation, shape, prefix="augmentation__"), shape


_AUGMENTATION = Rule(
    lambda value: value is None or isinstance(value, RandomDistortion),
    "None or a RandomDistortion",
    "Use RandomDistortion() for its default ranges.",
)


def _shape_of_rows(who: str, image_shape: Sequence[int] | None, n_features: int) -> tuple[int, ...]:
    """Shape of the images in rows of ``n_features``."""
    if image_shape is not None:
        shape = tuple(int(size) for size in image_shape)
        if math.prod(shape) == n_features:
            return shape
        raise ValueError(
            f"{who}: expected image_shape of {n_features} pixels, as X has columns, got {shape} "
            f"of {math.prod(shape)}. Set image_shape=(height, width) or (height, width, channels)."
        )
    side = math.isqrt(n_features)
    if side * side == n_features:
        return side, side
    raise ValueError(
        f"{who}: expected rows that are square images for augmentation, got {n_features} columns, "
        "which is no square number. Set image_shape=(height, width) or (height, width, channels), "
        "or augmentation=None."
    )


def _shape_of_images(images: NDArray[Any]) -> tuple[int, ...]:
    """Shape of one image of a batch."""
    side = math.isqrt(images.shape[1]) if images.ndim == 2 else 0
    is_flat = images.ndim == 2 and side * side == images.shape[1]
    if not (is_flat or images.ndim in (3, 4)) or images.size == 0:
        raise ValueError(
            f"{_NAME}: expected images of shape (n_images, height, width), (n_images, height, "
            "width, channels) or flat rows of a square number of pixels, got shape "
            f"{images.shape}. Reshape them: images[np.newaxis] makes a batch of one image."
        )
    if images.dtype.kind not in "biuf":
        raise TypeError(
            f"{_NAME}: expected pixels that are numbers, got dtype {images.dtype}. Convert images "
            "to an integer or float dtype."
        )
    return (side, side) if is_flat else images.shape[1:]


def _checked(
    who: str, values: RandomDistortion, shape: tuple[int, ...], prefix: str = ""
) -> Distortion:
    """The ranges, once each is checked for images of this shape."""
    ranges = Distortion(*(getattr(values, name) for name in Distortion._fields))
    rules = _rules(shape)
    for name, value in ranges._asdict().items():
        if not rules[name].holds(value):
            raise parameter_error(who, prefix + name, value, rules[name])
    return Distortion(*(float(value) for value in ranges))


def _rules(shape: tuple[int, ...]) -> dict[str, Rule]:
    """What each range must be for images of ``shape``."""
    height, width = shape[:2]
    reach = min(height, width) / 2
    within = (
        f"a number of pixels in [0, {reach:g}), half the smaller side of images of {height} × "
        f"{width}"
    )
    off_frame = "More would move everything out of the frame; {} of 28 is usual."

    def stays_in_frame(value: Any) -> bool:
        return is_real(value) and 0 <= value < reach

    return {
        "rotation": Rule(
            lambda value: is_real(value) and 0 <= value <= 180,
            "a number of degrees in [0, 180]",
            "Use 0 for no rotation; 12 is usual for digits.",
        ),
        "scale": Rule(
            lambda value: is_real(value) and 0 <= value < 1,
            "a fraction in [0, 1)",
            "More would shrink an image to nothing; 0.13 is usual.",
        ),
        "shear": Rule(
            lambda value: is_real(value) and 0 <= value <= 1,
            "a fraction in [0, 1]",
            "It is the tangent of an angle, no number of degrees; 0.15 is usual.",
        ),
        "translation": Rule(stays_in_frame, within, off_frame.format("2")),
        "elastic": Rule(stays_in_frame, within, off_frame.format("1")),
        "smoothing": Rule(
            lambda value: is_real(value) and value >= 1,
            "a number of pixels of 1 or more",
            "Less would be noise, not a smooth field; 4 is usual.",
        ),
    }
