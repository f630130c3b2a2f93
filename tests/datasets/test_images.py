"""Pictures of any kind become images like MNIST's."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sk_mnist_mlp.datasets import load_mnist
from sk_mnist_mlp.datasets.images import (
    Shapes,
    find_shapes,
    load_image,
    prepare_digit,
    read_digit,
    read_digits,
)
from sk_mnist_mlp.exceptions import DataFileError


@pytest.fixture(scope="module")
def digits():
    """The first hundred test images of MNIST."""
    return load_mnist(return_splits=True)[1][:100]


@pytest.fixture
def drawing():
    """A seven, dark on light, as a picture of 120 by 90 pixels."""
    grey = np.full((120, 90), 230, np.uint8)
    grey[20:32, 20:70] = 40
    for row in range(32, 105):
        column = 66 - (row - 32) // 2
        grey[row, column - 6 : column + 6] = 40
    return grey


def save(array, path, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


def shifted_difference(a, b):
    """Mean absolute difference at the best of the nine shifts by at most a pixel."""
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return min(np.abs(np.roll(a, s, (0, 1)).astype(int) - b).mean() for s in shifts)


# ----------------------------------------------------------------------------------------------
# As MNIST's makers describe


def test_mnist_images_come_back_as_they_are(digits):
    """An image of MNIST is prepared already: preparing it again changes next to nothing."""
    differences = [shifted_difference(prepare_digit(digit), digit) for digit in digits]
    assert np.mean(differences) < 0.5
    assert max(differences) < 4


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(2, 400),
    width=st.integers(2, 400),
    top=st.integers(1, 50),
    left=st.integers(1, 50),
    seed=st.integers(0, 2**16),
)
def test_box_and_centre(height, width, top, left, seed):
    """Whatever the picture, its longer side is 20 pixels and its centre of mass in the middle."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height + 2 * top, width + 2 * left), np.uint8)
    picture[top : top + height, left : left + width] = rng.integers(100, 256, (height, width))
    image = prepare_digit(picture)
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    sides = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert image.max() == 255
    assert max(sides) == 20
    assert min(sides) == pytest.approx(max(1, 20 * min(height, width) / max(height, width)), abs=1)
    mass = image.astype(float)
    centre = [(mass.sum(1 - axis) * np.arange(28)).sum() / mass.sum() for axis in (0, 1)]
    assert centre == pytest.approx([14, 14], abs=0.51)


@pytest.mark.parametrize("factor", [2, 5, 11])
def test_size_does_not_matter(digits, factor):
    """A digit drawn several times as large becomes the same image."""
    for digit in digits[:20]:
        large = np.kron(digit, np.ones((factor, factor), np.uint8))
        assert shifted_difference(prepare_digit(large), digit) < 4


def test_lopsided_digit_stays_whole():
    """A digit whose ink is nearly all at one end is put at the edge, not cut there."""
    picture = np.zeros((200, 200), np.uint8)
    picture[150:190, 20:180] = 255
    picture[10:150, 98:102] = 60
    rows = np.flatnonzero(prepare_digit(picture).any(1))
    assert np.ptp(rows) + 1 == 20


def test_thin_line_keeps_a_pixel():
    """A line of one pixel by 500 is still a line."""
    picture = np.zeros((520, 60), np.uint8)
    picture[10:510, 30] = 255
    image = prepare_digit(picture)
    assert (np.count_nonzero(image.any(1)), np.count_nonzero(image.any(0))) == (20, 1)


# ----------------------------------------------------------------------------------------------
# Any kind of picture


