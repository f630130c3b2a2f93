"""From fits to stacks: what may be trained together, and what is best trained together.

Fits of one structure may share a stack, whatever differs in value: dropout, rates, l2, smoothing,
seeds, epochs, rows, weights. How large a stack should be depends on where it runs. In NumPy a stack
spares Python's share of each step, and loses once its weights and moments leave the second-level
cache. In XLA on a processor nothing is gained by a second network in a program, and another
program would have to be compiled. On a GPU, small networks leave most of it idle.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from sk_mnist_mlp._training import bytes_needed, start_tensorflow, structure_alone
from sk_mnist_mlp.model_selection.scheduler import Fit, address

__all__ = ["Stack", "cut_into_stacks"]

_NUMPY_WEIGHTS = 1 << 17
"""Weights in a NumPy stack, beside its first network; with gradient and moments, 2 MB."""

_NUMPY_NETWORKS = 6
"""Networks in a NumPy stack: Python's share of a step is small by then."""

_GPU_BYTES = 4 << 30
"""Memory that a stack on a GPU may take, beside its first network."""


@dataclass(frozen=True)
class Stack:
    """Fits to be trained together.

    Attributes
    ----------
    fits : list of Fit
        Of one structure.
    engine : {"numpy", "xla"}
        How each of them would run alone.
    """

    fits: list[Fit]
    engine: str

    @property
    def work(self) -> int:
        """Something that grows with the time it takes."""
        return sum(
            job.plan.network.n_parameters * len(job.data.rows) * job.plan.epochs
            for job in (fit.job for fit in self.fits)
        )


def cut_into_stacks(fits: Sequence[Fit], n_cores: int) -> list[Stack]:
    """Group fits by structure, and cut the groups.

    Parameters
    ----------
    fits : sequence of Fit
        To be trained at the same time.
    n_cores : int
        Stacks that can be trained at the same time; a group is cut into as many at least.

    Returns
    -------
    stacks : list of Stack
        The largest work first.
    """
    groups: dict[Hashable, list[Fit]] = defaultdict(list)
    for fit in fits:
        groups[_kind(fit)].append(fit)
    stacks = []
    for group in groups.values():
        engine = group[0].engine
        stacks += [Stack(part, engine) for part in _cut(group, _size(group, engine, n_cores))]
    return sorted(stacks, key=lambda stack: stack.work, reverse=True)


def _kind(fit: Fit) -> Hashable:
    """What must be equal in a stack, so that each network runs as it would alone."""
    structure = structure_alone(fit.job, fit.engine)
    return fit.engine, fit.job.plan.batch_size, structure, tuple(sorted(fit.config.items()))


def _size(group: list[Fit], engine: str, n_cores: int) -> int:
    """How many networks a stack of this group may have."""
    plan, data = group[0].job.plan, group[0].job.data
    if engine == "numpy":
        size = min(_NUMPY_NETWORKS, 1 + _NUMPY_WEIGHTS // plan.network.n_parameters)
        return min(size, -(-len(group) // n_cores))
    if not _has_gpu():
        return 1
    return 1 + _GPU_BYTES // bytes_needed(plan, len(data.rows), engine)


def _cut(group: list[Fit], size: int) -> list[list[Fit]]:
    """Cut a group into stacks of up to ``size``, those that read the same rows together."""
    runs: dict[Hashable, list[Fit]] = defaultdict(list)
    for fit in group:
        runs[_reading(fit)].append(fit)
    stacks: list[list[Fit]] = []
    for run in runs.values():
        n_parts = -(-len(run) // size)
        for part in (run[i::n_parts] for i in range(n_parts)):
            if stacks and len(stacks[-1]) + len(part) <= size:
                stacks[-1] += part
            else:
                stacks.append(part)
    return stacks


def _reading(fit: Fit) -> Hashable:
    """What decides which rows a network reads when."""
    plan, data = fit.job.plan, fit.job.data
    epoch = plan.start.state.epoch if plan.start else 0
    return address(data.X), len(data.rows), plan.seeds.order, epoch, plan.epochs


@functools.cache
def _has_gpu() -> bool:
    """Whether XLA would run on a GPU; imports TensorFlow, which that path needs anyway."""
    start_tensorflow()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
