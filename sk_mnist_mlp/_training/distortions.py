"""Random distortions of images, over an array namespace.

Each image is sampled, with bilinear interpolation, at the places that a random affine map and a
random smooth field of displacements send its pixels to; outside the frame is zero. In the compiled
program this takes 0.12 of an MNIST epoch's 0.43 s (2 cores, 2026-11-24): 0.07 s the affine part, a
third of what TensorFlow's own operation for it took, and 0.05 s the field.

References
----------
Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks applied to
visual document analysis, ICDAR.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import uniform

__all__ = ["Distortion", "DistortionValues", "distort", "distortion_values"]

_GRID_STEP = 2
"""Pixels between the noise values of a displacement field; smaller than any sensible smoothing."""

_N_AFFINE = 6


class Distortion(NamedTuple):
    """Ranges of a random distortion; see :class:`sk_mnist_mlp.RandomDistortion` for the units."""

    rotation: float
    scale: float
    shear: float
    translation: float
    elastic: float
    smoothing: float


class DistortionValues(NamedTuple):
    """The same for a stack of G networks, ready to compute with.

    Attributes
    ----------
    rotation, scale, shear, translation, elastic : arrays of shape (G,)
        Rotation in radians.
    rows, columns : arrays of shape (G, height, n) and (G, width, m)
        Weights that smooth a grid of noise into a field of unit variance.
    """

    rotation: Any
    scale: Any
    shear: Any
    translation: Any
    elastic: Any
    rows: Any
    columns: Any


def distortion_values(
    distortions: list[Distortion], image_shape: tuple[int, ...], dtype: Any
) -> DistortionValues:
    """Stack the ranges of G networks for images of ``(height, width)`` or with channels."""
    columns = np.array(distortions, dtype).T
    height, width = image_shape[:2]
    return DistortionValues(
        rotation=np.radians(columns[0]),
        scale=columns[1],
        shear=columns[2],
        translation=columns[3],
        elastic=columns[4],
        rows=np.stack([_smoother(height, d.smoothing) for d in distortions]).astype(dtype),
        columns=np.stack([_smoother(width, d.smoothing) for d in distortions]).astype(dtype),
    )


def _smoother(length: int, smoothing: float) -> NDArray[np.float64]:
    """Gaussian weights from grid to pixels; rows scaled to give variance one for uniform noise."""
    places = np.arange(-_GRID_STEP, length + 2 * _GRID_STEP, _GRID_STEP)
    distance = (np.arange(length)[:, None] - places) / smoothing
    weights = np.exp(-0.5 * distance**2)
    # The product of two smoothers meets noise of variance 1/3: each takes its fourth root of 3.
    return weights / np.sqrt((weights**2).sum(axis=1, keepdims=True)) * 3.0**0.25


def distort(
    xp: Any,
    x: Any,
    key: Any,
    values: DistortionValues,
    image_shape: tuple[int, ...],
    n_rows: int,
    dtype: str,
) -> Any:
    """Distort every image of a batch.

    Parameters
    ----------
    xp : namespace
        Where to compute.
    x : array of shape (G, n_rows, n_features)
        Flat images.
    key : uint32 array of shape (G, 2)
        Decides the distortions.
    values : DistortionValues
        Their ranges.
    image_shape : tuple of int
        (height, width) or (height, width, channels), whose product is n_features.
    n_rows : int
        Images in the batch.
    dtype : str
        Of ``x``.

    Returns
    -------
    x : array of shape (G, n_rows, n_features)
    """
    height, width, n_channels = (*image_shape, 1)[:3]
    n_grid = values.rows.shape[2] * values.columns.shape[2]
    draws = uniform(xp, key, n_rows, _N_AFFINE + 2 * n_grid, dtype)
    down, right = _affine_places(xp, draws, values, height, width, dtype)
    shift = xp.unless_zero(
        values.elastic,
        lambda: _field(xp, draws, values, n_rows),
        (2, *down.shape),
    )
    return _sample(xp, x, down + shift[0], right + shift[1], (height, width, n_channels))


def _affine_places(
    xp: Any, draws: Any, values: Any, height: int, width: int, dtype: str
) -> tuple[Any, Any]:
    """Where the affine map sends each pixel: two arrays of shape (G, n_rows, height * width)."""
    angle, stretch_y, stretch_x, slant, move_y, move_x = (
        draws[:, :, i, None] for i in range(_N_AFFINE)
    )

    def scaled(draw: Any, reach: Any) -> Any:
        return draw * reach[:, None, None]

    angle = scaled(angle, values.rotation)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    # The map from output to input divides by the stretch, as an image grows where it is sampled
    # more densely.
    dense_y = 1.0 / (1.0 + scaled(stretch_y, values.scale))
    dense_x = 1.0 / (1.0 + scaled(stretch_x, values.scale))
    slant = scaled(slant, values.shear)
    y = np.repeat(np.arange(height) - (height - 1) / 2, width).astype(dtype)
    x = np.tile(np.arange(width) - (width - 1) / 2, height).astype(dtype)
    tilted_x = x + slant * y
    down = (cosine * y + sine * tilted_x) * dense_y + scaled(move_y, values.translation)
    right = (cosine * tilted_x - sine * y) * dense_x + scaled(move_x, values.translation)
    return down + (height - 1) / 2, right + (width - 1) / 2


def _field(xp: Any, draws: Any, values: Any, n_rows: int) -> Any:
    """Two smooth random displacement fields, of shape (2, G, n_rows, height * width)."""
    n_networks, height, n = values.rows.shape
    width, m = values.columns.shape[1:]
    fields = []
    for axis in range(2):
        begin = _N_AFFINE + axis * n * m
        noise = xp.reshape(draws[:, :, begin : begin + n * m], (n_networks, n_rows, n, m))
        smooth = xp.matmul_nt(xp.matmul(values.rows[:, None], noise), values.columns[:, None])
        flat = xp.reshape(smooth, (1, n_networks, n_rows, height * width))
        fields.append(flat * values.elastic[:, None, None])
    return xp.concat(fields, 0)


def _sample(xp: Any, x: Any, down: Any, right: Any, shape: tuple[int, int, int]) -> Any:
    """Read images at fractional places; beyond the frame is zero."""
    height, width, n_channels = shape
    n_images = int(x.shape[0] * x.shape[1])
    n_pixels = height * width

    # One pixel of zeros around each image: places are clipped into that border.
    padded_width = width + 2
    framed = xp.pad_frame(xp.reshape(x, (n_images, height, width, n_channels)))
    framed = xp.reshape(framed, (n_images, (height + 2) * padded_width, n_channels))
    down = xp.reshape(xp.minimum(xp.maximum(down, -1.0), float(height)) + 1.0, (n_images, n_pixels))
    right = xp.reshape(
        xp.minimum(xp.maximum(right, -1.0), float(width)) + 1.0, (n_images, n_pixels)
    )

    top = xp.floor(xp.minimum(down, float(height)))
    left = xp.floor(xp.minimum(right, float(width)))
    below = (down - top)[:, :, None]
    beside = (right - left)[:, :, None]
    corner = xp.cast(top * padded_width + left, "int32")

    def read(offset: int) -> Any:
        return xp.take_rows(framed, corner + offset)

    upper, lower = read(0), read(padded_width)
    upper = upper + beside * (read(1) - upper)
    lower = lower + beside * (read(padded_width + 1) - lower)
    return xp.reshape(upper + below * (lower - upper), x.shape)
