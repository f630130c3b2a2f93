"""``RandomDistortion``: how images are distorted at random, as values that can be searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sk_mnist_mlp._estimators.flattener import cast_pixels, check_images
from sk_mnist_mlp._estimators.rules import (
    RANDOM_STATE,
    Number,
    Satisfying,
    check_parameters,
    is_widths,
    named,
)
from sk_mnist_mlp._estimators.sklearn_compat import DOC_LINK_TEMPLATE
from sk_mnist_mlp._network import NumpyNamespace as xp
from sk_mnist_mlp._network import step_keys
from sk_mnist_mlp._training import Distortion, distort, distortion_values

__all__ = ["RandomDistortion", "checked_distortion"]

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
    image_shape : (height, width), (height, width, channels) or None, default=None
        Of the images in flat rows, pixel by pixel, row by row. None: square, of one channel.
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
        image_shape: Sequence[int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.rotation = rotation
        self.scale = scale
        self.shear = shear
        self.translation = translation
        self.elastic = elastic
        self.smoothing = smoothing
        self.image_shape = image_shape
        self.random_state = random_state

    def transform(self, images: ArrayLike) -> NDArray[Any]:
        """Distort images, to look at them.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width), \
                (n_images, height, width, channels) or (n_images, n_pixels)
            Of any real dtype.

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
        """
        with named(type(self).__name__):
            array = check_images(self, images)
            distortion, shape = checked_distortion(type(self).__name__, self, array.shape[1:])
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


_RULES: dict[str, list[Any]] = {
    "rotation": [Number(Real, 0, 180, "both")],
    "scale": [Number(Real, 0, 1)],
    "shear": [Number(Real, 0, 1, "both")],
    "smoothing": [Number(Real, 1)],
    "image_shape": [
        None,
        Satisfying(
            lambda value: is_widths(value) and len(value) in (2, 3),
            "(height, width) or (height, width, channels)",
        ),
    ],
    "random_state": RANDOM_STATE,
}
"""What each parameter must be, but for those that depend on the size of the images."""


def checked_distortion(
    who: str, distortion: RandomDistortion, shape: tuple[int, ...], prefix: str = ""
) -> tuple[Distortion, tuple[int, ...]]:
    """Ranges, and the images' shape, once they are checked for images or rows of ``shape``."""
    given = {prefix + name: value for name, value in distortion.get_params().items()}
    check_parameters(who, given, {prefix + name: rule for name, rule in _RULES.items()})
    shape = _image_shape(distortion.image_shape, shape)
    reach = Number(Real, 0, min(shape[:2]) / 2)
    in_frame = Satisfying(
        reach.is_satisfied_by,
        f"{reach}, half the smaller side of images of {shape[0]} × {shape[1]}",
    )
    rules = {f"{prefix}translation": [in_frame], f"{prefix}elastic": [in_frame]}
    check_parameters(who, given, rules)
    ranges = {name: float(getattr(distortion, name)) for name in Distortion._fields}
    return Distortion(**ranges), shape


def _image_shape(given: Sequence[int] | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    n_pixels = math.prod(shape)
    if given is not None:
        if math.prod(given) == n_pixels:
            return tuple(int(size) for size in given)
        raise ValueError(
            f"expected image_shape of {n_pixels} pixels, as the images have, got {tuple(given)} of "
            f"{math.prod(given)}. Set RandomDistortion(image_shape=(height, width)) or (height, "
            "width, channels)."
        )
    if len(shape) > 1:
        return shape
    side = math.isqrt(n_pixels)
    if side * side == n_pixels:
        return side, side
    raise ValueError(
        f"expected rows that are square images to distort, got {n_pixels} columns, which is no "
        "square number. Set RandomDistortion(image_shape=(height, width)) or (height, width, "
        "channels)."
    )
