"""Axes to draw on, by matplotlib, which is imported when something is drawn."""

from __future__ import annotations

from typing import Any

from sk_mnist_mlp._extras import require

__all__ = ["GREY", "import_pyplot", "tidy"]

GREY = "#6b7280"
"""Of everything that is not data."""


def import_pyplot(who: str) -> Any:
    """Import ``matplotlib.pyplot``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    return require("matplotlib.pyplot", who=who)


def tidy(ax: Any) -> None:
    """Leave of the frame what guides the eye: a baseline, an axis and faint lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(color=GREY)
    ax.grid(alpha=0.25, linewidth=0.8)
    ax.set_axisbelow(True)
