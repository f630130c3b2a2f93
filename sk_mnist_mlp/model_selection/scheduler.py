"""Where the tasks of a parallel call meet: each hands in its fit and waits until all are trained.

Tasks run as threads, no more of them at work than there are cores. A task that hands in a plan
gives its core to the next task. Once nobody is at work and nobody can start, all plans that wait
are trained together, and every task goes on with its own result.

Who is at work is never counted, but seen from what is: a task is at work from its beginning to its
end, except while a fit of its is in training or waits for that, and while it is in the retrieval of
a call whose tasks have not all ended, unless that call was given up.

Nobody waits for ever, because there are only these three kinds of waiting, and no circle of them:

* *A task waits for a core*, to begin or to go on with a result. Tasks at work alone hold cores, and
  they wait for nobody; where none is at work, one is let go or a training begins. What raises or is
  given up goes on without a core, and so does a caller that leaves its retrieval: no error ever
  waits for a turn.
* *A fit waits for its training*, which begins as soon as nobody is at work. It waits for nobody,
  and ends by itself; a network is let go as soon as it fails, or finds its call given up.
* *A caller waits for its tasks.* They are nested deeper than it, so this goes one way. The first
  error of a call gives it up, in the thread that raised it, whatever the caller is doing. So do a
  caller's own error and Ctrl-C. Giving up reaches everything nested in the call, begun or not.

A task gives back its core before it tells joblib what came out, for which it may need a lock that a
caller holds; the lock of this module is never held meanwhile. The end of a call waits for tasks
that were given up, but for seconds at most. Tasks that wait for one another in ways that nobody
here can see, by a lock of their own, are noticed by time.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sklearn

from sk_mnist_mlp._training import EpochObserver, FittedNetwork, Job, Training, train_through

__all__ = ["Call", "Ended", "Fit", "GivenUp", "Outcome", "Rendezvous", "Task", "address"]

Outcome = tuple[Any, BaseException | None]
"""What a task returned, and what it raised instead."""

_PATIENCE = 10.0
"""Seconds without any movement after which tasks are taken to wait for one another."""

_LESS_PATIENCE = 0.1
"""The same once that has happened."""


class GivenUp(BaseException):
    """Ends a task whose result nobody wants any more; no ``except Exception`` may keep it."""


@dataclass(eq=False)
class Call:
    """A parallel call.

    Attributes
    ----------
    caller : Task or None
        The task that makes it, where calls are nested.
    tasks : set of Task
        Submitted, and not ended.
    retrieving : bool
        Whether the caller does nothing but wait for them.
    given_up : bool
        Whether nobody wants their results any more.
    """

    caller: Task | None
    tasks: set[Task] = field(default_factory=set)
    retrieving: bool = False
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
    """One task of a parallel call.

    Attributes
    ----------
    run : callable
        Does the work.
    tell : callable of Outcome
        Takes what came out; may submit further tasks.
    call : Call
        What it is part of.
    number : int
        Tasks are started, and their fits arranged, in this order.
    fit : Fit or None
        What it waits for.
    calls : list of Call
        Begun by it, and not ended.
    """

    run: Callable[[], Any]
    tell: Callable[[Outcome], object]
    call: Call
    number: int
    fit: Fit | None = None
    calls: list[Call] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """In how many tasks it is nested."""
        return 0 if self.call.caller is None else self.call.caller.depth + 1

    @property
    def awaits_tasks(self) -> bool:
        """Whether it waits for tasks of its own."""
        return any(call.is_awaited for call in self.calls)


@dataclass(eq=False)
class Fit:
    """A plan that a task has handed in.

    Attributes
    ----------
    task : Task
        Whose it is.
    job : Job
        What to train, on what.
    engine : {"numpy", "xla", "keras"}
        By what.
    config : dict
        scikit-learn's configuration of the task's thread, in which its callbacks are to run.
    turn : threading.Event
        Set when the task may go on.
    outcome : FittedNetwork, BaseException or None
        What came out.
    """

    task: Task
    job: Job
    engine: str
    config: dict[str, Any]
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: FittedNetwork | BaseException | None = None


Ended = Callable[[Fit, FittedNetwork | BaseException], None]
"""To be told what came out of a fit, as soon as that is known; later words on it count nothing."""


class _Watch(EpochObserver):
    """Ends a network's training after the epoch in which its call was given up."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def begin_epoch(self, run: Training) -> None:
        """End the training of a task that was given up."""
        if self._call.is_given_up:
            raise GivenUp


