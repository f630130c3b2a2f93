"""A picture of digits, of any size, made into images like those of MNIST.

MNIST's makers scaled each digit into a box of 20 by 20 pixels, keeping its proportions, and put
the centre of mass of its ink at the middle of a field of 28 by 28. A network that learnt from such
images reads a scan or a drawing only after the same preparation.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import require
from sk_mnist_mlp.exceptions import DataFileError

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "Digit",
    "Shapes",
    "find_shapes",
    "load_image",
    "prepare_digit",
    "read_digit",
    "read_digits",
]

_WHO = "load_image"
_FIELD, _BOX = 28, 20
# MNIST's images have their centre of mass at 14.0 pixels from the first, give or take the half
# pixel of a shift by whole ones (measured over all 70,000, 2026-11-23).
_MIDDLE = 14.0
_MAX_PIXELS = 64 << 20  # an 8,192 by 8,192 scan, 256 MB as it is prepared

# What is ink.
_MIN_CONTRAST = 16  # grey levels of 255 between the darkest and the lightest place of a digit
_FAINT = 0.1  # share of the strongest ink below which is paper: above the noise of JPEG files
_NOISE = 4.0  # standard deviations of the paper's grain below which is paper
_SPECK = 0.04  # share of the heaviest piece's ink below which a piece is dust
_RULED = 1.25  # times what rules or squares show at the border, below which ink is one of them
_RULE = 8  # of a side of the border, the length that a rule's end is shorter than half of
_DEEP = 5  # pixels from the border to look for rules in
_BARE = 0.5  # share of the strongest ink above which ink at the border is the digit's
_GAIN = 1.25  # of a colour's contrast over the brightness's, which has less noise, to be read

# What is paper: a polynomial through the border, fitted that often, each time weighted by what the
# fit before left over; then of these degrees, each to what the one before took for paper.
_BORDER_FITS = 5
_DEGREES = (2, 2, 2, 3, 3, 4, 4, 4)
_SAMPLES = 64  # rows and columns, at most, that it is told from

# What is one shape, and what may be a digit. A gap between pieces of a broken stroke, as a share of
# the stroke's width, parts no shapes: so 99.9 % of MNIST's test images are one shape, and all of
# 500 pairs of them two. They have up to 6 holes and, where they are not as narrow as a one, fill
# 0.76 of their box; noise of black and white pixels has 8 holes or more, or fills 0.9.
_GAP = 0.6
_MAX_HOLES, _MAX_FILL, _MAX_PIECES = 6, 0.85, 20
_NARROW = 0.4  # sides of a box, the shorter by the longer, below which a stroke may fill it
_HOLE = 0.002  # share of the box below which a hole is a flaw in the stroke
_OVERLAP = 0.3  # share of the narrower of two pieces above which one over the other is one digit
_CELLS = 128  # rows and columns, about, that are enough to tell shapes apart
_EIGHT = np.ones((3, 3))  # pixels that meet at a corner are one piece


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
    >>> from sk_mnist_mlp.datasets import load_image
    >>> drawing = Image.new("L", (200, 300), "white")
    >>> ImageDraw.Draw(drawing).line((60, 40, 60, 260), fill="black", width=30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawing.save(f"{folder}/one.png")
    ...     image = load_image(f"{folder}/one.png")
    >>> image.shape, image.dtype, int(image.max()), int(image[0].max())
    ((28, 28), dtype('uint8'), 255, 0)
    """
    return read_digit(path).image


@dataclass(frozen=True)
class Shapes:
    """What ink there is.

    Parameters
    ----------
    number : int
        How many separate shapes: 1 where the picture shows a digit and nothing else.
    are_strokes : bool
        Whether somebody may have drawn them; False for noise and blots.

    Examples
    --------
    >>> from sk_mnist_mlp.datasets import Shapes
    >>> Shapes(number=2, are_strokes=True).number
    2
    """

    number: int
    are_strokes: bool


@dataclass(frozen=True)
class Digit:
    """What was seen in a picture.

    Parameters
    ----------
    image : ndarray of shape (28, 28), uint8 in 0–255
        Like those of MNIST: ink is light, paper is 0.
    shapes : Shapes
        What it was made of.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist_mlp.datasets import Digit, Shapes
    >>> Digit(np.zeros((28, 28), np.uint8), Shapes(0, False)).image.shape
    (28, 28)
    """

    image: NDArray[np.uint8]
    shapes: Shapes


