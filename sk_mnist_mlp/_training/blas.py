"""One BLAS thread while NumPy trains.

Small matrix products gain little from a second thread, lose much where other processes want the
cores, and their last bits depend on how many threads share them: with one, a fit gives the same
bits on any machine of a kind, in any worker.
"""

from __future__ import annotations

import functools
import threading
from types import TracebackType
from typing import Any

__all__ = ["single_blas_thread"]


@functools.cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _SingleThread:
    """A context that several threads may be in: the first sets the limit, the last lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limiter: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._limiter = _controller().limit(limits=1)
                self._limiter.__enter__()
            self._n_inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._limiter.__exit__(kind, error, trace)


single_blas_thread = _SingleThread()
"""Use as ``with single_blas_thread:``."""
