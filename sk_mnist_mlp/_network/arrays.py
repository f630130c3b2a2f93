"""One small array namespace, over NumPy and over TensorFlow.

The mathematics of the network and of its training step is written once, over a namespace ``xp``
that holds just the functions used. :data:`NumpyNamespace` runs them at once;
:func:`tensorflow_namespace` traces them into an XLA program. So the compiled step and its plain
twin cannot drift apart.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["NumpyNamespace", "row_blocks", "tensorflow_namespace"]

_SAME = (
    *("abs", "cos", "exp", "expm1", "floor", "log", "log1p", "matmul", "maximum", "minimum"),
    *("ones_like", "reshape", "sin", "sqrt", "square", "tanh", "where"),
)
"""Functions that mean the same in NumPy and in TensorFlow."""


def _erf(a: Any) -> Any:
    from scipy.special import erf

    return erf(a)


@functools.lru_cache(maxsize=32)
def _counter(n_rows: int, n_columns: int) -> Any:
    return np.arange(n_rows * n_columns, dtype=np.uint32).reshape(n_rows, n_columns)


def _take_rows(a: Any, rows: Any) -> Any:
    n, m, n_channels = a.shape
    flat = rows + m * np.arange(n, dtype=rows.dtype)[:, None]
    return a.reshape(n * m, n_channels).take(flat, axis=0)


NumpyNamespace = SimpleNamespace(
    **{name: getattr(np, name) for name in _SAME},
    # Index of the largest value along an axis, as int32.
    argmax=lambda a, axis: a.argmax(axis).astype(np.int32),
    cast=lambda a, dtype: a.astype(dtype),
    concat=np.concatenate,
    copy=np.copy,
    # The uint32 numbers 0, 1, 2, … in row-major order, of shape (n_rows, n_columns).
    counter=_counter,
    erf=_erf,
    # The 16-bit halves of uint32 numbers, side by side along the last axis.
    halves=lambda a: a.view(np.uint16),
    # a @ b.T and a.T @ b for stacks of matrices.
    matmul_nt=lambda a, b: np.matmul(a, b.swapaxes(-1, -2)),
    matmul_tn=lambda a, b: np.matmul(a.swapaxes(-1, -2), b),
    # The largest value along an axis, which stays with length 1.
    max=lambda a, axis: a.max(axis, keepdims=True),
    one_hot=lambda labels, n_classes, dtype: np.eye(n_classes, dtype=dtype)[labels],
    # Images (n, height, width, channels) with a frame of zeros, one pixel wide.
    pad_frame=lambda images: np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))),
    shift_right=lambda a, n_bits: a >> np.uint32(n_bits),
    sum=lambda a, axis: a.sum(axis),
    # a[i, rows[i]] for every i: (n, m, c) and (n, k) make (n, k, c).
    take_rows=_take_rows,
    # compute() if any entry of value is not zero, else zeros of that shape.
    unless_zero=lambda value, compute, shape: (
        compute() if value.any() else np.zeros(shape, value.dtype)
    ),
)
"""The namespace that computes at once."""


@functools.cache
def tensorflow_namespace() -> Any:
    """The same names over TensorFlow, which is imported on the first call."""
    import tensorflow as tf

    return SimpleNamespace(
        **{name: getattr(tf.math if hasattr(tf.math, name) else tf, name) for name in _SAME},
        argmax=functools.partial(tf.argmax, output_type=tf.int32),
        cast=tf.cast,
        concat=tf.concat,
        copy=tf.identity,
        counter=lambda n_rows, n_columns: tf.reshape(
            tf.cast(tf.range(n_rows * n_columns), tf.uint32), (n_rows, n_columns)
        ),
        erf=tf.math.erf,
        halves=lambda a: tf.reshape(tf.bitcast(a, tf.uint16), (*a.shape[:-1], 2 * a.shape[-1])),
        matmul_nt=functools.partial(tf.matmul, transpose_b=True),
        matmul_tn=functools.partial(tf.matmul, transpose_a=True),
        max=functools.partial(tf.reduce_max, keepdims=True),
        one_hot=lambda labels, n_classes, dtype: tf.one_hot(labels, n_classes, dtype=dtype),
        pad_frame=lambda images: tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))),
        shift_right=lambda a, n_bits: tf.bitwise.right_shift(a, tf.constant(n_bits, tf.uint32)),
        sum=tf.reduce_sum,
        # One flat gather: with batch_dims XLA writes down a pair of indices for every pixel, which
        # took a fifth of an augmented step (2026-11-24).
        take_rows=lambda a, rows: tf.gather(
            tf.reshape(a, (a.shape[0] * a.shape[1], a.shape[2])),
            rows + a.shape[1] * np.arange(a.shape[0], dtype=np.int32)[:, None],
        ),
        unless_zero=lambda value, compute, shape: tf.cond(
            tf.reduce_any(value != 0), compute, lambda: tf.zeros(shape, value.dtype)
        ),
    )


_BLOCK_BYTES = 8 << 20
"""Memory for the widest activations of a block: it then stays in the processor's cache."""


def row_blocks(n_rows: int, width: int, itemsize: int) -> Iterator[slice]:
    """Cut ``n_rows`` into slices whose arrays of ``width`` columns stay small."""
    step = max(64, _BLOCK_BYTES // (width * itemsize))
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))
