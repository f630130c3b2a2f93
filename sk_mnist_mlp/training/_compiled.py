"""The fast engine: whole epochs of a stack of networks as one XLA program.

A stack's rows are gathered into blocks of fixed shape, and a block of steps is one call of the
program. So a program depends on the networks' shape alone: not on the number of rows or epochs,
nor on any number that a grid varies, and the next fit of a like-shaped network finds it ready.

Work too small to repay a compilation runs the same step in NumPy, from the first moment on.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence

import numpy as np

from sk_mnist_mlp.training._blas import single_blas_thread
from sk_mnist_mlp.training._monitor import warn_of_interrupt
from sk_mnist_mlp.training._plan import TrainingData, TrainingPlan, TrainingResult
from sk_mnist_mlp.training._programs import n_traces, numpy_block, xla_block
from sk_mnist_mlp.training._stack import (
    Network,
    begin_network,
    blocks,
    stack_networks,
    structure_of,
    unstack,
    values_of,
)
from sk_mnist_mlp.training._tensorflow import started_before_fork

__all__ = ["choose_path", "n_traces", "train_each", "train_stack"]

# Measured on 2 cores with AVX-512, 2026-11-23: an MNIST epoch of the tutorial's network costs
# 0.95 s in NumPy (one BLAS thread) and 0.41 s in XLA (0.62 s on one core), a compilation 1.2 s and
# TensorFlow's import 2.7 s. So XLA is ahead from 2 epochs on where TensorFlow is loaded, from 7
# where it is not; fits of that size rarely come alone. One number decides, whatever is loaded or
# compiled already: a fit must not depend on what ran before it.
_XLA_FLOPS = 3e11
"""Arithmetic of a whole fit from which compiling repays: 3 MNIST epochs of the tutorial."""


def choose_path(plan: TrainingPlan, data: TrainingData) -> str:
    """``"xla"`` where compiling repays, else ``"numpy"``; by the plan alone, never by chance."""
    flops = 6.0 * plan.network.n_parameters * len(data.rows) * plan.planned_epochs
    return "numpy" if flops < _XLA_FLOPS or started_before_fork() else "xla"


def train_stack(
    jobs: Sequence[tuple[TrainingPlan, TrainingData]], *, path: str = "auto"
) -> list[TrainingResult]:
    """Train networks of one structure together, each exactly as it would be alone.

    Parameters
    ----------
    jobs : sequence of (TrainingPlan, TrainingData)
        Plans of equal layer widths, activation, dtype, batch size and kind of optimizer; all or
        none with averaged weights or distorted images.
    path : {"auto", "numpy", "xla"}, default="auto"
        How to run the steps; ``"auto"`` goes by the amount of work.

    Returns
    -------
    results : list of TrainingResult
        One for each job, in order.

    Raises
    ------
    BaseException
        What the first network to fail raised.
    """
    results = []
    for outcome in train_each(jobs, path=path):
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results


def train_each(
    jobs: Sequence[tuple[TrainingPlan, TrainingData]], *, path: str = "auto"
) -> list[TrainingResult | BaseException]:
    """Train as :func:`train_stack`; what a network's callbacks raise ends that network alone.

    Returns
    -------
    outcomes : list of TrainingResult or BaseException
        One for each job, in order.
    """
    begun = [_begin(plan, data) for plan, data in jobs]
    networks = [network for network in begun if isinstance(network, Network)]
    if path == "auto":
        path = choose_path(*jobs[0])
    try:
        _run_epochs(networks, path)
    except KeyboardInterrupt:
        for network in networks:
            network.interrupted = True
    finally:
        for network in networks:
            network.monitor.close()
    if any(network.interrupted for network in networks):
        warn_of_interrupt()
    return [_finish(one) if isinstance(one, Network) else one for one in begun]


def _begin(plan: TrainingPlan, data: TrainingData) -> Network | Exception:
    try:
        return begin_network(plan, data)
    except Exception as error:
        return error


def _run_epochs(networks: list[Network], path: str) -> None:
    for network in networks:
        if network.callbacks:
            network.attempt(network.callbacks.begin)
    if path == "numpy":
        _keep_freed_memory()
    stack = networks
    # What overflows shows in the loss, of which the monitor warns once.
    quiet = np.errstate(divide="ignore", invalid="ignore", over="ignore")
    with single_blas_thread if path == "numpy" else contextlib.nullcontext(), quiet:
        while active := [network for network in stack if network.wants_more]:
            # A smaller stack is another program to compile, so in XLA some may idle in it.
            if path == "numpy" or 2 * len(active) <= len(stack):
                stack = active
            _run_epoch(stack, path)


def _keep_freed_memory() -> None:
    """Have the C library keep the memory of one step's arrays for the next step.

    glibc hands freed arrays of more than 128 kB back to the system and fetches the next ones page
    by page, which took half of a small fit's time (0.47 s against 0.20 s on ``load_digits``,
    2026-11-23). Having seen one larger array come and go, it keeps them.
    """
    np.empty(1 << 24, np.uint8)


def _run_epoch(stack: list[Network], path: str) -> None:
    for network in stack:
        if network.wants_more:
            network.attempt(functools.partial(_begin_epoch, network))
    active = [network for network in stack if network.wants_more]
    if path == "numpy":
        stack = active
    if not active:
        return
    structure = structure_of(stack, path)
    run_block = numpy_block if path == "numpy" else xla_block(structure)
    values = values_of(stack, structure)
    arrays = stack_networks(stack)
    sums = np.zeros((3, len(stack)))
    try:
        for block, n_steps, n_rows in blocks(stack, structure, path):
            arrays, loss, n_correct = run_block(structure, arrays, block, n_steps, values)
            sums += (loss, n_correct, n_rows)
            for network, n_own in zip(stack, block.active[:n_steps].sum(0), strict=True):
                network.state.step += int(n_own)
                network.steps_taken += int(n_own)
    finally:
        unstack(stack, arrays)  # also when interrupted: what was learnt is kept
    for network, (loss, n_correct, n_rows) in zip(stack, sums.T, strict=True):
        if network.wants_more:
            network.state.epoch += 1
            end = functools.partial(_end_epoch, network, loss / n_rows, n_correct / n_rows)
            network.attempt(end)


def _begin_epoch(network: Network) -> None:
    network.monitor.begin_epoch()
    if network.callbacks:
        network.rate_factor = network.callbacks.begin_epoch(network.monitor.n_epochs)


def _end_epoch(network: Network, loss: float, accuracy: float) -> None:
    weights = network.prediction_weights
    logs = {"loss": float(loss), "accuracy": float(accuracy)}
    logs |= network.monitor.measure(weights)
    network.stopped = network.monitor.end_epoch(logs, weights)
    if network.callbacks:
        epoch = network.monitor.n_epochs - 1
        stop, replaced = network.callbacks.end_epoch(epoch, logs, weights)
        network.stopped |= stop
        if replaced is not None:
            network.state.weights = replaced
    network.monitor.keep(network.state, network.rate_factor, finished=not network.wants_more)


def _finish(network: Network) -> TrainingResult | BaseException:
    weights = network.prediction_weights
    callbacks = network.callbacks
    if callbacks and network.failure is None:
        weights = network.attempt(lambda: callbacks.end(weights)) or weights
    if network.failure is not None:
        return network.failure
    weights = network.monitor.best_weights or weights
    if not network.state.average:
        network.state.weights = weights
    return TrainingResult(weights, network.state, network.monitor.history, network.interrupted)
