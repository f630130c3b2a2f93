"""Random bits as a hash of a key and a position, over an array namespace; and dropout by them.

No generator state: the same numbers in NumPy and in a compiled program, at every step, whatever is
drawn beside them. Keys are uint32 arrays of shape (G, 2), one key for each of G networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dropout_constants", "dropout_scale", "random_words", "step_keys", "uniform"]


def step_keys(seed: int, first_step: int, n_steps: int, n_keys: int) -> NDArray[np.uint32]:
    """Keys of what consecutive steps draw, of shape (n_steps, n_keys, 2).

    Each key is the 64-bit output of SplitMix64 at a position that only this seed, step and use
    have (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators, OOPSLA).
    """
    position = np.arange(first_step * n_keys, (first_step + n_steps) * n_keys, dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is the point
        z = (position + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + _scramble(np.uint64(seed))
        z = _scramble(z)
    return z.view(np.uint32).reshape(n_steps, n_keys, 2)


def _scramble(z: Any) -> Any:
    """SplitMix64's finalizer."""
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def random_words(xp: Any, key: Any, n_rows: int, n_columns: int) -> Any:
    """Draw 32 bits for each position: a uint32 array of shape (G, n_rows, n_columns).

    The constants are those of Wellons's ``lowbias32`` search for 32-bit integer hashes of least
    bias.
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


def dropout_constants(
    rates: Sequence[float], dtype: Any
) -> tuple[NDArray[np.uint16], NDArray[Any]]:
    """Threshold and scale of inverted dropout for each network; rates are rounded to 1/65,536."""
    thresholds = np.minimum(np.rint(np.asarray(rates) * 65536), 65535)
    return thresholds.astype(np.uint16), (65536 / (65536 - thresholds)).astype(dtype)


def dropout_scale(xp: Any, key: Any, shape: tuple[int, int], threshold: Any, scale: Any) -> Any:
    """Factor of each unit, of shape (G, rows, units): 0 where it is dropped, else ``scale``.

    One 32-bit word serves two units. See Srivastava et al. (2014), Dropout: a simple way to
    prevent neural networks from overfitting, JMLR 15.
    """
    n_rows, n_units = shape
    words = random_words(xp, key, n_rows, (n_units + 1) // 2)
    kept = xp.halves(words)[:, :, :n_units] >= threshold[:, None, None]
    return xp.cast(kept, scale.dtype) * scale[:, None, None]
