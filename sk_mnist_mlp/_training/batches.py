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
from sk_mnist_mlp._training.shuffling import row_order
from sk_mnist_mlp._training.stack import Member
from sk_mnist_mlp._training.step import Batch, Structure

__all__ = ["blocks", "is_same_array"]

_BLOCK_ROWS = 4096
"""Rows of all networks gathered for one call of a program: 12 MB of MNIST, which the third-level
cache holds; fewer pay the call too often, more pay main memory (measured 2026-11-23)."""


def blocks(
    members: Sequence[Member], structure: Structure, engine: str
) -> Iterator[tuple[Batch, int, NDArray[np.float64]]]:
    """Yield an epoch as blocks: steps of a batch, how many of them count, and their rows."""
    size = structure.batch_size
    n_steps = np.array(
        [-(-len(one.run.data.rows) // size) if one.run.wants_more else 0 for one in members]
    )
    orders = [
        _padded_order(one, size, own, n_steps.max())
        for one, own in zip(members, n_steps, strict=True)
    ]
    # Networks that read the same rows in the same order share one copy of them.
    shared = engine == "numpy" and _read_alike(members, orders, structure)
    readers = members[:1] if shared else members
    length = max(1, _BLOCK_ROWS // (size * len(readers)))
    x = np.empty((length, len(readers), size, structure.layer_widths[0]), structure.dtype)
    for first in range(0, n_steps.max(), length):
        rows = [order[first : first + length] for order in orders]
        for g, one in enumerate(readers):
            _gather(one.run.data.X, rows[g], x[: len(rows[g]), g])
        active = first + np.arange(len(rows[0]))[:, None] < n_steps
        yield _block(members, structure, rows, x, active)


def _padded_order(member: Member, size: int, own: int, n_steps: int) -> NDArray[np.intp]:
    """Row numbers of each step, of shape (n_steps, size); -1 is padding."""
    order = np.full(n_steps * size, -1, np.intp)
    rows, state = member.run.data.rows, member.run.state
    if own:
        order[: len(rows)] = row_order(rows, state.seeds.order, state.epoch)
    return order.reshape(n_steps, size)


def _read_alike(
    members: Sequence[Member], orders: list[NDArray[np.intp]], structure: Structure
) -> bool:
    """Whether all networks see the same rows at each step of this epoch."""
    first = members[0].run.data.X
    return structure.image_shape is None and all(
        is_same_array(one.run.data.X, first) and np.array_equal(order, orders[0])
        for one, order in zip(members[1:], orders[1:], strict=True)
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
    members: Sequence[Member],
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
        active=np.zeros(shape[:2], dtype),
    )
    batch.active[:count] = active
    for g, member in enumerate(members):
        run = member.run
        taken, data, state = rows[g], run.data, run.state
        weight = 1.0 if data.sample_weight is None else data.sample_weight[taken]
        batch.labels[:count, g] = data.labels[taken]
        batch.weights[:count, g] = np.where(taken >= 0, weight, 0.0)
        batch.keys[:count, g] = step_keys(state.seeds.dropout, state.step, count, n_hidden)
        augmentation = step_keys(state.seeds.augmentation, state.step, count, 1)
        batch.distortion_key[:count, g] = augmentation[:, 0]
        own = int(active[:, g].sum())
        begun = state.step - run.start.step
        rate = run.learning_rate * member.rates[begun : begun + own]
        batch.step_size[:own, g] = member.rule.step_sizes(rate, state.updates)
        batch.learning_rate[:own, g] = rate
    n_rows = np.array([(taken >= 0).sum() for taken in rows], float)
    return batch, count, n_rows
