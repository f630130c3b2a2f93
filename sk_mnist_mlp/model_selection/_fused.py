"""The joblib backend ``"fused"``: tasks as threads whose fits are trained together."""

from __future__ import annotations

import contextlib
import functools
import itertools
import warnings
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase

from sk_mnist_mlp.model_selection._folds import FoldMemory
from sk_mnist_mlp.model_selection._rendezvous import Outcome, Rendezvous, Task
from sk_mnist_mlp.model_selection._report import FusedReport
from sk_mnist_mlp.model_selection._stacks import train_fits
from sk_mnist_mlp.training._blas import single_blas_thread

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
        self._n_cores = 1
        self._n_calls = 0
        self._numbers = itertools.count()
        self._folds = FoldMemory()
        self._rendezvous: Rendezvous | None = None
        self._caller: Task | None = None
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
        """Prepare for a call; ``n_jobs`` other than 1 is the number of cores to use."""
        self.parallel = parallel
        n_cores = joblib.cpu_count()
        self._n_cores = min(n_jobs, n_cores) if n_jobs > 0 else max(1, n_cores + 1 + n_jobs)
        return self.effective_n_jobs(n_jobs)

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """Give the tasks' own calls a backend that meets at the same place."""
        nested = FusedBackend(
            (self.nesting_level or 0) + 1, max_tasks=self.max_tasks, max_bytes=self.max_bytes
        )
        nested.report, nested._numbers, nested._folds = self.report, self._numbers, self._folds
        nested._rendezvous, nested._n_calls = self._rendezvous, 1
        return nested, None

    # ------------------------------------------------------------------------------------------
    # A call, in the order in which joblib gets there

    def start_call(self) -> None:
        """Begin a call: nobody trains before its tasks are submitted."""
        self._n_calls += 1
        if self._n_calls == 1:
            train = functools.partial(train_fits, n_cores=self._n_cores, report=self.report)
            self._rendezvous = Rendezvous(
                train, self._n_cores, self.max_tasks, self.max_bytes, self._count_keras
            )
            # Every task saves and restores the filters of the process, in no certain order.
            self._surroundings.enter_context(warnings.catch_warnings())
            if self._n_cores > 1:  # the tasks share the cores, as joblib's processes do
                self._surroundings.enter_context(single_blas_thread)
        assert self._rendezvous is not None
        self._caller = self._rendezvous.begin_call()

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Task:
        """Take on a task."""
        assert self._rendezvous is not None
        task = Task(
            self._folds.share(func), callback, self, self._caller, number=next(self._numbers)
        )
        self._rendezvous.submit(task)
        return task

    apply_async = submit  # its name before joblib 1.5

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Mark that all tasks which can be submitted are, and that the caller waits for them."""
        assert self._rendezvous is not None
        with self._rendezvous.retrieving(self._caller):
            yield

    def retrieve_result_callback(self, outcome: Outcome) -> Any:
        """Return what a task returned, or raise what it raised."""
        value, error = outcome
        if error is not None:
            raise error
        return value

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Give up the tasks of this call."""
        if self._rendezvous is not None:
            self._rendezvous.give_up(self)

    def stop_call(self) -> None:
        """End a call."""
        assert self._rendezvous is not None
        try:
            self._rendezvous.end_call(self, self._caller, _SECONDS_TO_END)
        finally:
            self._n_calls -= 1
            if self._n_calls == 0:
                self._surroundings.close()
                self._folds.forget()

    def _count_keras(self) -> None:
        self.report.n_keras += 1


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
