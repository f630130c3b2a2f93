"""Our own engines: epochs of a stack of networks, in NumPy or as an XLA program.

A stack's rows are gathered into blocks of fixed shape, and a block of steps is one call of the
program. So a program depends on the networks' shape alone: not on the number of rows or epochs,
nor on any number that a grid varies, and the next fit of a like-shaped network finds it ready.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sk_mnist_mlp._training.batches import blocks
from sk_mnist_mlp._training.blas import single_blas_thread
from sk_mnist_mlp._training.epochs import Run, warn_of_interrupt
from sk_mnist_mlp._training.keras_callbacks import KerasCallbacks
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.runners import keep_freed_memory, numpy_block, xla_block
from sk_mnist_mlp._training.stack import begin_moments, join, split, structure_of, values_of
from sk_mnist_mlp._training.step import StackArrays

__all__ = ["train_each", "train_stack"]


def train_stack(jobs: Sequence[Job], engine: str) -> list[FittedNetwork]:
    """Train as :func:`train_each`; raises what the first network to fail raised."""
    fitted = []
    for outcome in train_each(jobs, engine):
        if isinstance(outcome, BaseException):
            raise outcome
        fitted.append(outcome)
    return fitted


def train_each(
    jobs: Sequence[Job],
    engine: str,
    *,
    failed: Callable[[int, BaseException], Any] = lambda number, error: None,
) -> list[FittedNetwork | BaseException]:
    """Train networks of one structure together, each exactly as it would be alone.

    Parameters
    ----------
    jobs : sequence of Job
        Of equal layer widths, activation, dtype, batch size and kind of optimizer; all or none
        with distorted images.
    engine : {"numpy", "xla"}
        How to run the steps.
    failed : callable of int and BaseException, optional
        Told at once of a network whose callbacks raise, by its place; the others are trained on.

    Returns
    -------
    outcomes : list of FittedNetwork or BaseException
        One for each job, in order.
    """
    begun = [_begin(job, engine) for job in jobs]
    for number, one in enumerate(begun):
        if isinstance(one, Run):
            one.on_failure = functools.partial(failed, number)
        else:
            failed(number, one)
    runs = [one for one in begun if isinstance(one, Run) and not one.finished]
    try:
        _run_epochs(runs, engine)
    except KeyboardInterrupt:
        for run in runs:
            run.interrupted = True
    finally:
        for run in runs:
            run.close()
    interrupted = [run.who for run in runs if run.interrupted]
    if interrupted:
        warn_of_interrupt(interrupted[0])
    return [_end(one) if isinstance(one, Run) else one for one in begun]


def _begin(job: Job, engine: str) -> Run | Exception:
    try:
        run = Run(job, engine)
        if not run.finished:
            begin_moments(run)
            if job.hooks.callbacks:
                run.observers.append(KerasCallbacks(job))
        return run
    except Exception as error:
        return error


def _end(run: Run) -> FittedNetwork | BaseException:
    if run.failure is None and not run.finished:
        run.attempt(run.end)
    return run.failure or run.fitted()


def _run_epochs(runs: list[Run], engine: str) -> None:
    for run in runs:
        run.attempt(run.begin)
    if engine == "numpy":
        keep_freed_memory()
    arrays: StackArrays | None = None
    # What overflows shows in the loss, of which the run warns once.
    quiet = np.errstate(divide="ignore", invalid="ignore", over="ignore")
    with single_blas_thread if engine == "numpy" else contextlib.nullcontext(), quiet:
        while active := [run for run in runs if run.wants_more]:
            # A smaller stack is another program to compile, so in XLA some may idle in it.
            if engine == "numpy" or 2 * len(active) <= len(runs):
                arrays = arrays if len(active) == len(runs) else None
                runs = active
            arrays = _run_epoch(runs, arrays, engine)


def _run_epoch(runs: list[Run], arrays: StackArrays | None, engine: str) -> StackArrays | None:
    """Train every network for one epoch; returns the arrays to begin the next one with."""
    before = [run.layers for run in runs]
    for run in runs:
        if run.wants_more:
            run.attempt(run.begin_epoch)
    if not any(run.wants_more for run in runs):
        return None
    if arrays is None or _moved(runs, before):
        arrays = join(runs)
    structure = structure_of(runs, engine)
    run_block = (
        functools.partial(numpy_block, structure) if engine == "numpy" else xla_block(structure)
    )
    values = values_of(runs, structure)
    sums = np.zeros((3, len(runs)))
    try:
        for block, n_steps, n_rows in blocks(runs, structure, engine):
            arrays, loss, n_correct = run_block(arrays, block, n_steps, values)
            sums += (loss, n_correct, n_rows)
            for run, own in zip(runs, block.active[:n_steps].sum(0), strict=True):
                step, updates = run.state.step + int(own), run.state.updates + int(own)
                run.state = replace(run.state, step=step, updates=updates)
    finally:
        # Also when interrupted: what was learnt is kept. NumPy goes on in the same arrays.
        split(runs, arrays, copies=engine == "numpy")
    after = [run.layers for run in runs]
    for run, (loss, n_correct, n_rows) in zip(runs, sums.T, strict=True):
        if run.wants_more:
            run.attempt(functools.partial(_end_epoch, run, loss / n_rows, n_correct / n_rows))
    return None if _moved(runs, after) else arrays


def _moved(runs: list[Run], layers: list[Any]) -> bool:
    """Whether an observer has set the weights of any network."""
    return any(run.layers is not own for run, own in zip(runs, layers, strict=True))


def _end_epoch(run: Run, loss: float, accuracy: float) -> None:
    run.end_epoch(loss, accuracy)
    run.keep()
