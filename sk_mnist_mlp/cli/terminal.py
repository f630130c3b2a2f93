"""What a terminal or shell may do to a command: streams that fail, and requests to end.

A reader may leave, a shell may have closed a stream, a console may lack a letter, a disk may be
full. None of that may end a training whose result is a file, and none may end in a traceback. Nor
may a request to end lose what was learnt, or leave a process behind.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO, cast

__all__ = ["OutputLost", "Stream", "complain", "describe_error", "orderly_ends", "safe_streams"]

# EINVAL is what Windows says of a pipe whose reader has gone.
_NOBODY_READS = {errno.EPIPE, errno.EBADF, errno.EINVAL}
_SECONDS_OF_ONE_REQUEST = 1.0
"""A sender may signal a process and its group, so that one request comes twice."""


def complain(who: str, message: str) -> None:
    """Say what went wrong, in one line."""
    print(f"{who}: {' '.join(message.split())}", file=sys.stderr)


def describe_error(error: Exception) -> str:
    """Say in one sentence what went wrong."""
    text = str(error) or f"{type(error).__name__}."
    if not isinstance(error, OSError):
        return text
    reason = (error.strerror or text).rstrip(".")
    if error.filename is None:
        return f"{reason}."
    if ": expected " in reason:  # one of the package's own sentences
        return f"{reason}: {error.filename!r}."
    return f"expected to use {error.filename!r}, got: {reason}. Check the path and its permissions."


# ----------------------------------------------------------------------------------------------
# Streams


class OutputLost(Exception):
    """Standard output was all that was asked for, and it leads nowhere."""


class Stream:
    """A text stream whose writing never fails.

    ``error`` tells why what is written is dropped; where ``raises`` is set, :class:`OutputLost`
    is raised then.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = io.StringIO() if stream is None else stream
        self.error = _closed() if stream is None else None
        self.raises = False

    @property
    def is_unread(self) -> bool:
        """Whether there is nobody who could miss what is dropped."""
        return self.error is not None and self.error.errno in _NOBODY_READS

    def write(self, text: str) -> int:
        """Write text, with escapes in place of letters that the encoding lacks."""
        with self._losing() as stream:
            try:
                stream.write(text)
            except UnicodeEncodeError as error:
                shown = text.encode(error.encoding, "backslashreplace").decode(error.encoding)
                stream.write(shown)
        return len(text)

    def flush(self) -> None:
        """Write what was held back."""
        with self._losing() as stream:
            stream.flush()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[Any]:
        """Take note of what goes wrong with the stream, from when on nothing reaches it."""
        try:
            yield self._stream if self.error is None else io.StringIO()
        except (OSError, ValueError) as error:  # a ValueError where this process has closed it
            self.error = error if isinstance(error, OSError) else _closed()
            # What it still holds goes nowhere, or Python would fail when it flushes at exit.
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
        if self.error is not None and self.raises:
            raise OutputLost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


@contextlib.contextmanager
def safe_streams() -> Iterator[Stream]:
    """Put a :class:`Stream` in the place of both; yield that of standard output."""
    # The next file to be opened, a model's say, would get the number of a standard stream that is
    # closed, and what libraries below Python print would go into it.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
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


# ----------------------------------------------------------------------------------------------
# Signals


@contextlib.contextmanager
def orderly_ends() -> Iterator[list[int]]:
    """Treat SIGTERM, and SIGHUP of a terminal that is closed, as Ctrl-C is treated.

    By themselves they end this process at once, and leave those that it started. Who has them
    ignored, as ``nohup`` does, is obeyed. Yields the numbers of those that came, after SIGINT's.
    """
    heard: list[int] = [signal.SIGINT]
    last = float("-inf")

    def interrupt(number: int, frame: Any) -> None:
        nonlocal last
        heard.append(number)
        before, last = last, time.monotonic()
        if last - before >= _SECONDS_OF_ONE_REQUEST:
            raise KeyboardInterrupt

    replaced = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)  # the last is Windows's word for the one before
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                replaced[number] = signal.signal(number, interrupt)
    try:
        yield heard
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
