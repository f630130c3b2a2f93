"""Random distortions of images, over an array namespace.

Each image is sampled, with bilinear interpolation, at the places that a random affine map and a
random smooth field of displacements send its pixels to; outside the frame is zero. In the compiled
program this takes 0.12 of an MNIST epoch's 0.43 s (2 cores, 2026-11-24).

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
    """The same for a stack of G networks, ready to compute with."""

    rotation: Any  # radians, of shape (G,)
    scale: Any
    shear: Any
    translation: Any
    elastic: Any
    rows: Any  # of shape (G, height, n): smooths a grid of noise into a field of unit variance
    columns: Any  # of shape (G, width, m)


def distortion_values(
    distortions: list[Distortion], image_shape: tuple[int, ...], dtype: Any
) -> DistortionValues:
    """Stack the ranges of G networks for images of ``(height, width)`` or with channels."""
    rotation, scale, shear, translation, elastic, _ = np.array(distortions, dtype).T
    rows, columns = (
        np.stack([_smoother(length, one.smoothing) for one in distortions]).astype(dtype)
        for length in image_shape[:2]
    )
    rotation = np.radians(rotation)
    return DistortionValues(rotation, scale, shear, translation, elastic, rows, columns)


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
    """Distort ``n_rows`` flat images of each of G networks, of shape (G, n_rows, n_features)."""
    height, width, n_channels = (*image_shape, 1)[:3]
    n_grid = values.rows.shape[2] * values.columns.shape[2]
    draws = uniform(xp, key, n_rows, _N_AFFINE + 2 * n_grid, dtype)
    down, right = _affine_places(xp, draws, values, height, width, dtype)
    shape = (2, *down.shape)
    shift = xp.unless_zero(values.elastic, lambda: _field(xp, draws, values, n_rows), shape)
    return _sample(xp, x, down + shift[0], right + shift[1], (height, width, n_channels))


def _affine_places(
    xp: Any, draws: Any, values: Any, height: int, width: int, dtype: str
) -> tuple[Any, Any]:
    """Where the affine map sends each pixel: two arrays of shape (G, n_rows, height * width)."""

    def drawn(number: int, reach: Any) -> Any:
        return draws[:, :, number, None] * reach[:, None, None]

    angle = drawn(0, values.rotation)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    # The map from output to input divides by the stretch, as an image grows where it is sampled
    # more densely.
    dense_y = 1.0 / (1.0 + drawn(1, values.scale))
    dense_x = 1.0 / (1.0 + drawn(2, values.scale))
    slant = drawn(3, values.shear)
    y = np.repeat(np.arange(height) - (height - 1) / 2, width).astype(dtype)
    x = np.tile(np.arange(width) - (width - 1) / 2, height).astype(dtype)
    tilted_x = x + slant * y
    down = (cosine * y + sine * tilted_x) * dense_y + drawn(4, values.translation)
    right = (cosine * tilted_x - sine * y) * dense_x + drawn(5, values.translation)
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

    # One pixel of zeros around each image: places are clipped into that border.
    padded_width = width + 2
    framed = xp.pad_frame(xp.reshape(x, (n_images, height, width, n_channels)))
    framed = xp.reshape(framed, (n_images, (height + 2) * padded_width, n_channels))

    def clipped(places: Any, length: int) -> Any:
        inside = xp.minimum(xp.maximum(places, -1.0), float(length)) + 1.0
        return xp.reshape(inside, (n_images, height * width))

    down, right = clipped(down, height), clipped(right, width)
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
