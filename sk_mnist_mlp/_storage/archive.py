"""Zip archives of a JSON manifest and NumPy arrays, read without trusting a byte of them.

An archive is an ordinary zip: ``manifest.json`` first, then one ``.npy`` member for each array in
the order of ``manifest["arrays"]``, so ``unzip`` and ``numpy.load`` open it too. What this reader
takes is narrower. The manifest states dtype and shape of every array, each member must be exactly
the bytes that this promises, and SHA-256 digests (the manifest's own stands in the zip's comment)
tell any change by accident. Nothing is unpickled, evaluated or extracted to disk, and nothing is
allocated for which the file has not shown its bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._storage.checked_json import Fields, Refuse, shown
from sk_mnist_mlp.exceptions import ModelFileError

__all__ = ["Arrays", "read_archive", "write_archive"]

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""

_MANIFEST = "manifest.json"
_SIGNATURE = b"sk_mnist_mlp sha256 "
_COMMENT_BYTES = len(_SIGNATURE) + 64
_TYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8"}
_TYPES |= {"uint8": "|u1", "uint32": "<u4"}

# What an archive may claim. Compressed members hold at most _MAX_RATIO times their bytes, so that
# no file is larger in memory than _MAX_RATIO times its size.
_MAX_RATIO = 16
_MAX_MANIFEST_BYTES = 16 << 20
_MAX_CONTAINERS = 20_000  # objects and lists in a manifest: each takes 60 bytes or more in memory
_MAX_DEPTH = 32
_MAX_DIGITS = 40
_MAX_ARRAYS = 2_000
_MAX_DIMENSIONS = 8
_NAME = re.compile(r"[a-z][a-z_]{0,40}(_[0-9]{1,4})?")

_END = struct.Struct("<4s4H2LH")  # the zip format's "end of central directory record"
_LOCAL_HEADER_BYTES = 30
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


# ----------------------------------------------------------------------------------------------
# Writing


def write_archive(
    file: BinaryIO,
    manifest: Mapping[str, Any],
    arrays: Arrays,
    *,
    who: str,
    compress: bool = True,
) -> None:
    """Write an archive.

    Parameters
    ----------
    file : binary file
        Open for writing and seeking.
    manifest : mapping
        What ``json`` can write, without ``"arrays"``.
    arrays : dict of str to ndarray
        Of the types of :data:`_TYPES`.
    who : str
        Name of the function the user called, for errors.
    compress : bool, default=True
        Whether members that become smaller are deflated; it costs about 25 ms for each megabyte.

    Raises
    ------
    ValueError
        If the archive would be larger than 2 GiB, or its manifest larger than 16 MiB.
    """
    arrays = {name: _plain(array) for name, array in arrays.items()}
    described = [
        {
            "name": name,
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "sha256": hashlib.sha256(_payload(array)).hexdigest(),
        }
        for name, array in arrays.items()
    ]
    text = json.dumps({**manifest, "arrays": described}, allow_nan=False).encode()
    if len(text) > _MAX_MANIFEST_BYTES:
        raise ValueError(
            f"{who}: expected a description of at most {_MAX_MANIFEST_BYTES >> 20} MiB, got "
            f"{len(text) >> 20} MiB. Shorten the feature names, or use joblib.dump."
        )
    try:
        with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
            _write_member(archive, _MANIFEST, b"", memoryview(text), compress)
            for name, array in arrays.items():
                header = _npy_header(array.dtype.name, array.shape)
                _write_member(archive, f"{name}.npy", header, _payload(array), compress)
            archive.comment = _SIGNATURE + hashlib.sha256(text).hexdigest().encode()
    except zipfile.LargeZipFile:
        raise ValueError(
            f"{who}: expected a model of at most 2 GiB, got a larger one. Use joblib.dump."
        ) from None


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array in C order and little-endian, as it is written."""
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _payload(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of version 1.0 of NumPy's format, byte for byte what this package writes."""
    text = f"{{'descr': '{_TYPES[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(10 + len(text) + 1) // 64) * 64 - 10  # the data begin at a multiple of 64
    return (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1).encode() + b"\n"
    )


