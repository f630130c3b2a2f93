"""How TensorFlow is started in this process, and when it must not be.

TensorFlow's threads do not survive a fork, by default it takes every core of the machine, and its
C++ side greets on standard error in words that look like errors.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

__all__ = ["start_tensorflow", "started_before_fork"]

_owner: int | None = None
"""The process that first used TensorFlow through this package; inherited by its forks."""

_starting = threading.Lock()

# In the form of Abseil's log, and in that of TensorFlow before 2.19.
_GREETING = re.compile(
    rb"WARNING: All log messages before absl"
    rb"|To enable the following instructions: "
    rb"|(?:[IW]\d{4} |[\d-]{10} [\d:.]{15}: [IW] )"
    rb"|(?:E\d{4} |[\d-]{10} [\d:.]{15}: E ).*(?:failed call to cuInit|Unable to register cu)"
)


def start_tensorflow() -> None:
    """Import TensorFlow, unless it is there: quietly, and in a worker with the worker's cores.

    joblib and Dask tell their workers by ``OMP_NUM_THREADS``, which TensorFlow does not read.
    """
    global _owner
    if _owner is None:
        _owner = os.getpid()
    if "tensorflow" in sys.modules:
        return
    n_threads = os.environ.get("OMP_NUM_THREADS")
    if multiprocessing.parent_process() is not None and n_threads:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", n_threads)
    with _starting, _without_greetings():
        importlib.import_module("tensorflow").config.list_physical_devices()


def started_before_fork() -> bool:
    """Whether this process was forked from one that had used TensorFlow: using it here hangs."""
    return _owner is not None and _owner != os.getpid()


@contextlib.contextmanager
def _without_greetings() -> Iterator[None]:
    """Drop what TensorFlow's C++ side says on standard error when it starts.

    Part of it comes before TensorFlow reads its own setting of how much to say, which it does once,
    at the import; so the environment is put back for child processes.
    """
    given = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _standard_error_aside():
            yield
    finally:
        if not given:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]


@contextlib.contextmanager
def _standard_error_aside() -> Iterator[None]:
    """Show what C libraries write only afterwards, without greetings; Python's words at once."""
    shown = sys.stderr
    try:
        is_own = shown.fileno() == 2
    except (AttributeError, OSError, ValueError):  # there is none, or it is a test's
        is_own = False
    if not is_own:
        yield
        return
    shown.flush()
    with (
        tempfile.TemporaryFile() as aside,
        os.fdopen(os.dup(2), "w", 1, shown.encoding, "backslashreplace") as terminal,
    ):
        os.dup2(aside.fileno(), 2)
        sys.stderr = terminal
        try:
            yield
        finally:
            sys.stderr = shown
            terminal.flush()
            os.dup2(terminal.fileno(), 2)
            aside.seek(0)
            for line in aside:
                if not _GREETING.match(line):
                    with contextlib.suppress(OSError):  # whoever read it has gone
                        os.write(2, line)