def test_polarity_and_contrast(drawing, tmp_path):
    """Dark on light, light on dark and pale on grey are the same digit."""
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    for name, other in (("dark", 255 - drawing), ("pale", 120 + drawing // 4)):
        image = load_image(save(other, tmp_path / f"{name}.png"))
        assert np.abs(image.astype(int) - plain).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16"])
def test_modes(drawing, tmp_path, mode):
    """Every mode of Pillow, one bit a pixel to sixteen, gives the same digit."""
    grey = Image.fromarray(drawing)
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    if mode == "I;16":
        picture = Image.fromarray(drawing.astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        picture = Image.fromarray(drawing.astype({"I": np.int32, "F": np.float32}[mode]) * 100)
    else:
        picture = grey.convert(mode, dither=Image.Dither.NONE)
    path = tmp_path / ("picture.tiff" if mode in ("CMYK", "I", "F") else "picture.png")
    picture.save(path)
    assert np.abs(load_image(path).astype(int) - plain).mean() < 2


@pytest.mark.parametrize("ink", [0, 255])
def test_transparent_paper(drawing, tmp_path, ink):
    """On transparent paper black ink and white ink are both read."""
    alpha = np.where(drawing < 100, 255, 0).astype(np.uint8)
    grey = np.full_like(drawing, ink)
    image = load_image(save(np.dstack([grey, grey, grey, alpha]), tmp_path / "clear.png"))
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    assert np.abs(image.astype(int) - plain).mean() < 2


def test_jpeg_noise_is_paper(drawing, tmp_path):
    """The noise that JPEG leaves on the paper does not widen the digit's box."""
    Image.fromarray(drawing).save(tmp_path / "noisy.jpg", quality=40)
    noisy = load_image(tmp_path / "noisy.jpg")
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    assert np.count_nonzero(noisy.any(0)) == pytest.approx(np.count_nonzero(plain.any(0)), abs=1)
    assert shifted_difference(noisy, plain) < 8


def test_camera_orientation(drawing, tmp_path):
    """A photograph is turned as its camera says."""
    turned = Image.fromarray(drawing).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # "turn it clockwise to see it upright"
    turned.save(tmp_path / "turned.png", exif=exif)
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    np.testing.assert_array_equal(load_image(tmp_path / "turned.png"), plain)


def test_first_picture_of_an_animation(drawing, tmp_path):
    """Of an animation the first picture counts."""
    frames = [Image.fromarray(drawing), Image.fromarray(255 - drawing[::-1])]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    assert np.abs(load_image(tmp_path / "moving.gif").astype(int) - plain).max() <= 3


# ----------------------------------------------------------------------------------------------
# Light and colours

LIGHTS = {
    "from the left": lambda y, x: 0.15 + 0.85 * x,
    "from a corner": lambda y, x: 0.3 + 0.35 * (x + y),
    "a lens's dark corners": lambda y, x: 1 - 1.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2),
    "a lamp": lambda y, x: 0.3 + 0.7 * np.exp(-((x - 0.3) ** 2 + (y - 0.4) ** 2) / 0.15),
    "a shadow at a corner": lambda y, x: 1 - 0.7 * np.clip(1.2 - x - y, 0, 1),
}


@pytest.mark.parametrize("name", LIGHTS)
@pytest.mark.parametrize("grain", [0, 4])
def test_uneven_light(digits, tmp_path, name, grain):
    """A digit on paper that is lit from one side or by a lamp is what even light shows."""
    y, x = np.mgrid[0:1:220j, 0:1:260j]
    rng = np.random.default_rng(0)
    differences = []
    for digit in digits[:20]:
        canvas = np.zeros((220, 260))
        large = Image.fromarray(digit).resize((168, 168), Image.Resampling.BICUBIC)
        canvas[26:194, 50:218] = np.asarray(large) / 255
        lit = 240 * (1 - 0.85 * canvas) * LIGHTS[name](y, x)
        lit = np.clip(lit + rng.normal(0, grain, lit.shape), 0, 255).round().astype(np.uint8)
        image = load_image(save(lit, tmp_path / "lit.png"))
        even = load_image(save((canvas * 255).astype(np.uint8), tmp_path / "even.png"))
        differences.append(shifted_difference(image, even))
    assert np.mean(differences) < 4
    assert max(differences) < 12


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((200, 0, 0), (0, 102, 0)),  # red on green, of one brightness
        ((0, 0, 255), (97, 0, 0)),  # blue on red
        ((255, 226, 0), (255, 255, 255)),  # yellow on white
        ((20, 20, 20), (250, 245, 230)),
        ((255, 255, 255), (0, 80, 40)),  # chalk
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours(drawing, tmp_path, ink, paper, mode):
    """Ink and paper of any two colours that differ show the digit, be they equally bright."""
    colours = np.where((drawing < 100)[..., None], ink, paper).astype(np.uint8)
    path = tmp_path / "coloured.png"
    Image.fromarray(colours).convert(mode).save(path)
    plain = load_image(save(drawing, tmp_path / "plain.png"))
    assert np.abs(load_image(path).astype(int) - plain).mean() < 2


# ----------------------------------------------------------------------------------------------
# Shapes


def test_digits_of_mnist_are_one_shape(digits):
    """A digit of MNIST is one shape made of strokes, large or small, and two of them are two."""
    assert [find_shapes(digit) for digit in digits] == [Shapes(1, True)] * 100
    large = [np.kron(digit, np.ones((7, 7))) for digit in digits[:30]]
    assert [find_shapes(digit) for digit in large] == [Shapes(1, True)] * 30
    pairs = [np.hstack(digits[i : i + 2]) for i in range(99)]
    assert {find_shapes(pair).number for pair in pairs} == {2}
    rows = [np.hstack(digits[i : i + 5]) for i in range(0, 100, 5)]
    assert {find_shapes(row).number for row in rows} == {5}


def test_two_digits_in_a_picture(digits, tmp_path):
    """Two digits in a picture, dark on light and unevenly lit, are two shapes."""
    pair = np.kron(np.hstack(digits[:2]), np.ones((4, 4)))
    light = np.linspace(0.4, 1, pair.shape[1])
    path = save(((250 - 0.8 * pair) * light).astype(np.uint8), tmp_path / "pair.png")
    assert read_digit(path).shapes == Shapes(2, True)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.integers(0, 99), min_size=1, max_size=5),
    gap=st.integers(1, 12),
    factor=st.integers(1, 4),
    is_dark=st.booleans(),
)
def test_digits_side_by_side(digits, tmp_path_factory, rows, gap, factor, is_dark):
    """Digits side by side come back left to right, each as if it stood alone."""
    parts = []
    for row in rows:
        columns = np.flatnonzero(digits[row].any(0))
        parts += [digits[row][:, columns[0] : columns[-1] + 1], np.zeros((28, gap), np.uint8)]
    number = np.kron(np.pad(np.hstack(parts), 6), np.ones((factor, factor), np.uint8))
    path = tmp_path_factory.getbasetemp() / "number.png"
    found = read_digits(save(255 - number if is_dark else number, path))
    assert [digit.shapes.are_strokes for digit in found] == [True] * len(rows)
    for digit, row in zip(found, rows, strict=True):
        assert shifted_difference(digit.image, digits[row]) < 5


