"""Test images made harder, by seeded code with the severity stated.

Written over SciPy, not over the distortions that a classifier may have been trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]

SEVERITIES: dict[str, tuple[float, ...]] = {
    "shifted": (1, 2, 3, 4),
    "rotated": (10, 20, 30),
    "scaled": (0.15, 0.3, 0.45),
    "noisy": (0.1, 0.2, 0.3),
    "blurred": (0.75, 1.25, 1.75),
    "occluded": (4, 8, 12),
}
"""Kind to severities, mildest first; units are in ``UNITS``."""

UNITS = {
    "shifted": "pixels along rows, columns or both",
    "rotated": "degrees to either side",
    "scaled": "larger or smaller by this fraction",
    "noisy": "standard deviation of Gaussian noise, of the range of a pixel",
    "blurred": "standard deviation of a Gaussian filter, pixels",
    "occluded": "side of a black square at a random place, pixels",
}


def corrupted(images: Images, kind: str, severity: float, seed: int = 0) -> Images:
    """Make every image harder, each by a draw of its own.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
        As they are.
    kind : str
        One of ``SEVERITIES``.
    severity : float
        How much; zero leaves the images as they are.
    seed : int, default=0
        Decides the draws.
    """
    rng = np.random.default_rng([seed, list(SEVERITIES).index(kind)])
    harder = _KINDS[kind](images.astype(np.float32), severity, rng)
    return np.clip(np.rint(harder), 0, 255).astype(np.uint8)


def _shifted(images: Any, severity: float, rng: np.random.Generator) -> Any:
    step = int(severity)
    directions = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    drawn = rng.integers(len(directions), size=len(images))
    framed = np.pad(images, ((0, 0), (step, step), (step, step)))
    height, width = images.shape[1:]
    out = np.empty_like(images)
    for number, (down, right) in enumerate(directions):
        top, left = step * (1 + down), step * (1 + right)
        chosen = drawn == number
        out[chosen] = framed[chosen, top : top + height, left : left + width]
    return out


def _rotated(images: Any, severity: float, rng: np.random.Generator) -> Any:
    angles = np.radians(severity) * rng.choice([-1, 1], size=len(images))
    return _mapped(
        images, [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in angles]
    )


def _scaled(images: Any, severity: float, rng: np.random.Generator) -> Any:
    factors = 1 + severity * rng.choice([-1, 1], size=len(images))
    return _mapped(images, [np.eye(2) / factor for factor in factors])


def _mapped(images: Any, matrices: list[NDArray[np.float64]]) -> Any:
    """Read each image at ``matrix @ place``, from its centre."""
    from scipy.ndimage import affine_transform

    centre = (np.array(images.shape[1:]) - 1) / 2
    return np.stack(
        [
            affine_transform(image, matrix, centre - matrix @ centre, order=1)
            for image, matrix in zip(images, matrices, strict=True)
        ]
    )


def _noisy(images: Any, severity: float, rng: np.random.Generator) -> Any:
    return images + 255 * severity * rng.standard_normal(images.shape, np.float32)


def _blurred(images: Any, severity: float, rng: np.random.Generator) -> Any:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(images, (0, severity, severity)) if severity else images


def _occluded(images: Any, severity: float, rng: np.random.Generator) -> Any:
    side = int(severity)
    height, width = images.shape[1:]
    top = rng.integers(height - side + 1, size=len(images))[:, None]
    left = rng.integers(width - side + 1, size=len(images))[:, None]
    y, x = np.arange(height), np.arange(width)
    hidden_y, hidden_x = (y >= top) & (y < top + side), (x >= left) & (x < left + side)
    return np.where(hidden_y[:, :, None] & hidden_x[:, None, :], 0, images)


_KINDS = {
    "shifted": _shifted,
    "rotated": _rotated,
    "scaled": _scaled,
    "noisy": _noisy,
    "blurred": _blurred,
    "occluded": _occluded,
}
