"""The joblib backend ``"fused"``: tasks as threads whose fits are trained together."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import joblib
from joblib.parallel import FallbackToBackend, ParallelBackendBase

from sk_mnist_mlp._training import single_blas_thread
from sk_mnist_mlp.model_selection.report import FusedReport
from sk_mnist_mlp.model_selection.scheduler import Call, Outcome, Rendezvous, Task
from sk_mnist_mlp.model_selection.shared_rows import FoldMemory
from sk_mnist_mlp.model_selection.stacks import train_fits

__all__ = ["FusedBackend", "fused"]

_MAX_TASKS = 64
_MAX_BYTES = 1 << 30

_SECONDS_TO_END = 2.0
"""How long a call that failed waits for its tasks; those in training end with their epoch."""


class FusedBackend(ParallelBackendBase):
    """Run joblib's tasks as threads, and train the networks they fit together.

    joblib makes one when it is asked for the backend ``"fused"``; see :func:`fused`.

    Parameters
    ----------
    nesting_level : int or None, default=None
        joblib's own.
    max_tasks : int, default=64
        Tasks begun and not ended at the same time.
    max_bytes : int, default=2**30
        No task is begun while the rows of waiting fits, beside the first, take more than this.

    Attributes
    ----------
    report : FusedReport
        What was done so far.

    Examples
    --------
    >>> import joblib
    >>> with joblib.parallel_config(backend="fused"):
    ...     joblib.Parallel()(joblib.delayed(divmod)(n, 3) for n in range(4))
    [(0, 0), (0, 1), (0, 2), (1, 0)]
    """

    supports_retrieve_callback = True
    uses_threads = True
    supports_sharedmem = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        *,
        max_tasks: int = _MAX_TASKS,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self.max_tasks = _checked("max_tasks", max_tasks, 2)
        self.max_bytes = _checked("max_bytes", max_bytes, 0)
        self.report = FusedReport()
        self.parallel: Any = None
        self._n_cores = 1
        self._numbers = itertools.count()
        self._folds = FoldMemory()
        self._rendezvous: Rendezvous | None = None
        self._is_nested = False
        self._call: Call | None = None
        self._surroundings = contextlib.ExitStack()

    # ------------------------------------------------------------------------------------------
    # What joblib asks before a call

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Tell how many tasks to make: as many as may wait, unless one at a time is asked for."""
        if n_jobs == 0:
            raise ValueError(
                "fused: expected n_jobs other than 0. Leave it out, or give the number of cores."
            )
        return 1 if n_jobs == 1 else self.max_tasks

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Prepare for calls; ``n_jobs`` other than 1 is the number of cores to use."""
        n_tasks = self.effective_n_jobs(n_jobs)
        if parallel is not self.parallel:
            # joblib hands one backend to all that ask inside a context, whose calls may overlap.
            # With one each, what ends a call can never end another's tasks.
            own = self._copy(self.nesting_level, self._is_nested)
            own.parallel = parallel
            raise FallbackToBackend(own)
        n_cores = joblib.cpu_count()
        self._n_cores = min(n_jobs, n_cores) if n_jobs > 0 else max(1, n_cores + 1 + n_jobs)
        return n_tasks

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """Give the tasks' own calls a backend that meets at the same place."""
        return self._copy((self.nesting_level or 0) + 1, nested=True), None

    def _copy(self, nesting_level: int | None, nested: bool) -> FusedBackend:
        other = FusedBackend(nesting_level, max_tasks=self.max_tasks, max_bytes=self.max_bytes)
        other.report, other._numbers, other._is_nested = self.report, self._numbers, nested
        if nested:
            other._rendezvous, other._folds = self._rendezvous, self._folds
        return other

    # ------------------------------------------------------------------------------------------
    # A call, in the order in which joblib gets there

    def start_call(self) -> None:
        """Make ready; the call begins with its first task, as joblib may never get that far."""
        self._call = None
        if not self._is_nested:
            train = functools.partial(train_fits, n_cores=self._n_cores, report=self.report)
            self._rendezvous = Rendezvous(train, self._n_cores, self.max_tasks, self.max_bytes)

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Task:
        """Take on a task."""
        assert self._rendezvous is not None
        if self._call is None:
            self._call = self._begin_call()
        task = Task(self._folds.share(func), callback, self._call, next(self._numbers))
        self._rendezvous.submit(task)
        return task

    apply_async = submit  # its name before joblib 1.5

    def _begin_call(self) -> Call:
        assert self._rendezvous is not None
        if not self._is_nested:
            self._surroundings.enter_context(_filters_kept)
            if self._n_cores > 1:  # the tasks share the cores, as joblib's processes do
                self._surroundings.enter_context(single_blas_thread)
        return self._rendezvous.begin_call()

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Mark that all tasks which can be submitted are, and that the caller waits for them."""
        if self._call is None:
            yield
            return
        assert self._rendezvous is not None
        with self._rendezvous.retrieving(self._call):
            yield

    def retrieve_result_callback(self, outcome: Outcome) -> Any:
        """Return what a task returned, or raise what it raised."""
        value, error = outcome
        if error is not None:
            raise error
        return value

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Give up the tasks of this call."""
        if self._call is not None:
            assert self._rendezvous is not None
            self._rendezvous.give_up(self._call)

    def stop_call(self) -> None:
        """End a call."""
        if self._call is None:
            return
        assert self._rendezvous is not None
        try:
            self._rendezvous.end_call(self._call, _SECONDS_TO_END)
        finally:
            if not self._is_nested:
                self._surroundings.close()
                self._folds.forget()


