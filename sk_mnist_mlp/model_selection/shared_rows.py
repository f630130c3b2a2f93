"""One copy of each fold, however many candidates are trained on it.

scikit-learn hands every task the whole table and the row numbers of its fold, and every task takes
its own copy of those rows. Here tasks get a view of the table that remembers which rows were taken,
while anybody still holds them, and hands out the same array again.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedRows", "share_rows"]

_MIN_BYTES = 1 << 20
"""Smaller tables are left alone: joblib's own threshold for sharing arrays."""


class SharedRows(np.ndarray[Any, Any]):
    """A view of a table, of which every selection of rows exists once.

    Selections are plain arrays that cannot be written to, like those that joblib hands to its
    worker processes.

    >>> table = SharedRows.of(np.arange(6.0).reshape(3, 2))
    >>> table[np.array([0, 2])] is table[np.array([0, 2])]
    True
    >>> table[0]
    array([0., 1.])
    """

    table: NDArray[Any]
    _selections: weakref.WeakValueDictionary[tuple[str, bytes], NDArray[Any]] | None = None
    _lock: threading.Lock

    @classmethod
    def of(cls, table: NDArray[Any]) -> SharedRows:
        """View a table."""
        shared = np.asarray(table).view(cls)
        shared.table, shared._lock = table, threading.Lock()
        shared._selections = weakref.WeakValueDictionary()
        return shared

    def __getitem__(self, key: Any) -> Any:
        plain = self.view(np.ndarray)
        rows = key[0] if isinstance(key, tuple) and len(key) == 2 and key[1] is ... else key
        is_rows = isinstance(rows, np.ndarray) and rows.ndim == 1 and rows.dtype.kind in "iub"
        if self._selections is None or not is_rows:
            return plain[key]
        name = rows.dtype.str, rows.tobytes()
        with self._lock:
            selection = self._selections.get(name)
            if selection is None:
                selection = self._selections[name] = plain[rows]
                selection.flags.writeable = False
            return selection


def share_rows(batch: Any, shared: dict[int, SharedRows]) -> None:
    """Exchange the large tables in joblib's batch of calls, where it shows them, for views.

    ``shared`` holds the views made so far, by the identity of their tables.
    """

    def view(argument: Any) -> Any:
        is_table = type(argument) in (np.ndarray, np.memmap) and argument.ndim > 1
        if not is_table or argument.nbytes < _MIN_BYTES or argument.dtype.hasobject:
            return argument
        if id(argument) not in shared:
            shared.setdefault(id(argument), SharedRows.of(argument))
        return shared[id(argument)]

    if isinstance(items := getattr(batch, "items", None), list):
        batch.items = [
            (function, tuple(map(view, args)), {name: view(kwargs[name]) for name in kwargs})
            for function, args, kwargs in items
        ]
