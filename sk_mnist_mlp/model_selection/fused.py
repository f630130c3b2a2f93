"""The joblib backend ``"fused"``: tasks as threads whose fits are trained together."""

from __future__ import annotations

import contextlib
import copy
import functools
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from numbers import Integral
from typing import Any

import joblib
from joblib.parallel import FallbackToBackend, ParallelBackendBase

from sk_mnist_mlp._training import SharedContext, single_blas_thread
from sk_mnist_mlp.model_selection.report import FusedReport
from sk_mnist_mlp.model_selection.scheduler import Call, Scheduler
from sk_mnist_mlp.model_selection.shared_rows import SharedRows, share_rows
from sk_mnist_mlp.model_selection.stacks import train_fits

__all__ = ["FusedBackend", "fused"]

_MAX_TASKS = 64
_MAX_BYTES = 1 << 30

_SECONDS_TO_END = 2.0
"""How long a call that failed waits for its tasks; those in training end with their epoch."""


class FusedBackend(ParallelBackendBase):
    """What joblib makes when it is asked for the backend ``"fused"``; see :func:`fused`.

    >>> import joblib
    >>> with joblib.parallel_config(backend="fused"):
    ...     joblib.Parallel()(joblib.delayed(divmod)(n, 3) for n in range(4))
    [(0, 0), (0, 1), (0, 2), (1, 0)]
    """

    supports_retrieve_callback = True
    uses_threads = True
    supports_sharedmem = True
    default_n_jobs = -1

    _scheduler: Scheduler
    _tables: dict[int, SharedRows]
    _surroundings: contextlib.ExitStack

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
        self._is_nested = False
        self._call: Call | None = None

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
            own = copy.copy(self)
            own.parallel = parallel
            raise FallbackToBackend(own)
        n_cores = joblib.cpu_count()
        self._n_cores = min(n_jobs, n_cores) if n_jobs > 0 else max(1, n_cores + 1 + n_jobs)
        return n_tasks

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """Give the tasks' own calls a backend that meets at the same place."""
        nested = copy.copy(self)
        nested.nesting_level = (self.nesting_level or 0) + 1
        nested.parallel, nested._is_nested = None, True
        return nested, None

    # ------------------------------------------------------------------------------------------
    # A call, in the order in which joblib gets there

    def start_call(self) -> None:
        """Make ready; the call begins with its first task, as joblib may never get that far."""
        self._call, self._surroundings = None, contextlib.ExitStack()
        if not self._is_nested:
            train = functools.partial(train_fits, n_cores=self._n_cores, report=self.report)
            self._scheduler = Scheduler(train, self._n_cores, self.max_tasks, self.max_bytes)
            self._tables = {}

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future[Any]:
        """Take on a task."""
        if self._call is None:
            if not self._is_nested:
                self._surroundings.enter_context(_filters_kept)
                if self._n_cores > 1:  # the tasks share the cores, as joblib's processes do
                    self._surroundings.enter_context(single_blas_thread)
            self._call = self._scheduler.begin_call()
        share_rows(func, self._tables)
        future: Future[Any] = Future()
        future.add_done_callback(callback)
        self._scheduler.submit(func, future, self._call)
        return future

    apply_async = submit  # its name before joblib 1.5

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Mark that all tasks which can be submitted are, and that the caller waits for them."""
        if self._call is None:
            yield
            return
        self._scheduler.set_retrieving(self._call, True)
        try:
            yield
        finally:  # at once: whatever is on its way out may be what ends the training
            self._scheduler.set_retrieving(self._call, False)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """Return what a task returned, or raise what it raised."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Give up the tasks of this call."""
        if self._call is not None:
            self._scheduler.give_up(self._call)

    def stop_call(self) -> None:
        """End a call."""
        if self._call is None:
            return
        try:
            self._scheduler.end_call(self._call, _SECONDS_TO_END)
        finally:
            self._surroundings.close()
            if not self._is_nested:
                self._tables.clear()


_filters_kept = SharedContext(warnings.catch_warnings)
"""Keeps the filters of warnings, which tasks save and restore in no certain order."""


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
        No task is begun while the rows of waiting fits, beside the largest, take more bytes.

    Returns
    -------
    context : context manager
        Gives a report that is filled as the work is done: printed, a sentence or two; ``n_fits``
        trained in stacks, ``stacks`` (``layer_widths``, ``n_fits``, ``engine`` and ``seconds`` of
        each), ``n_rounds`` of training, and ``n_keras`` fits that only Keras's own loop could
        train.

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
