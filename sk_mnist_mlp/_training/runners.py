"""Two ways to run a block of steps: at once in NumPy, or as a compiled XLA program.

A program depends on a :class:`~sk_mnist_mlp._training.step.Structure` alone. A small cache keeps
the programs of this process, so the next fit of a like-shaped network traces and compiles nothing.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from sk_mnist_mlp._network import NumpyNamespace, tensorflow_namespace
from sk_mnist_mlp._training.step import Batch, Stack, Structure, Uses, Values, train_step
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = ["RunBlock", "n_traces", "numpy_block", "xla_block"]

RunBlock = Callable[[Structure, Stack, Batch, int, Values], tuple[Stack, Any, Any]]
"""Runs the first n steps of a block; returns the stack, summed losses and correct rows."""

_MAX_PROGRAMS = 16
_programs: OrderedDict[Structure, Any] = OrderedDict()
_programs_lock = threading.Lock()
_n_traces = 0


def n_traces() -> int:
    """How many programs this process has traced so far."""
    return _n_traces


def numpy_block(
    structure: Structure, stack: Stack, block: Batch, n_steps: int, values: Values
) -> tuple[Stack, Any, Any]:
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
        stack, loss, n_correct = train_step(NumpyNamespace, structure, stack, batch, values, uses)
        losses += loss * n_rows
        hits += n_correct
    return stack, losses, hits


def xla_block(structure: Structure) -> RunBlock:
    """The compiled program of a structure, from the cache where it is there."""
    with _programs_lock:
        program = _programs.pop(structure, None) or _make_program(structure)
        _programs[structure] = program
        while len(_programs) > _MAX_PROGRAMS:
            _programs.popitem(last=False)
    return functools.partial(_call_program, program)


def _call_program(
    program: Any, structure: Structure, stack: Stack, block: Batch, n_steps: int, values: Values
) -> tuple[Stack, Any, Any]:
    stack, losses, hits = program(stack, block, np.int32(n_steps), values)
    return stack, losses.numpy(), hits.numpy()


def _make_program(structure: Structure) -> Any:
    start_tensorflow()
    import tensorflow as tf

    xp = tensorflow_namespace()
    # A network alone has rows in every step that counts.
    uses = Uses(idle_networks=structure.n_networks > 1)

    def run(stack: Stack, block: Batch, n_steps: Any, values: Values) -> Any:
        global _n_traces
        _n_traces += 1

        def body(k: Any, stack: Stack, losses: Any, hits: Any) -> Any:
            batch = Batch(*(field[k] for field in block))
            stack, loss, n_correct = train_step(xp, structure, stack, batch, values, uses)
            n_rows = tf.reduce_sum(tf.cast(batch.weights > 0, loss.dtype), 1)
            return k + 1, stack, losses + loss * n_rows, hits + n_correct

        zeros = tf.zeros(structure.n_networks, structure.dtype)
        _, stack, losses, hits = tf.while_loop(
            lambda k, *_: k < n_steps, body, (0, stack, zeros, zeros)
        )
        return stack, losses, hits

    return tf.function(run, jit_compile=True, autograph=False)
