"""The IDX format: what is written can be read, and nothing else is believed."""

import contextlib
import errno
import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sk_mnist_mlp.datasets import load_idx
from sk_mnist_mlp.exceptions import DataFileError, SkMnistMlpError

TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
SMALL = np.arange(6, dtype="i2").reshape(2, 3)

any_array = st.sampled_from(sorted(TYPES)).flatmap(
    lambda dtype: npst.arrays(
        dtype, npst.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4)
    )
)


def header(type_code, shape):
    """Return the header of an IDX file."""
    return bytes([0, 0, type_code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def idx_bytes(array):
    """Return the contents of an IDX file holding ``array``."""
    dtype = array.dtype.newbyteorder(">")
    return header(TYPES[array.dtype.str[1:]], array.shape) + array.astype(dtype).tobytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """Return the path of a file that every example writes anew."""
    return tmp_path_factory.mktemp("idx") / "array.idx"


def refusal(path, contents):
    """Return the message with which a file of these contents is refused."""
    path.write_bytes(contents)
    with pytest.raises(DataFileError) as caught:
        load_idx(path)
    return str(caught.value)


def peak_bytes_of_refusal(path):
    """Return the most memory that refusing this file took at any time."""
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError):
            load_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(array=any_array, zipped=st.booleans())
def test_any_array_is_read_back_as_it_was_written(path, array, zipped):
    """Every dtype and shape of the format survives a round trip, bit for bit, gzipped or not."""
    contents = idx_bytes(array)
    path.write_bytes(gzip.compress(contents) if zipped else contents)
    read = load_idx(str(path))
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.dtype.isnative
    assert read.tobytes() == array.tobytes()
    assert read.flags.writeable


@given(array=any_array, surplus=st.binary(min_size=1, max_size=9), zipped=st.booleans())
def test_every_extension_is_refused(path, array, surplus, zipped):
    """A file with even one byte too many is no IDX file."""
    contents = idx_bytes(array) + surplus
    message = refusal(path, gzip.compress(contents) if zipped else contents)
    assert message.endswith("got more. Copy or download it again.")


@pytest.mark.parametrize("dtype", sorted(TYPES))
@pytest.mark.parametrize("zipped", [False, True])
def test_every_truncation_is_refused(path, dtype, zipped):
    """A file cut short anywhere, in its header or after, is refused with a sentence naming it."""
    contents = idx_bytes(SMALL.astype(dtype))
    for length in range(len(contents)):
        cut = contents[:length]
        assert repr(str(path)) in refusal(path, gzip.compress(cut) if zipped else cut)


def test_every_truncation_of_the_gzip_stream_is_refused(path):
    """A gzip file cut short anywhere is refused, even in the checksum at its very end."""
    zipped = gzip.compress(idx_bytes(SMALL))
    for length in range(len(zipped)):
        refusal(path, zipped[:length])


def test_every_damaged_byte_of_a_header_is_read_or_refused(path):
    """No value of any one header byte leads to another error, or to memory running out."""
    contents = idx_bytes(SMALL)
    for place in range(12):
        for value in range(256) if place < 4 else (0, 1, 2, 3, 127, 128, 255):
            path.write_bytes(contents[:place] + bytes([value]) + contents[place + 1 :])
            with contextlib.suppress(DataFileError):
                assert load_idx(path).nbytes == SMALL.nbytes


def test_every_flipped_bit_of_a_gzip_file_is_harmless_or_refused(path):
    """Damage to a gzip file never changes the array unnoticed."""
    zipped = gzip.compress(idx_bytes(SMALL))
    for bit in range(8 * len(zipped)):
        damaged = bytearray(zipped)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with contextlib.suppress(DataFileError):
            np.testing.assert_array_equal(load_idx(path), SMALL)


@given(contents=st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(path, contents):
    """Whatever a file holds, it gives an array or a DataFileError."""
    path.write_bytes(contents)
    with contextlib.suppress(DataFileError):
        load_idx(path)


@pytest.mark.parametrize("shape", [(2**32 - 1,), (2**32 - 1,) * 3, (60_000, 28, 28)])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_lying_header_allocates_nothing_on_its_word(path, shape, zipped):
    """Memory is bounded by what a file holds, whatever its header promises."""
    contents = header(0x0E, shape) + bytes(100)
    path.write_bytes(gzip.compress(contents) if zipped else contents)
    assert peak_bytes_of_refusal(path) < 3 << 20


def test_a_gzip_bomb_does_not_go_off(path):
    """Memory is bounded by what the header promises, whatever the gzip stream expands to."""
    path.write_bytes(gzip.compress(header(0x08, (10,)) + bytes(64 << 20), compresslevel=1))
    assert peak_bytes_of_refusal(path) < 3 << 20


def test_each_caller_gets_an_array_of_their_own(path):
    """Writing to an array that was read changes neither the file nor what is read next."""
    path.write_bytes(idx_bytes(SMALL))
    load_idx(path)[:] = -1
    np.testing.assert_array_equal(load_idx(path), SMALL)


def test_a_data_file_error_is_caught_as_the_package_s_and_as_a_value_error():
    """One except clause catches all errors of the package; older code catches ValueError."""
    assert issubclass(DataFileError, SkMnistMlpError)
    assert issubclass(DataFileError, ValueError)


AGAIN = "Copy or download it again."
START = (
    "to start like an IDX file, with 00 00, a type of 08, 09, 0b, 0c, 0d or 0e and 01 to 20 "
    "dimensions, got {}. Give the path of an IDX file, gzipped or not."
)
REFUSED = {
    "truncated": (
        idx_bytes(SMALL)[:-1],
        "to hold 24 bytes, as its header promises for int16 of shape (2, 3), got 23 bytes. "
        + AGAIN,
    ),
    "oversized": (
        idx_bytes(SMALL) + b"!",
        "to hold 24 bytes, as its header promises for int16 of shape (2, 3), got more. " + AGAIN,
    ),
    "header cut off": (
        idx_bytes(SMALL)[:9],
        "to hold a header of 12 bytes, got 9 bytes. " + AGAIN,
    ),
    "foreign": (b"\x89PNG\r\n", START.format("89 50 4e 47")),
    "of an unknown type": (header(0x0A, (1,)) + b"!", START.format("00 00 0a 01")),
    "without dimensions": (header(0x08, ()) + b"!", START.format("00 00 08 00")),
    "of too many dimensions": (header(0x08, (1,) * 33) + b"!", START.format("00 00 08 21")),
    "empty": (b"", START.format("an empty file")),
    "beyond NumPy": (
        header(0x08, (0, 2**32 - 1, 2**32 - 1)),
        "to hold an array NumPy can address, got a header for uint8 of shape "
        "(0, 4294967295, 4294967295). " + AGAIN,
    ),
    "gzip cut off": (
        gzip.compress(idx_bytes(SMALL))[:-1],
        "to be a sound gzip file, got a damaged one (Compressed file ended before the "
        "end-of-stream marker was reached). " + AGAIN,
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_says_what_was_expected_and_found(path, kind):
    """Every refusal names the file, what was expected, what was found and what to do."""
    contents, sentence = REFUSED[kind]
    assert refusal(path, contents) == f"load_idx: expected {str(path)!r} {sentence}"


def test_a_missing_file_stays_a_file_not_found_error(tmp_path):
    """A missing file raises Python's own error, with its number, its path and a clear sentence."""
    path = str(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError) as caught:
        load_idx(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, path)
    assert caught.value.strerror == "load_idx: expected an IDX file, got nothing. Check the path"


def test_a_folder_stays_an_is_a_directory_error(tmp_path):
    """A folder raises Python's own error, with its number, its path and a clear sentence."""
    with pytest.raises(IsADirectoryError) as caught:
        load_idx(tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.EISDIR, str(tmp_path))
    assert caught.value.strerror == (
        "load_idx: expected an IDX file, got a folder. Give a file's path"
    )
