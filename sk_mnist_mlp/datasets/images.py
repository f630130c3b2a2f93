"""A picture of one digit, of any size, made into an image like those of MNIST.

MNIST's makers scaled each digit into a box of 20 by 20 pixels, keeping its proportions, and put
the centre of mass of its ink at the middle of a field of 28 by 28. A network that learnt from such
images reads a scan or a drawing only after the same preparation.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import require
from sk_mnist_mlp.exceptions import DataFileError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["load_image", "prepare_digit"]

_WHO = "load_image"
_FIELD = 28
_BOX = 20
_MIDDLE = 14.0
"""Where MNIST's images have their centre of mass, in pixels from the first: 14.0, give or take the
half pixel of a shift by whole ones (measured over all 70,000, 2026-11-23)."""

_MIN_CONTRAST = 16
"""Grey levels of 255 by which the darkest and the lightest place must differ to be a digit."""

_FAINT = 0.1
"""Share of the strongest ink below which a pixel is paper: above the noise of JPEG files."""

_MAX_PIXELS = 64 << 20
"""Pixels of the largest picture read: an 8,192 by 8,192 scan, 256 MB as it is prepared."""


def load_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a picture of one digit as an image like those of MNIST.

    The picture may be of any size, grey or in colours, dark on light or light on dark, with or
    without transparency. Its border tells the paper from the ink.

    Parameters
    ----------
    path : str or os.PathLike
        A PNG or any other file that Pillow reads; of an animation, the first picture.

    Returns
    -------
    image : ndarray of shape (28, 28), uint8 in 0–255
        Ink is light, paper is 0.

    Raises
    ------
    DataFileError
        If the file is no picture, is damaged, has more than 67 million pixels or shows nothing.
    OSError
        If the file is missing or may not be read.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image, ImageDraw
    >>> from sk_mnist_mlp.datasets.images import load_image
    >>> drawing = Image.new("L", (200, 300), "white")
    >>> ImageDraw.Draw(drawing).line((60, 40, 60, 260), fill="black", width=30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawing.save(f"{folder}/one.png")
    ...     image = load_image(f"{folder}/one.png")
    >>> image.shape, image.dtype, int(image.max()), int(image[0].max())
    ((28, 28), dtype('uint8'), 255, 0)
    """
    require("PIL", who=_WHO, purpose="to read pictures")
    shown = repr(os.fspath(path))
    grey = _read_grey(path, shown)
    return prepare_digit(grey, source=shown)


def prepare_digit(grey: NDArray[Any], *, source: str = "X") -> NDArray[np.uint8]:
    """Scale and centre a digit as MNIST's makers describe.

    Parameters
    ----------
    grey : ndarray of shape (height, width)
        Brightness in 0–255, dark on light or light on dark.
    source : str, default="X"
        What an error calls the picture.

    Returns
    -------
    image : ndarray of shape (28, 28), uint8 in 0–255
        Ink is light, paper is 0.

    Raises
    ------
    DataFileError
        If there is no ink to be seen.

    References
    ----------
    LeCun, Cortes and Burges, The MNIST database of handwritten digits. LeCun, Bottou, Bengio and
    Haffner (1998), Gradient-based learning applied to document recognition, Proceedings of the
    IEEE 86(11).
    """
    ink = _crop(_ink(grey, source))
    return _centre(_fit_box(ink))


# ----------------------------------------------------------------------------------------------
# From a file to brightness


def _read_grey(path: str | os.PathLike[str], shown: str) -> NDArray[np.float32]:
    """Read a picture's brightness, 0–255, of shape (height, width)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    # Opened here, so that a missing file stays the OSError that Python makes of it, and what
    # Pillow raises afterwards is about the contents.
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(file) as picture:
                _check_size(picture.size, shown)
                picture.load()
                return _brightness(ImageOps.exif_transpose(picture))
        except DataFileError:
            raise
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataFileError(
                f"{_WHO}: expected {shown} to be a picture that Pillow can read, got something "
                "else. Give a PNG, or arrays as IDX or .npy."
            ) from error
        # Of a damaged file Pillow's decoders raise a dozen kinds.
        except Exception as error:
            raise DataFileError(
                f"{_WHO}: expected {shown} to be a sound picture, got a damaged one "
                f"({str(error) or type(error).__name__}). Copy or save it again."
            ) from error


def _check_size(size: tuple[int, int], shown: str) -> None:
    width, height = size
    if width * height > _MAX_PIXELS:
        raise DataFileError(
            f"{_WHO}: expected {shown} to have at most {_MAX_PIXELS} pixels, got {width}x{height}. "
            "Scale it down first; a digit needs a few hundred."
        )


def _brightness(picture: Image.Image) -> NDArray[np.float32]:
    """Brightness of every pixel, 0–255, whatever the picture's mode."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        # More than 8 bits a pixel, which convert("L") would clip: stretched to the full range.
        values = np.asarray(picture, np.float32)
        span = np.ptp(values)
        return (values - values.min()) * np.float32(255.0 / span if span else 0.0)
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"), np.float32)
    pixels: NDArray[np.float32] = np.asarray(picture.convert("LA"), np.float32)
    grey, alpha = pixels[..., 0], pixels[..., 1] / 255.0
    # What shows is the opaque part, so the paper behind it is the opposite of that.
    paper = 255.0 if np.average(grey, weights=alpha + 1e-6) < 128 else 0.0
    return grey * alpha + paper * (1.0 - alpha)


# ----------------------------------------------------------------------------------------------
# From brightness to an image like MNIST's


def _ink(grey: NDArray[Any], source: str) -> NDArray[np.float32]:
    """Strength of the ink at each pixel, in [0, 1], 0 on paper."""
    grey = np.asarray(grey, np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = np.median(border)
    # Ink lies on one side of the paper's brightness: the one that reaches further from it.
    ink = paper - grey if paper - grey.min() > grey.max() - paper else grey - paper
    strongest = ink.max()
    if strongest < _MIN_CONTRAST:
        raise DataFileError(
            f"{_WHO}: expected {source} to show a digit on plain paper, got brightness from "
            f"{grey.min():.0f} to {grey.max():.0f} of 255. Give a picture with more contrast."
        )
    ink /= strongest
    ink[ink < _FAINT] = 0.0
    return ink


def _crop(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fit_box(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to a longer side of 20 pixels, antialiased, keeping the proportions."""
    from PIL import Image

    scale = _BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    picture = Image.fromarray(ink)
    # Pillow's filters widen with the step when a picture shrinks, so every pixel counts.
    scaled = np.array(picture.resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(scaled / scaled.max(), 0.0, 1.0)


def _centre(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Put the centre of mass at the middle of the field, by whole pixels as MNIST's makers did."""
    field = np.zeros((_FIELD, _FIELD), np.uint8)
    place = []
    for axis, side in enumerate(ink.shape):
        mass = ink.sum(axis=1 - axis)
        centre = float(mass @ np.arange(side)) / float(mass.sum())
        # A lopsided digit may reach for the edge: it then stays whole, off the middle.
        place.append(min(max(round(_MIDDLE - centre), 0), _FIELD - side))
    top, left = place
    field[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(ink * 255.0)
    return field
