"""Write the tables and curves of ``docs/accuracy.md`` from the results; type nothing by hand.

    python render_accuracy.py                 # rewrite the tables and draw the curves
    python render_accuracy.py --check         # exit 1 if the page says something else

The tables stand between ``<!-- accuracy:begin -->`` and ``<!-- accuracy:end -->``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _bench import ROOT
from _corruptions import SEVERITIES, UNITS
from _report import RESULTS, describe

PAGE = ROOT / "docs" / "accuracy.md"
PICTURE = "images/accuracy.png"
BEGIN = "<!-- accuracy:begin -->"
END = "<!-- accuracy:end -->"
GOALS = (98.4, 99.0, 99.3)
"""Test accuracies, in percent, that are timed."""

Runs = list[dict[str, Any]]


def render(results: Path = RESULTS) -> str:
    """Return all that stands between the markers.

    Parameters
    ----------
    results : Path
        Folder of ``accuracy.json``.
    """
    path = results / "accuracy.json"
    if not path.is_file():
        return "Not measured yet: `bench_accuracy.py` measures, and `render_accuracy.py` writes."
    report = json.loads(path.read_text(encoding="utf-8"))
    fits, calibration = (report["measurements"][part] for part in ("fits", "calibration"))
    names, runs = fits["names"], fits["runs"]
    parts = [
        accuracy_table(names, runs),
        f"![Wrong test images against seconds of training]({PICTURE})",
        "### Probabilities",
        "Scores of the test probabilities; means over the same seeds. Less is better.",
        probability_table(names, runs),
        "After calibration on 5,000 training rows that the network did not see (one seed):",
        calibration_table(calibration["names"], calibration["runs"]),
        "### Harder images",
        "Test accuracy in percent of the same models on images made harder:",
        robustness_table(names, runs),
        "### Other images",
        "Test accuracy in percent of the recipes, untouched, on scikit-learn's 1,797 digits of "
        "another origin, three pixels drawn for one; half of them to train on:",
        other_table(names, runs),
        "Measured on " + describe(report).replace("\n", "; ") + ".",
    ]
    return "\n\n".join(parts)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def accuracy_table(names: dict[str, str], runs: dict[str, Runs]) -> str:
    """Accuracy, size and time of everyone, and the time to each goal."""
    headers = ["", "weights", "test accuracy", "worst seed", "fit"]
    headers += [f"to {goal:.1f} %" for goal in GOALS]
    rows = []
    for key, name in names.items():
        accuracies = [100 * run["accuracy"] for run in runs[key]]
        spread = f" ± {statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
        rows.append(
            [
                name,
                f"{runs[key][0]['weights']:,}",
                f"{statistics.mean(accuracies):.2f}{spread} %",
                f"{min(accuracies):.2f} %",
                f"{statistics.mean(run['seconds'] for run in runs[key]):.1f} s",
                *(seconds_to(goal, runs[key]) for goal in GOALS),
            ]
        )
    n_seeds = max(len(column) for column in runs.values())
    note = f"Mean ± standard deviation over {n_seeds} seed{'s' if n_seeds > 1 else ''}."
    return f"{note}\n\n{table(headers, rows)}"


def seconds_to(goal: float, runs: Runs) -> str:
    """Mean time after which an epoch first ended at this accuracy; how many seeds got there."""
    times = [
        next((seconds for seconds, accuracy in run["curve"] if 100 * accuracy >= goal), None)
        for run in runs
    ]
    reached = [seconds for seconds in times if seconds is not None]
    if not reached:
        return "never"
    some = "" if len(reached) == len(times) else f" ({len(reached)} of {len(times)} seeds)"
    return f"{statistics.mean(reached):.1f} s{some}"


SCORES = {"calibration_error": "calibration error", "log_loss": "log loss", "brier": "Brier score"}


def _scores(runs: Runs) -> list[str]:
    means = {name: statistics.mean(run[name] for run in runs) for name in SCORES}
    return [
        f"{100 * means['calibration_error']:.2f} %",
        f"{means['log_loss']:.4f}",
        f"{means['brier']:.4f}",
    ]


def probability_table(names: dict[str, str], runs: dict[str, Runs]) -> str:
    """Scores of everyone's probabilities."""
    rows = [[name, *_scores(runs[key])] for key, name in names.items()]
    return table(["", *SCORES.values()], rows)


