"""Where the tasks of a parallel call meet: each hands in its fit, and all are trained together.

Tasks run as threads, at most as many at work at a time as there are cores. A task that hands in a
fit gives its core to the next one. Once none is at work and none can begin, all fits that wait are
trained, and each task resumes with its own result.

Who is at work is seen from what is, never counted: a task is at work from its beginning to its end,
except while a fit of its is not back, and while it retrieves the results of a call whose tasks have
not all ended, unless that call was given up.

Nobody waits for ever, because there are only these three kinds of waiting, and no circle of them:

* *A task waits for a core.* Only tasks at work hold cores, and they wait for nobody. What fails or
  is given up resumes without a core, and so does a caller that leaves its retrieval.
* *A fit waits for its training*, which begins as soon as no task is at work, and waits for nobody.
  A network that fails, or whose call is given up, is let go by the end of its epoch.
* *A caller waits for its tasks.* They are nested deeper than it, so this goes one way. The first
  error of a call gives it up, in the thread that raised it, whatever the caller is doing. So do a
  caller's own error and Ctrl-C. Giving up reaches everything nested in the call, begun or not.

A task gives back its core before it tells joblib what came out, which may need a lock that a caller
holds; the scheduler's own lock is never held meanwhile. The end of a call waits for tasks that were
given up, but for seconds at most. Tasks that wait for one another by locks of their own, which
cannot be seen here, are noticed by time.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sklearn

from sk_mnist_mlp._training import EpochObserver, FittedNetwork, Job, Training, train_through

__all__ = ["Call", "Ended", "Fit", "GivenUp", "Scheduler"]

_PATIENCE = 10.0
"""Seconds without any movement after which tasks are taken to wait for one another."""

_LESS_PATIENCE = 0.1
"""The same once that has happened."""


class GivenUp(BaseException):
    """Ends a task whose result nobody wants any more; no ``except Exception`` may keep it."""


@dataclass(eq=False)
class Call:
    """A parallel call, made by a task where calls are nested."""

    caller: Task | None
    depth: int  # in how many tasks it is nested
    tasks: set[Task] = field(default_factory=set)  # submitted, and not ended
    retrieving: bool = False  # its caller does nothing but wait for them
    given_up: bool = False

    @property
    def is_awaited(self) -> bool:
        """Whether its caller cannot move before its tasks do."""
        return self.retrieving and bool(self.tasks) and not self.given_up

    @property
    def is_given_up(self) -> bool:
        """Whether it, or a call that led to it, was given up."""
        return self.given_up or (self.caller is not None and self.caller.call.is_given_up)


@dataclass(eq=False)
class Task:
    """One task of a call."""

    run: Callable[[], Any]
    future: Future[Any]
    call: Call
    number: int
    fit: Fit | None = None  # handed in, and not back


@dataclass(eq=False)
class Fit:
    """A job that a task has handed in, and scikit-learn's configuration of that task's thread."""

    task: Task
    job: Job
    engine: str
    config: dict[str, Any]
    state: Literal["waiting", "training", "trained"] = "waiting"
    outcome: FittedNetwork | BaseException | None = None
    turn: threading.Event = field(default_factory=threading.Event)  # its task may resume

    @property
    def address(self) -> int:
        """Where its rows lie in memory."""
        return int(self.job.data.X.__array_interface__["data"][0])


Ended = Callable[[Fit, FittedNetwork | BaseException], None]
"""Hears what came out of a fit as soon as that is known; later words on it count nothing."""


class _EndIfGivenUp(EpochObserver):
    """Ends a network's training after the epoch in which its call was given up."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def begin_epoch(self, run: Training) -> None:
        if self._call.is_given_up:
            raise GivenUp


