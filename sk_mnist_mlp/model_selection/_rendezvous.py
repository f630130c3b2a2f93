"""Where the tasks of a parallel call meet: each hands in its fit and waits until all are trained.

Tasks run as threads, no more of them at work than there are cores. A task that hands in a plan
gives its core to the next task. Once nobody is at work and nobody can start, all plans that wait
are trained together, and every task goes on with its own result.

So a training begins whenever nothing else can move, and whatever ends one (a result, an error,
giving up) sets its task moving: no order of events leaves everybody waiting. Tasks that wait for
one another in ways that nobody here can see, by a lock of their own, are noticed by time.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sklearn

from sk_mnist_mlp.training._engines import train_alone, train_through
from sk_mnist_mlp.training._plan import TrainingData, TrainingPlan, TrainingResult

__all__ = ["Fit", "GivenUp", "Outcome", "Rendezvous", "Task", "address"]

Outcome = tuple[Any, BaseException | None]
"""What a task returned, and what it raised instead."""

_PATIENCE = 10.0
"""Seconds without any movement after which tasks are taken to wait for one another."""

_LESS_PATIENCE = 0.1
"""The same once that has happened."""


class GivenUp(BaseException):
    """Ends a task whose result nobody wants any more; no ``except Exception`` may keep it."""


@dataclass(eq=False)
class Task:
    """One task of a parallel call.

    Attributes
    ----------
    run : callable
        Does the work.
    tell : callable of Outcome
        Takes what came out; may submit further tasks.
    call : object
        Stands for the parallel call that the task is of.
    parent : Task or None
        The task that made this call, where calls are nested.
    number : int
        Tasks are started, and their fits arranged, in this order.
    given_up : bool
        Whether its call was given up.
    """

    run: Callable[[], Any]
    tell: Callable[[Outcome], object]
    call: object
    parent: Task | None
    number: int
    given_up: bool = False

    @property
    def depth(self) -> int:
        """In how many tasks it is nested."""
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def is_given_up(self) -> bool:
        """Whether its call, or one that led to it, was given up."""
        return self.given_up or (self.parent is not None and self.parent.is_given_up)


@dataclass(eq=False)
class Fit:
    """A plan that a task has handed in.

    Attributes
    ----------
    task : Task
        Whose it is.
    plan, data : TrainingPlan, TrainingData
        What to train, on what.
    config : dict
        scikit-learn's configuration of the task's thread, in which its callbacks are to run.
    turn : threading.Event
        Set when the task may go on.
    outcome : TrainingResult, BaseException or None
        What came out.
    """

    task: Task
    plan: TrainingPlan
    data: TrainingData
    config: dict[str, Any]
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: TrainingResult | BaseException | None = None


class Rendezvous:
    """The tasks of a parallel call, and of all calls nested in it.

    Parameters
    ----------
    train : callable
        Trains a list of fits and sets their outcomes.
    n_cores : int
        Tasks at work at the same time, at most.
    max_tasks : int
        Tasks begun and not ended at the same time, at most.
    max_bytes : int
        No task is begun while the rows of waiting fits, beside the first, take more than this.
    on_keras : callable
        Called for each fit that Keras's own loop trains.
    """

    def __init__(
        self,
        train: Callable[[list[Fit]], None],
        n_cores: int,
        max_tasks: int,
        max_bytes: int,
        on_keras: Callable[[], None],
    ) -> None:
        self._train, self._on_keras = train, on_keras
        self._n_cores, self._max_tasks, self._max_bytes = n_cores, max_tasks, max_bytes
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._keras = threading.Lock()
        self._thread = threading.local()
        self._unfinished: set[Task] = set()
        self._queue: list[tuple[int, int, Task]] = []
        self._waiting: list[Fit] = []
        self._ready: deque[threading.Event] = deque()
        self._n_running = 0  # tasks at work
        self._n_begun = 0  # tasks begun and not ended, beside those that wait for tasks of theirs
        self._n_outside = 0  # callers that are no tasks, and are still submitting
        self._training = False
        self._patience = _PATIENCE
        self._last_move = time.monotonic()

    # ------------------------------------------------------------------------------------------
    # Tasks

    @property
    def current_task(self) -> Task | None:
        """The task that runs in this thread."""
        return getattr(self._thread, "task", None)

    def submit(self, task: Task) -> None:
        """Take on a task, to be run as soon as there is room."""
        with self._lock:
            self._unfinished.add(task)
            # Nested ones go first: their parents wait for them, and hold their data meanwhile.
            heapq.heappush(self._queue, (-task.depth, task.number, task))
            self._advance()

    def _run(self, task: Task) -> None:
        self._thread.task = task
        outcome: Outcome
        try:
            with train_through(self._train_for_task):
                outcome = task.run(), None
        except BaseException as error:
            outcome = None, error
        try:
            task.tell(outcome)
        finally:
            with self._lock:
                self._unfinished.discard(task)
                self._n_running -= 1
                self._n_begun -= 1
                self._advance()
                self._ended.notify_all()

    def _train_for_task(
        self, plan: TrainingPlan, data: TrainingData, engine: str
    ) -> TrainingResult:
        """Train a plan of this thread's task: with the others', or by Keras one at a time."""
        task = self._thread.task
        if engine == "keras":
            with self._keras:
                self._on_keras()
                return train_alone(plan, data, engine)
        fit = Fit(task, plan, data, sklearn.get_config())
        with self._lock:
            if task.is_given_up:
                raise GivenUp
            self._waiting.append(fit)
            self._n_running -= 1
            self._advance()
        self._await(fit.turn)
        if task.is_given_up:
            raise GivenUp
        assert fit.outcome is not None
        if isinstance(fit.outcome, BaseException):
            raise fit.outcome
        return fit.outcome

    # ------------------------------------------------------------------------------------------
    # Callers

    def begin_call(self) -> Task | None:
        """Begin a parallel call in this thread; return the task that makes it, if one does."""
        task = self.current_task
        if task is None:
            self._count_outside(+1)
        return task

    @contextlib.contextmanager
    def retrieving(self, caller: Task | None) -> Iterator[None]:
        """Mark, while inside, that the caller does nothing but wait for its tasks."""
        if caller is None:
            self._count_outside(-1)
            try:
                yield
            finally:
                self._count_outside(+1)
            return
        with self._lock:
            self._n_running -= 1
            self._n_begun -= 1
            self._advance()
        try:
            yield
        finally:
            turn = threading.Event()
            with self._lock:
                self._n_begun += 1
                self._ready.append(turn)
                self._advance()
            self._await(turn)

    def end_call(self, call: object, caller: Task | None, timeout: float) -> None:
        """End a call, having waited until its tasks are gone, for ``timeout`` seconds at most."""
        with self._lock:
            self._ended.wait_for(
                lambda: not any(task.call is call for task in self._unfinished), timeout
            )
        if caller is None:
            self._count_outside(-1)

    def give_up(self, call: object) -> None:
        """End the tasks of a call, and all that are nested in them, as soon as may be."""
        with self._lock:
            for task in self._unfinished:
                task.given_up |= task.call is call
            dropped = [task for *_, task in self._queue if task.is_given_up]
            self._queue = [entry for entry in self._queue if not entry[-1].is_given_up]
            heapq.heapify(self._queue)
            self._unfinished.difference_update(dropped)
            for fit in [fit for fit in self._waiting if fit.task.is_given_up]:
                self._waiting.remove(fit)
                self._let_go(fit.turn)
            self._advance()
        for task in dropped:  # those nested in others' calls are waited for
            task.tell((None, GivenUp()))

    def _count_outside(self, change: int) -> None:
        with self._lock:
            self._n_outside += change
            self._advance()

    # ------------------------------------------------------------------------------------------
    # Who moves next; all of this with the lock held

    def _advance(self) -> None:
        self._last_move = time.monotonic()
        while not self._training and self._n_running < self._n_cores:
            if self._ready:
                self._let_go(self._ready.popleft())
            elif self._queue and self._has_room():
                self._begin(heapq.heappop(self._queue)[-1])
            else:
                break
        if not (self._n_running or self._n_outside):
            self._begin_training()

    def _let_go(self, turn: threading.Event) -> None:
        self._n_running += 1
        turn.set()

    def _has_room(self) -> bool:
        sizes = {address(fit.data.X): fit.data.X.nbytes for fit in self._waiting}
        beside_first = sum(sizes.values()) - max(sizes.values(), default=0)
        return self._n_begun < self._max_tasks and beside_first <= self._max_bytes

    def _begin(self, task: Task) -> None:
        threading.Thread(target=self._run, args=(task,), name="fused task", daemon=True).start()
        self._n_running += 1
        self._n_begun += 1

    def _begin_training(self) -> None:
        if self._training or not self._waiting:
            return
        self._training = True
        fits = sorted(self._waiting, key=lambda fit: fit.task.number)
        self._waiting = []
        work = functools.partial(self._train_together, fits)
        threading.Thread(target=work, name="fused training", daemon=True).start()

    def _train_together(self, fits: list[Fit]) -> None:
        try:
            self._train(fits)
        except BaseException as error:
            for fit in fits:
                fit.outcome = fit.outcome or error
        with self._lock:
            self._training = False
            self._ready.extend(fit.turn for fit in fits)
            self._advance()

    def _await(self, turn: threading.Event) -> None:
        """Wait for a turn; without the lock held."""
        while not turn.wait(self._patience):
            with self._lock:
                idle = time.monotonic() - self._last_move
                if not self._training and idle >= self._patience:
                    self._unstick()

    def _unstick(self) -> None:
        """Let more tasks work at a time, and train what there is."""
        self._patience = _LESS_PATIENCE
        self._n_cores += 1
        self._advance()
        self._begin_training()


def address(X: Any) -> int:
    """Where an array's numbers lie in memory."""
    return int(X.__array_interface__["data"][0])
