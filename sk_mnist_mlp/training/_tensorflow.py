"""How TensorFlow is started in this process, and when it must not be.

TensorFlow's threads do not survive a fork, and by default it takes every core of the machine.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys

__all__ = ["started_before_fork", "use_worker_threads"]

_owner: int | None = None
"""The process that first used TensorFlow through this package; inherited by its forks."""


def use_worker_threads() -> None:
    """In a worker process, let TensorFlow take the cores that the pool gave this worker.

    joblib and Dask tell their workers by ``OMP_NUM_THREADS``, which TensorFlow does not read. A
    main process is not ours, and a TensorFlow already imported has its threads: both are left.
    """
    global _owner
    if _owner is None:
        _owner = os.getpid()
    n_threads = os.environ.get("OMP_NUM_THREADS")
    in_worker = multiprocessing.parent_process() is not None
    if "tensorflow" in sys.modules:
        return
    if in_worker and n_threads:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", n_threads)
    _import_quietly()


def _import_quietly() -> None:
    """Import TensorFlow without its C++ side's greeting on standard error.

    The level is read once, at the import, so the environment can be put back for child processes.
    """
    given = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        importlib.import_module("tensorflow")
    finally:
        if not given:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]


def started_before_fork() -> bool:
    """Whether this process was forked from one that had used TensorFlow: using it here hangs."""
    return _owner is not None and _owner != os.getpid()
