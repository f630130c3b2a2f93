"""One small array namespace, over NumPy and over TensorFlow.

The mathematics of the network and of its training step is written once, over a namespace ``xp``
that holds just the functions used. :class:`NumpyNamespace` runs them at once;
:func:`tensorflow_namespace` traces them into an XLA program. So the compiled step and its plain
twin cannot drift apart.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

__all__ = ["Namespace", "NumpyNamespace", "tensorflow_namespace"]


class Namespace(Protocol):
    """The functions that both namespaces offer, with NumPy's names and meaning."""

    abs: Any
    erf: Any
    exp: Any
    expm1: Any
    log: Any
    log1p: Any
    maximum: Any
    minimum: Any
    ones_like: Any
    sqrt: Any
    square: Any
    tanh: Any
    where: Any

    def argmax(self, a: Any, axis: int) -> Any:
        """Index of the largest value along ``axis``, as int32."""

    def cast(self, a: Any, dtype: Any) -> Any:
        """``a`` with another dtype."""

    def concat(self, arrays: Any, axis: int) -> Any:
        """``arrays`` joined along ``axis``."""

    def copy(self, a: Any) -> Any:
        """``a`` as it is now, whatever is done to it later."""

    def counter(self, n_rows: int, n_columns: int) -> Any:
        """The uint32 numbers 0, 1, 2, … in row-major order, of shape (n_rows, n_columns)."""

    def halves(self, a: Any) -> Any:
        """The 16-bit halves of uint32 numbers, side by side along the last axis."""

    def matmul(self, a: Any, b: Any) -> Any:
        """Product of stacks of matrices, ``(…, m, k)`` by ``(…, k, n)``."""

    def matmul_nt(self, a: Any, b: Any) -> Any:
        """``a @ b.T`` for stacks of matrices."""

    def matmul_tn(self, a: Any, b: Any) -> Any:
        """``a.T @ b`` for stacks of matrices."""

    def max(self, a: Any, axis: int) -> Any:
        """Largest value along ``axis``, which stays with length 1."""

    def one_hot(self, labels: Any, n_classes: int, dtype: Any) -> Any:
        """Rows of the identity matrix chosen by ``labels``."""

    def shift_right(self, a: Any, n_bits: int) -> Any:
        """Unsigned right shift."""

    def sum(self, a: Any, axis: Any) -> Any:
        """Sum over ``axis``."""

    def unless_zero(self, value: Any, compute: Any) -> Any:
        """``compute()`` if any entry of ``value`` is not zero, else zeros like ``value``."""


def _erf(a: Any) -> Any:
    from scipy.special import erf

    return erf(a)


class NumpyNamespace:
    """The namespace that computes at once."""

    abs = staticmethod(np.abs)
    erf = staticmethod(_erf)
    exp = staticmethod(np.exp)
    expm1 = staticmethod(np.expm1)
    log = staticmethod(np.log)
    log1p = staticmethod(np.log1p)
    matmul = staticmethod(np.matmul)
    maximum = staticmethod(np.maximum)
    minimum = staticmethod(np.minimum)
    ones_like = staticmethod(np.ones_like)
    sqrt = staticmethod(np.sqrt)
    square = staticmethod(np.square)
    tanh = staticmethod(np.tanh)
    where = staticmethod(np.where)

    @staticmethod
    def argmax(a: Any, axis: int) -> Any:
        return a.argmax(axis).astype(np.int32)

    copy = staticmethod(np.copy)

    @staticmethod
    def cast(a: Any, dtype: Any) -> Any:
        return a.astype(dtype)

    @staticmethod
    def concat(arrays: Any, axis: int) -> Any:
        return np.concatenate(arrays, axis)

    @staticmethod
    @functools.lru_cache(maxsize=32)
    def counter(n_rows: int, n_columns: int) -> Any:
        return np.arange(n_rows * n_columns, dtype=np.uint32).reshape(n_rows, n_columns)

    @staticmethod
    def halves(a: Any) -> Any:
        return a.view(np.uint16)

    @staticmethod
    def matmul_nt(a: Any, b: Any) -> Any:
        return np.matmul(a, b.swapaxes(-1, -2))

    @staticmethod
    def matmul_tn(a: Any, b: Any) -> Any:
        return np.matmul(a.swapaxes(-1, -2), b)

    @staticmethod
    def max(a: Any, axis: int) -> Any:
        return a.max(axis, keepdims=True)

    @staticmethod
    def one_hot(labels: Any, n_classes: int, dtype: Any) -> Any:
        return np.eye(n_classes, dtype=dtype)[labels]

    @staticmethod
    def shift_right(a: Any, n_bits: int) -> Any:
        return a >> np.uint32(n_bits)

    @staticmethod
    def sum(a: Any, axis: Any) -> Any:
        return a.sum(axis)

    @staticmethod
    def unless_zero(value: Any, compute: Any) -> Any:
        return compute() if value.any() else np.zeros_like(value)


@functools.cache
def tensorflow_namespace() -> Namespace:
    """The namespace that traces, over TensorFlow, which is imported on the first call."""
    import tensorflow as tf

    return SimpleNamespace(  # type: ignore[return-value]  # a module-like bag, checked by its use
        abs=tf.abs,
        argmax=lambda a, axis: tf.argmax(a, axis, output_type=tf.int32),
        cast=tf.cast,
        concat=tf.concat,
        copy=tf.identity,
        counter=lambda n_rows, n_columns: tf.reshape(
            tf.cast(tf.range(n_rows * n_columns), tf.uint32), (n_rows, n_columns)
        ),
        erf=tf.math.erf,
        exp=tf.exp,
        expm1=tf.math.expm1,
        halves=lambda a: tf.reshape(
            tf.bitcast(a, tf.uint16), (*a.shape[:-1], 2 * a.shape[-1])
        ),
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
        shift_right=lambda a, n_bits: tf.bitwise.right_shift(a, tf.constant(n_bits, tf.uint32)),
        sqrt=tf.sqrt,
        square=tf.square,
        sum=tf.reduce_sum,
        tanh=tf.tanh,
        unless_zero=lambda value, compute: tf.cond(
            tf.reduce_any(value != 0), compute, lambda: tf.zeros_like(value)
        ),
        where=tf.where,
    )
