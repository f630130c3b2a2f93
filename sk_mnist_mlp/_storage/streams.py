"""Bytes and ``.npy`` arrays, read from streams whose word is not taken for anything."""

from __future__ import annotations

import math
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

__all__ = ["read_at_most", "read_npy"]

_format: Any = numpy_format  # untyped in the stubs of older NumPy
_CHUNK_BYTES = 1 << 20
# The header of an array of numbers takes 128. NumPy hands it to Python's own parser, which deep
# nesting can exhaust, so a longer one is not even shown to it.
_MAX_HEADER_BYTES = 512


def read_at_most(stream: IO[bytes], n_bytes: int) -> bytearray:
    """Read ``n_bytes``, or as many as there are, allocating only for what really arrives."""
    received = bytearray()
    while len(received) < n_bytes:
        chunk = stream.read(min(_CHUNK_BYTES, n_bytes - len(received)))
        if not chunk:
            break
        received += chunk
    return received


def read_npy(stream: IO[bytes], n_bytes: int) -> NDArray[Any]:
    """Read an array of numbers that should fill ``n_bytes`` of a stream; nothing is unpickled.

    Raises
    ------
    Exception
        Of many kinds if the stream holds something else: a header is Python source.

    Examples
    --------
    >>> file = BytesIO()
    >>> np.save(file, np.arange(3))
    >>> n_bytes = file.tell()
    >>> _ = file.seek(0)
    >>> read_npy(file, n_bytes)
    array([0, 1, 2])
    """
    head = BytesIO(read_at_most(stream, _MAX_HEADER_BYTES))
    is_long = _format.read_magic(head) == (2, 0)
    read_header = _format.read_array_header_2_0 if is_long else _format.read_array_header_1_0
    shape, is_fortran, dtype = read_header(head)
    n_payload = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biuf" or head.tell() + n_payload != n_bytes:
        raise ValueError(f"a header for {dtype} of shape {shape} in {n_bytes} bytes")
    contents = bytearray(head.read())
    contents += read_at_most(stream, n_payload - len(contents))
    array = np.frombuffer(contents, dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("="))
