"""Networks in training, side by side: from runs to stacked arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sk_mnist_mlp._network import Layers, as_arrays, as_layers, dropout_constants
from sk_mnist_mlp._training.distortions import distortion_values
from sk_mnist_mlp._training.epochs import Run
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.step import StackArrays, Structure, Values

__all__ = ["begin_moments", "join", "same_layers", "split", "structure_alone", "structure_of"]
__all__ += ["values_of"]


# ----------------------------------------------------------------------------------------------
# What a program depends on


def structure_alone(job: Job, engine: str) -> Structure:
    """What the program depends on where a job is trained alone."""
    return structure_of([job], engine)


def structure_of(members: Sequence[Job | Run], engine: str) -> Structure:
    """What the program for these networks, trained together, depends on."""
    plan = members[0].plan
    batch_size = min(plan.batch_size, max(len(member.data.rows) for member in members))
    if engine == "xla" and batch_size < plan.batch_size:
        # Few rows in a large batch: round up, so that other row counts share the program.
        batch_size = min(plan.batch_size, 1 << (batch_size - 1).bit_length())
    return Structure(
        plan.network.layer_widths,
        plan.network.activation,
        plan.network.dtype,
        batch_size,
        plan.rule.kind,
        len(members),
        plan.image_shape,
    )


def values_of(runs: Sequence[Run], structure: Structure) -> Values:
    """Stack the numbers that a program takes as they are."""
    plans, dtype = [run.plan for run in runs], structure.dtype
    distortion = None
    if structure.image_shape is not None:
        distortions = [plan.distortion for plan in plans if plan.distortion is not None]
        distortion = distortion_values(distortions, structure.image_shape, dtype)
    return Values(
        *dropout_constants([plan.network.dropout for plan in plans], dtype),
        l2=np.array([plan.network.l2 for plan in plans], dtype),
        label_smoothing=np.array([plan.label_smoothing for plan in plans], dtype),
        constants=tuple(np.array([plan.rule.constants() for plan in plans], dtype).T.copy()),
        kernel_decay=np.array([plan.rule.kernel_decay for plan in plans], dtype),
        bias_decay=np.array([plan.rule.bias_decay for plan in plans], dtype),
        distortion=distortion,
    )


# ----------------------------------------------------------------------------------------------
# Networks to arrays, and back


def begin_moments(run: Run) -> None:
    """Begin with moments of zero, unless the same rule wrote those that are there."""
    rule, arrays = run.plan.rule, as_arrays(run.layers)
    if run.state.rule != rule.kind or len(run.state.moments) != rule.n_slots * len(arrays):
        # Moments of another rule serve nothing; bias is corrected from their first update on.
        fresh = tuple(np.zeros_like(array) for array in arrays * rule.n_slots)
        run.state = replace(run.state, rule=rule.kind, moments=fresh, updates=0)


def join(runs: Sequence[Run]) -> StackArrays:
    """Stack weights and moments; copies."""
    each = [[*as_arrays(run.layers), *run.state.moments] for run in runs]
    stacked = [np.stack(same) for same in zip(*each, strict=True)]
    n = 2 * len(runs[0].layers)
    layers, *moments = (as_layers(stacked[i : i + n]) for i in range(0, len(stacked), n))
    return StackArrays(layers, tuple(moments))


def split(runs: Sequence[Run], arrays: StackArrays, *, copies: bool) -> None:
    """Give each network its weights and moments back, which never change afterwards."""
    own: Any = np.array if copies else np.asarray
    stacked = [own(array) for part in (arrays.layers, *arrays.moments) for array in as_arrays(part)]
    n = 2 * len(arrays.layers)
    for g, run in enumerate(runs):
        run.layers = as_layers([array[g] for array in stacked[:n]])
        run.state = replace(run.state, moments=tuple(array[g] for array in stacked[n:]))


def same_layers(one: Layers, two: Layers) -> bool:
    """Whether two networks have the same weights."""
    pairs = zip(as_arrays(one), as_arrays(two), strict=True)
    return one is two or all(a is b or np.array_equal(a, b) for a, b in pairs)
