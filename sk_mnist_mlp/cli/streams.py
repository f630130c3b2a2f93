"""Standard output and standard error that nothing on their far side makes fail.

A reader may leave, a shell may have closed them, a console may lack a letter, a disk may be full.
None of that may end a training whose result is a file, and none of it may end in a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

__all__ = ["OutputLost", "Stream", "safe_streams"]

# EINVAL is what Windows says of a pipe whose reader has gone.
_NOBODY_READS = {errno.EPIPE, errno.EBADF, errno.EINVAL}


class OutputLost(Exception):
    """Standard output was all that was asked for, and it leads nowhere."""


class Stream:
    """A text stream whose writing never fails.

    Parameters
    ----------
    stream : text stream or None
        What to write to; None where it was closed before the process began.

    Attributes
    ----------
    error : OSError or None
        Why what is written is dropped.
    raises : bool
        Whether to raise :class:`OutputLost` where something is dropped.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = io.StringIO() if stream is None else stream
        self.error = OSError(errno.EBADF, os.strerror(errno.EBADF)) if stream is None else None
        self.raises = False

    @property
    def is_unread(self) -> bool:
        """Whether there is nobody who could miss what is dropped."""
        return self.error is not None and self.error.errno in _NOBODY_READS

    def write(self, text: str) -> int:
        """Write text, with escapes in place of letters that the encoding lacks."""
        with self._losing():
            if self.error is None:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError as error:
                    shown = text.encode(error.encoding, "backslashreplace").decode(error.encoding)
                    self._stream.write(shown)
        return len(text)

    def flush(self) -> None:
        """Write what was held back."""
        with self._losing():
            if self.error is None:
                self._stream.flush()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._lose(error)
        except ValueError:  # closed by somebody in this process
            self._lose(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        if self.error is not None and self.raises:
            raise OutputLost

    def _lose(self, error: OSError) -> None:
        self.error = error
        # What the stream still holds goes nowhere, or Python would fail when it flushes at exit.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_streams() -> Iterator[Stream]:
    """Put a :class:`Stream` in the place of both; yield that of standard output."""
    _fill_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before
        out.raises = False
        out.flush()
        err.flush()


def _fill_closed_descriptors() -> None:
    """Let the numbers of closed standard streams lead nowhere.

    The next file to be opened would get such a number, a model's say, and what libraries below
    Python write to their standard output would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
