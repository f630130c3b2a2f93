"""One copy of each fold, however many candidates are trained on it.

scikit-learn hands every task the whole table and the row numbers of its fold, and every task takes
its own copy of those rows. Here the tasks get the same table in a guise that remembers which rows
were taken, while somebody still holds them, and hands out the same array again.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FoldMemory", "SharedFolds"]

_MIN_BYTES = 1 << 20
"""Tables smaller than this are left alone: joblib's own threshold for sharing arrays."""


class SharedFolds(np.ndarray[Any, Any]):
    """A table of which every selection of rows exists once; selections are plain arrays.

    A selection that several tasks may hold cannot be written to, like the tables that joblib hands
    to its worker processes.

    Examples
    --------
    >>> table = SharedFolds.around(np.arange(6.0).reshape(3, 2))
    >>> table[np.array([0, 2])] is table[np.array([0, 2])]
    True
    >>> table[0]
    array([0., 1.])
    """

    _selections: weakref.WeakValueDictionary[bytes, NDArray[Any]] | None = None
    _lock: threading.Lock

    @classmethod
    def around(cls, table: NDArray[Any]) -> SharedFolds:
        """Put a table, which is not copied, into this guise."""
        shared = np.asarray(table).view(cls)
        shared._selections = weakref.WeakValueDictionary()
        shared._lock = threading.Lock()
        return shared

    def __getitem__(self, key: Any) -> Any:
        plain = self.view(np.ndarray)
        rows = key[0] if isinstance(key, tuple) and len(key) == 2 and key[1] is ... else key
        if self._selections is None or not _selects_rows(rows):
            return plain[key]
        digest = hashlib.blake2b(rows.tobytes(), person=rows.dtype.str.encode()).digest()
        with self._lock:
            selection = self._selections.get(digest)
            if selection is None:
                selection = plain[rows]
                selection.flags.writeable = False
                self._selections[digest] = selection
            return selection


def _selects_rows(key: Any) -> bool:
    return isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iub"


class FoldMemory:
    """Puts the tables among a call's arguments into the guise of :class:`SharedFolds`."""

    def __init__(self) -> None:
        self._tables: dict[int, tuple[Any, SharedFolds]] = {}

    def shared(self, argument: Any) -> Any:
        """Return a large table in its guise, anything else as it is."""
        if type(argument) not in (np.ndarray, np.memmap):
            return argument
        if argument.ndim < 2 or argument.nbytes < _MIN_BYTES or argument.dtype.hasobject:
            return argument
        if id(argument) not in self._tables:
            # The table is kept beside its guise, so that nothing else gets its id.
            self._tables.setdefault(id(argument), (argument, SharedFolds.around(argument)))
        return self._tables[id(argument)][1]

    def share(self, call: Any) -> Any:
        """Exchange the tables in joblib's batch of calls, where it shows them."""
        items = getattr(call, "items", None)
        if isinstance(items, list):
            call.items = [
                (
                    function,
                    tuple(self.shared(argument) for argument in args),
                    {name: self.shared(argument) for name, argument in kwargs.items()},
                )
                for function, args, kwargs in items
            ]
        return call

    def forget(self) -> None:
        """Let go of all tables."""
        self._tables.clear()
