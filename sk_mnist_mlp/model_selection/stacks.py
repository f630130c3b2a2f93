"""Which fits are trained together, and their training: a stack on each core at a time.

Fits of one structure may share a stack, whatever differs in value: dropout, rates, l2, smoothing,
seeds, epochs, rows, weights. How large a stack should be depends on where it runs. In NumPy a stack
spares Python's share of each step, and loses once its weights and moments leave the second-level
cache. In XLA on a processor nothing is gained by a second network in a program, and another
program would have to be compiled. On a GPU, small networks leave most of it idle.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import sklearn

from sk_mnist_mlp._training import (
    FittedNetwork,
    bytes_needed,
    start_tensorflow,
    structure_alone,
    train_alone,
    train_each,
)
from sk_mnist_mlp.model_selection.report import FusedReport, TrainedStack
from sk_mnist_mlp.model_selection.scheduler import Ended, Fit

__all__ = ["cut_into_stacks", "train_fits"]

_NUMPY_WEIGHTS = 1 << 17
"""Weights in a NumPy stack, beside its first network; with gradient and moments, 2 MB."""

_NUMPY_NETWORKS = 6
"""Networks in a NumPy stack: Python's share of a step is small by then."""

_GPU_BYTES = 4 << 30
"""Memory that a stack on a GPU may take, beside its first network."""


def train_fits(fits: list[Fit], ended: Ended, n_cores: int, report: FusedReport) -> None:
    """Train fits as stacks; then, one at a time, those that only Keras's own loop can train.

    ``ended`` hears what came out: of a fit that fails at once, of others with their stack.
    """
    stacks = cut_into_stacks([fit for fit in fits if fit.engine != "keras"], n_cores)
    report.n_rounds += bool(stacks)
    train = functools.partial(_train_stack, ended=ended, report=report)
    with ThreadPoolExecutor(n_cores, "fused stack") as pool:
        list(pool.map(train, stacks))
    for fit in fits:
        if fit.engine == "keras" and not fit.task.call.is_given_up:  # a model takes Keras a while
            train([fit])


def _train_stack(fits: list[Fit], ended: Ended, report: FusedReport) -> None:
    began = time.perf_counter()
    jobs, engine = [fit.job for fit in fits], fits[0].engine
    outcomes: list[FittedNetwork | BaseException]
    try:
        # The networks' callbacks and observers find scikit-learn configured as their task did.
        with sklearn.config_context(**fits[0].config):
            if engine == "keras":
                report.n_keras += 1
                outcomes = [train_alone(jobs[0], engine)]
            else:
                outcomes = train_each(jobs, engine, failed=lambda n, error: ended(fits[n], error))
    except BaseException as error:
        outcomes = [error] * len(jobs)
    if engine != "keras":
        widths = jobs[0].plan.network.layer_widths
        seconds = time.perf_counter() - began
        report.stacks.append(TrainedStack(widths, len(jobs), engine, seconds))
    for fit, outcome in zip(fits, outcomes, strict=True):
        ended(fit, outcome)


# ----------------------------------------------------------------------------------------------
# What is trained together


def cut_into_stacks(fits: list[Fit], n_cores: int) -> list[list[Fit]]:
    """Group fits by structure, and cut each group into one stack a core at least.

    The stacks with most work come first.
    """
    groups: dict[Hashable, list[Fit]] = defaultdict(list)
    for fit in fits:
        # What must be equal in a stack, so that each network runs as it would alone.
        structure = structure_alone(fit.job, fit.engine)
        config = tuple(sorted(fit.config.items()))
        groups[fit.engine, fit.job.plan.batch_size, structure, config].append(fit)
    stacks = [stack for group in groups.values() for stack in _cut(group, n_cores)]
    return sorted(stacks, key=lambda stack: sum(map(_work, stack)), reverse=True)


def _cut(group: list[Fit], n_cores: int) -> list[list[Fit]]:
    """Cut a group into stacks, of which those that read the same rows share one if they can."""
    size = _largest_stack(group, n_cores)
    readers: dict[Hashable, list[Fit]] = defaultdict(list)
    for fit in group:
        readers[_reading(fit)].append(fit)
    stacks: list[list[Fit]] = []
    for fits in readers.values():
        n_parts = -(-len(fits) // size)
        for part in (fits[i::n_parts] for i in range(n_parts)):
            if stacks and len(stacks[-1]) + len(part) <= size:
                stacks[-1] += part
            else:
                stacks.append(part)
    return stacks


def _largest_stack(group: list[Fit], n_cores: int) -> int:
    """How many networks a stack of this group may have."""
    job, engine = group[0].job, group[0].engine
    if engine == "numpy":
        size = min(_NUMPY_NETWORKS, 1 + _NUMPY_WEIGHTS // job.plan.network.n_parameters)
        return min(size, -(-len(group) // n_cores))
    if not _has_gpu():
        return 1
    return 1 + _GPU_BYTES // bytes_needed(job.plan, len(job.data.rows), engine)


def _reading(fit: Fit) -> Hashable:
    """What decides which rows a network reads when."""
    plan = fit.job.plan
    epoch = plan.start.state.epoch if plan.start else 0
    return fit.address, len(fit.job.data.rows), plan.seeds.order, epoch, plan.epochs


def _work(fit: Fit) -> int:
    """What grows with the time that a training takes."""
    return fit.job.plan.network.n_parameters * len(fit.job.data.rows) * fit.job.plan.epochs


@functools.cache
def _has_gpu() -> bool:
    """Whether XLA would run on a GPU; imports TensorFlow, which XLA needs anyway."""
    start_tensorflow()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
