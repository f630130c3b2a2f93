"""What the benchmarks promise: fair runs, honest reports, and a README that repeats them."""

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Make the benchmarks importable here, and this file in the processes that they start."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


# Contestants of these tests: run by name, in processes of their own.


def say_who(task):
    return {"pid": os.getpid(), "began": time.time(), "seed": task["seed"]}


def give_in(task):
    from _bench import Skip

    raise Skip("no such device")


def break_down(task):
    raise ValueError(f"round {task['seed']}")


def is_on_terminal(task):
    import sys

    return {"terminal": sys.stdout.isatty()}


def sleep(task):
    time.sleep(60)


# The harness


def test_runs_are_interleaved_and_fresh():
    """Rounds follow one another, and every run has a process and a seed of its own."""
    from _bench import Contestant, measure

    rivals = [Contestant("a", "A", say_who), Contestant("b", "B", say_who)]
    outcome = measure(rivals, {}, repeats=2)
    runs = [outcome.runs[key][number] for number in (0, 1) for key in ("a", "b")]
    assert len({run["pid"] for run in runs}) == 4
    assert [run["seed"] for run in runs] == [0, 0, 1, 1]
    assert [run["began"] for run in runs] == sorted(run["began"] for run in runs)


def test_absent_and_failing_contestants_are_named_and_stop_nobody():
    """Who is not installed, gives in or fails is left out with the reason, and the rest go on."""
    from _bench import Contestant, measure

    rivals = [
        Contestant("absent", "Absent", say_who, ("no_such_package",)),
        Contestant("shy", "Shy", give_in),
        Contestant("broken", "Broken", break_down),
        Contestant("fine", "Fine", say_who),
    ]
    outcome = measure(rivals, {}, repeats=2)
    assert outcome.skipped == {
        "Absent": "no_such_package is not installed",
        "Shy": "no such device",
    }
    assert outcome.failed == {"Broken": "ValueError: round 0"}
    assert list(outcome.runs) == ["fine"]
    assert len(outcome.runs["fine"]) == 2


def test_a_run_that_takes_too_long_is_given_up(monkeypatch):
    """A contestant that never answers counts as failed after the time limit."""
    import _bench

    monkeypatch.setattr(_bench, "TIME_LIMIT", 1.0)
    outcome = _bench.measure([_bench.Contestant("slow", "Slow", sleep)], {}, repeats=1)
    assert outcome.failed == {"Slow": "no answer after 1 s"}


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("terminal", [True, False])
def test_a_contestant_may_see_a_terminal(terminal):
    """Progress bars are measured where they are drawn, and nobody else sees a terminal."""
    from _bench import Contestant, run_fresh

    contestant = Contestant("t", "T", is_on_terminal, terminal=terminal)
    assert run_fresh(contestant, {}) == {"terminal": terminal}


# Reports


def test_promises_are_judged():
    """A finding keeps its promise on the right side of the bound, the bound included."""
    from _report import alone, faster

    assert faster("fit", 1.0, "Keras", 3.5, at_least=3.5).is_kept
    assert not faster("fit", 1.0, "Keras", 3.4, at_least=3.5).is_kept
    assert alone("memory", 50.0, "MB", at_most=50.0).is_kept
    assert not alone("memory", 50.1, "MB", at_most=50.0).is_kept
    assert faster("fit", 1.0, "Keras", 0.1).is_kept


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (9.876, "s", "9.88 s"),
        (0.0456, "s", "45.6 ms"),
        (0.000139, "s", "139 µs"),
        (328.4, "× faster", "328 × faster"),
        (-0.06, "points", "-0.06 points"),
        (98.314, "% right", "98.31 %"),
        (1234.0, "MB", "1,234 MB"),
        (0, "", "0"),
    ],
)
def test_quantities_read_well(value, unit, text):
    """Numbers have about three digits and a unit that suits their size."""
    from _report import quantity

    assert quantity(value, unit) == text


def conclude(arguments, finding, tmp_path):
    """Conclude a benchmark of one finding; returns the exit status and what was written."""
    import _report
    from _bench import make_parser

    parser = make_parser("", [])
    parser.add_argument("--rows", type=int, default=10)
    args = parser.parse_args(arguments)
    status = _report.conclude(_report.Report("x", "X", [finding]), parser, args)
    return status, [path.name for path in tmp_path.iterdir()]


