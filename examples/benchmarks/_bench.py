"""Measure contestants fairly: every run in a fresh process, the runs interleaved.

A fresh process each, because the thread pools of OpenBLAS, TensorFlow and PyTorch disturb one
another, and because whoever runs second in a process finds memory and programs warm. Interleaved
(one run of each, then the next round), because a machine is not equally fast all day.

A contestant is a function of a task (plain values) that returns plain values. It does its imports
and loads its data first and starts the clock then; building, tracing and compiling are in the time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Task = dict[str, Any]
"""What to do, as plain values that JSON can hold; ``seed`` is the number of the round."""

Values = dict[str, Any]
"""What came out of one run, as plain values that JSON can hold."""

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
"""The checkout, whose package is measured, whatever is installed."""
sys.path.insert(1, str(ROOT))

TIME_LIMIT = 3600.0
"""Seconds after which one run is given up."""


class Skip(Exception):
    """Raised by a contestant that cannot take part here; its text says why."""


@dataclass(frozen=True)
class Contestant:
    """One way of doing a task.

    Attributes
    ----------
    key : str
        Short name, for ``--only`` and the JSON.
    name : str
        As tables show it.
    run : callable
        A function at the top of its module: it is imported again in the fresh process.
    needs : tuple of str
        Modules without which it is left out.
    rounds : int
        In how many rounds it takes part where ``--repeats`` is not given: few if slow.
    terminal : bool
        Whether its output goes to a (pretended) terminal.
    """

    key: str
    name: str
    run: Callable[[Task], Values]
    needs: tuple[str, ...] = ()
    rounds: int = 2
    terminal: bool = False


@dataclass
class Outcome:
    """What a set of contestants did.

    Attributes
    ----------
    names : dict of str to str
        Key to name, of all who took part.
    runs : dict of str to list of dict
        Key to the values of each run.
    skipped, failed : dict of str to str
        Name to reason.
    """

    names: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[Values]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def has(self, *keys: str) -> bool:
        """Whether all of these ran."""
        return all(self.runs.get(key) for key in keys)

    def column(self, key: str, value: str = "seconds") -> list[float]:
        """One value of every run."""
        return [run[value] for run in self.runs[key]]

    def median(self, key: str, value: str = "seconds") -> float:
        """The median over the runs."""
        return statistics.median(self.column(key, value))


class Stopwatch:
    """``with Stopwatch() as watch: …`` leaves the wall time in ``watch.seconds``."""

    def __enter__(self) -> Stopwatch:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._began


# ----------------------------------------------------------------------------------------------
# Rounds


def measure(
    contestants: Sequence[Contestant],
    task: Task,
    *,
    repeats: int | None = None,
    only: Sequence[str] = (),
    first_seed: int = 0,
) -> Outcome:
    """Run every contestant once a round, each time in a fresh process.

    Parameters
    ----------
    contestants : sequence of Contestant
        In the order of a round.
    task : dict
        What each of them is given, with ``seed`` added.
    repeats : int or None, default=None
        Rounds for everyone; None leaves it to each contestant.
    only : sequence of str, default=()
        Keys of those to run; none means all.
    first_seed : int, default=0
        ``seed`` of the first round.
    """
    outcome = Outcome()
    taking_part = [c for c in contestants if not only or c.key in only]
    rounds = {c.key: c.rounds if repeats is None else repeats for c in taking_part}
    for number in range(max(rounds.values(), default=0)):
        for contestant in taking_part:
            out = contestant.name in outcome.skipped or contestant.name in outcome.failed
            if not out and number < rounds[contestant.key]:
                turn = f"round {number + 1} of {rounds[contestant.key]}"
                _take_turn(contestant, task | {"seed": first_seed + number}, turn, outcome)
    return outcome


def _take_turn(contestant: Contestant, task: Task, turn: str, outcome: Outcome) -> None:
    name = contestant.name
    try:
        for module in contestant.needs:
            if importlib.util.find_spec(module) is None:
                raise Skip(f"{module} is not installed")
        values = run_fresh(contestant, task)
    except Skip as reason:
        outcome.skipped[name] = str(reason)
        print(f"  {name}: skipped, {reason}", flush=True)
    except RuntimeError as error:
        outcome.failed[name] = str(error)
        print(f"  {name}: FAILED, {error}", flush=True)
    else:
        outcome.names[contestant.key] = name
        outcome.runs.setdefault(contestant.key, []).append(values)
        seconds = f"{values['seconds']:9.3f} s" if "seconds" in values else ""
        print(f"  {turn}  {seconds}  {name}", flush=True)


# ----------------------------------------------------------------------------------------------
# A fresh process


def run_fresh(contestant: Contestant, task: Task) -> Values:
    """Run a contestant in a process of its own and return its values.

    Raises
    ------
    Skip
        If it said that it cannot take part.
    RuntimeError
        If it failed or took longer than ``TIME_LIMIT``.
    """
    function = contestant.run
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = [
            *(sys.executable, "-c", "import _bench; _bench.answer()"),
            # The script itself is "__main__" here, and an ordinary module there.
            *(Path(function.__code__.co_filename).stem, function.__name__),
            *(json.dumps(task), str(answer)),
        ]
        _call(command, terminal=contestant.terminal)
        values: Values = json.loads(answer.read_text())
    if "skip" in values:
        raise Skip(values["skip"])
    return values


def answer() -> None:
    """Run one function and write its values down: what the fresh process does."""
    module, function, task, path = sys.argv[1:]
    try:
        values = getattr(importlib.import_module(module), function)(json.loads(task))
    except Skip as reason:
        values = {"skip": str(reason)}
    Path(path).write_text(json.dumps(values))


def _call(command: list[str], *, terminal: bool) -> None:
    # TensorFlow's C++ side greets on standard error, which is kept for the message of a failure.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ
    folders = [str(HERE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(folders)
    if terminal:
        environment["TERM"] = "xterm"
    with _output(terminal) as output:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=TIME_LIMIT,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"no answer after {TIME_LIMIT:.0f} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise RuntimeError(last[0])


@contextmanager
def _output(terminal: bool) -> Iterator[int]:
    """Where a run's standard output goes: nowhere, or to a terminal that nobody watches."""
    if not terminal:
        yield subprocess.DEVNULL
        return
    import pty

    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,), daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join(timeout=10)
        os.close(ours)


def _drain(descriptor: int) -> None:
    """Read until the other side is closed, which Linux reports as an error."""
    try:
        while os.read(descriptor, 1 << 16):
            pass
    except OSError:
        pass


# ----------------------------------------------------------------------------------------------
# The command line that all benchmarks share


def make_parser(description: str, contestants: Sequence[Contestant]) -> argparse.ArgumentParser:
    """Make a parser with ``--repeats``, ``--only`` and ``--output``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--repeats",
        type=int,
        help="rounds for every contestant (default: 1 to 3, the fewer the slower it is)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=list(dict.fromkeys(contestant.key for contestant in contestants)),
        help="measure these alone",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="where to write the JSON (default: results/ beside this script, for a whole run)",
    )
    return parser


def is_whole(parser: argparse.ArgumentParser, args: argparse.Namespace) -> bool:
    """Whether a run has the sizes that its promises are about, and everyone takes part."""
    free = {"repeats", "seeds", "output"}
    return all(
        value == parser.get_default(name) for name, value in vars(args).items() if name not in free
    )
