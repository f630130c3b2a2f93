"""The fast engine: whole epochs of a stack of networks as one XLA program.

A stack's rows are gathered into blocks of fixed shape, and a block of steps is one call of the
program. So a program depends on the networks' shape alone: not on the number of rows or epochs,
nor on any number that a grid varies, and the next fit of a like-shaped network finds it ready.

Work too small to repay a compilation runs the same step in NumPy, from the first moment on.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._arrays import NumpyNamespace, tensorflow_namespace
from sk_mnist_mlp._network import initial_weights
from sk_mnist_mlp.training._blas import single_blas_thread
from sk_mnist_mlp.training._callbacks import CallbackRunner
from sk_mnist_mlp.training._chance import dropout_keys, row_order
from sk_mnist_mlp.training._monitor import Monitor, warn_of_interrupt
from sk_mnist_mlp.training._optimizers import OptimizerSpec, optimizer_spec
from sk_mnist_mlp.training._plan import (
    TrainingData,
    TrainingPlan,
    TrainingResult,
    TrainingState,
)
from sk_mnist_mlp.training._step import Batch, Structure, Uses, Values, train_step
from sk_mnist_mlp.training._tensorflow import started_before_fork, use_worker_threads

__all__ = ["n_traces", "train_stack"]

Stack = tuple[list[Any], list[list[Any]]]
"""Weights and moments of the networks in training, each array with a leading axis."""

# Measured on 2 cores with AVX-512, 2026-11-23: an MNIST epoch of the tutorial's network costs
# 0.95 s in NumPy (one BLAS thread) and 0.41 s in XLA (0.62 s on one core), a compilation 1.2 s and
# TensorFlow's import 2.7 s. So XLA is ahead from 2 epochs on where TensorFlow is loaded, from 7
# where it is not; fits of that size rarely come alone. One number decides, whatever is loaded or
# compiled already: a fit must not depend on what ran before it.
_XLA_FLOPS = 3e11
"""Arithmetic of a whole fit from which compiling repays: 3 MNIST epochs of the tutorial."""

_BLOCK_ROWS = 4096
"""Rows of all networks gathered for one call of a program: 12 MB of MNIST, which the third-level
cache holds; fewer pay the call too often, more pay main memory (measured 2026-11-23)."""

_MAX_PROGRAMS = 16
_programs: OrderedDict[Structure, Any] = OrderedDict()
_programs_lock = threading.Lock()
_n_traces = 0


def n_traces() -> int:
    """How many programs this process has traced so far."""
    return _n_traces


@dataclass
class _Network:
    """One network in training."""

    plan: TrainingPlan
    data: TrainingData
    optimizer: OptimizerSpec
    monitor: Monitor
    callbacks: CallbackRunner | None
    state: TrainingState
    learning_rate: float
    stopped: bool = False

    @property
    def wants_more(self) -> bool:
        """Whether it has epochs to go."""
        return not self.stopped and self.monitor.n_epochs < self.plan.epochs


# ----------------------------------------------------------------------------------------------
# The stack's life


def train_stack(
    jobs: Sequence[tuple[TrainingPlan, TrainingData]], *, path: str = "auto"
) -> list[TrainingResult]:
    """Train networks of one structure together, each exactly as it would be alone.

    Parameters
    ----------
    jobs : sequence of (TrainingPlan, TrainingData)
        Plans of equal layer widths, activation, dtype, batch size and kind of optimizer.
    path : {"auto", "numpy", "xla"}, default="auto"
        How to run the steps; ``"auto"`` goes by the amount of work.

    Returns
    -------
    results : list of TrainingResult
        One for each job, in order.
    """
    networks = [_begin(plan, data) for plan, data in jobs]
    if path == "auto":
        path = choose_path(*jobs[0])
    interrupted = False
    try:
        _run_epochs(networks, path)
    except KeyboardInterrupt:
        interrupted = True
        warn_of_interrupt()
    finally:
        for network in networks:
            network.monitor.close()
    return [_finish(network, interrupted) for network in networks]


def choose_path(plan: TrainingPlan, data: TrainingData) -> str:
    """``"xla"`` where compiling repays, else ``"numpy"``; by the plan alone, never by chance."""
    flops = 6.0 * plan.network.n_parameters * len(data.rows) * plan.epochs
    return "numpy" if flops < _XLA_FLOPS or started_before_fork() else "xla"


def _begin(plan: TrainingPlan, data: TrainingData) -> _Network:
    optimizer = optimizer_spec(plan.optimizer, plan.learning_rate)
    assert optimizer is not None, "the caller chooses this engine for optimizers it knows"
    start = plan.start
    if start is None:
        weights = initial_weights(plan.network, plan.seeds.weights)
        start = TrainingState(weights, [], "compiled", plan.seeds)
    slots = start.optimizer_state if start.engine == "compiled" else []
    if not slots:
        slots = [np.zeros_like(w) for w in start.weights for _ in range(optimizer.n_slots)]
    state = replace(start, optimizer_state=slots, engine="compiled")
    callbacks = CallbackRunner(plan, state.weights) if plan.callbacks else None
    rate = optimizer.learning_rate
    return _Network(plan, data, optimizer, Monitor(plan, data), callbacks, state, rate)


def _keep_freed_memory() -> None:
    """Have the C library keep the memory of one step's arrays for the next step.

    glibc hands freed arrays of more than 128 kB back to the system and fetches the next ones page
    by page, which took half of a small fit's time (0.47 s against 0.20 s on ``load_digits``,
    2026-11-23). Having seen one larger array come and go, it keeps them.
    """
    np.empty(1 << 24, np.uint8)


def _run_epochs(networks: list[_Network], path: str) -> None:
    for network in networks:
        if network.callbacks:
            network.callbacks.begin()
    if path == "numpy":
        _keep_freed_memory()
    active = list(networks)
    with single_blas_thread if path == "numpy" else contextlib.nullcontext():
        while active := [n for n in active if n.wants_more]:
            _run_epoch(active, path)


def _run_epoch(active: list[_Network], path: str) -> None:
    structure = _structure(active, path)
    run_block = _numpy_block if path == "numpy" else _xla_program(structure)
    values = _values(active, structure.dtype)
    for network in active:
        network.monitor.begin_epoch()
        if network.callbacks:
            network.learning_rate = network.callbacks.begin_epoch(network.monitor.n_epochs)
    stack = _stack(active)
    sums = np.zeros((3, len(active)))
    steps = _steps(active, structure)
    try:
        for block, n_steps, n_rows in steps:
            stack, loss, n_correct = run_block(structure, stack, block, n_steps, values)
            sums += (loss, n_correct, n_rows)
            for network, n_own in zip(active, block.active[:n_steps].sum(0), strict=True):
                network.state.step += int(n_own)
    finally:
        _unstack(active, stack)  # also when interrupted: what was learnt is kept
    for network, (loss, n_correct, n_rows) in zip(active, sums.T, strict=True):
        network.state.epoch += 1
        _end_epoch(network, loss / n_rows, n_correct / n_rows)


def _end_epoch(network: _Network, loss: float, accuracy: float) -> None:
    weights = network.state.weights
    logs = {"loss": float(loss), "accuracy": float(accuracy)}
    logs |= network.monitor.measure(weights)
    network.stopped = network.monitor.end_epoch(logs, weights)
    if network.callbacks:
        stop, network.state.weights = network.callbacks.end_epoch(
            network.monitor.n_epochs - 1, logs, weights
        )
        network.stopped |= stop


def _finish(network: _Network, interrupted: bool) -> TrainingResult:
    if network.callbacks:
        network.state.weights = network.callbacks.end(network.state.weights)
    if network.monitor.best_weights is not None:
        network.state.weights = network.monitor.best_weights
    return TrainingResult(network.state, network.monitor.history, interrupted)


# ----------------------------------------------------------------------------------------------
# From networks to a stack and back


def _structure(active: list[_Network], path: str) -> Structure:
    plan = active[0].plan
    most_rows = max(len(network.data.rows) for network in active)
    batch_size = min(plan.batch_size, most_rows)
    if path == "xla" and batch_size < plan.batch_size:
        # Few rows in a large batch: round up, so that other row counts share the program.
        batch_size = min(plan.batch_size, 1 << (batch_size - 1).bit_length())
    return Structure(
        plan.network.layer_widths,
        plan.network.activation,
        plan.network.dtype,
        batch_size,
        active[0].optimizer.kind,
        len(active),
    )


def _stack(active: list[_Network]) -> Stack:
    n_slots = active[0].optimizer.n_slots
    params = [np.stack(arrays) for arrays in zip(*(n.state.weights for n in active), strict=True)]
    memory = zip(*(n.state.optimizer_state for n in active), strict=True)
    slots = [np.stack(arrays) for arrays in memory]
    return params, [slots[i : i + n_slots] for i in range(0, len(slots), n_slots)]


def _unstack(active: list[_Network], stack: Stack) -> None:
    params = [np.asarray(array) for array in stack[0]]
    slots = [np.asarray(array) for group in stack[1] for array in group]
    for g, network in enumerate(active):
        network.state.weights = [array[g] for array in params]
        network.state.optimizer_state = [array[g] for array in slots]


def _values(active: list[_Network], dtype: str) -> Values:
    rates = np.array([network.plan.network.dropout for network in active])
    thresholds = np.minimum(np.rint(rates * 65536), 65535)
    constants = np.array([network.optimizer.constants() for network in active], dtype)
    return Values(
        thresholds.astype(np.uint16),
        (65536 / (65536 - thresholds)).astype(dtype),
        np.array([network.plan.network.l2 for network in active], dtype),
        np.array([network.plan.label_smoothing for network in active], dtype),
        tuple(constants.T.copy()),
    )


# ----------------------------------------------------------------------------------------------
# The rows of an epoch, in blocks of steps


def _steps(
    active: list[_Network], structure: Structure
) -> Iterator[tuple[Batch, int, NDArray[np.float64]]]:
    """Yield blocks of steps: a batch with a leading axis of steps, how many count, their rows."""
    size, n_networks = structure.batch_size, structure.n_networks
    n_steps = [-(-len(network.data.rows) // size) for network in active]
    block_steps = max(1, _BLOCK_ROWS // (size * n_networks))
    orders = [_padded_order(network, size, max(n_steps)) for network in active]
    x = np.empty((block_steps, n_networks, size, structure.layer_widths[0]), structure.dtype)
    for first in range(0, max(n_steps), block_steps):
        rows = [order[first : first + block_steps] for order in orders]
        for g, network in enumerate(active):
            _gather(network.data.X, rows[g], x[: len(rows[g]), g])
        yield _block(active, structure, first, rows, x, np.array(n_steps))


def _padded_order(network: _Network, size: int, n_steps: int) -> NDArray[np.intp]:
    """Row numbers of each step, of shape (n_steps, size); -1 is padding."""
    order = np.full(n_steps * size, -1, np.intp)
    rows = network.data.rows
    order[: len(rows)] = row_order(rows, network.state.seeds.order, network.state.epoch)
    return order.reshape(n_steps, size)


def _gather(X: NDArray[Any], rows: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Copy rows of ``X`` into ``out``, cast on the way; padding gets any row, as its weight is 0."""
    flat = np.maximum(rows, 0).ravel()
    width = X.shape[1]
    if X.dtype == out.dtype and out.flags.c_contiguous:
        np.take(X, flat, axis=0, out=out.reshape(-1, width), mode="clip")
    else:
        out[...] = X[flat].reshape(out.shape)