class Scheduler:
    """Runs the tasks of a parallel call, and of all calls nested in it.

    No task begins while the rows of waiting fits, beside the largest, take more than ``max_bytes``.
    """

    def __init__(
        self,
        train: Callable[[list[Fit], Ended], None],
        n_cores: int,
        max_tasks: int,
        max_bytes: int,
    ) -> None:
        self._train = train
        self._n_cores, self._max_tasks, self._max_bytes = n_cores, max_tasks, max_bytes
        self._moved = threading.Condition()
        self._thread = threading.local()  # its task
        self._numbers = itertools.count()
        self._calls: list[Call] = []  # begun, and not ended
        self._queue: list[tuple[int, int, Task]] = []
        self._begun: set[Task] = set()
        self._n_telling = 0  # tasks that tell what came out, and may submit more
        self._patience = _PATIENCE
        self._last_move = time.monotonic()

    # ------------------------------------------------------------------------------------------
    # For callers

    def begin_call(self) -> Call:
        """Begin a parallel call in this thread."""
        caller: Task | None = getattr(self._thread, "task", None)
        call = Call(caller, 0 if caller is None else caller.call.depth + 1)
        with self._moved:
            self._calls.append(call)
            self._advance()
        return call

    def submit(self, run: Callable[[], Any], future: Future[Any], call: Call) -> None:
        """Take on a task, to be run as soon as there is room."""
        with self._moved:
            given_up = call.is_given_up
            if not given_up:
                task = Task(run, future, call, next(self._numbers))
                call.tasks.add(task)
                # Nested ones go first: their callers wait for them, and hold their data meanwhile.
                heapq.heappush(self._queue, (-call.depth, task.number, task))
                self._advance()
        if given_up:
            future.set_exception(GivenUp())

    def set_retrieving(self, call: Call, retrieving: bool) -> None:
        """Note whether a call's caller does nothing but wait for its tasks."""
        with self._moved:
            call.retrieving = retrieving
            self._advance()

    def give_up(self, call: Call) -> None:
        """End the tasks of a call, and all that are nested in them, as soon as may be."""
        with self._moved:
            call.given_up = True
            dropped = [entry[-1] for entry in self._queue if entry[-1].call.is_given_up]
            self._queue = [entry for entry in self._queue if not entry[-1].call.is_given_up]
            heapq.heapify(self._queue)
            for task in dropped:
                task.call.tasks.discard(task)
            for fit in [*self._fits("waiting"), *self._fits("trained")]:
                if fit.task.call.is_given_up:
                    self._resume(fit)
            self._advance()
        # The newest first: a caller may hold joblib's lock of an older call, while a newer one
        # makes that call's next task.
        for task in sorted(dropped, key=lambda task: task.number, reverse=True):
            task.future.set_exception(GivenUp())

    def end_call(self, call: Call, timeout: float) -> None:
        """End a call, having waited until its tasks are gone, for ``timeout`` seconds at most."""
        with self._moved:
            try:
                self._moved.wait_for(lambda: not call.tasks, timeout)
            finally:
                self._calls.remove(call)
                self._advance()

    # ------------------------------------------------------------------------------------------
    # In the threads of tasks

    def _run(self, task: Task) -> None:
        self._thread.task = task
        result, error = None, None
        try:
            with train_through(self._train_with_others):
                result = task.run()
        except BaseException as caught:
            error = caught
        with self._moved:
            self._begun.discard(task)
            self._n_telling += 1
            self._advance()
        try:
            if error is None:
                task.future.set_result(result)
            else:
                task.future.set_exception(error)
        finally:
            with self._moved:
                self._n_telling -= 1
                task.call.tasks.discard(task)
                task.call.given_up |= error is not None  # after joblib was told of the first error
                self._advance()
            if error is not None:
                self.give_up(task.call)

    def _train_with_others(self, job: Job, engine: str) -> FittedNetwork:
        """Train a job of this thread's task with the others'."""
        task: Task = self._thread.task
        hooks = replace(job.hooks, observers=(_EndIfGivenUp(task.call), *job.hooks.observers))
        fit = Fit(task, job._replace(hooks=hooks), engine, sklearn.get_config())
        with self._moved:
            if task.call.is_given_up:
                raise GivenUp
            task.fit = fit
            self._advance()
        while not fit.turn.wait(self._patience):
            self._unstick()
        if task.call.is_given_up:
            raise GivenUp
        assert fit.outcome is not None
        if isinstance(fit.outcome, BaseException):
            raise fit.outcome
        return fit.outcome

    def _unstick(self) -> None:
        """Let one more task work, and train what there is, where nothing has moved for long."""
        with self._moved:
            idle = time.monotonic() - self._last_move
            if idle >= self._patience and not self._fits("training"):
                self._patience = _LESS_PATIENCE
                self._n_cores += 1
                self._advance()
                self._begin_training()

    # ------------------------------------------------------------------------------------------
    # Who moves next; all of this with the lock held

    def _advance(self) -> None:
        self._last_move = time.monotonic()
        self._moved.notify_all()
        while self._n_at_work() < self._n_cores:
            if trained := self._fits("trained"):
                self._resume(trained[0])
            elif self._queue and self._has_room():
                task = self._queue[0][-1]
                _start("fused task", self._run, task)
                heapq.heappop(self._queue)
                self._begun.add(task)
            else:
                break
        outside = any(call.caller is None and not call.is_awaited for call in self._calls)
        if not (self._n_at_work() or self._n_telling or outside):
            self._begin_training()

    def _fits(self, state: str) -> list[Fit]:
        fits = [task.fit for task in self._begun if task.fit and task.fit.state == state]
        return sorted(fits, key=lambda fit: fit.task.number)

    def _without_nested(self) -> set[Task]:
        """Tasks that have begun, and do not wait for tasks of their own."""
        return self._begun - {call.caller for call in self._calls if call.is_awaited}

    def _n_at_work(self) -> int:
        return sum(task.fit is None for task in self._without_nested())

    def _has_room(self) -> bool:
        if self._fits("training") or len(self._without_nested()) >= self._max_tasks:
            return False
        sizes = {fit.address: fit.job.data.X.nbytes for fit in self._fits("waiting")}
        return sum(sizes.values()) - max(sizes.values(), default=0) <= self._max_bytes

    def _resume(self, fit: Fit) -> None:
        fit.task.fit = None
        fit.turn.set()

    def _begin_training(self) -> None:
        fits = self._fits("waiting")
        if fits and not self._fits("training"):
            _start("fused training", self._train_together, fits)
            for fit in fits:
                fit.state = "training"

    # ------------------------------------------------------------------------------------------
    # In the thread of a training

    def _train_together(self, fits: list[Fit]) -> None:
        failure: BaseException = AssertionError("a training tells what came out of each fit")
        try:
            self._train(fits, self._end_fit)
        except BaseException as error:
            failure = error
        for fit in fits:
            self._end_fit(fit, failure)

    def _end_fit(self, fit: Fit, outcome: FittedNetwork | BaseException) -> None:
        with self._moved:
            if fit.state == "training":
                fit.state, fit.outcome = "trained", outcome
                if isinstance(outcome, BaseException) or fit.task.call.is_given_up:
                    self._resume(fit)
                self._advance()


def _start(name: str, function: Callable[[Any], None], argument: Any) -> None:
    threading.Thread(target=function, args=(argument,), name=name, daemon=True).start()
