"""The rows of an epoch in blocks of steps, for networks side by side.

Rows are gathered into blocks of a fixed number of steps of a fixed number of rows, whatever the
number of rows there are: a weight of zero marks padding, a flag marks steps that a network with
fewer rows does not take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import step_keys
from sk_mnist_mlp._training.epochs import Run
from sk_mnist_mlp._training.shuffling import row_order
from sk_mnist_mlp._training.step import Batch, Structure

__all__ = ["blocks"]

_BLOCK_ROWS = 4096
"""Rows of all networks gathered for one call of a program: 12 MB of MNIST, which the third-level
cache holds; fewer pay the call too often, more pay main memory (measured 2026-11-23)."""


def blocks(
    runs: Sequence[Run], structure: Structure, engine: str
) -> Iterator[tuple[Batch, int, NDArray[np.float64]]]:
    """Yield an epoch as blocks: steps of a batch, how many of them count, and their rows."""
    size = structure.batch_size
    n_steps = np.array([-(-len(r.data.rows) // size) if r.wants_more else 0 for r in runs])
    orders = [
        _padded_order(run, size, n_steps.max(), idle=not own)
        for run, own in zip(runs, n_steps, strict=True)
    ]
    # Networks that read the same rows in the same order share one copy of them.
    shared = engine == "numpy" and _read_alike(runs, orders, structure)
    readers = runs[:1] if shared else runs
    length = max(1, _BLOCK_ROWS // (size * len(readers)))
    x = np.empty((length, len(readers), size, structure.layer_widths[0]), structure.dtype)
    for first in range(0, n_steps.max(), length):
        rows = [order[first : first + length] for order in orders]
        for g, run in enumerate(readers):
            _gather(run.data.X, rows[g], x[: len(rows[g]), g])
        active = first + np.arange(len(rows[0]))[:, None] < n_steps
        yield _block(runs, structure, rows, x, active)


def _padded_order(run: Run, size: int, n_steps: int, *, idle: bool) -> NDArray[np.intp]:
    """Row numbers of each step, of shape (n_steps, size); -1 is padding."""
    order = np.full(n_steps * size, -1, np.intp)
    if not idle:
        rows = row_order(run.data.rows, run.state.seeds.order, run.state.epoch)
        order[: len(rows)] = rows
    return order.reshape(n_steps, size)


def _read_alike(runs: Sequence[Run], orders: list[NDArray[np.intp]], structure: Structure) -> bool:
    """Whether all networks see the same rows at each step of this epoch."""
    return structure.image_shape is None and all(
        _is_same_array(run.data.X, runs[0].data.X) and np.array_equal(order, orders[0])
        for run, order in zip(runs[1:], orders[1:], strict=True)
    )


def _is_same_array(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Whether two arrays are one piece of memory read in one way."""
    first, second = one.__array_interface__, two.__array_interface__
    parts = ("data", "shape", "strides", "typestr")
    return one is two or all(first[part] == second[part] for part in parts)


def _gather(X: NDArray[Any], rows: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Copy rows of ``X`` into ``out``, cast on the way; padding, of weight 0, gets any row."""
    flat = np.maximum(rows, 0).ravel()
    if X.dtype == out.dtype and out.flags.c_contiguous:
        np.take(X, flat, axis=0, out=out.reshape(len(flat), -1), mode="clip")
    else:
        out[...] = X[flat].reshape(out.shape)


def _block(
    runs: Sequence[Run],
    structure: Structure,
    rows: list[NDArray[np.intp]],
    x: NDArray[Any],
    active: NDArray[np.bool_],
) -> tuple[Batch, int, NDArray[np.float64]]:
    count, dtype = len(active), structure.dtype
    shape = (len(x), structure.n_networks)
    n_hidden = len(structure.layer_widths) - 2
    batch = Batch(
        x=x,
        labels=np.zeros((*shape, structure.batch_size), np.int32),
        weights=np.zeros((*shape, structure.batch_size), dtype),
        keys=np.zeros((*shape, n_hidden, 2), np.uint32),
        distortion_key=np.zeros((*shape, 2), np.uint32),
        step_size=np.zeros(shape, dtype),
        learning_rate=np.zeros(shape, dtype),
        active=np.zeros(shape, dtype),
    )
    batch.active[:count] = active
    for g, (run, taken) in enumerate(zip(runs, rows, strict=True)):
        data, state = run.data, run.state
        weight = 1.0 if data.sample_weight is None else data.sample_weight[taken]
        batch.labels[:count, g] = data.labels[taken]
        batch.weights[:count, g] = np.where(taken >= 0, weight, 0.0)
        batch.keys[:count, g] = step_keys(state.seeds.dropout, state.step, count, n_hidden)
        augmentation = step_keys(state.seeds.augmentation, state.step, count, 1)
        batch.distortion_key[:count, g] = augmentation[:, 0]
        own = int(active[:, g].sum())
        begun = state.step - run.start.step
        rate = run.learning_rate * run.rates[begun : begun + own]
        batch.step_size[:own, g] = run.plan.rule.step_sizes(rate, state.updates)
        batch.learning_rate[:own, g] = rate
    n_rows = np.array([(taken >= 0).sum() for taken in rows], float)
    return batch, count, n_rows