def _block(
    active: list[_Network],
    structure: Structure,
    first: int,
    rows: list[NDArray[np.intp]],
    x: NDArray[Any],
    n_steps: NDArray[np.int64],
) -> tuple[Batch, int, NDArray[np.float64]]:
    count, length = len(rows[0]), len(x)
    shape = (length, structure.n_networks, structure.batch_size)
    labels = np.zeros(shape, np.int32)
    weights = np.zeros(shape, structure.dtype)
    n_hidden = len(structure.layer_widths) - 2
    keys = np.zeros((length, structure.n_networks, n_hidden, 2), np.uint32)
    rates = np.zeros((2, *shape[:2]), structure.dtype)
    for g, network in enumerate(active):
        taken, data, begun = rows[g], network.data, network.state.step
        labels[:count, g] = data.labels[taken]
        sample_weight = 1.0 if data.sample_weight is None else data.sample_weight[taken]
        weights[:count, g] = np.where(taken >= 0, sample_weight, 0.0)
        keys[:count, g] = dropout_keys(network.state.seeds.dropout, begun, count, n_hidden)
        rate = np.full(count, network.learning_rate)
        rates[0, :count, g] = network.optimizer.step_sizes(rate, begun)
        rates[1, :count, g] = rate
    active_steps = (first + np.arange(length)[:, None] < n_steps).astype(structure.dtype)
    active_steps[count:] = 0
    n_rows = np.array([(taken >= 0).sum() for taken in rows], float)
    batch = Batch(x, labels, weights, keys, rates[0], rates[1], active_steps)
    return batch, count, n_rows