def test_only_whole_runs_are_judged_and_kept(tmp_path, monkeypatch, capsys):
    """A broken promise fails a whole run; a quick run is not judged and writes nothing."""
    import _report

    monkeypatch.setattr(_report, "RESULTS", tmp_path)
    slow = _report.faster("fit", 2.0, "Keras", 1.0, at_least=3.5)
    assert conclude(["--rows", "5"], slow, tmp_path) == (0, [])
    assert conclude([], replace(slow, at_least=0.5), tmp_path) == (0, ["x.json"])
    assert conclude(["--repeats", "1"], slow, tmp_path) == (1, ["x.json"])
    assert "Promise broken: fit Keras." in capsys.readouterr().out


# The scripts, at tiny sizes, with the peers that are always installed


@pytest.mark.parametrize(
    ("script", "arguments", "peers"),
    [
        (
            "bench_fit",
            ["--epochs", "1", "--rows", "500", "--only", "ours", "keras", "scikeras", "mlp"],
            {"Keras fit", "SciKeras", "MLPClassifier"},
        ),
        ("bench_fit", ["--rows", "500", "--turns", "1", "--only", "checkpoint"], set()),
        (
            "bench_predict",
            ["--calls", "5", "--rows", "100", "--only", "ours", "mlp"],
            {"MLPClassifier"},
        ),
        ("bench_memory", ["--fits", "11", "--only", "numpy"], set()),
        ("bench_sure", ["--rows", "500", "--epochs", "1", "--only", "tutorial"], set()),
        (
            "bench_photos",
            ["--rows", "500", "--epochs", "1", "--pictures", "2", "--only", "tutorial"],
            set(),
        ),
        (
            "bench_search",
            ["--parts", "digits", "--digits-epochs", "1", "--only", "ours", "mlp"],
            {"MLPClassifier, n_jobs=2"},
        ),
    ],
)
def test_benchmark_runs(script, arguments, peers, tmp_path, capsys):
    """Every benchmark measures, prints a table and writes JSON with versions and cores."""
    module = __import__(script)
    path = tmp_path / "out.json"
    status = module.main([*arguments, "--repeats", "1", "--output", str(path)])
    assert status == 0, capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report["benchmark"] == script.removeprefix("bench_")
    assert report["machine"]["cores"] >= 1
    assert {"python", "sk_mnist_mlp", "scikit-learn", "keras"} <= set(report["versions"])
    assert {finding["against"] for finding in report["findings"]} - {""} == peers
    assert report["findings"]
    assert "compared with" in capsys.readouterr().out


# The README


def test_the_readme_repeats_the_results():
    """The README's comparison table is what the committed results give."""
    import render_readme

    assert render_readme.main(["--check"]) == 0


def report_of(*findings):
    """A report as JSON would give it."""
    from _report import Report

    return Report("fit", "Fit", list(findings)).as_json({})


def test_the_table_is_generated(tmp_path, capsys):
    """Rendering fills the place between the markers, is stable, and notices a typed change."""
    import render_readme
    from _report import faster

    readme, results = tmp_path / "README.md", tmp_path / "results"
    results.mkdir()
    readme.write_text(f"# Title\n{render_readme.BEGIN}\n{render_readme.END}\nThe end.\n")
    report = report_of(faster("fit", 2.0, "Keras", 9.0, at_least=3.5))
    (results / "fit.json").write_text(json.dumps(report))
    places = ["--readme", str(readme), "--results", str(results)]
    assert render_readme.main([*places, "--check"]) == 1
    assert render_readme.main(places) == 0
    assert render_readme.main([*places, "--check"]) == 0
    text = readme.read_text()
    assert "| fit | 2 s | Keras | 9 s | 4.5 × faster | ≥ 3.5 × |" in text
    assert f"scikit-learn {report['versions']['scikit-learn']}" in text
    assert text.startswith("# Title\n") and text.endswith("\nThe end.\n")
    readme.write_text(text.replace("4.5 ×", "5.5 ×"))
    assert render_readme.main([*places, "--check"]) == 1


def test_without_results_the_readme_says_so(tmp_path):
    """No figure is shown that was not measured."""
    import render_readme

    table = render_readme.render(tmp_path)
    assert table == "Not measured yet: `make bench` measures, and writes this table."


@pytest.mark.parametrize("order", [[], ["BEGIN"], ["END", "BEGIN"], ["BEGIN", "BEGIN", "END"]])
def test_a_readme_without_markers_is_refused(order):
    """The table is never put in a guessed place."""
    import render_readme

    sentence = (
        "render_readme: expected the README to have <!-- benchmarks:begin --> and then "
        "<!-- benchmarks:end -->, once each. Put them, on lines of their own, where the table "
        "belongs."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        render_readme.with_table("\n".join(getattr(render_readme, name) for name in order), "")
