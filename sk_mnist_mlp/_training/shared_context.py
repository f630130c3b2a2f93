"""A context for what belongs to the whole process, which several threads may be in at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

__all__ = ["SharedContext"]


class SharedContext:
    """The first thread to come enters what ``make`` gives, the last to go leaves it."""

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
