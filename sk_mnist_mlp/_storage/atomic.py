"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["check_place", "replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, who: str) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` once everything is written.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and then
    renamed: a crash, a full disk or a second writer leaves either the old file or the new one,
    whole. A killed process leaves its temporary file, ``.sk_mnist_mlp-*.tmp``, which nobody reads.
    Through a symbolic link, the file it points to is replaced.

    Raises
    ------
    OSError
        If there is no such folder, if ``path`` is something else than a file, or if writing fails;
        the old file is then untouched.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    check_place(target, who=who)
    temporary = os.path.join(folder, f".sk_mnist_mlp-{secrets.token_hex(8)}.tmp")
    file = open(temporary, "xb")  # noqa: SIM115 - closed below; only what was opened is removed
    try:
        with file:
            if os.path.exists(target) and os.name != "nt":  # a read-only file is not replaced there
                shutil.copymode(target, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # where folders cannot be synced, the new name soon will be
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rename(temporary: str, target: str) -> None:
    """Put a file in another's place; on Windows wait for who reads that, a virus scanner say."""
    for _ in range(5 if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            return os.replace(temporary, target)
        time.sleep(0.02)
    return os.replace(temporary, target)


def check_place(path: str | os.PathLike[str], *, who: str) -> None:
    """Refuse a path that no file can be written to by an OSError, before there is work to lose."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT, f"{who}: expected a folder to write into, got none. Make it first", folder
        )
    if os.path.isdir(target):
        raise IsADirectoryError(
            errno.EISDIR, f"{who}: expected a file's path, got a folder. Add a name to it", target
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f"{who}: expected a folder that may be written to, got another", folder
        )
    if os.path.exists(target) and not os.path.isfile(target):
        # Renaming over a device or a pipe would replace it.
        raise OSError(
            errno.EINVAL,
            f"{who}: expected a file's path, got a device or pipe. Name a file",
            target,
        )
