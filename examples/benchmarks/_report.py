"""What a benchmark found: findings with their promises, as a table and as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from _bench import HERE, Outcome, is_whole

RESULTS = HERE / "results"
PACKAGES = (
    *("scikit-learn", "numpy", "joblib", "tensorflow", "keras"),
    *("scikeras", "skorch", "torch"),
)
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass(frozen=True)
class Finding:
    """One figure, and the bound that was promised for it.

    Attributes
    ----------
    what : str
        What was measured.
    ours : float
        This package's figure, in ``unit``.
    unit : str
        ``"s"`` (shown as ms or µs where small), ``"MB"``, ``"%"`` or any other word.
    against : str
        Who it is compared with; empty where a figure stands alone.
    theirs : float or None
        The other's figure, in ``unit``.
    value : float
        What is judged: a ratio, a difference, or ``ours`` itself.
    value_unit : str
        As ``unit``, or ``"× faster"`` and the like.
    at_least, at_most : float or None
        The promise.
    """

    what: str
    ours: float
    unit: str
    against: str
    theirs: float | None
    value: float
    value_unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_promised(self) -> bool:
        """Whether a bound was promised for it."""
        return self.at_least is not None or self.at_most is not None

    @property
    def is_kept(self) -> bool:
        """Whether the promise, if there is one, is kept."""
        too_low = self.at_least is not None and self.value < self.at_least
        too_high = self.at_most is not None and self.value > self.at_most
        return not (too_low or too_high)

    def cells(self) -> list[str]:
        """Return a table row under ``HEADERS``."""
        return [
            self.what,
            quantity(self.ours, self.unit),
            self.against,
            "" if self.theirs is None else quantity(self.theirs, self.unit),
            quantity(self.value, self.value_unit) if self.against else "",
            self._promise(),
        ]

    def _promise(self) -> str:
        missed = "" if self.is_kept else ", missed"
        if self.at_least is not None:
            return f"≥ {quantity(self.at_least, self.value_unit.removesuffix(' faster'))}{missed}"
        if self.at_most is not None:
            return f"≤ {quantity(self.at_most, self.value_unit)}{missed}"
        return ""


HEADERS = ["measured", "sk_mnist_mlp", "compared with", "its figure", "result", "promised"]


def faster(
    what: str, ours: float, against: str, theirs: float, *, at_least: float | None = None
) -> Finding:
    """How many times faster than the other, from two times in seconds."""
    return Finding(what, ours, "s", against, theirs, theirs / ours, "× faster", at_least)


def alone(what: str, ours: float, unit: str, *, at_most: float | None = None) -> Finding:
    """Report a figure that stands alone."""
    return Finding(what, ours, unit, "", None, ours, unit, at_most=at_most)


def quantity(value: float, unit: str) -> str:
    """Write a number with its unit, to about three digits."""
    if unit == "s" and 0 < value < 1e-3:
        value, unit = value * 1e6, "µs"
    elif unit == "s" and 0 < value < 1:
        value, unit = value * 1e3, "ms"
    if unit == "points":
        return f"{value:+.2f} points"
    if unit == "% right":
        return f"{value:.2f} %"
    if unit == "%":
        return f"{value:.1f} %"
    digits = ",.0f" if abs(value) >= 100 else ".3g"
    return f"{value:{digits}} {unit}".strip()


# ----------------------------------------------------------------------------------------------
# A whole report


@dataclass
class Report:
    """All that one benchmark found.

    Attributes
    ----------
    name : str
        Stem of the JSON file.
    title : str
        One line on what was measured and how.
    findings : list of Finding
        In the order of the table.
    outcomes : dict of str to Outcome
        Every run behind the findings.
    """

    name: str
    title: str
    findings: list[Finding] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def as_json(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "benchmark": self.name,
            "title": self.title,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": machine(),
            "versions": versions(),
            "options": {key: value for key, value in options.items() if key != "output"},
            "findings": [asdict(finding) for finding in self.findings],
            "measurements": {part: asdict(outcome) for part, outcome in self.outcomes.items()},
        }

    def left_out(self) -> dict[str, str]:
        """Name to reason, of all who did not take part."""
        return {
            name: reason
            for outcome in self.outcomes.values()
            for name, reason in (outcome.skipped | outcome.failed).items()
        }


def conclude(report: Report, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Print the findings, write the JSON of a whole run and return the exit status.

    The status is 1 where a run failed or a promise was broken. A run of other sizes than the
    promises are about is not judged, and is only written where ``--output`` says.
    """
    whole = is_whole(parser, args)
    content = report.as_json(vars(args))
    print(f"\n{report.title}\n{describe(content)}\n")
    print_table(HEADERS, [finding.cells() for finding in report.findings])
    for name, reason in report.left_out().items():
        print(f"Not measured: {name} ({reason}).")
    failed = any(outcome.failed for outcome in report.outcomes.values())
    broken = [finding for finding in report.findings if not finding.is_kept] if whole else []
    for finding in broken:
        print(f"Promise broken: {finding.what} {finding.against}".rstrip() + ".")
    path = args.output or (RESULTS / f"{report.name}.json" if whole else None)
    if path is None:
        print("Not the sizes that the promises are about: not judged, nothing written.")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"Written: {path}")
    return int(failed or bool(broken))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, each as wide as its widest entry."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in [headers, ["-" * width for width in widths], *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


# ----------------------------------------------------------------------------------------------
# The machine and its software


def machine() -> dict[str, Any]:
    """Cores and processor; thread settings of the environment, where somebody made some."""
    settings = {name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ}
    return {
        "cores": n_cores(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "thread_settings": settings,
    }


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the peers that are installed."""
    from sk_mnist_mlp import __version__

    found = {"python": platform.python_version(), "sk_mnist_mlp": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(content: dict[str, Any]) -> str:
    """Say in two lines on what machine, with which software and when a report was made."""
    about = content["machine"]
    where = [f"{about['cores']} cores", about["processor"], about["system"], content["date"]]
    where += [f"{name}={value}" for name, value in about["thread_settings"].items()]
    software = [f"{name} {number}" for name, number in content["versions"].items()]
    return ", ".join(filter(None, where)) + "\n" + ", ".join(software)
