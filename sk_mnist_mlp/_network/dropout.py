"""Dropout masks as a hash of a key and a position: the same in every engine, at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network.random_bits import random_words

__all__ = ["dropout_constants", "dropout_scale"]


def dropout_constants(
    rates: Sequence[float], dtype: Any
) -> tuple[NDArray[np.uint16], NDArray[Any]]:
    """Threshold and scale of dropout, as :class:`Values` holds them, of one network a rate."""
    thresholds = np.minimum(np.rint(np.asarray(rates) * 65536), 65535)
    return thresholds.astype(np.uint16), (65536 / (65536 - thresholds)).astype(dtype)


def dropout_scale(xp: Any, key: Any, shape: tuple[int, int], threshold: Any, scale: Any) -> Any:
    """Mask and scale of inverted dropout: 0 where a unit is dropped, else ``scale``.

    One 32-bit word serves two units, so a rate is rounded to a multiple of 1/65,536.

    Parameters
    ----------
    xp : namespace
        Where to compute.
    key : uint32 array of shape (G, 2)
        Key of this layer at this step.
    shape : (int, int)
        Rows and units.
    threshold, scale : arrays of shape (G,)
        See :class:`Values`.

    Returns
    -------
    mask : array of shape (G, rows, units)

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 15.
    """
    n_rows, n_units = shape
    words = random_words(xp, key, n_rows, (n_units + 1) // 2)
    kept = xp.halves(words)[:, :, :n_units] >= threshold[:, None, None]
    return xp.cast(kept, scale.dtype) * scale[:, None, None]
