"""safetensors files with a manifest, of which no byte is trusted when they are read.

The manifest is JSON in the safetensors metadata, under :data:`KEY`. It begins with the SHA-256 that
the whole file has with 64 zeros in that place, so that any flipped bit is noticed. The safetensors
library compares names, types, shapes and offsets with the bytes that are there, and executes
nothing; this reader bounds what it leaves open: the header's size, and names that stand twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sk_mnist_mlp._storage.atomic import replacing
from sk_mnist_mlp._storage.checked_json import Fields, Refuse, parse_json, shown
from sk_mnist_mlp.exceptions import ModelFileError

__all__ = ["KEY", "Arrays", "read_manifest_and_tensors", "read_tensors", "write_tensors"]

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""

KEY = "sk_mnist_mlp"
"""Names the manifest in the metadata; a file without it was made by another program."""

_MAX_HEADER_BYTES = 16 << 20
_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "uint32")
_ZEROS = b"0" * 64


def write_tensors(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Arrays, *, who: str
) -> None:
    """Write arrays and a manifest that ``json`` can write; an older file is replaced whole.

    Raises
    ------
    ValueError
        If the manifest is longer than 16 MiB.
    OSError
        If the file cannot be written; an older one is then untouched.
    """
    text = json.dumps({"sha256": _ZEROS.decode(), **manifest}, allow_nan=False)
    # One entry of metadata alone: the library writes several in an order that chance decides.
    contents = save({name: np.asarray(a, order="C") for name, a in arrays.items()}, {KEY: text})
    n_header = int.from_bytes(contents[:8], "little")
    if n_header > _MAX_HEADER_BYTES:
        raise ValueError(
            f"{who}: expected a description of at most {_MAX_HEADER_BYTES >> 20} MiB, got "
            f"{n_header >> 20} MiB. Shorten the feature names, or use joblib.dump."
        )
    digest = hashlib.sha256(contents).hexdigest().encode()
    with replacing(path, who=who) as file:
        file.write(contents.replace(_ZEROS, digest, 1))


def read_manifest_and_tensors(
    path: str | os.PathLike[str], *, who: str, what: str
) -> tuple[Fields, Arrays]:
    """Read what :func:`write_tensors` wrote, whole and unchanged.

    Memory stays below 16 times the file's size plus 128 MiB, whatever the file claims.

    The manifest's ``refuse`` raises in this file's name. The arrays are writable. Whether contents
    make sense is for the caller to check. ``what`` the file should be is told in errors.

    Raises
    ------
    ModelFileError
        If the file is no such file, or damaged.
    OSError
        If it is missing, a folder, or may not be read.
    """
    contents, metadata, arrays, refuse = _read(path, who, what)
    if KEY not in metadata:
        got = "a safetensors file of another program"
        fix = "Make a model of its weights by sk_mnist_mlp.export.from_safetensors."
        raise _error(path, who, what, got, fix)
    manifest = Fields(parse_json(metadata[KEY], refuse), "manifest", refuse)
    digest = manifest.text("sha256")
    found = hashlib.sha256(contents.replace(digest.encode("utf-8", "replace"), _ZEROS, 1))
    if found.hexdigest() != digest:
        refuse("contents of the SHA-256 that it states", "others")
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES:
            refuse(f"tensors of {', '.join(_DTYPES)}", f"{shown(name)} of {array.dtype}")
    return manifest, arrays


def read_tensors(
    path: str | os.PathLike[str], *, who: str, what: str
) -> tuple[dict[str, str], Arrays]:
    """Read the metadata and the tensors of any safetensors file, as safely."""
    _, metadata, arrays, _ = _read(path, who, what)
    return metadata, arrays


def _read(
    path: str | os.PathLike[str], who: str, what: str
) -> tuple[bytes, dict[str, str], Arrays, Refuse]:
    def refuse(expected: str, got: str) -> NoReturn:
        fix = "Save it again, or copy it afresh."
        raise _error(path, who, f"{what} with {expected}", got, fix)

    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise _error(path, who, what, "a device or pipe", "Give a file's path.")
    with open(path, "rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        if n_header > min(_MAX_HEADER_BYTES, os.fstat(file.fileno()).st_size - 8):
            refuse("the beginning of a safetensors file", "another beginning")
        header = parse_json(file.read(n_header), refuse)
        file.seek(0)
        contents = file.read()
    try:
        arrays = load(contents)
    except KeyError as error:
        refuse("tensors of types that NumPy has", str(error))
    except (SafetensorError, OverflowError, TypeError, ValueError) as error:
        refuse("sound contents", f"damaged ones ({shown(str(error))})")
    return contents, header.get("__metadata__") or {}, arrays, refuse


def _error(path: str | os.PathLike[str], who: str, what: str, got: str, fix: str) -> ModelFileError:
    return ModelFileError(f"{who}: expected {str(path)!r} to be {what}, got {got}. {fix}")
