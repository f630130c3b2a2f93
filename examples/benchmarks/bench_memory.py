"""Measure how resident memory grows over 200 fits: in NumPy, in XLA, and around a search.

    python bench_memory.py                    # about 3 minutes on 2 cores

Growth counts from the 10th fit on, when what is loaded and compiled once is in place. The fits vary
in what a grid varies: width, dropout, learning rate, seed and number of rows. Linux only.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _peers
from _bench import Contestant, Outcome, Skip, Stopwatch, Task, Values, make_parser, measure
from _data import digits, mnist
from _report import Finding, Report, alone, conclude

WARM_UP = 10
WIDTHS = (32, 64, 128)
MEGABYTE = 1e6


def resident() -> float:
    """Resident memory of this process, in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        raise Skip("resident memory is read from /proc, which this system has not") from None
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def fits_in_numpy(task: Task) -> Values:
    """Fit small data, which trains in NumPy."""
    X, y = digits()
    values = _grow_over_fits(X, y, task)
    if "tensorflow" in sys.modules:
        raise RuntimeError("TensorFlow was imported, so these fits were not trained in NumPy")
    return values


def fits_in_xla(task: Task) -> Values:
    """Fit MNIST rows, each fit through the compiled program however small it is."""
    from sk_mnist_mlp._training.runners import n_traces

    X, _, y, _ = mnist(4000)
    values = _grow_over_fits(X, y, task, engine="xla")
    traces = n_traces()
    if not traces:
        raise RuntimeError("nothing was compiled, so these fits were not trained in XLA")
    return values | {"traces": traces}


def _grow_over_fits(X: Any, y: Any, task: Task, **parameters: Any) -> Values:
    after_warm_up = 0.0
    with Stopwatch() as watch:
        for number in range(task["fits"]):
            _fit_one(X, y, number, **parameters)
            if number + 1 == WARM_UP:
                after_warm_up = resident()
    at_end = resident()
    return {"seconds": watch.seconds, "after_10": after_warm_up, "at_end": at_end}


def _fit_one(X: Any, y: Any, number: int, **parameters: Any) -> None:
    classifier = _peers.ours(
        hidden_units=WIDTHS[number % len(WIDTHS)],
        dropout=0.1 + 0.002 * number,
        learning_rate=0.001 + 1e-5 * number,
        epochs=2,
        random_state=number,
        **parameters,
    )
    rows = slice(number % 7, len(X) - 3 * number)
    classifier.fit(X[rows], y[rows]).predict(X)


def search(task: Task) -> Values:
    """Search over 200 fits with two workers; the parent's memory is watched all the while."""
    X, _, y, _ = mnist(6000)
    with Stopwatch() as watch:
        _search(X, y, n_fits=WARM_UP)
        before = resident()
        with _watched() as seen:
            _search(X, y, n_fits=task["fits"])
    at_end = resident()
    peak = max([*seen, at_end])
    return {"seconds": watch.seconds, "after_10": before, "at_end": at_end, "peak": peak}


def _search(X: Any, y: Any, n_fits: int) -> None:
    from sklearn.model_selection import RandomizedSearchCV

    grid = {"hidden_units": WIDTHS, "dropout": [0.1 + 0.005 * step for step in range(100)]}
    classifier = _peers.ours(epochs=1, random_state=0)
    n_candidates = max(n_fits // 2, 1)
    RandomizedSearchCV(
        classifier, grid, n_iter=n_candidates, cv=2, n_jobs=2, random_state=0, error_score="raise"
    ).fit(X, y)


@contextmanager
def _watched(interval: float = 0.1) -> Iterator[list[float]]:
    """Note the resident memory every so many seconds."""
    seen: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(interval):
            seen.append(resident())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


CONTESTANTS = [
    Contestant("numpy", "small fits, trained in NumPy", fits_in_numpy, rounds=1),
    Contestant("xla", "fits through the compiled program", fits_in_xla, rounds=1),
    Contestant("search", "the parent of a search, n_jobs=2", search, rounds=1),
]


def findings(outcome: Outcome, n_fits: int) -> list[Finding]:
    """The largest growth of all rounds."""
    found = []
    for key, name in outcome.names.items():
        growth = max(run["at_end"] - run["after_10"] for run in outcome.runs[key])
        what = f"memory after {n_fits} fits beyond that after {WARM_UP}: {name}"
        found.append(alone(what, growth, "MB", at_most=50.0))
    if outcome.has("search"):
        peak = max(run["peak"] - run["after_10"] for run in outcome.runs["search"])
        found.append(alone("the same parent at its largest during the search", peak, "MB"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__.splitlines()[0], CONTESTANTS)
    parser.add_argument("--fits", type=int, default=200, help=f"more than {WARM_UP}")
    args = parser.parse_args(arguments)
    if args.fits <= WARM_UP:
        parser.error(f"--fits: expected more than {WARM_UP}, got {args.fits}")
    outcome = measure(CONTESTANTS, {"fits": args.fits}, repeats=args.repeats, only=args.only)
    report = Report("memory", "Memory: resident, each case in a fresh process.")
    report.outcomes = {"memory": outcome}
    report.findings = findings(outcome, args.fits)
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
