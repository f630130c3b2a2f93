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

import numpy as np

from sk_mnist_mlp._training.batches import blocks
from sk_mnist_mlp._training.blas import single_blas_thread
from sk_mnist_mlp._training.epochs import Run, fitted_before, warn_of_interrupt
from sk_mnist_mlp._training.keras_callbacks import KerasCallbacks
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.runners import numpy_block, xla_block
from sk_mnist_mlp._training.stack import Member, join, make_member, split, structure_of, values_of
from sk_mnist_mlp._training.step import Stack

__all__ = ["train_each", "train_stack"]


def train_stack(jobs: Sequence[Job], engine: str) -> list[FittedNetwork]:
    """Train networks of one structure together, each exactly as it would be alone.

    Parameters
    ----------
    jobs : sequence of Job
        Plans of equal layer widths, activation, dtype, batch size and kind of optimizer; all or
        none with distorted images.
    engine : {"numpy", "xla"}
        How to run the steps.

    Returns
    -------
    fitted : list of FittedNetwork
        One for each job, in order.

    Raises
    ------
    BaseException
        What the first network to fail raised.
    """
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
    failed: Callable[[int, BaseException], None] = lambda number, error: None,
) -> list[FittedNetwork | BaseException]:
    """Train as :func:`train_stack`; what a network's callbacks raise ends that network alone.

    Parameters
    ----------
    jobs : sequence of Job
        What to train.
    engine : {"numpy", "xla"}
        How to run the steps.
    failed : callable of int and BaseException, optional
        Told of a network that fails, by its place, while the others go on.

    Returns
    -------
    outcomes : list of FittedNetwork or BaseException
        One for each job, in order.
    """
    begun = [fitted_before(job, engine) or _begin(job, engine) for job in jobs]
    for number, one in enumerate(begun):
        if isinstance(one, Member):
            one.run.on_failure = functools.partial(failed, number)
        elif isinstance(one, BaseException):
            failed(number, one)
    members = [member for member in begun if isinstance(member, Member)]
    try:
        _run_epochs(members, engine)
    except KeyboardInterrupt:
        for member in members:
            member.run.interrupted = True
    finally:
        for member in members:
            member.run.close()
    interrupted = [one.run.hooks.who for one in members if one.run.interrupted]
    if interrupted:
        warn_of_interrupt(interrupted[0])
    return [_end(one.run) if isinstance(one, Member) else one for one in begun]


def _begin(job: Job, engine: str) -> Member | Exception:
    rule = job.plan.rule
    if rule is None:
        return ValueError(f"expected an optimizer that {engine!r} knows, got {job.plan.optimizer}.")
    try:
        member = make_member(job, rule, engine)
        if job.hooks.callbacks:
            member.run.observers.append(KerasCallbacks(job))
        return member
    except Exception as error:
        return error


def _end(run: Run) -> FittedNetwork | BaseException:
    if run.failure is None:
        run.attempt(run.end)
    return run.failure or run.fitted()


def _run_epochs(members: list[Member], engine: str) -> None:
    for member in members:
        member.run.attempt(member.run.begin)
    if engine == "numpy":
        _keep_freed_memory()
    arrays: Stack | None = None
    # What overflows shows in the loss, of which the run warns once.
    quiet = np.errstate(divide="ignore", invalid="ignore", over="ignore")
    with single_blas_thread if engine == "numpy" else contextlib.nullcontext(), quiet:
        while active := [member for member in members if member.run.wants_more]:
            # A smaller stack is another program to compile, so in XLA some may idle in it.
            if engine == "numpy" or 2 * len(active) <= len(members):
                arrays = arrays if len(active) == len(members) else None
                members = active
            arrays = _run_epoch(members, arrays, engine)


def _keep_freed_memory() -> None:
    """Have the C library keep the memory of one step's arrays for the next step.

    glibc hands freed arrays of more than 128 kB back to the system and fetches the next ones page
    by page, which took half of a small fit's time (0.47 s against 0.20 s on ``load_digits``,
    2026-11-23). Having seen one larger array come and go, it keeps them.
    """
    np.empty(1 << 24, np.uint8)


def _run_epoch(members: list[Member], arrays: Stack | None, engine: str) -> Stack | None:
    """Train every network for one epoch; returns the arrays to begin the next one with."""
    before = [member.run.layers for member in members]
    for member in members:
        if member.run.wants_more:
            member.run.attempt(member.run.begin_epoch)
    if not any(member.run.wants_more for member in members):
        return None
    if arrays is None or any(m.run.layers is not b for m, b in zip(members, before, strict=True)):
        arrays = join(members)
    structure = structure_of(members, engine)
    run_block = numpy_block if engine == "numpy" else xla_block(structure)
    values = values_of(members, structure)
    sums = np.zeros((3, len(members)))
    try:
        for block, n_steps, n_rows in blocks(members, structure, engine):
            arrays, loss, n_correct = run_block(structure, arrays, block, n_steps, values)
            sums += (loss, n_correct, n_rows)
            for member, own in zip(members, block.active[:n_steps].sum(0), strict=True):
                state = member.run.state
                member.run.state = replace(
                    state, step=state.step + int(own), updates=state.updates + int(own)
                )
    finally:
        # Also when interrupted: what was learnt is kept. NumPy goes on in the same arrays.
        split(members, arrays, copies=engine == "numpy")
    after = [member.run.layers for member in members]
    for member, (loss, n_correct, n_rows) in zip(members, sums.T, strict=True):
        if member.run.wants_more:
            end = functools.partial(_end_epoch, member.run, loss / n_rows, n_correct / n_rows)
            member.run.attempt(end)
    return arrays if all(m.run.layers is a for m, a in zip(members, after, strict=True)) else None


def _end_epoch(run: Run, loss: float, accuracy: float) -> None:
    run.end_epoch(loss, accuracy)
    run.keep()