class _KeptFilters:
    """Keeps the filters of warnings, which tasks save and restore in no certain order.

    Several calls may be in it: the first to come saves them, the last to go restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._kept = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._kept.enter_context(warnings.catch_warnings())
            self._n_inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._kept.close()


_filters_kept = _KeptFilters()


@contextlib.contextmanager
def fused(
    *, n_jobs: int | None = None, max_tasks: int = _MAX_TASKS, max_bytes: int = _MAX_BYTES
) -> Iterator[FusedReport]:
    """Train together what scikit-learn's tools fit in parallel, each network as if alone.

    The same as ``joblib.parallel_config(backend="fused")``, and tells what was done. It works
    around anything that fits clones through joblib: searches, cross-validation, learning curves,
    ensembles. Fits of :class:`~sk_mnist_mlp.MLPDigitClassifier`, also inside a Pipeline, wait for
    one another and are trained as stacks; all else runs as usual.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Cores to use; None or -1 for all. An ``n_jobs`` of 1, here or in the tool, turns it off.
    max_tasks : int, default=64
        Tasks begun and not ended at the same time, 2 or more.
    max_bytes : int, default=1073741824
        No task is begun while the rows of waiting fits, beside the first, take more bytes.

    Returns
    -------
    context : context manager
        Gives a report that is filled as the work is done: printed, a sentence or two; ``n_fits``
        trained in stacks, ``stacks`` (layer widths, fits, path and seconds of each), ``n_rounds``
        of training, and ``n_keras`` fits that only Keras's own loop could train.

    Raises
    ------
    ValueError
        If ``max_tasks`` or ``max_bytes`` is out of its range, or ``n_jobs`` is 0.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=2, random_state=0)
    >>> search = GridSearchCV(model, {"dropout": [0.1, 0.3]}, cv=2, refit=False)
    >>> with fused() as report:
    ...     _ = search.fit(X / 16, y)
    >>> report.n_fits
    4
    """
    backend = FusedBackend(max_tasks=max_tasks, max_bytes=max_bytes)
    with joblib.parallel_config(backend=backend, n_jobs=n_jobs):
        yield backend.report


def _checked(name: str, value: Any, least: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"fused: expected {name} to be a whole number of {least} or more, got {value!r}. "
            f"Leave it out for the default."
        )
    return int(value)


joblib.register_parallel_backend("fused", FusedBackend)