# ----------------------------------------------------------------------------------------------
# Two ways to run a block


def _numpy_block(
    structure: Structure, stack: Stack, block: Batch, n_steps: int, values: Values
) -> tuple[Stack, Any, Any]:
    """Run a block at once, step by step: the plain twin of the program below."""
    params, slots = stack
    uses = Uses(
        dropout=bool(values.dropout_threshold.any()),
        l2=bool(values.l2.any()),
        weight_decay=bool(values.constants[-1].any()),
        idle_networks=not block.active[:n_steps].all(),
    )
    losses, hits = np.zeros(structure.n_networks), np.zeros(structure.n_networks)
    for k in range(n_steps):
        batch = Batch(*(field[k] for field in block))
        n_rows = (batch.weights > 0).sum(1)
        params, slots, loss, n_correct = train_step(
            NumpyNamespace,
            structure,
            params,
            slots,
            batch,
            values,
            uses,
        )
        losses += loss * n_rows
        hits += n_correct
    return (params, slots), losses, hits


def _xla_program(structure: Structure) -> Callable[..., tuple[Stack, Any, Any]]:
    """The compiled program of a structure: kept, so that the next like-shaped fit finds it."""
    with _programs_lock:
        program = _programs.pop(structure, None) or _make_program(structure)
        _programs[structure] = program
        while len(_programs) > _MAX_PROGRAMS:
            _programs.popitem(last=False)
    return functools.partial(_call_program, program)