def read_digit(path: str | os.PathLike[str]) -> Digit:
    """Read a picture as :func:`load_image` does, and tell of what shapes the digit is.

    Parameters
    ----------
    path : str or os.PathLike
        As in :func:`load_image`, with the same errors.

    Returns
    -------
    digit : Digit
        The image, and the shapes in it: more than one where there are several digits.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image, ImageDraw
    >>> from sk_mnist_mlp.datasets import read_digit
    >>> drawing = Image.new("L", (300, 300), "white")
    >>> ImageDraw.Draw(drawing).line((80, 40, 80, 260), fill="black", width=20)
    >>> ImageDraw.Draw(drawing).line((220, 40, 220, 260), fill="black", width=20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawing.save(f"{folder}/eleven.png")
    ...     digit = read_digit(f"{folder}/eleven.png")
    >>> digit.shapes.number
    2
    """
    return _digit(_read_ink(path))


def read_digits(path: str | os.PathLike[str]) -> list[Digit]:
    """Read a picture of several digits side by side, and return them from left to right.

    Pieces above one another are one digit, as a 5 and its bar are, or a stroke that is broken; dust
    is left out. Digits that touch are not parted.

    Parameters
    ----------
    path : str or os.PathLike
        As in :func:`load_image`, with the same errors.

    Returns
    -------
    digits : list of Digit
        At least one. ``[digit.image for digit in digits]`` is what a model takes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sk_mnist_mlp.datasets import load_mnist, read_digits
    >>> images = load_mnist(return_splits=True)[1][:3]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.hstack(images)).save(f"{folder}/number.png")
    ...     digits = read_digits(f"{folder}/number.png")
    >>> np.stack([digit.image for digit in digits]).shape
    (3, 28, 28)
    """
    return [_digit(ink) for ink in _split(_read_ink(path))]


def prepare_digit(grey: NDArray[Any], *, source: str = "X") -> NDArray[np.uint8]:
    """Scale and centre a digit as MNIST's makers describe.

    Parameters
    ----------
    grey : ndarray of shape (height, width)
        Brightness in 0–255, dark on light or light on dark, lit evenly or not.
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

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist_mlp.datasets import prepare_digit
    >>> paper = np.full((100, 60), 255.0)
    >>> paper[20:80, 28:32] = 0.0
    >>> image = prepare_digit(paper)
    >>> image.shape, int(image.max()), int((image.sum(axis=1) > 0).sum())
    ((28, 28), 255, 20)
    """
    return _centre(_fit_box(_ink(grey, source)))


