"""Networks in training, side by side: from runs to stacked arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import Layer, Layers, as_arrays, as_layers, dropout_constants
from sk_mnist_mlp._training.distortions import distortion_values
from sk_mnist_mlp._training.epochs import Run
from sk_mnist_mlp._training.optimizers import OptimizerSpec
from sk_mnist_mlp._training.plan import Job, TrainingPlan
from sk_mnist_mlp._training.schedules import relative_rates
from sk_mnist_mlp._training.step import Stack, Structure, Values

__all__ = [
    "Member",
    "join",
    "make_member",
    "same_layers",
    "split",
    "structure_alone",
    "structure_of",
    "values_of",
]


@dataclass(frozen=True)
class Member:
    """One network of a stack.

    Attributes
    ----------
    run : Run
        Its training.
    rule : OptimizerSpec
        Its update rule.
    rates : ndarray of shape (n_steps,)
        Factor of its learning rate at each step of this call.
    """

    run: Run
    rule: OptimizerSpec
    rates: NDArray[np.float64]


def make_member(job: Job, rule: OptimizerSpec, engine: str) -> Member:
    """Make ready to train a job."""
    run = Run(job, engine)
    arrays = as_arrays(run.layers)
    if run.state.rule != rule.kind or len(run.state.moments) != rule.n_slots * len(arrays):
        # Moments of another rule serve nothing; bias is corrected from their first update on.
        fresh = tuple(np.zeros_like(array) for _ in range(rule.n_slots) for array in arrays)
        run.state = replace(run.state, rule=rule.kind, moments=fresh, updates=0)
    plan = job.plan
    n_steps = plan.epochs * plan.n_steps(len(job.data.rows))
    rates = relative_rates(plan.schedule, plan.learning_rate, run.start.step, n_steps)
    return Member(run, rule, rates)


# ----------------------------------------------------------------------------------------------
# What a program depends on


def structure_of(members: Sequence[Member], engine: str) -> Structure:
    """What the program for these networks depends on."""
    most_rows = max(len(one.run.data.rows) for one in members)
    first = members[0]
    return _structure(first.run.plan, first.rule.kind, most_rows, engine, len(members))


def structure_alone(job: Job, engine: str) -> Structure:
    """What the program depends on where a job is trained alone."""
    kind = "" if job.plan.rule is None else job.plan.rule.kind
    return _structure(job.plan, kind, len(job.data.rows), engine, 1)


def _structure(
    plan: TrainingPlan, kind: str, n_rows: int, engine: str, n_networks: int
) -> Structure:
    batch_size = min(plan.batch_size, n_rows)
    if engine == "xla" and batch_size < plan.batch_size:
        # Few rows in a large batch: round up, so that other row counts share the program.
        batch_size = min(plan.batch_size, 1 << (batch_size - 1).bit_length())
    network = plan.network
    return Structure(
        network.layer_widths,
        network.activation,
        network.dtype,
        batch_size,
        kind,
        n_networks,
        plan.image_shape,
    )


def values_of(members: Sequence[Member], structure: Structure) -> Values:
    """Stack the numbers that a program takes as they are."""
    plans, dtype = [one.run.plan for one in members], structure.dtype
    constants = np.array([one.rule.constants() for one in members], dtype)
    distortion = None
    if structure.image_shape is not None:
        distortions = [plan.distortion for plan in plans if plan.distortion is not None]
        distortion = distortion_values(distortions, structure.image_shape, dtype)
    return Values(
        *dropout_constants([plan.network.dropout for plan in plans], dtype),
        l2=np.array([plan.network.l2 for plan in plans], dtype),
        label_smoothing=np.array([plan.label_smoothing for plan in plans], dtype),
        constants=tuple(constants.T.copy()),
        kernel_decay=np.array([one.rule.kernel_decay for one in members], dtype),
        bias_decay=np.array([one.rule.bias_decay for one in members], dtype),
        distortion=distortion,
    )


# ----------------------------------------------------------------------------------------------
# Networks to arrays, and back


def join(members: Sequence[Member]) -> Stack:
    """Stack weights and moments; copies."""
    layers = _join([one.run.layers for one in members])
    moments = [_moments(one) for one in members]
    return Stack(layers, tuple(_join(slot) for slot in zip(*moments, strict=True)))


def _moments(member: Member) -> tuple[Layers, ...]:
    """The moments of a network, slot by slot."""
    arrays, n = member.run.state.moments, 2 * len(member.run.layers)
    return tuple(as_layers(arrays[i : i + n]) for i in range(0, len(arrays), n))


def _join(networks: Sequence[Layers]) -> Layers:
    return tuple(
        Layer(np.stack([layer.kernel for layer in same]), np.stack([layer.bias for layer in same]))
        for same in zip(*networks, strict=True)
    )


def split(members: Sequence[Member], stack: Stack, *, copies: bool) -> None:
    """Give each network its weights and moments back, which never change afterwards."""
    numbers: Any = np.array if copies else np.asarray
    layers = [numbers(array) for array in as_arrays(stack.layers)]
    moments = [numbers(array) for slot in stack.moments for array in as_arrays(slot)]
    for g, member in enumerate(members):
        run = member.run
        run.layers = as_layers([array[g] for array in layers])
        run.state = replace(run.state, moments=tuple(array[g] for array in moments))


def same_layers(one: Layers, two: Layers) -> bool:
    """Whether two networks have the same weights."""
    pairs = zip(as_arrays(one), as_arrays(two), strict=True)
    return one is two or all(a is b or np.array_equal(a, b) for a, b in pairs)
