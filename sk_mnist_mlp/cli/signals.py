"""Requests to end, which must leave results kept and no process behind."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["Requests", "orderly_ends"]

_SECONDS_OF_ONE_REQUEST = 1.0
"""A sender may signal a process and its group, so that one request comes twice."""


class Requests:
    """Requests to end that came so far.

    Attributes
    ----------
    status : int
        The exit status of an interruption, 128 and the signal's number as shells have it.
    """

    def __init__(self) -> None:
        self.status = 128 + signal.SIGINT
        self._last = float("-inf")

    def hear(self, number: int, frame: Any) -> None:
        """Interrupt the work as Ctrl-C does."""
        self.status = 128 + number
        now = time.monotonic()
        if now - self._last >= _SECONDS_OF_ONE_REQUEST:
            self._last = now
            raise KeyboardInterrupt


@contextlib.contextmanager
def orderly_ends() -> Iterator[Requests]:
    """Treat SIGTERM, and SIGHUP of a terminal that is closed, as Ctrl-C is treated.

    By themselves they end this process at once, and leave those that it started. Whoever has them
    ignored, as ``nohup`` does, is obeyed.
    """
    requests = Requests()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, requests.hear)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
