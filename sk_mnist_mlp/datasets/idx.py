"""The IDX format: a header of big-endian integers, then the array's elements, perhaps gzipped.

::

    byte 0-1   zero
    byte 2     type: 08 uint8, 09 int8, 0b int16, 0c int32, 0d float32, 0e float64
    byte 3     number of dimensions
    then       the size of each dimension, uint32
    then       the elements, last dimension fastest

Nothing is allocated on the header's word: elements are read in chunks as they come, and no more
than a byte past what it promised, so memory is bounded by what the file holds and by what it says.
"""

from __future__ import annotations

import errno
import gzip
import math
import os
import struct
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._storage import read_at_most
from sk_mnist_mlp.exceptions import DataFileError

_GZIP_MAGIC = b"\x1f\x8b"
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# The most that every NumPy this package supports can hold: 32 before NumPy 2, 64 since.
_MAX_DIMENSIONS = 32


def load_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array from an IDX file, gzipped or not.

    Whether the file is gzipped is seen from its first bytes; its name may be anything.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file.

    Returns
    -------
    array : ndarray
        Of the shape the file's header gives (1 to 32 dimensions) and of dtype uint8, int8, int16,
        int32, float32 or float64 in native byte order; writable and the caller's own.

    Raises
    ------
    DataFileError
        If the file is truncated, oversized, damaged, or no IDX file at all.
    OSError
        If the file is missing, is a folder, or may not be read.

    See Also
    --------
    load_mnist : The MNIST digits, embedded in the package or from files.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sk_mnist_mlp.datasets import load_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "squares-idx1-ubyte")
    ...     n_bytes = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 4]))
    ...     load_idx(path)
    array([0, 1, 4], dtype=uint8)
    """
    return read_idx(Path(path), who="load_idx")


def read_idx(
    path: Path, *, who: str, observe: Callable[[bytes | bytearray], object] = len
) -> NDArray[Any]:
    """Read an IDX file on behalf of the public function ``who``, which its errors will name.

    ``observe`` is called with the uncompressed contents, piece by piece.
    """

    def refuse(expected: str, got: str, fix: str = "Copy or download it again.") -> NoReturn:
        raise DataFileError(f"{who}: expected {str(path)!r} to {expected}, got {got}. {fix}")

    with open_file(path, who=who, expected="an IDX file") as file:
        zipped = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        stream: Any = gzip.GzipFile(fileobj=file) if zipped else file
        try:
            header, dtype, shape = _read_header(stream, refuse)
            # One byte more also makes gzip compare its own checksum at the end of the stream.
            n_payload = math.prod(shape) * dtype.itemsize
            payload, surplus = read_at_most(stream, n_payload), stream.read(1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            refuse("be a sound gzip file", f"a damaged one ({error})")
    if surplus or len(payload) < n_payload:
        refuse(
            f"hold {len(header) + n_payload} bytes, as its header promises for {dtype.name} of "
            f"shape {shape}",
            "more" if surplus else f"{len(header) + len(payload)} bytes",
        )
    observe(header)
    observe(payload)
    return np.frombuffer(payload, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(
    stream: IO[bytes], refuse: Callable[..., NoReturn]
) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    """Read and check the header; the stream then stands at the first element."""
    magic = stream.read(4)
    is_idx = len(magic) == 4 and magic.startswith(b"\0\0") and magic[2] in _DTYPES
    if not is_idx or not 1 <= magic[3] <= _MAX_DIMENSIONS:
        refuse(
            "start like an IDX file, with 00 00, a type of 08, 09, 0b, 0c, 0d or 0e and 01 to "
            f"{_MAX_DIMENSIONS:02x} dimensions",
            magic.hex(" ") or "an empty file",
            "Give the path of an IDX file, gzipped or not.",
        )
    dtype, n_dimensions = np.dtype(_DTYPES[magic[2]]), magic[3]
    sizes = read_at_most(stream, 4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        refuse(f"hold a header of {4 + 4 * n_dimensions} bytes", f"{4 + len(sizes)} bytes")
    shape = struct.unpack(f">{n_dimensions}I", sizes)
    # NumPy cannot even describe such an array when a size of zero makes it empty.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > np.iinfo(np.intp).max:
        refuse("hold an array NumPy can address", f"a header for {dtype.name} of shape {shape}")
    return magic + bytes(sizes), dtype, shape


def open_file(path: Path, *, who: str, expected: str) -> BufferedReader:
    """Open ``path`` for buffered reading; say plainly when there is nothing or only a folder.

    Python's own error types and numbers are kept; Python puts the path behind the message.
    """
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, f"{who}: expected {expected}, got a folder. Give a file's path", str(path)
        )
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT, f"{who}: expected {expected}, got nothing. Check the path", str(path)
        ) from None
