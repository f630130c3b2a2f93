"""Photos of digits, drawn by seeded code from MNIST's test images.

Each picture has one digit, or several side by side, with room around; a severity is a number, 1
for mild, 2 for moderate and 3 for strong. What differs from image to image (where the light comes
from, how far apart the digits are) is drawn anew for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float64]

SEVERITIES = {"mild": 1, "moderate": 2, "strong": 3}

KINDS = {
    "shadow": "the soft edge of a shadow, which takes 20, 35 or 50 % of the light",
    "ruled paper": "level lines, 10, 18 or 26 % as dark as black ink",
    "ballpoint": "strokes 55, 40 or 25 % as wide, in blue whose strength changes along them",
    "chalk": "light on a dark board with smears, 10, 20 or 30 % of the stroke missing",
    "rotation": "turned by 8, 14 or 20 degrees to either side",
    "phone": "light from one side, blur, noise of 3, 7 or 12 grey levels and JPEG 80, 50 or 25",
    "several": "two to five digits, of slightly different heights, with all of phone",
}

_INK_SIDE = 100  # pixels of an image of MNIST's side, before the room around it


def photograph(images: Sequence[NDArray[np.uint8]], kind: str, severity: str, seed: int) -> Any:
    """Draw images of MNIST side by side and take a picture of them.

    Parameters
    ----------
    images : sequence of ndarray of shape (28, 28), uint8
        From left to right.
    kind : str
        One of ``KINDS``.
    severity : str
        One of ``SEVERITIES``.
    seed : int
        Decides all draws.

    Returns
    -------
    photo : ndarray of shape (height, width) or (height, width, 3), uint8
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    level = SEVERITIES[severity]
    if kind == "rotation":
        images = [_turned(image, rng.choice([-1, 1]) * (2 + 6 * level)) for image in images]
    ink = _written(images, rng, thin=kind == "ballpoint" and level)
    return np.clip(np.rint(_TAKE[kind](ink, level, rng)), 0, 255).astype(np.uint8)


def _written(images: Sequence[Any], rng: np.random.Generator, thin: int) -> Grey:
    """Strength of ink, in [0, 1], of digits side by side, with room around."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    parts: list[Any] = []
    for image in images:
        side = round(_INK_SIDE * rng.uniform(0.9, 1.1)) if len(images) > 1 else _INK_SIDE
        large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        ink = np.clip(np.asarray(large) / 255.0, 0, 1)
        if thin:
            depth = distance_transform_edt(ink > 0.4)
            width = 2 * depth[depth > 0].mean()
            ink = gaussian_filter((depth > (0.3 + 0.15 * thin) * width).astype(float), 0.7)
            ink /= ink.max()
        columns = np.flatnonzero((ink > 0.1).any(axis=0))
        ink = ink[:, columns[0] : columns[-1] + 1]
        top = (130 - side) // 2 + int(rng.integers(-4, 5)) * (len(images) > 1)
        parts.append(np.pad(ink, ((top, 130 - side - top), (0, 0))))
        parts.append(np.zeros((130, int(rng.integers(8, 25)))))
    room = rng.integers(15, 50, size=4)
    return np.pad(np.hstack(parts[:-1]), (tuple(room[:2]), tuple(room[2:])))


def _turned(image: Any, degrees: float) -> Any:
    from scipy.ndimage import rotate

    return np.clip(rotate(image.astype(float), degrees, reshape=False, order=1), 0, 255).astype(
        np.uint8
    )


def _places(shape: tuple[int, ...]) -> tuple[Grey, Grey]:
    """Rows and columns, the longer side one long, with 0 in the middle."""
    y, x = np.indices(shape, dtype=float)
    return (y - shape[0] / 2) / max(shape), (x - shape[1] / 2) / max(shape)


def _paper(ink: Grey, rng: np.random.Generator, level: float = 235.0) -> Grey:
    return level * (1 - 0.8 * ink) + rng.normal(0, 1.5, ink.shape)


def _shadow(ink: Grey, level: int, rng: np.random.Generator) -> Grey:
    y, x = _places(ink.shape)
    angle = rng.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.2, 0.2)
    return _paper(ink, rng) * (1 - (0.05 + 0.15 * level) / (1 + np.exp(-across / 0.04)))


def _ruled(ink: Grey, level: int, rng: np.random.Generator) -> Grey:
    spacing, start = rng.integers(28, 45), rng.integers(28)
    y = np.arange(ink.shape[0])[:, np.newaxis] - start
    lines = np.minimum(np.abs(y % spacing), spacing - y % spacing) < 1.2
    return _paper(np.maximum(ink, (0.02 + 0.08 * level) * lines), rng)


def _ballpoint(ink: Grey, level: int, rng: np.random.Generator) -> Any:
    from scipy.ndimage import gaussian_filter

    flow = gaussian_filter(rng.normal(size=ink.shape), 5)
    flow = np.clip(0.8 + 0.1 * level * flow / flow.std(), 0.3, 1)
    strength = (ink * flow)[..., np.newaxis]
    blue, paper = np.array([40.0, 60.0, 150.0]), np.array([240.0, 238.0, 230.0])
    return paper + (blue - paper) * strength + rng.normal(0, 1.5, (*ink.shape, 1))


def _chalk(ink: Grey, level: int, rng: np.random.Generator) -> Grey:
    from scipy.ndimage import gaussian_filter

    grains = gaussian_filter(rng.normal(size=ink.shape), 0.7)
    covered = ink * (grains > np.quantile(grains, 0.1 * level))
    smear = gaussian_filter(rng.normal(size=ink.shape), (6, 25))
    board = 50 + 3 * level * smear / smear.std()
    return board + (215 - board) * covered + rng.normal(0, 2, ink.shape)


def _rotation(ink: Grey, level: int, rng: np.random.Generator) -> Grey:
    return _paper(ink, rng)


def _phone(ink: Grey, level: int, rng: np.random.Generator) -> Any:
    import io

    from PIL import Image
    from scipy.ndimage import gaussian_filter

    y, x = _places(ink.shape)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + 0.25 * level * (x * np.cos(angle) + y * np.sin(angle) - 0.5)
    photo = gaussian_filter(_paper(ink, rng) * light, 0.5 * level)
    photo += rng.normal(0, (3, 7, 12)[level - 1], ink.shape)
    file = io.BytesIO()
    whole = Image.fromarray(np.clip(np.rint(photo), 0, 255).astype(np.uint8))
    whole.save(file, "JPEG", quality=(80, 50, 25)[level - 1])
    return np.asarray(Image.open(file), float)


_TAKE = {
    "shadow": _shadow,
    "ruled paper": _ruled,
    "ballpoint": _ballpoint,
    "chalk": _chalk,
    "rotation": _rotation,
    "phone": _phone,
    "several": _phone,
}
