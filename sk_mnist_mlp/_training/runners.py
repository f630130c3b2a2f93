"""Two ways to run a block of steps: at once in NumPy, or as a compiled XLA program.

A program depends on a :class:`~sk_mnist_mlp._training.step.Structure` alone. A small cache keeps
the programs of this process, so the next fit of a like-shaped network traces and compiles nothing.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from sk_mnist_mlp._network import NumpyNamespace, tensorflow_namespace
from sk_mnist_mlp._training.step import Batch, StackArrays, Structure, Uses, Values, train_step
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = ["keep_freed_memory", "n_traces", "numpy_block", "xla_block"]

RunBlock = Callable[[StackArrays, Batch, int, Values], tuple[StackArrays, Any, Any]]
"""Runs the first n steps of a block: the arrays after them, summed losses and correct rows."""


# ----------------------------------------------------------------------------------------------
# NumPy


def numpy_block(
    structure: Structure, arrays: StackArrays, block: Batch, n_steps: int, values: Values
) -> tuple[StackArrays, Any, Any]:
    """Run a block at once, step by step: the plain twin of the program below."""
    uses = Uses(
        dropout=bool(values.dropout_threshold.any()),
        l2=bool(values.l2.any()),
        weight_decay=bool(values.kernel_decay.any() or values.bias_decay.any()),
        idle_networks=not block.active[:n_steps].all(),
    )
    losses, hits = np.zeros(structure.n_networks), np.zeros(structure.n_networks)
    for k in range(n_steps):
        batch = Batch(*(field[k] for field in block))
        n_rows = (batch.weights > 0).sum(1)
        arrays, loss, n_correct = train_step(NumpyNamespace, structure, arrays, batch, values, uses)
        losses += loss * n_rows
        hits += n_correct
    return arrays, losses, hits


def keep_freed_memory() -> None:
    """Have the C library keep the memory of one step's arrays for the next step.

    glibc hands freed arrays of more than 128 kB back to the system and fetches the next ones page
    by page, which took half of a small fit's time (0.47 s against 0.20 s on ``load_digits``,
    2026-11-23). Having seen one larger array come and go, it keeps them.
    """
    np.empty(1 << 24, np.uint8)


# ----------------------------------------------------------------------------------------------
# XLA

_n_traces = 0
_programs_lock = threading.Lock()


def n_traces() -> int:
    """How many programs this process has traced so far."""
    return _n_traces


def xla_block(structure: Structure) -> RunBlock:
    """The compiled program of a structure, from the cache where it is there."""
    with _programs_lock:  # lru_cache would make a program for each thread that asks at once
        return _make_program(structure)


@functools.lru_cache(maxsize=16)
def _make_program(structure: Structure) -> RunBlock:
    start_tensorflow()
    import tensorflow as tf

    xp = tensorflow_namespace()
    # A network alone has rows in every step that counts.
    uses = Uses(idle_networks=structure.n_networks > 1)

    def run(arrays: StackArrays, block: Batch, n_steps: Any, values: Values) -> Any:
        global _n_traces
        _n_traces += 1

        def body(k: Any, arrays: StackArrays, losses: Any, hits: Any) -> Any:
            batch = Batch(*(field[k] for field in block))
            arrays, loss, n_correct = train_step(xp, structure, arrays, batch, values, uses)
            n_rows = tf.reduce_sum(tf.cast(batch.weights > 0, loss.dtype), 1)
            return k + 1, arrays, losses + loss * n_rows, hits + n_correct

        zeros = tf.zeros(structure.n_networks, structure.dtype)
        return tf.while_loop(lambda k, *_: k < n_steps, body, (0, arrays, zeros, zeros))[1:]

    program = tf.function(run, jit_compile=True, autograph=False)

    def run_block(
        arrays: StackArrays, block: Batch, n_steps: int, values: Values
    ) -> tuple[StackArrays, Any, Any]:
        arrays, losses, hits = program(arrays, block, np.int32(n_steps), values)
        return arrays, losses.numpy(), hits.numpy()

    return run_block
