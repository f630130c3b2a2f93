"""Whether a network fits in memory, asked before anything is allocated.

A process that takes more memory than there is gets no error: the system ends it, and with it a
whole search. So what a training needs is estimated from its plan, and refused in time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from sk_mnist_mlp._training.plan import Job, TrainingPlan

__all__ = ["bytes_available", "bytes_needed", "check_memory"]

_COPIES = {"numpy": (14, 4), "xla": (14, 4), "keras": (6, 3)}
"""Arrays of a network's size at an engine's peak: for its weights, and for each of the optimizer's
moments. Measured with networks of 19 to 41 million weights on 2026-11-23: 84 and 42 bytes a weight
with Adam, 55 and 22 with SGD."""

_CGROUPS = Path("/sys/fs/cgroup")


def bytes_needed(plan: TrainingPlan, n_rows: int, engine: str) -> int:
    """Estimate the memory that a training over ``n_rows`` takes at its peak, beside the data."""
    for_weights, for_slot = _COPIES[engine]
    n_weights = (for_weights + for_slot * plan.rule.n_slots) * plan.network.n_parameters
    n_activations = 4 * min(plan.batch_size, n_rows) * sum(plan.network.layer_widths)
    return int(np.dtype(plan.network.dtype).itemsize * (n_weights + n_activations))


def check_memory(job: Job, engine: str) -> None:
    """Refuse a network too wide for this machine by a ``MemoryError``.

    It comes before anything is allocated, so a search scores the candidate by ``error_score``.
    """
    network = job.plan.network
    needed = bytes_needed(job.plan, len(job.data.rows), engine)
    available = bytes_available()
    if available is not None and needed > available:
        raise MemoryError(
            f"{job.hooks.who}: expected a network that fits in memory, got hidden_units="
            f"{network.hidden_units} with {network.n_parameters:,} weights, whose training takes "
            f"about {_readable(needed)} where {_readable(available)} are free. Use fewer hidden "
            "units, or a smaller batch_size."
        )


def _readable(n_bytes: int) -> str:
    size, units = float(n_bytes), ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.3g} {units[0]}" if size < 1000 else f"{size:,.0f} {units[0]}"


def bytes_available() -> int | None:
    """Tell how much memory this process can still take without swapping; None where unknown."""
    try:
        free = 1024 * _read_table(Path("/proc/meminfo"))["MemAvailable:"]
    except (
        OSError,
        KeyError,
        ValueError,
    ):  # not Linux: all the memory of the machine, where that is told
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, ValueError, OSError):
            return None
    # The container that this process may live in allows less.
    for folder, limit, usage in (
        (_CGROUPS, "memory.max", "memory.current"),
        (_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            stat = _read_table(folder / "memory.stat")
            # Files kept in memory count as used, but make room when asked.
            files = stat.get("inactive_file", 0) + stat.get("active_file", 0)
            used = int((folder / usage).read_text()) - files
            free = min(free, max(0, int((folder / limit).read_text()) - used))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return free


def _read_table(path: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {name: int(number) for name, number, *_ in lines}
