"""What the displays' axes have in common."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import require

__all__ = ["GREY", "image_axes", "tidy"]

GREY = "#6b7280"
"""Of everything that is not data."""


def tidy(ax: Any) -> None:
    """Leave of the frame what guides the eye: a baseline, an axis and faint lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(color=GREY)
    ax.grid(alpha=0.25, linewidth=0.8)
    ax.set_axisbelow(True)


def image_axes(who: str, ax: Any, n_images: int, title: str = "") -> tuple[NDArray[Any], Any]:
    """Axes for images, without ticks, and their figure; None makes them, five in a row.

    Raises
    ------
    ImportError, ValueError
        If matplotlib is missing, or there are too few axes, in the name of the method ``who``.
    """
    plt = require("matplotlib.pyplot", who=who)
    if ax is None:
        n_columns = min(max(n_images, 1), 5)
        n_rows = math.ceil(max(n_images, 1) / n_columns)
        size = max(1.5 * n_columns, 3.2), 1.75 * n_rows + 0.3
        figure, ax = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")
        figure.suptitle(title, fontsize=9)
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) < n_images:
        raise ValueError(
            f"{who}: expected axes for {n_images} images, got {len(axes)}. Make them by "
            "plt.subplots, or pass ax=None."
        )
    for one in axes:
        one.set_axis_off()
    return axes[:n_images], axes[0].figure