def _call_program(
    program: Any, structure: Structure, stack: Stack, block: Batch, n_steps: int, values: Values
) -> tuple[Stack, Any, Any]:
    params, slots, losses, hits = program(*stack, block, np.int32(n_steps), values)
    return (params, slots), losses.numpy(), hits.numpy()


def _make_program(structure: Structure) -> Any:
    use_worker_threads()
    import tensorflow as tf

    xp = tensorflow_namespace()

    def run(params: Any, slots: Any, block: Batch, n_steps: Any, values: Values) -> Any:
        global _n_traces
        _n_traces += 1

        def body(k: Any, params: Any, slots: Any, losses: Any, hits: Any) -> Any:
            batch = Batch(*(field[k] for field in block))
            params, slots, loss, n_correct = train_step(xp, structure, params, slots, batch, values)
            n_rows = tf.reduce_sum(tf.cast(batch.weights > 0, loss.dtype), 1)
            return k + 1, params, slots, losses + loss * n_rows, hits + n_correct

        zeros = tf.zeros(structure.n_networks, structure.dtype)
        _, params, slots, losses, hits = tf.while_loop(
            lambda k, *_: k < n_steps, body, (0, params, slots, zeros, zeros)
        )
        return params, slots, losses, hits

    return tf.function(run, jit_compile=True, autograph=False, reduce_retracing=False)
