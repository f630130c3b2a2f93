"""Time grid searches against SciKeras, skorch and MLPClassifier; and fused, side by side, in turn.

    python bench_search.py                    # about 12 minutes on 2 cores
    python bench_search.py --parts digits --only ours fused mlp

Two searches: 3 × 3 candidates, 3 folds, 20,000 MNIST rows, 5 epochs; and 3 × 4 candidates, 3 folds,
``load_digits``, 20 epochs. Where there is a GPU, two more on all of MNIST. Starting the workers,
tracing, compiling and the final refit are in the time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import _searches
from _bench import Contestant, Outcome, Task, make_parser, measure
from _report import Finding, Report, alone, conclude, faster, print_table

PEERS = [
    Contestant("scikeras", "SciKeras, n_jobs=2", _searches.scikeras, ("scikeras",), rounds=1),
    Contestant("skorch", "skorch, n_jobs=2", _searches.skorch, ("skorch", "torch"), rounds=1),
    Contestant("mlp", "MLPClassifier, n_jobs=2", _searches.mlp),
]
SEARCHES = [
    Contestant("ours", "sk_mnist_mlp, n_jobs=2", _searches.ours),
    Contestant("alone", "sk_mnist_mlp, n_jobs=1", _searches.ours_alone),
    Contestant("fused", "sk_mnist_mlp, fused", _searches.fused),
    *PEERS,
]
CALLBACKS = [
    Contestant("watched", "drawn on a terminal, n_jobs=2", _searches.callbacks, (), 1, True),
    Contestant("watched1", "drawn, n_jobs=1", _searches.callbacks_alone, (), 1, True),
    Contestant("unwatched", "nobody watching, n_jobs=1", _searches.callbacks_alone, (), 1),
]
GPU_SEARCHES = [
    Contestant("fused", "sk_mnist_mlp, fused on a GPU", _searches.gpu_fused, rounds=1),
    Contestant("alone", "sk_mnist_mlp, n_jobs=1 on a GPU", _searches.gpu_alone, rounds=1),
]
PARTS = ("mnist", "digits", "callbacks", "gpu")


def tasks(rows: int, epochs: int, digits_epochs: int, turns: int) -> dict[str, Task]:
    """Return the searches, by name."""
    widths = [64, 128, 256]
    mnist = {"data": "mnist", "rows": rows, "epochs": epochs, "folds": 3, "hidden_units": widths}
    whole = mnist | {"rows": 3 * rows, "epochs": 4 * epochs}
    four = [0.1, 0.2, 0.3, 0.45]
    return {
        "mnist": mnist | {"dropout": [0.2, 0.3, 0.45]},
        "digits": {
            "data": "digits",
            "epochs": digits_epochs,
            "folds": 3,
            "hidden_units": widths,
            "dropout": four,
        },
        "callbacks": mnist | {"hidden_units": [128], "dropout": [0.2, 0.3, 0.45], "turns": turns},
        "gpu": whole | {"dropout": four},
        "gpu 512": whole
        | {
            "folds": 4,
            "hidden_units": [64, 128, 192, 256],
            "dropout": four,
            "further": {"learning_rate": [0.0005 * 2**step for step in range(8)]},
        },
    }


def n_fits(task: Task) -> int:
    """Fits of a search, without its refit."""
    n_rates = len(task.get("further", {}).get("learning_rate", [0]))
    return len(task["hidden_units"]) * len(task["dropout"]) * n_rates * int(task["folds"])


# ----------------------------------------------------------------------------------------------
# The findings


def mnist_findings(outcome: Outcome, task: Task) -> list[Finding]:
    """Compare two workers with peers and with one process, and the stacks with two workers."""
    what = f"search MNIST: {n_fits(task)} fits, {task['rows']:,} rows, {task['epochs']} epochs"
    promises = {"scikeras": 3.0, "skorch": 2.0, "mlp": 1.3, "alone": 1.5}
    return [
        *_against(outcome, "ours", promises, what),
        *_against(outcome, "fused", {"ours": 0.9}, f"{what}, fused"),
        *_same_scores(outcome, "the same: largest difference in mean_test_score, fused"),
    ]


def digits_findings(outcome: Outcome, task: Task) -> list[Finding]:
    """Compare the stacks, and two workers, with everyone."""
    what = f"search load_digits: {n_fits(task)} fits, {task['epochs']} epochs"
    peers = {"scikeras": None, "skorch": None, "mlp": None, "alone": None}
    promises = {"scikeras": 15.0, "skorch": None, "mlp": 1.0, "ours": 4.0, "alone": None}
    return [
        *_against(outcome, "ours", peers, what),
        *_against(outcome, "fused", promises, f"{what}, fused"),
        *_same_scores(outcome, "the same: largest difference in mean_test_score, fused"),
    ]


def _against(
    outcome: Outcome, key: str, promises: dict[str, float | None], what: str
) -> list[Finding]:
    return [
        faster(what, outcome.median(key), outcome.names[peer], outcome.median(peer), at_least=bound)
        for peer, bound in promises.items()
        if outcome.has(key, peer)
    ]


def _same_scores(outcome: Outcome, what: str) -> list[Finding]:
    if not outcome.has("fused", "alone"):
        return []
    pairs = zip(outcome.runs["fused"][0]["scores"], outcome.runs["alone"][0]["scores"], strict=True)
    return [alone(what, max(abs(fused - plain) for fused, plain in pairs), "", at_most=0.0)]


def callback_findings(outcome: Outcome) -> list[Finding]:
    """Report what a ProgressBar adds: the protocol alone, and the drawing too."""
    return [
        alone(
            f"search with a ProgressBar, {name}: time added",
            outcome.median(key, "overhead"),
            "%",
            at_most=3.0,
        )
        for key, name in outcome.names.items()
    ]


def gpu_findings(small: Outcome, large: Outcome, tasks: dict[str, Task]) -> list[Finding]:
    """Compare the stacks with fits in sequence; the large grid stands alone."""
    if not small.has("fused"):
        return []
    what = f"on {small.runs['fused'][0]['gpu']}: {{}} fits, {tasks['gpu']['rows']:,} rows, fused"
    found = _against(small, "fused", {"alone": 20.0}, what.format(n_fits(tasks["gpu"])))
    if large.has("fused"):
        found.append(alone(what.format(n_fits(tasks["gpu 512"])), large.median("fused"), "s"))
    return found


def print_searches(title: str, outcome: Outcome, n_fits: int) -> None:
    """Print one line a contestant, the fastest first."""
    if not outcome.names:
        return
    rows = []
    for key in sorted(outcome.names, key=outcome.median):
        seconds, median = outcome.column(key), outcome.median(key)
        spread = f"{min(seconds):.2f} – {max(seconds):.2f}"
        score = f"{outcome.median(key, 'best_score'):.4f}"
        row = [outcome.names[key], f"{median:.2f}", spread, str(len(seconds))]
        rows.append([*row, f"{median / n_fits:.3f}", score])
    print(f"\n{title}")
    print_table(["contestant", "median s", "range", "rounds", "s per fit", "best score"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__.splitlines()[0], [*SEARCHES, *CALLBACKS])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows", type=int, default=20_000, help="MNIST images to search on")
    parser.add_argument("--epochs", type=int, default=5, help="of each fit on MNIST")
    parser.add_argument("--digits-epochs", type=int, default=20, help="of each fit on load_digits")
    parser.add_argument("--turns", type=int, default=5, help="with and without a ProgressBar")
    args = parser.parse_args(arguments)
    given = tasks(args.rows, args.epochs, args.digits_epochs, args.turns)

    def run(part: str, contestants: list[Contestant], name: str = "") -> Outcome:
        if part not in args.parts:
            return Outcome()
        return measure(contestants, given[name or part], repeats=args.repeats, only=args.only)

    mnist = run("mnist", SEARCHES)
    digits = run("digits", SEARCHES)
    bar = run("callbacks", CALLBACKS)
    gpu, gpu_512 = run("gpu", GPU_SEARCHES), run("gpu", GPU_SEARCHES[:1], "gpu 512")
    for part, outcome in (("mnist", mnist), ("digits", digits), ("gpu", gpu)):
        print_searches(part, outcome, n_fits(given[part]))
    report = Report(
        "search",
        "Search: medians over interleaved rounds, each in a fresh process, all included.",
    )
    names = ("mnist", "digits", "callbacks", "gpu", "gpu 512")
    report.outcomes = dict(zip(names, (mnist, digits, bar, gpu, gpu_512), strict=True))
    report.findings = [
        *mnist_findings(mnist, given["mnist"]),
        *digits_findings(digits, given["digits"]),
        *callback_findings(bar),
        *gpu_findings(gpu, gpu_512, given),
    ]
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
