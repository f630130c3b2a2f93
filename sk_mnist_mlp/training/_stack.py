"""Networks in training, side by side: from plans to stacked arrays, and an epoch's rows in blocks.

Rows are gathered into blocks of a fixed number of steps of a fixed number of rows, whatever the
number of rows there are: a weight of zero marks padding, a flag marks steps that a network with
fewer rows does not take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import Weights, initial_weights
from sk_mnist_mlp.training._augmentation import distortion_values
from sk_mnist_mlp.training._callbacks import CallbackRunner
from sk_mnist_mlp.training._chance import row_order, step_keys
from sk_mnist_mlp.training._monitor import Monitor
from sk_mnist_mlp.training._optimizers import OptimizerSpec, optimizer_spec
from sk_mnist_mlp.training._plan import TrainingData, TrainingPlan, TrainingState
from sk_mnist_mlp.training._programs import Stack
from sk_mnist_mlp.training._schedules import averaging_shares, schedule_rates
from sk_mnist_mlp.training._step import Batch, Structure, Values, dropout_constants

__all__ = [
    "Network",
    "begin_network",
    "blocks",
    "is_same_array",
    "stack_networks",
    "structure_alone",
    "structure_of",
    "unstack",
    "values_of",
]

_Value = TypeVar("_Value")

_BLOCK_ROWS = 4096
"""Rows of all networks gathered for one call of a program: 12 MB of MNIST, which the third-level
cache holds; fewer pay the call too often, more pay main memory (measured 2026-11-23)."""


@dataclass
class Network:
    """One network in training.

    Attributes
    ----------
    plan, data : TrainingPlan, TrainingData
        What was asked for.
    optimizer : OptimizerSpec
        The update rule.
    monitor : Monitor
        Follows it from epoch to epoch.
    callbacks : CallbackRunner or None
        Keras callbacks, if any.
    state : TrainingState
        Where it stands.
    rates : ndarray of shape (n_steps,)
        Learning rates of all steps of this call.
    rate_factor : float
        What callbacks have made of the learning rate.
    stopped : bool
        Whether early stopping or a callback has ended it.
    interrupted : bool
        Whether Ctrl-C has ended it.
    failure : BaseException or None
        What its callbacks or observers raised, which has ended it.
    steps_taken : int
        Steps of this call.
    """

    plan: TrainingPlan
    data: TrainingData
    optimizer: OptimizerSpec
    monitor: Monitor
    callbacks: CallbackRunner | None
    state: TrainingState
    rates: NDArray[np.float64]
    rate_factor: float = 1.0
    stopped: bool = False
    interrupted: bool = False
    failure: BaseException | None = None
    steps_taken: int = 0

    @property
    def wants_more(self) -> bool:
        """Whether it has epochs to go."""
        ended = self.stopped or self.interrupted or self.failure is not None
        return not ended and self.monitor.n_epochs < self.plan.epochs

    @property
    def prediction_weights(self) -> Weights:
        """The weights to predict with: their average, where one is kept."""
        return self.state.average or self.state.weights

    def attempt(self, action: Callable[[], _Value | None]) -> _Value | None:
        """Run what calls the user's code; what that raises ends this network alone."""
        try:
            return action()
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException as error:
            self.failure = error
        return None