def calibration_table(names: dict[str, str], runs: dict[str, Runs]) -> str:
    """Scores before calibration and after."""
    rows = []
    for key, name in names.items():
        for way in ("before", "temperature scaling", "CalibratedClassifierCV"):
            scores = [run[way] for run in runs[key]]
            shown = way
            if way == "CalibratedClassifierCV":
                shown = '`CalibratedClassifierCV(method="sigmoid")`'
            if way == "temperature scaling":
                shown += f" by {statistics.mean(run['temperature'] for run in runs[key]):.2f}"
            accuracy = f"{100 * statistics.mean(score['accuracy'] for score in scores):.2f} %"
            rows.append([name, shown, accuracy, *_scores(scores)])
    return table(["", "", "accuracy", *SCORES.values()], rows)


def robustness_table(names: dict[str, str], runs: dict[str, Runs]) -> str:
    """Accuracy on each kind of harder images, at each severity."""
    rows = []
    for kind, severities in SEVERITIES.items():
        for place, severity in enumerate(severities):
            columns = [[run["robustness"][kind] for run in runs[key]] for key in names]
            if all(len(values) > place for column in columns for values in column):
                means = [statistics.mean(values[place] for values in column) for column in columns]
                rows.append([kind, f"{severity:g}", *(f"{100 * mean:.2f}" for mean in means)])
    units = " ".join(f"*{kind}*: {unit}." for kind, unit in UNITS.items())
    return table(["", "severity", *names.values()], rows) + f"\n\nSeverities: {units}"


def other_table(names: dict[str, str], runs: dict[str, Runs]) -> str:
    """Accuracy of the recipes on images that they were not made for."""
    found = {
        name: [100 * run["other_images"] for run in runs[key]]
        for key, name in names.items()
        if "other_images" in runs[key][0]
    }
    return table(list(found), [[f"{statistics.mean(values):.2f}" for values in found.values()]])


# ----------------------------------------------------------------------------------------------
# The curves


def draw_curves(results: Path, path: Path) -> None:
    """Draw the share of wrong test images after each epoch against the seconds until then."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    fits = json.loads((results / "accuracy.json").read_text("utf-8"))["measurements"]["fits"]
    figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for number, (key, name) in enumerate(fits["names"].items()):
        for run in fits["runs"][key]:
            seconds = [moment for moment, _ in run["curve"]]
            wrong = [100 * (1 - accuracy) for _, accuracy in run["curve"]]
            label = name if run is fits["runs"][key][0] else None
            ax.plot(seconds, wrong, color=f"C{number}", linewidth=1, alpha=0.7, label=label)
    for goal in GOALS:
        ax.axhline(100 - goal, color="0.8", linewidth=0.8, zorder=0)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="seconds of training, compiling included",
        ylabel="wrong test images, %",
    )
    ax.set_xticks([2, 5, 10, 20, 50, 100])
    ax.set_yticks([0.5, 0.7, 1, 1.6, 2, 3, 5])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    ax.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of matplotlib in it, the same picture is the same file.
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


# ----------------------------------------------------------------------------------------------


def with_tables(text: str, tables: str) -> str:
    """Return the page with what stands between its markers replaced.

    Raises
    ------
    ValueError
        If the two markers are not there, once each and in order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise ValueError(
            f"render_accuracy: expected the page to have {BEGIN} and then {END}, once each. Put "
            "them, on lines of their own, where the tables belong."
        )
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    text = args.page.read_text(encoding="utf-8")
    try:
        wanted = with_tables(text, render(args.results))
    except ValueError as error:
        parser.error(str(error))
    if args.check:
        if text != wanted:
            print("The page's tables are not those of the results. Run render_accuracy.py.")
        return int(text != wanted)
    args.page.write_text(wanted, encoding="utf-8")
    if (args.results / "accuracy.json").is_file():
        draw_curves(args.results, args.page.parent / PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
