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

_UNKNOWN_SLOTS = 3
"""Moments of an optimizer of which nothing is known; few have more."""

_CGROUPS = Path("/sys/fs/cgroup")

_UNLIMITED = 1 << 60


def bytes_needed(plan: TrainingPlan, n_rows: int, engine: str) -> int:
    """Estimate the memory a training takes at its peak, beside the data.

    Parameters
    ----------
    plan : TrainingPlan
        What to train.
    n_rows : int
        Rows there are; a batch has no more.
    engine : {"numpy", "xla", "keras"}
        The engine that will train.
    """
    n_slots = _UNKNOWN_SLOTS if plan.rule is None else plan.rule.n_slots
    for_weights, for_slot = _COPIES[engine]
    n_weights = (for_weights + for_slot * n_slots) * plan.network.n_parameters
    n_activations = 4 * min(plan.batch_size, n_rows) * sum(plan.network.layer_widths)
    return int(np.dtype(plan.network.dtype).itemsize * (n_weights + n_activations))


def bytes_available() -> int | None:
    """Tell how much memory this process can still take without swapping; None where unknown."""
    free = _linux_free()
    if free is None:
        return _physical()
    return min(free, *_cgroup_free())


def check_memory(job: Job, engine: str) -> None:
    """Refuse a network too wide for this machine.

    Raises
    ------
    MemoryError
        Before anything is allocated, so that a search scores the candidate by ``error_score`` and
        goes on.
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


def _linux_free() -> int | None:
    """Read what Linux could give without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next(
        (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None
    )


def _cgroup_free() -> list[int]:
    """List what the container that this process may live in still allows, by each limit."""
    free = [_UNLIMITED]
    for folder, limit, usage in (
        (_CGROUPS, "memory.max", "memory.current"),
        (_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            used = int((folder / usage).read_text()) - _file_cache(folder / "memory.stat")
            free.append(max(0, int((folder / limit).read_text()) - used))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return free


def _file_cache(stat: Path) -> int:
    """Files kept in memory, which count as used but make room when asked."""
    pairs = (line.split() for line in stat.read_text().splitlines())
    return sum(int(n) for name, n in pairs if name in ("inactive_file", "active_file"))


def _physical() -> int | None:
    """All the memory of the machine, where its system does not say how much is free."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