def begin_network(plan: TrainingPlan, data: TrainingData) -> Network:
    """Make ready to train a plan."""
    optimizer = optimizer_spec(plan.optimizer, plan.learning_rate)
    assert optimizer is not None, "the caller chooses this engine for optimizers it knows"
    start = plan.start or TrainingState(
        initial_weights(plan.network, plan.seeds.weights), [], "compiled", plan.seeds
    )
    state = start if plan.progress is None else plan.progress.state
    goes_on = (state.engine, state.rule) == ("compiled", optimizer.kind)
    slots = state.optimizer_state if goes_on else []
    average = state.average if plan.averaging is not None else []
    state = replace(
        state,
        optimizer_state=slots
        or [np.zeros_like(w) for w in state.weights for _ in range(optimizer.n_slots)],
        average=average or ([] if plan.averaging is None else list(state.weights)),
        engine="compiled",
        rule=optimizer.kind,
    )
    callbacks = CallbackRunner(plan, state.weights) if plan.callbacks else None
    n_steps = plan.epochs * -(-len(data.rows) // plan.batch_size)
    rates = schedule_rates(plan.schedule, optimizer.learning_rate, start.step, n_steps)
    network = Network(plan, data, optimizer, Monitor(plan, data), callbacks, state, rates)
    network.steps_taken = state.step - start.step
    if plan.progress is not None:
        network.rate_factor = plan.progress.rate_factor
        network.stopped = plan.progress.finished
    return network


# ----------------------------------------------------------------------------------------------
# Networks to arrays, and back


def structure_of(networks: Sequence[Network], path: str) -> Structure:
    """What the program for these networks depends on."""
    most_rows = max(len(network.data.rows) for network in networks)
    structure = structure_alone(networks[0].plan, most_rows, path)
    return replace(structure, n_networks=len(networks))


def structure_alone(plan: TrainingPlan, n_rows: int, path: str) -> Structure:
    """What the program depends on where a plan is trained alone on this many rows."""
    optimizer = optimizer_spec(plan.optimizer, plan.learning_rate)
    assert optimizer is not None, "the caller chooses this engine for optimizers it knows"
    batch_size = min(plan.batch_size, n_rows)
    if path == "xla" and batch_size < plan.batch_size:
        # Few rows in a large batch: round up, so that other row counts share the program.
        batch_size = min(plan.batch_size, 1 << (batch_size - 1).bit_length())
    return Structure(
        plan.network.layer_widths,
        plan.network.activation,
        plan.network.dtype,
        batch_size,
        optimizer.kind,
        1,
        plan.image_shape,
        plan.averaging is not None,
    )


def stack_networks(networks: Sequence[Network]) -> Stack:
    """Stack weights and moments; copies."""
    params = _stacked([network.state.weights for network in networks])
    moments = _stacked([network.state.optimizer_state for network in networks])
    averages = _stacked([network.state.average for network in networks])
    n_slots = networks[0].optimizer.n_slots
    slots = [moments[i : i + n_slots] for i in range(0, len(moments), n_slots)]
    for group, average in zip(slots, averages, strict=False):
        group.append(average)
    return params, slots


def _stacked(columns: Sequence[Sequence[NDArray[Any]]]) -> list[NDArray[Any]]:
    return [np.stack(arrays) for arrays in zip(*columns, strict=True)]


def unstack(networks: Sequence[Network], stack: Stack) -> None:
    """Give each network its weights and moments back."""
    n_slots = networks[0].optimizer.n_slots
    params = [np.asarray(array) for array in stack[0]]
    groups = [[np.asarray(array) for array in group] for group in stack[1]]
    for g, network in enumerate(networks):
        network.state.weights = [array[g] for array in params]
        network.state.optimizer_state = [a[g] for group in groups for a in group[:n_slots]]
        network.state.average = [a[g] for group in groups for a in group[n_slots:]]


def values_of(networks: Sequence[Network], structure: Structure) -> Values:
    """Stack the numbers that a program takes as they are."""
    plans, dtype = [network.plan for network in networks], structure.dtype
    constants = np.array([network.optimizer.constants() for network in networks], dtype)
    distortion = None
    if structure.image_shape is not None:
        distortions = [plan.distortion for plan in plans if plan.distortion is not None]
        distortion = distortion_values(distortions, structure.image_shape, dtype)
    return Values(
        *dropout_constants([plan.network.dropout for plan in plans], dtype),
        np.array([plan.network.l2 for plan in plans], dtype),
        np.array([plan.label_smoothing for plan in plans], dtype),
        tuple(constants.T.copy()),
        distortion,
    )


# ----------------------------------------------------------------------------------------------
# The rows of an epoch, in blocks of steps


def blocks(
    networks: Sequence[Network], structure: Structure, path: str
) -> Iterator[tuple[Batch, int, NDArray[np.float64]]]:
    """Yield an epoch as blocks: steps of a batch, how many of them count, and their rows."""
    size = structure.batch_size
    n_steps = np.array(
        [-(-len(network.data.rows) // size) if network.wants_more else 0 for network in networks]
    )
    orders = [
        _padded_order(network, size, own, n_steps.max())
        for network, own in zip(networks, n_steps, strict=True)
    ]
    # Networks that read the same rows in the same order share one copy of them.
    shared = path == "numpy" and _read_alike(networks, orders, structure)
    readers = networks[:1] if shared else networks
    length = max(1, _BLOCK_ROWS // (size * len(readers)))
    x = np.empty((length, len(readers), size, structure.layer_widths[0]), structure.dtype)
    for first in range(0, n_steps.max(), length):
        rows = [order[first : first + length] for order in orders]
        for g, network in enumerate(readers):
            _gather(network.data.X, rows[g], x[: len(rows[g]), g])
        active = first + np.arange(len(rows[0]))[:, None] < n_steps
        yield _block(networks, structure, rows, x, active)


def _padded_order(network: Network, size: int, own: int, n_steps: int) -> NDArray[np.intp]:
    """Row numbers of each step, of shape (n_steps, size); -1 is padding."""
    order = np.full(n_steps * size, -1, np.intp)
    rows = network.data.rows
    if own:
        order[: len(rows)] = row_order(rows, network.state.seeds.order, network.state.epoch)
    return order.reshape(n_steps, size)


def _read_alike(
    networks: Sequence[Network], orders: list[NDArray[np.intp]], structure: Structure
) -> bool:
    """Whether all networks see the same rows at each step of this epoch."""
    first = networks[0].data.X
    return structure.image_shape is None and all(
        is_same_array(network.data.X, first) and np.array_equal(order, orders[0])
        for network, order in zip(networks[1:], orders[1:], strict=True)
    )


def is_same_array(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Whether two arrays are one piece of memory read in one way."""
    if one is two:
        return True
    first, second = one.__array_interface__, two.__array_interface__
    parts = ("data", "shape", "strides", "typestr")
    return all(first[part] == second[part] for part in parts)


def _gather(X: NDArray[Any], rows: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Copy rows of ``X`` into ``out``, cast on the way; padding, of weight 0, gets any row."""
    flat = np.maximum(rows, 0).ravel()
    if X.dtype == out.dtype and out.flags.c_contiguous:
        np.take(X, flat, axis=0, out=out.reshape(len(flat), -1), mode="clip")
    else:
        out[...] = X[flat].reshape(out.shape)


def _block(
    networks: Sequence[Network],
    structure: Structure,
    rows: list[NDArray[np.intp]],
    x: NDArray[Any],
    active: NDArray[np.bool_],
) -> tuple[Batch, int, NDArray[np.float64]]:
    count, dtype = len(active), structure.dtype
    shape = (len(x), structure.n_networks, structure.batch_size)
    n_hidden = len(structure.layer_widths) - 2
    batch = Batch(
        x=x,
        labels=np.zeros(shape, np.int32),
        weights=np.zeros(shape, dtype),
        keys=np.zeros((*shape[:2], n_hidden, 2), np.uint32),
        distortion_key=np.zeros((*shape[:2], 2), np.uint32),
        step_size=np.zeros(shape[:2], dtype),
        learning_rate=np.zeros(shape[:2], dtype),
        averaging=np.zeros(shape[:2], dtype),
        active=np.zeros(shape[:2], dtype),
    )
    batch.active[:count] = active
    for g, network in enumerate(networks):
        taken, data, state = rows[g], network.data, network.state
        weight = 1.0 if data.sample_weight is None else data.sample_weight[taken]
        batch.labels[:count, g] = data.labels[taken]
        batch.weights[:count, g] = np.where(taken >= 0, weight, 0.0)
        batch.keys[:count, g] = step_keys(state.seeds.dropout, state.step, count, n_hidden)
        augmentation = step_keys(state.seeds.augmentation, state.step, count, 1)
        batch.distortion_key[:count, g] = augmentation[:, 0]
        own = int(active[:, g].sum())
        begun = network.steps_taken
        rate = network.rate_factor * network.rates[begun : begun + own]
        batch.step_size[:own, g] = network.optimizer.step_sizes(rate, state.step)
        batch.learning_rate[:own, g] = rate
        batch.averaging[:count, g] = averaging_shares(network.plan.averaging, state.step, count)
    n_rows = np.array([(taken >= 0).sum() for taken in rows], float)
    return batch, count, n_rows
