"""Random bits as a hash of a key and a position, over an array namespace.

No generator state: the same numbers in NumPy and in a compiled program, whatever is drawn beside
them. The keys come from :func:`sk_mnist_mlp.training._chance.step_keys`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["random_words", "uniform"]


def random_words(xp: Any, key: Any, n_rows: int, n_columns: int) -> Any:
    """Draw 32 bits for each position.

    Parameters
    ----------
    xp : Namespace
        Where to compute.
    key : uint32 array of shape (G, 2)
        One key a network.
    n_rows, n_columns : int
        Positions.

    Returns
    -------
    words : uint32 array of shape (G, n_rows, n_columns)

    References
    ----------
    The finalizer's constants are those of Wellons's ``lowbias32`` search for 32-bit integer hashes
    of least bias.
    """
    first, second = key[:, 0, None, None], key[:, 1, None, None]
    words = xp.counter(n_rows, n_columns)[None] ^ first
    words ^= xp.shift_right(words, 16)
    words *= 0x7FEB352D
    # The second key enters after the first multiplication: two steps whose counters overlap
    # under the first key still draw unrelated bits.
    words += second
    words ^= xp.shift_right(words, 15)
    words *= 0x846CA68B
    words ^= xp.shift_right(words, 16)
    return words


def uniform(xp: Any, key: Any, n_rows: int, n_columns: int, dtype: Any) -> Any:
    """Draw numbers from [-1, 1), of shape (G, n_rows, n_columns)."""
    words = random_words(xp, key, n_rows, n_columns)
    # 24 bits, which float32 holds exactly: one of all 32 would round up to 1.
    return xp.cast(xp.shift_right(words, 8), dtype) * 2.0**-23 - 1.0
