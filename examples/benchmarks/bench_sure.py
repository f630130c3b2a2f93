"""How often ``sk-mnist-mlp predict`` is sure of a test image, and how often it is right then.

    python bench_sure.py                  # some minutes on 2 cores
    python bench_sure.py --only tutorial --rows 1000 --epochs 2

Each recipe is trained by the command in a fresh process and asked for all 10,000 test images; an
answer is sure by the command's own rule.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _bench import Contestant, Outcome, Stopwatch, Task, Values, make_parser, measure
from _report import Finding, Report, alone, conclude


def tutorial(task: Task) -> Values:
    """Be sure by the published parameters."""
    return _answer("tutorial", task)


def accurate(task: Task) -> Values:
    """Be sure by the recipe that makes the same network most accurate."""
    return _answer("accurate", task)


def _answer(recipe: str, task: Task) -> Values:
    from sk_mnist_mlp.cli import main
    from sk_mnist_mlp.datasets import load_mnist

    X_train, X, y_train, y = load_mnist(return_splits=True)
    rows = task["rows"]
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, Stopwatch() as watch:
        data, model, images = (str(Path(folder, name)) for name in ("x.npz", "m.skmlp", "x.npy"))
        np.savez(data, x_train=X_train[:rows], y_train=y_train[:rows], x_test=X, y_test=y)
        np.save(images, X)
        options = ["--epochs", str(task["epochs"])] if task["epochs"] else []
        train = ["train", "--data", data, "--recipe", recipe, "--output", model, *options]
        if main(train):
            raise RuntimeError(f"expected the recipe {recipe!r} to be trained.")
        with contextlib.redirect_stdout(out):
            main(["predict", "--json", model, images])
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    sure = np.array([answer["sure"] for answer in answers])
    right = np.array([answer["label"] for answer in answers]) == y
    shares = {"sure": sure.mean(), "right_if_sure": right[sure].mean(), "right_else": 0.0}
    shares["right_else"] = right[~sure].mean() if not sure.all() else 0.0
    return {"seconds": watch.seconds, **{name: 100 * float(v) for name, v in shares.items()}}


CONTESTANTS = [
    Contestant("tutorial", "recipe tutorial", tutorial, rounds=1),
    Contestant("accurate", "recipe accurate", accurate, rounds=1),
]


def findings(outcome: Outcome) -> list[Finding]:
    """The medians of all rounds."""
    whats = {
        "sure": "test images answered surely",
        "right_if_sure": "of them right",
        "right_else": "of the others right",
    }
    return [
        alone(f"{name}: {what}", outcome.median(key, column), "% right")
        for key, name in outcome.names.items()
        for column, what in whats.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__.splitlines()[0], CONTESTANTS)
    parser.add_argument("--rows", type=int, default=60_000, help="training images")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    args = parser.parse_args(arguments)
    task = {"rows": args.rows, "epochs": args.epochs}
    outcome = measure(CONTESTANTS, task, repeats=args.repeats, only=args.only)
    report = Report("sure", "Sure answers of the command, each recipe in a fresh process.")
    report.outcomes = {"sure": outcome}
    report.findings = findings(outcome)
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
