"""One small array namespace, over NumPy and over TensorFlow.

The mathematics of the network and of its training step is written once, over a namespace ``xp``
that holds just the functions used. :class:`NumpyNamespace` runs them at once;
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


def _erf(a: Any) -> Any:
    from scipy.special import erf

    return erf(a)


class NumpyNamespace:
    """The namespace that computes at once; names and meaning are NumPy's unless a method says more.

    :func:`tensorflow_namespace` has the same names.
    """

    abs = staticmethod(np.abs)
    cos = staticmethod(np.cos)
    erf = staticmethod(_erf)
    exp = staticmethod(np.exp)
    expm1 = staticmethod(np.expm1)
    floor = staticmethod(np.floor)
    log = staticmethod(np.log)
    log1p = staticmethod(np.log1p)
    matmul = staticmethod(np.matmul)
    maximum = staticmethod(np.maximum)
    minimum = staticmethod(np.minimum)
    ones_like = staticmethod(np.ones_like)
    reshape = staticmethod(np.reshape)
    sin = staticmethod(np.sin)
    sqrt = staticmethod(np.sqrt)
    square = staticmethod(np.square)
    tanh = staticmethod(np.tanh)
    where = staticmethod(np.where)

    @staticmethod
    def argmax(a: Any, axis: int) -> Any:
        """Index of the largest value along ``axis``, as int32."""
        return a.argmax(axis).astype(np.int32)

    copy = staticmethod(np.copy)

    @staticmethod
    def cast(a: Any, dtype: Any) -> Any:
        """``a`` with another dtype."""
        return a.astype(dtype)

    @staticmethod
    def concat(arrays: Any, axis: int) -> Any:
        """``arrays`` joined along ``axis``."""
        return np.concatenate(arrays, axis)

    @staticmethod
    @functools.lru_cache(maxsize=32)
    def counter(n_rows: int, n_columns: int) -> Any:
        """The uint32 numbers 0, 1, 2, … in row-major order, of shape (n_rows, n_columns)."""
        return np.arange(n_rows * n_columns, dtype=np.uint32).reshape(n_rows, n_columns)

    @staticmethod
    def halves(a: Any) -> Any:
        """The 16-bit halves of uint32 numbers, side by side along the last axis."""
        return a.view(np.uint16)

    @staticmethod
    def matmul_nt(a: Any, b: Any) -> Any:
        """``a @ b.T`` for stacks of matrices."""
        return np.matmul(a, b.swapaxes(-1, -2))

    @staticmethod
    def matmul_tn(a: Any, b: Any) -> Any:
        """``a.T @ b`` for stacks of matrices."""
        return np.matmul(a.swapaxes(-1, -2), b)

    @staticmethod
    def max(a: Any, axis: int) -> Any:
        """Largest value along ``axis``, which stays with length 1."""
        return a.max(axis, keepdims=True)

    @staticmethod
    def one_hot(labels: Any, n_classes: int, dtype: Any) -> Any:
        """Rows of the identity matrix chosen by ``labels``."""
        return np.eye(n_classes, dtype=dtype)[labels]

    @staticmethod
    def pad_frame(images: Any) -> Any:
        """``(n, height, width, channels)`` with a frame of zeros, one pixel wide."""
        return np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))

    @staticmethod
    def shift_right(a: Any, n_bits: int) -> Any:
        """Unsigned right shift."""
        return a >> np.uint32(n_bits)

    @staticmethod
    def sum(a: Any, axis: Any) -> Any:
        """Sum over ``axis``."""
        return a.sum(axis)

    @staticmethod
    def take_rows(a: Any, rows: Any) -> Any:
        """``a[i, rows[i]]`` for every ``i``: (n, m, c) and (n, k) make (n, k, c)."""
        n, m, n_channels = a.shape
        flat = rows + m * np.arange(n, dtype=rows.dtype)[:, None]
        return a.reshape(n * m, n_channels).take(flat, axis=0)

    @staticmethod
    def unless_zero(value: Any, compute: Any, shape: tuple[int, ...]) -> Any:
        """``compute()`` if any entry of ``value`` is not zero, else zeros of that shape."""
        return compute() if value.any() else np.zeros(shape, value.dtype)


@functools.cache
def tensorflow_namespace() -> Any:
    """The namespace that traces, over TensorFlow, which is imported on the first call."""
    import tensorflow as tf

    return SimpleNamespace(
        abs=tf.abs,
        argmax=lambda a, axis: tf.argmax(a, axis, output_type=tf.int32),
        cast=tf.cast,
        concat=tf.concat,
        copy=tf.identity,
        cos=tf.cos,
        counter=lambda n_rows, n_columns: tf.reshape(
            tf.cast(tf.range(n_rows * n_columns), tf.uint32), (n_rows, n_columns)
        ),
        erf=tf.math.erf,
        exp=tf.exp,
        expm1=tf.math.expm1,
        floor=tf.floor,
        halves=lambda a: tf.reshape(tf.bitcast(a, tf.uint16), (*a.shape[:-1], 2 * a.shape[-1])),
        log=tf.math.log,
        log1p=tf.math.log1p,
        matmul=tf.matmul,
        matmul_nt=functools.partial(tf.matmul, transpose_b=True),
        matmul_tn=functools.partial(tf.matmul, transpose_a=True),
        max=lambda a, axis: tf.reduce_max(a, axis, keepdims=True),
        maximum=tf.maximum,
        minimum=tf.minimum,
        one_hot=lambda labels, n_classes, dtype: tf.one_hot(labels, n_classes, dtype=dtype),
        ones_like=tf.ones_like,
        pad_frame=lambda images: tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))),
        reshape=tf.reshape,
        shift_right=lambda a, n_bits: tf.bitwise.right_shift(a, tf.constant(n_bits, tf.uint32)),
        sin=tf.sin,
        sqrt=tf.sqrt,
        square=tf.square,
        sum=tf.reduce_sum,
        tanh=tf.tanh,
        # One flat gather: with batch_dims XLA writes down a pair of indices for every pixel, which
        # took a fifth of an augmented step (2026-11-24).
        take_rows=lambda a, rows: tf.gather(
            tf.reshape(a, (a.shape[0] * a.shape[1], a.shape[2])),
            rows + a.shape[1] * np.arange(a.shape[0], dtype=np.int32)[:, None],
        ),
        unless_zero=lambda value, compute, shape: tf.cond(
            tf.reduce_any(value != 0), compute, lambda: tf.zeros(shape, value.dtype)
        ),
        where=tf.where,
    )


_BLOCK_BYTES = 8 << 20
"""Memory for the widest activations of a block: it then stays in the processor's cache."""


def row_blocks(n_rows: int, width: int, itemsize: int) -> Iterator[slice]:
    """Cut ``n_rows`` into slices whose arrays of ``width`` columns stay small."""
    step = max(64, _BLOCK_BYTES // (width * itemsize))
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))