def test_parts_of_a_digit_stay_together(drawing, tmp_path):
    """A bar above its body, half of it beside, and a broken stroke are one digit; dust is none."""
    five = np.full((160, 200), 230, np.uint8)
    five[40:50, 60:110] = 40  # the bar
    five[60:130, 50:62] = five[118:130, 50:90] = five[70:130, 84:96] = 40
    five[20:22, 180:182] = 40  # dust
    (digit,) = read_digits(save(five, tmp_path / "five.png"))
    assert digit.shapes.are_strokes
    drawing[60:75] = 230
    assert len(read_digits(save(drawing, tmp_path / "broken.png"))) == 1
    pair = np.hstack([five, drawing.repeat(2, 1)[:1].repeat(160, 0), five])
    assert len(read_digits(save(pair, tmp_path / "pair.png"))) == 2


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("kind", ["ruled", "slanted", "squared"])
def test_lines_of_the_paper(digits, tmp_path, strength, kind):
    """Ruled and squared paper, whose lines are fainter than the ink, is paper."""
    y, x = np.mgrid[:200, :220]
    lines = (y + (kind == "slanted") * x // 15) % 37 < 3
    if kind == "squared":
        lines |= x % 37 < 3
    differences, numbers = [], []
    for digit in digits[:10]:
        canvas = np.zeros((200, 220))
        large = Image.fromarray(digit).resize((112, 112), Image.Resampling.BICUBIC)
        canvas[40:152, 50:162] = np.asarray(large) / 255
        plain = load_image(save((240 * (1 - canvas)).astype(np.uint8), tmp_path / "plain.png"))
        ruled = 240 * (1 - np.maximum(canvas, strength * lines))
        image = load_image(save(ruled.astype(np.uint8), tmp_path / "ruled.png"))
        differences.append(shifted_difference(image, plain))
        numbers.append(read_digit(tmp_path / "ruled.png").shapes.number)
    assert numbers.count(1) >= 9  # a stroke as faint as the lines may break
    assert np.mean(differences) < 8
    assert max(differences) < 14


def test_broken_stroke_and_dust(drawing):
    """Pieces of a broken stroke are one shape, dust is none, and a wide gap parts two."""
    ink = 230.0 - drawing
    ink[60:64] = 0  # the stroke is 12 wide
    assert find_shapes(ink) == Shapes(1, True)
    ink[100:102, 10:12] = 190
    assert find_shapes(ink) == Shapes(1, True)
    ink[55:75] = 0
    assert find_shapes(ink) == Shapes(2, True)


def test_dust_does_not_widen_the_box(drawing, tmp_path):
    """A speck of dust far from the digit leaves its image as it is."""
    dusty = drawing.copy()
    dusty[115:117, 2:4] = 60
    clean, dirty = (load_image(save(a, tmp_path / "x.png")) for a in (drawing, dusty))
    assert np.abs(clean.astype(int) - dirty).max() <= 1


@pytest.mark.parametrize("size", [28, 60, 100, 300])
@pytest.mark.parametrize(
    "kind", ["grey", "bell", "black and white", "salt", "few", "blot", "checks"]
)
def test_noise_is_no_digit(tmp_path, size, kind):
    """A picture of noise, or of a blot, is refused as empty or is not one shape of strokes."""
    rng = np.random.default_rng(size)
    blot = np.pad(np.full((size // 2, size // 2), 200.0), size // 4)
    checks = np.kron(rng.random((size // 4, size // 4)) < 0.5, np.ones((4, 4))) * 255
    noise = {
        "grey": rng.integers(0, 256, (size, size)),
        "bell": np.clip(rng.normal(180, 20, (size, size)), 0, 255),
        "black and white": 255 * (rng.random((size, size)) < 0.5),
        "salt": 255 * (rng.random((size, size)) < 0.1),
        "few": 255 * (rng.random((size, size)) < 0.02),
        "blot": blot,
        "checks": checks,
    }[kind]
    path = save(noise.astype(np.uint8), tmp_path / "noise.png")
    try:
        shapes = read_digit(path).shapes
    except DataFileError as error:
        assert "the picture is empty" in str(error)
    else:
        assert shapes.number > 1 or not shapes.are_strokes


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16, bool])
def test_no_ink_is_no_shape(dtype):
    """An image without ink, of any type and size, has no shape."""
    for shape in ((28, 28), (1, 1), (5, 0)):
        assert find_shapes(np.zeros(shape, dtype)) == Shapes(0, False)
    assert find_shapes(np.eye(28, dtype=dtype)).number == 1


# ----------------------------------------------------------------------------------------------
# What is no picture of a digit


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_picture(tmp_path, level):
    """A picture that shows nothing is refused by name."""
    path = save(np.full((40, 30), level, np.uint8), tmp_path / "blank.png")
    with pytest.raises(DataFileError) as caught:
        load_image(path)
    assert str(caught.value) == (
        f"load_image: expected '{path}' to show a digit on plain paper, got brightness from "
        f"{level} to {level} of 255, of which nothing stands out: the picture is empty. Give a "
        "picture with more contrast."
    )


def test_no_picture(tmp_path):
    """A file of something else is refused by name."""
    path = tmp_path / "notes.png"
    path.write_text("seven")
    with pytest.raises(DataFileError) as caught:
        load_image(path)
    assert str(caught.value) == (
        f"load_image: expected '{path}' to be a picture that Pillow can read, got something else. "
        "Give a PNG, or arrays as IDX or .npy."
    )


def test_missing_file_stays_an_os_error(tmp_path):
    """A missing file is what Python calls it."""
    with pytest.raises(FileNotFoundError):
        load_image(tmp_path / "none.png")


def test_huge_picture_is_refused_by_its_header(tmp_path):
    """A picture of four thousand million pixels is refused before any is unpacked."""
    header = struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    data += struct.pack(">I", zlib.crc32(chunk))
    path = tmp_path / "huge.png"
    path.write_bytes(data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    with pytest.raises(DataFileError, match=r"^load_image: expected '.*huge\.png' to "):
        load_image(path)


def test_damaged_pictures(drawing, tmp_path):
    """A picture cut off anywhere, or with bytes flipped, is read or refused, and nothing else."""
    buffer = io.BytesIO()
    Image.fromarray(drawing).save(buffer, "PNG")
    whole = buffer.getvalue()
    rng = np.random.default_rng(0)
    flipped = []
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        flipped.append(bytes(damaged))
    path = tmp_path / "damaged.png"
    for contents in [*(whole[:n] for n in range(len(whole))), *flipped]:
        path.write_bytes(contents)
        try:
            image = load_image(path)
        except DataFileError as error:
            assert str(error).startswith(f"load_image: expected '{path}' to ")
        else:
            assert image.shape == (28, 28)


def test_without_pillow(tmp_path, monkeypatch):
    """Without Pillow one sentence says how to get it."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError) as caught:
        load_image(tmp_path / "any.png")
    assert str(caught.value) == (
        "load_image: expected the package Pillow to read pictures, got none. "
        f'Install it: {sys.executable} -m pip install "pillow>=11"'
    )