class Rendezvous:
    """The tasks of a parallel call, and of all calls nested in it.

    Parameters
    ----------
    train : callable
        Trains a list of fits, and tells the second argument what came out of each.
    n_cores : int
        Tasks at work at the same time, at most.
    max_tasks : int
        Tasks begun and not ended at the same time, at most, beside those that wait for their own.
    max_bytes : int
        No task is begun while the rows of waiting fits, beside the first, take more than this.
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
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._thread = threading.local()
        self._begun: set[Task] = set()
        self._queue: list[tuple[int, int, Task]] = []
        self._waiting: list[Fit] = []  # for a training
        self._ready: deque[Fit] = deque()  # trained, and waiting for a core
        self._outside: list[Call] = []  # of callers that are no tasks
        self._n_telling = 0  # tasks that tell what came out, and may submit more
        self._training = False
        self._patience = _PATIENCE
        self._last_move = time.monotonic()

    # ------------------------------------------------------------------------------------------
    # Tasks

    def submit(self, task: Task) -> None:
        """Take on a task, to be run as soon as there is room."""
        with self._lock:
            given_up = task.call.is_given_up
            if not given_up:
                task.call.tasks.add(task)
                # Nested ones go first: their parents wait for them, and hold their data meanwhile.
                heapq.heappush(self._queue, (-task.depth, task.number, task))
                self._advance()
        if given_up:
            task.tell((None, GivenUp()))

    def _run(self, task: Task) -> None:
        self._thread.task = task
        outcome: Outcome
        try:
            with train_through(self._train_for_task):
                outcome = task.run(), None
        except BaseException as error:
            outcome = None, error
        with self._lock:
            self._begun.discard(task)
            self._n_telling += 1
            self._advance()
        try:
            task.tell(outcome)
        finally:
            with self._lock:
                self._n_telling -= 1
                task.call.tasks.discard(task)
                task.call.given_up |= outcome[1] is not None  # told of the error that counts
                self._ended.notify_all()
                self._advance()
            if task.call.given_up:
                self.give_up(task.call)

    def _train_for_task(self, job: Job, engine: str) -> FittedNetwork:
        """Train a job of this thread's task with the others'."""
        task: Task = self._thread.task
        hooks = replace(job.hooks, observers=(_Watch(task.call), *job.hooks.observers))
        fit = Fit(task, job._replace(hooks=hooks), engine, sklearn.get_config())
        with self._lock:
            if task.call.is_given_up:
                raise GivenUp
            task.fit = fit
            self._waiting.append(fit)
            self._advance()
        self._await(fit.turn)
        if task.call.is_given_up:
            raise GivenUp
        assert fit.outcome is not None
        if isinstance(fit.outcome, BaseException):
            raise fit.outcome
        return fit.outcome

    # ------------------------------------------------------------------------------------------
    # Callers

    def begin_call(self) -> Call:
        """Begin a parallel call in this thread."""
        call = Call(getattr(self._thread, "task", None))
        with self._lock:
            self._calls_beside(call).append(call)
            self._advance()
        return call

    @contextlib.contextmanager
    def retrieving(self, call: Call) -> Iterator[None]:
        """Mark, while inside, that the caller does nothing but wait for its tasks."""
        self._set_retrieving(call, True)
        try:
            yield
        finally:  # at once: whatever is on its way out may be what ends the training
            self._set_retrieving(call, False)

    def end_call(self, call: Call, timeout: float) -> None:
        """End a call, having waited until its tasks are gone, for ``timeout`` seconds at most."""
        with self._lock:
            try:
                self._ended.wait_for(lambda: not call.tasks, timeout)
            finally:
                self._calls_beside(call).remove(call)
                self._advance()

    def give_up(self, call: Call) -> None:
        """End the tasks of a call, and all that are nested in them, as soon as may be."""
        with self._lock:
            call.given_up = True
            dropped = [entry[-1] for entry in self._queue if entry[-1].call.is_given_up]
            self._queue = [entry for entry in self._queue if not entry[-1].call.is_given_up]
            heapq.heapify(self._queue)
            for task in dropped:
                task.call.tasks.discard(task)
            for fit in [*self._waiting, *self._ready]:
                if fit.task.call.is_given_up:
                    self._let_go(fit)
            self._advance()
            self._ended.notify_all()
        # The newest first: a caller may hold joblib's lock of an older call, while a newer one
        # makes that call's next task.
        for task in sorted(dropped, key=lambda task: task.number, reverse=True):
            task.tell((None, GivenUp()))

    def _calls_beside(self, call: Call) -> list[Call]:
        return self._outside if call.caller is None else call.caller.calls

    def _set_retrieving(self, call: Call, retrieving: bool) -> None:
        with self._lock:
            call.retrieving = retrieving
            self._advance()

    # ------------------------------------------------------------------------------------------
    # Who moves next; all of this with the lock held

    def _advance(self) -> None:
        self._last_move = time.monotonic()
        while self._n_at_work() < self._n_cores:
            if self._ready:
                self._let_go(self._ready[0])
            elif self._queue and self._has_room():
                self._begin(self._queue[0][-1])
            else:
                break
        if not (self._n_at_work() or self._is_outside_at_work()):
            self._begin_training()

    def _n_at_work(self) -> int:
        return sum(task.fit is None and not task.awaits_tasks for task in self._begun)

    def _is_outside_at_work(self) -> bool:
        return self._n_telling > 0 or not all(call.is_awaited for call in self._outside)

    def _has_room(self) -> bool:
        if self._training:
            return False
        sizes = {address(fit.job.data.X): fit.job.data.X.nbytes for fit in self._waiting}
        beside_first = sum(sizes.values()) - max(sizes.values(), default=0)
        n_begun = sum(not task.awaits_tasks for task in self._begun)
        return n_begun < self._max_tasks and beside_first <= self._max_bytes

    def _begin(self, task: Task) -> None:
        threading.Thread(target=self._run, args=(task,), name="fused task", daemon=True).start()
        heapq.heappop(self._queue)
        self._begun.add(task)

    def _let_go(self, fit: Fit) -> None:
        for place in (self._waiting, self._ready):
            if fit in place:
                place.remove(fit)
        fit.task.fit = None
        fit.turn.set()

    def _begin_training(self) -> None:
        if self._training or not self._waiting:
            return
        fits = sorted(self._waiting, key=lambda fit: fit.task.number)
        work = functools.partial(self._train_together, fits)
        threading.Thread(target=work, name="fused training", daemon=True).start()
        self._training, self._waiting = True, []

    # ------------------------------------------------------------------------------------------
    # Without the lock held

    def _train_together(self, fits: list[Fit]) -> None:
        failure: BaseException = AssertionError("a training tells what came out of each fit")
        try:
            self._train(fits, self._end_fit)
        except BaseException as error:
            failure = error
        for fit in fits:
            self._end_fit(fit, failure)
        with self._lock:
            self._training = False
            self._advance()

    def _end_fit(self, fit: Fit, outcome: FittedNetwork | BaseException) -> None:
        with self._lock:
            if fit.outcome is not None:
                return
            fit.outcome = outcome
            if isinstance(outcome, BaseException) or fit.task.call.is_given_up:
                self._let_go(fit)
            else:
                self._ready.append(fit)
            self._advance()

    def _await(self, turn: threading.Event) -> None:
        """Wait for a turn."""
        while not turn.wait(self._patience):
            with self._lock:
                idle = time.monotonic() - self._last_move
                if not self._training and idle >= self._patience:
                    self._unstick()

    def _unstick(self) -> None:
        """Let more tasks work at a time, and train what there is; with the lock held."""
        self._patience = _LESS_PATIENCE
        self._n_cores += 1
        self._advance()
        self._begin_training()


def address(X: Any) -> int:
    """Where an array's numbers lie in memory."""
    return int(X.__array_interface__["data"][0])
