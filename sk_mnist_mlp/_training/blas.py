"""One BLAS thread while NumPy trains.

Small matrix products gain little from a second thread, lose much where other processes want the
cores, and their last bits depend on how many threads share them: with one, a fit gives the same
bits on any machine of a kind, in any worker.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

__all__ = ["SharedContext", "single_blas_thread"]


@functools.cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class SharedContext:
    """What several threads may be in at once: the first enters a context, the last leaves it."""

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._lock, self._n_inside = threading.Lock(), 0
        self._inside = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._inside.enter_context(self._make())
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._inside.close()


single_blas_thread = SharedContext(lambda: _controller().limit(limits=1))
"""Use as ``with single_blas_thread:``."""