def _write_member(
    archive: zipfile.ZipFile, name: str, header: bytes, payload: memoryview, compress: bool
) -> None:
    info = zipfile.ZipInfo(name)  # of 1980: equal models make equal files
    info.create_system = 3
    info.external_attr = 0o644 << 16
    if compress:
        size = len(zlib.compress(payload, 6))
        worthwhile = size < 0.98 * len(payload) and _MAX_RATIO * size > len(payload) + len(header)
        info.compress_type = zipfile.ZIP_DEFLATED if worthwhile else zipfile.ZIP_STORED
    with archive.open(info, "w") as member:
        member.write(header)
        member.write(payload)


# ----------------------------------------------------------------------------------------------
# Reading


def read_archive(path: str | os.PathLike[str], *, who: str, what: str) -> tuple[Fields, Arrays]:
    """Read and check an archive.

    Memory stays below 16 times the file's size plus 128 MiB, whatever the file claims.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file.
    who : str
        Name of the function the user called, for errors.
    what : str
        What the file should be, such as "a model file".

    Returns
    -------
    manifest : Fields
        Without ``"arrays"``; its contents are unchecked. Its ``refuse`` raises in this file's name.
    arrays : dict of str to ndarray
        Writable, native byte order; names, shapes and values are those of the manifest, but
        whether they make sense together is for the caller to check.

    Raises
    ------
    ModelFileError
        If the file is not such an archive, whole and unchanged.
    OSError
        If it is missing, a folder, or may not be read.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ModelFileError(
            f"{who}: expected {str(path)!r} to be {what}, got a device or pipe. Give a file's path."
        )

    def refuse(expected: str, got: str) -> NoReturn:
        raise ModelFileError(
            f"{who}: expected {str(path)!r} to be {what} with {expected}, got {got}. "
            "Save it again, or copy it afresh."
        )

    with open(path, "rb") as file:
        comment = _check_end(file, refuse)
        try:
            with zipfile.ZipFile(file) as archive:
                members = _check_members(archive, refuse)
                text = _read_manifest(archive, members, comment, refuse)
                manifest = Fields(_parse(text, refuse), "manifest", refuse)
                return manifest, _read_arrays(archive, members[1:], manifest, refuse)
        except ModelFileError:
            raise
        except _READ_ERRORS as error:
            refuse("a sound zip archive", f"a damaged one ({shown(str(error))})")


def _check_end(file: BinaryIO, refuse: Refuse) -> bytes:
    """Check the last bytes, so that ``zipfile`` is given nothing absurd; return the comment."""
    size = file.seek(0, os.SEEK_END)
    length = _END.size + _COMMENT_BYTES
    if size < length:
        refuse(f"at least {length} bytes", f"{size} bytes")
    file.seek(size - length)
    end = file.read(length)
    magic, disk, first_disk, here, members, n_bytes, start, n_comment = _END.unpack_from(end)
    comment = end[_END.size :]
    if magic != b"PK\5\6" or n_comment != _COMMENT_BYTES or not comment.startswith(_SIGNATURE):
        refuse("this package's signature at its end", "another end")
    if disk or first_disk or here != members or not 1 <= members <= 1 + _MAX_ARRAYS:
        refuse(f"1 to {1 + _MAX_ARRAYS} members on one disk", f"{members} members")
    if start + n_bytes + length != size:
        refuse(f"{start + n_bytes + length} bytes, as its last ones promise", f"{size} bytes")
    return comment


def _check_members(archive: zipfile.ZipFile, refuse: Refuse) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    n_bytes = 0
    for member in members:
        # "orig_filename" is what the file says, before zipfile makes a path of this system of it.
        name = member.orig_filename
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refuse("stored or deflated members", f"compression {member.compress_type} of {name!r}")
        if member.flag_bits or member.extra or member.comment:
            refuse("plain members", f"flags, extra fields or a comment of {shown(name)}")
        if member.file_size > _MAX_RATIO * member.compress_size:
            refuse(
                f"members of at most {_MAX_RATIO} times their compressed size",
                f"{member.compress_size} bytes that claim to be {member.file_size}",
            )
        if member.header_offset != n_bytes:
            refuse("one member after the other", f"{shown(name)} at byte {member.header_offset}")
        n_bytes += _LOCAL_HEADER_BYTES + len(name) + member.compress_size
    if n_bytes != archive.start_dir:
        refuse("nothing between its members", f"{archive.start_dir - n_bytes} bytes")
    return members


def _read_manifest(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], comment: bytes, refuse: Refuse
) -> bytes:
    first = members[0]
    if first.orig_filename != _MANIFEST:
        refuse(f"{_MANIFEST} as its first member", shown(first.orig_filename))
    if first.file_size > _MAX_MANIFEST_BYTES:
        refuse(f"a manifest of at most {_MAX_MANIFEST_BYTES} bytes", f"{first.file_size} bytes")
    with archive.open(first) as member:
        text = member.read(first.file_size + 1)
    digest = hashlib.sha256(text).hexdigest().encode()
    if comment[len(_SIGNATURE) :] != digest:
        refuse("a manifest of the SHA-256 in its comment", "another")
    return text


def _parse(text: bytes, refuse: Refuse) -> Any:
    """Parse JSON of bounded size and depth; a key may stand once in an object."""
    if text.count(b"[") + text.count(b"{") > _MAX_CONTAINERS:
        refuse(f"a manifest of at most {_MAX_CONTAINERS} objects and lists", "more")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            refuse("a manifest that names each field once", "a field twice")
        return record

    def no_constant(name: str) -> NoReturn:
        refuse("a manifest in JSON", name)

    def whole(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            refuse(f"whole numbers of at most {_MAX_DIGITS} digits", f"one of {len(digits)}")
        return int(digits)

    hooks: dict[str, Any] = {"parse_int": whole, "parse_constant": no_constant}
    try:
        value = json.loads(text.decode(), object_pairs_hook=unique, **hooks)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        refuse("a manifest in JSON", f"something else ({shown(str(error))})")
    if _depth(value) > _MAX_DEPTH:
        refuse(f"a manifest of at most {_MAX_DEPTH} levels", "more")
    return value


def _depth(value: Any) -> int:
    """Levels of nesting, counted no further than the limit."""
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        depth += 1
        inner = [v for v in level if isinstance(v, (dict, list))]
        level = [w for v in inner for w in (v.values() if isinstance(v, dict) else v)]
    return depth


def _read_arrays(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], manifest: Fields, refuse: Refuse
) -> Arrays:
    described = manifest.items("arrays")
    if len(described) != len(members):
        refuse(f"{len(described)} arrays, as its manifest says", f"{len(members)} further members")
    arrays: Arrays = {}
    for number, (record, member) in enumerate(zip(described, members, strict=True)):
        fields = Fields(record, f"manifest.arrays[{number}]", refuse)
        name = fields.text("name")
        if not _NAME.fullmatch(name) or name in arrays:
            fields.fail("name", "a name of its own")
        if member.orig_filename != f"{name}.npy":
            refuse(f"{name}.npy as member {number + 2}", shown(member.orig_filename))
        arrays[name] = _read_array(archive, member, fields)
        fields.close()
    return arrays


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, fields: Fields) -> NDArray[Any]:
    dtype, digest = fields.text("dtype", _TYPES), fields.text("sha256")
    shape = tuple(fields.wholes("shape", 1, 2**32))
    if len(shape) > _MAX_DIMENSIONS:
        fields.fail("shape", f"at most {_MAX_DIMENSIONS} dimensions")
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    header = _npy_header(dtype, shape)
    if member.file_size != len(header) + n_bytes:
        fields.refuse(
            f"{len(header) + n_bytes} bytes of {fields.where}, as its shape promises",
            f"{member.file_size} bytes",
        )
    array = np.empty(shape, _TYPES[dtype])
    payload = _payload(array)
    with archive.open(member) as stream:
        if stream.read(len(header)) != header:
            fields.refuse(f"the header of a {dtype} array of shape {shape}", "another")
        if _read_into(stream, payload) < n_bytes or stream.read(1):
            fields.refuse(f"{n_bytes} bytes of data in {fields.where}", "another number")
    if hashlib.sha256(payload).hexdigest() != digest:
        fields.refuse(f"data of the SHA-256 that the manifest gives {fields.where}", "others")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read_into(stream: Any, buffer: memoryview) -> int:
    """Fill ``buffer`` piece by piece; returns how many bytes there were."""
    n_read = 0
    while n_read < len(buffer):
        n_piece = stream.readinto(buffer[n_read : n_read + (1 << 20)])
        if not n_piece:
            break
        n_read += n_piece
    return n_read
