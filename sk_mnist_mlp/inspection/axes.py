"""What the displays' axes have in common."""

from __future__ import annotations

from typing import Any

__all__ = ["GREY", "tidy"]

GREY = "#6b7280"
"""Of everything that is not data."""


def tidy(ax: Any) -> None:
    """Leave of the frame what guides the eye: a baseline, an axis and faint lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(color=GREY)
    ax.grid(alpha=0.25, linewidth=0.8)
    ax.set_axisbelow(True)
