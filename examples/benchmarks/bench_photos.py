"""How well photos of digits are read, by what was done to them and how strongly.

    python bench_photos.py                  # about 10 minutes on 2 cores
    python bench_photos.py --only tutorial --epochs 5 --pictures 200

Each recipe is trained in a fresh process, and then reads pictures that ``_photos.py`` draws from
MNIST's test images. Of several digits side by side a picture counts as right where all of them are
found and named.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _bench import Contestant, Outcome, Stopwatch, Task, Values, make_parser, measure
from _photos import KINDS, SEVERITIES, photograph
from _report import Finding, Report, conclude

LEAST_RIGHT = 95.0  # % of single digits, of every kind together, at moderate severity


def tutorial(task: Task) -> Values:
    """Read by the published parameters."""
    return _read_photos("tutorial", task)


def accurate(task: Task) -> Values:
    """Read by the recipe that makes the same network most accurate."""
    return _read_photos("accurate", task)


def _read_photos(recipe: str, task: Task) -> Values:
    from sk_mnist_mlp import make_digit_pipeline
    from sk_mnist_mlp.datasets import load_mnist

    X_train, X, y_train, y = load_mnist(return_splits=True)
    overrides = {"epochs": task["epochs"]} if task["epochs"] else {}
    model = make_digit_pipeline(recipe, random_state=task["seed"], **overrides)
    model.fit(X_train[: task["rows"]], y_train[: task["rows"]])
    with Stopwatch() as watch:
        right = {
            f"{kind}, {severity}": 100 * _share_right(model, kind, severity, X, y, task)
            for kind in KINDS
            for severity in SEVERITIES
        }
    return {"seconds": watch.seconds, **right}


def _share_right(model: Any, kind: str, severity: str, X: Any, y: Any, task: Task) -> float:
    from PIL import Image

    from sk_mnist_mlp.datasets import read_digits
    from sk_mnist_mlp.exceptions import DataFileError

    n_right = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        for number in range(task["pictures"]):
            rng = np.random.default_rng([task["seed"], number])  # the same digits for every kind
            rows = rng.integers(len(X), size=rng.integers(2, 6) if kind == "several" else 1)
            Image.fromarray(photograph(X[rows], kind, severity, number)).save(path)
            try:
                found = [digit.image for digit in read_digits(path)]
            except DataFileError:
                continue
            n_right += len(found) == len(rows) and bool((model.predict(found) == y[rows]).all())
    return n_right / task["pictures"]


CONTESTANTS = [
    Contestant("tutorial", "recipe tutorial", tutorial, rounds=1),
    Contestant("accurate", "recipe accurate", accurate, rounds=1),
]


def findings(outcome: Outcome) -> list[Finding]:
    """Each kind and severity, and single digits of all kinds together, of which one is promised."""
    found = []
    for key, name in outcome.names.items():
        for severity in SEVERITIES:
            shares = {kind: outcome.median(key, f"{kind}, {severity}") for kind in KINDS}
            single = float(np.mean([shares[kind] for kind in KINDS if kind != "several"]))
            promised = key == "accurate" and severity == "moderate"
            least = LEAST_RIGHT if promised else None
            found.append(_share(f"{name}: {severity}, single digits", single, least))
            found += [_share(f"{name}: {severity}, {kind}", shares[kind]) for kind in KINDS]
    return found


def _share(what: str, right: float, at_least: float | None = None) -> Finding:
    return Finding(what, right, "% right", "", None, right, "% right", at_least=at_least)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__.splitlines()[0], CONTESTANTS)
    parser.add_argument("--rows", type=int, default=60_000, help="training images")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--pictures", type=int, default=500, help="of each kind and severity")
    args = parser.parse_args(arguments)
    task = {"rows": args.rows, "epochs": args.epochs, "pictures": args.pictures}
    outcome = measure(CONTESTANTS, task, repeats=args.repeats, only=args.only)
    report = Report("photos", "Photos of digits that are read rightly, by kind and severity.")
    report.outcomes = {"photos": outcome}
    report.findings = findings(outcome)
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