def find_shapes(ink: NDArray[Any]) -> Shapes:
    """Count the separate shapes of an image, where pieces of a broken stroke are one shape.

    Parameters
    ----------
    ink : ndarray of shape (height, width)
        Strength of the ink, 0 or less on paper.

    Returns
    -------
    shapes : Shapes
        Of number 0 where there is no ink.

    Examples
    --------
    >>> from sk_mnist_mlp.datasets import find_shapes, load_mnist
    >>> find_shapes(load_mnist(return_splits=True)[0][0])
    Shapes(number=1, are_strokes=True)
    """
    from scipy import ndimage

    strongest = ink.max(initial=0.0)
    if not strongest > 0.0:
        return Shapes(0, False)
    inked = _without_specks(np.where(ink >= _FAINT * strongest, ink, 0.0)) > 0.0
    n_pieces = ndimage.label(inked, _EIGHT)[1]
    # Few cells, inked where any of the pixels that they stand for is.
    rows, columns = (np.arange(0, side, max(1, side // _CELLS)) for side in inked.shape)
    inked = np.logical_or.reduceat(np.logical_or.reduceat(inked, rows, axis=0), columns, axis=1)
    fill, sides = inked.mean(), sorted(inked.shape)
    inked = np.pad(inked, 1)  # room around, which is no hole, and no shape is at its edge
    # Pixels of a stripe are, on average, a quarter of its width from its edge.
    width = 4.0 * float(ndimage.distance_transform_edt(inked)[inked].mean())
    near = ndimage.distance_transform_edt(~inked) <= max(1.0, _GAP * width / 2.0)
    areas = np.bincount(ndimage.label(~inked)[0].ravel())[1:]  # of the room around, and of holes
    n_holes = int((areas >= _HOLE * inked.size).sum()) - 1
    is_blot = fill > _MAX_FILL and sides[0] > _NARROW * sides[1]
    is_noise = n_holes > _MAX_HOLES or n_pieces > _MAX_PIECES
    return Shapes(int(ndimage.label(near, _EIGHT)[1]), not (is_noise or is_blot))


def _split(ink: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Ink of each digit, from left to right, cut to where there is some."""
    from scipy import ndimage

    pieces, n_pieces = ndimage.label(ink, _EIGHT)
    spans = [(box[1].start, box[1].stop) for box in ndimage.find_objects(pieces)]
    digit_of = np.zeros(n_pieces + 1, np.intp)  # of each piece; 0 is paper
    digit = left = right = 0
    for piece in sorted(range(n_pieces), key=spans.__getitem__):
        start, stop = spans[piece]
        shared = min(right, stop) - start
        if digit == 0 or shared < _OVERLAP * min(right - left, stop - start):
            digit, left, right = digit + 1, start, stop
        digit_of[piece + 1], right = digit, max(right, stop)
    digits = digit_of[pieces]
    return [
        np.where(digits[box] == number, ink[box], np.float32(0.0))
        for number, box in enumerate(ndimage.find_objects(digits), 1)
    ]


def _digit(ink: NDArray[np.float32]) -> Digit:
    return Digit(_centre(_fit_box(ink)), find_shapes(ink))


# ----------------------------------------------------------------------------------------------
# From a file to brightness


def _read_ink(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    require("PIL", who=_WHO, purpose="to read pictures")
    shown = repr(os.fspath(path))
    return _ink(_read_grey(path, shown), shown)


def _read_grey(path: str | os.PathLike[str], shown: str) -> NDArray[np.float32]:
    """Read a picture's brightness, 0–255, of shape (height, width)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    # Opened here, so that a missing file stays the OSError that Python makes of it, and what
    # Pillow raises afterwards is about the contents.
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(file) as picture:
                if picture.width * picture.height > _MAX_PIXELS:
                    raise DataFileError(
                        f"{_WHO}: expected {shown} to have at most {_MAX_PIXELS} pixels, got "
                        f"{picture.width}x{picture.height}. Scale it down first; a digit needs a "
                        "few hundred."
                    )
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


def _brightness(picture: Image.Image) -> NDArray[np.float32]:
    """Brightness of every pixel, 0–255, or that of the colour with most contrast."""
    from PIL import Image

    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        # More than 8 bits a pixel, which convert("L") would clip: stretched to the full range.
        values = np.asarray(picture, np.float32)
        span = np.ptp(values)
        return (values - values.min()) * np.float32(255.0 / span if span else 0.0)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        # What shows is the opaque part, so the paper behind it is the opposite of that.
        levels, opacity = np.asarray(picture.convert("L")), np.asarray(picture.getchannel("A"))
        is_dark = np.average(levels, weights=opacity + 1e-6) < 128
        paper = Image.new("RGBA", picture.size, "white" if is_dark else "black")
        picture = Image.alpha_composite(paper, picture)
    colours = picture.convert("RGB")
    small = colours.resize((min(_CELLS, picture.width), min(_CELLS, picture.height)))
    # Brightness first: of equals it is taken.
    contrasts = []
    for channel in (small.convert("L"), *small.split()):
        levels = np.asarray(channel, np.float32)
        contrasts.append(float(np.abs(levels - np.median(_border(levels))).max()))
    best = int(np.argmax(contrasts))
    is_coloured = contrasts[best] >= _GAIN * contrasts[0] and best > 0
    read = colours.getchannel(best - 1) if is_coloured else colours.convert("L")
    return np.asarray(read, np.float32)


# ----------------------------------------------------------------------------------------------
# From brightness to an image like MNIST's


def _ink(grey: NDArray[Any], source: str) -> NDArray[np.float32]:
    """Strength of the ink, in (0, 1], 0 on paper and dust, cut to where there is some."""
    grey = np.asarray(grey, np.float32)
    paper, grain = _paper(grey)
    difference = paper - grey
    # Ink lies on one side of the paper's brightness: the one with more of it. Squares count what
    # is far from it, and not what the fit of the paper left over.
    dark, light = (
        np.square(np.maximum(side, 0.0), dtype=np.float64).sum()
        for side in (difference, -difference)
    )
    ink = difference if dark >= light else -difference
    if dark >= light:
        # Ink takes a share of the light that there is, less of it in the shade.
        ink *= np.median(paper) / np.maximum(paper, _MIN_CONTRAST)
    strongest = ink.max()
    rules = _rules(ink)
    if rules > _BARE * strongest:
        rules = 0.0
    ink[ink < max(_FAINT * strongest, _NOISE * grain, _RULED * rules)] = 0.0
    if strongest < _MIN_CONTRAST or not ink.any():
        raise DataFileError(
            f"{_WHO}: expected {source} to show a digit on plain paper, got brightness from "
            f"{grey.min():.0f} to {grey.max():.0f} of 255, of which nothing stands out: the "
            "picture is empty. Give a picture with more contrast."
        )
    return _without_specks(ink / strongest)


def _rules(ink: NDArray[np.float32]) -> float:
    """Strongest ink of what is thin and reaches the border: rules and squares of paper."""
    from scipy import ndimage

    # Of pixels in line with a rule the faintest, which noise does not make darker.
    bands = [ink[:_DEEP], ink[-_DEEP:], ink.T[:_DEEP], ink.T[-_DEEP:]]
    sides = [np.maximum(band.min(axis=0), 0.0) for band in bands]
    smooth = [ndimage.median_filter(side, len(side) // _RULE | 1, mode="nearest") for side in sides]
    return float(max((side - s).max() for side, s in zip(sides, smooth, strict=True)))


def _without_specks(ink: NDArray[Any]) -> NDArray[Any]:
    """Take away the pieces that are too light to be a part of the digit; cut to what is left."""
    from scipy import ndimage

    pieces, _ = ndimage.label(ink, _EIGHT)
    masses = np.bincount(pieces.ravel(), ink.ravel())
    masses[0] = 0.0
    kept = masses[pieces] >= _SPECK * masses.max()
    (box,) = ndimage.find_objects(kept.astype(np.uint8))
    return np.where(kept, ink, 0.0)[box].astype(ink.dtype)


def _paper(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Brightness that the paper has or would have at each pixel, and the deviation of its grain.

    Light from one side or from a lamp makes it a smooth surface: through the border, most of which
    is paper, and then, bending more and more, through all that is as bright as that says.
    """
    rows, columns = (
        np.unique(np.linspace(0, side - 1, _SAMPLES).round().astype(int)) for side in grey.shape
    )
    seen = grey[np.ix_(rows, columns)].astype(np.float64)
    down, across = _powers(rows, grey.shape[0]), _powers(columns, grey.shape[1])
    terms = down[:, np.newaxis, :, np.newaxis] * across[:, np.newaxis]
    degrees = np.add.outer(*map(np.arange, terms.shape[2:]))
    surface = np.zeros(terms.shape[2:])  # the factor of each product of powers

    # The border alone, by least absolute differences, on which ink at the edge bears less.
    edge, levels = _border(terms[..., degrees <= _DEGREES[0]]), _border(seen)
    misfit = levels - np.median(levels)
    for _ in range(_BORDER_FITS):
        weights = 1.0 / np.sqrt(np.maximum(np.abs(misfit), 1.0))
        factors = np.linalg.lstsq(edge * weights[:, np.newaxis], levels * weights, rcond=None)[0]
        misfit = levels - edge @ factors
    surface[degrees <= _DEGREES[0]] = factors

    for degree in _DEGREES:
        grain = _deviation(misfit)
        difference = seen - down @ surface @ across.T
        is_paper = np.abs(difference) <= max(_MIN_CONTRAST / 2, _NOISE * grain)
        if not is_paper.any():
            break
        paper = terms[is_paper][:, degrees <= degree]
        factors = np.linalg.lstsq(paper, seen[is_paper], rcond=None)[0]
        misfit = seen[is_paper] - paper @ factors
        surface[degrees <= degree] = factors
    height, width = (_powers(np.arange(side), side).astype(np.float32) for side in grey.shape)
    return (height @ surface.astype(np.float32)) @ width.T, _deviation(misfit)


def _powers(places: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Powers of places along a side, which is one long with 0 in the middle."""
    return np.vander(places / side - 0.5, max(_DEGREES) + 1, increasing=True)


def _border(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _deviation(misfit: NDArray[Any]) -> float:
    """Standard deviation of noise that some of the values, not most, do not belong to."""
    return 1.4826 * float(np.median(np.abs(misfit)))


def _fit_box(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to a longer side of 20 pixels, antialiased, keeping the proportions."""
    from PIL import Image

    scale = _BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    # Pillow's filters widen with the step when a picture shrinks, so every pixel counts.
    scaled = np.array(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(scaled / scaled.max(), 0.0, 1.0)


def _centre(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Put the centre of mass at the middle of the field, by whole pixels as MNIST's makers did."""
    from scipy import ndimage

    # A lopsided digit may reach for the edge: it then stays whole, off the middle.
    top, left = (
        min(max(round(_MIDDLE - float(centre)), 0), _FIELD - side)
        for centre, side in zip(ndimage.center_of_mass(ink), ink.shape, strict=True)
    )
    field = np.zeros((_FIELD, _FIELD), np.uint8)
    field[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(ink * 255.0)
    return field
