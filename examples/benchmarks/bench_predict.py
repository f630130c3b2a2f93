"""Time prediction against MLPClassifier and Keras: one row, 10,000 rows, and from a pickle.

    python bench_predict.py                   # about 3 minutes on 2 cores

All predict the same MNIST test rows with networks of the same size. What is timed is a call after a
few others; except from a pickle, where it is a whole process: start Python, import, load, predict.
"""

from __future__ import annotations

import pickle
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _peers
from _bench import Contestant, Outcome, Stopwatch, Task, Values, make_parser, measure
from _data import mnist
from _report import Finding, Report, alone, conclude, faster, print_table

N_TRAINED = 2000
"""Rows to fit on: how well the networks were trained does not matter here."""


def predict_ours(task: Task) -> Values:
    model = _peers.ours(epochs=1, random_state=0)
    return _time_predict(_fitted(model).predict, task)


def predict_mlp(task: Task) -> Values:
    return _time_predict(_fitted(_peers.mlp(1, 0)).predict, task)


def predict_keras(task: Task) -> Values:
    network = _fitted_keras()

    def predict(X: Any) -> Any:
        return network.predict(X, verbose=0).argmax(axis=1)

    return _time_predict(predict, task | {"calls": max(task["calls"] // 10, 1)})


def _fitted(classifier: Any) -> Any:
    X, _, y, _ = mnist(N_TRAINED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLPClassifier warns that all epochs were run
        return classifier.fit(X, y)


def _fitted_keras() -> Any:
    import keras

    X, _, y, _ = mnist(N_TRAINED)
    network = _peers.keras_tutorial()
    network.fit(X, keras.utils.to_categorical(y), batch_size=_peers.BATCH_SIZE, verbose=0)
    return network


def _time_predict(predict: Callable[[Any], Any], task: Task) -> Values:
    _, X, _, _ = mnist(1)
    few, many = X[:1], X[: task["rows"]]
    return {
        "one": _median_time(predict, few, task["calls"]),
        "many": _median_time(predict, many, max(task["calls"] // 50, 1)),
    }


def _median_time(predict: Callable[[Any], Any], X: Any, n_calls: int) -> float:
    seconds = []
    for _ in range(n_calls + 5):
        with Stopwatch() as watch:
            predict(X)
        seconds.append(watch.seconds)
    return statistics.median(seconds[5:])


# ----------------------------------------------------------------------------------------------
# From a file, in a fresh process

FROM_PICKLE = """
import pickle, sys
import numpy as np
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
model.predict(np.zeros((1, 784), np.float32))
print("tensorflow" in sys.modules)
"""
FROM_KERAS = """
import sys
import keras
import numpy as np
keras.models.load_model(sys.argv[1]).predict(np.zeros((1, 784), np.float32), verbose=0)
print("tensorflow" in sys.modules)
"""


def load_ours(task: Task) -> Values:
    model = _fitted(_peers.ours(epochs=1, random_state=0))
    return _time_process(FROM_PICKLE, pickle.dumps(model), "model.pickle")


def load_mlp(task: Task) -> Values:
    return _time_process(FROM_PICKLE, pickle.dumps(_fitted(_peers.mlp(1, 0))), "model.pickle")


def load_keras(task: Task) -> Values:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        _fitted_keras().save(path)
        content = path.read_bytes()
    return _time_process(FROM_KERAS, content, "model.keras")


def _time_process(script: str, content: bytes, name: str) -> Values:
    """Run a script on a file twice, and time the second run: the first one reads the disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        for _ in range(2):
            with Stopwatch() as watch:
                done = subprocess.run(
                    [sys.executable, "-c", script, str(path)],
                    check=True,
                    capture_output=True,
                    text=True,
                )
    return {"seconds": watch.seconds, "tensorflow": done.stdout.strip().endswith("True")}


PREDICTS = [
    Contestant("ours", "sk_mnist_mlp", predict_ours, rounds=3),
    Contestant("mlp", "MLPClassifier", predict_mlp, rounds=3),
    Contestant("keras", "Keras model.predict", predict_keras, rounds=3),
]
LOADS = [
    Contestant("ours", "sk_mnist_mlp", load_ours, rounds=3),
    Contestant("mlp", "MLPClassifier", load_mlp, rounds=3),
    Contestant("keras", "Keras load_model", load_keras, rounds=3),
]


# ----------------------------------------------------------------------------------------------
# The findings


def predict_findings(predicts: Outcome, n_rows: int) -> list[Finding]:
    """Compare with each peer at one row and at many."""
    findings = []
    for key, at_least in (("mlp", 1.0), ("keras", 100.0)):
        if predicts.has("ours", key):
            times = predicts.median("ours", "one"), predicts.median(key, "one")
            name = predicts.names[key]
            findings.append(faster("predict one row", times[0], name, times[1], at_least=at_least))
    for key, at_most in (("mlp", 1.2), ("keras", None)):
        if predicts.has("ours", key):
            ours, theirs = predicts.median("ours", "many"), predicts.median(key, "many")
            what, name = f"predict {n_rows:,} rows", predicts.names[key]
            ratio = (ours / theirs, "× its time")
            findings.append(Finding(what, ours, "s", name, theirs, *ratio, at_most=at_most))
    return findings


def load_findings(loads: Outcome) -> list[Finding]:
    """Time a whole process, and say whether it imported TensorFlow."""
    if not loads.has("ours"):
        return []
    what = "fresh process: unpickle, predict one row"
    ours = loads.median("ours")
    imported = int(any(loads.column("ours", "tensorflow")))
    return [
        alone(what, ours, "s", at_most=1.0),
        alone("the same: imports of TensorFlow", imported, "", at_most=0),
        *(
            faster(what, ours, name, loads.median(key))
            for key, name in loads.names.items()
            if key != "ours"
        ),
    ]


def print_predicts(predicts: Outcome, n_rows: int) -> None:
    """Print one line a contestant."""
    rows = []
    for key, name in predicts.names.items():
        one, many = predicts.median(key, "one"), predicts.median(key, "many")
        rows.append([name, f"{1e6 * one:,.0f}", f"{1e3 * many:.2f}"])
    print()
    print_table(["contestant", "one row, µs", f"{n_rows:,} rows, ms"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__.splitlines()[0], PREDICTS)
    parser.add_argument("--calls", type=int, default=2000, help="of one row, in each process")
    parser.add_argument("--rows", type=int, default=10_000, help="for the large prediction")
    args = parser.parse_args(arguments)
    task = {"calls": args.calls, "rows": args.rows}
    report = Report(
        "predict",
        "Predict: median call of warm processes, medians over interleaved rounds of fresh ones.",
    )
    predicts = measure(PREDICTS, task, repeats=args.repeats, only=args.only)
    loads = measure(LOADS, task, repeats=args.repeats, only=args.only)
    report.outcomes = {"predict": predicts, "load": loads}
    report.findings = [*predict_findings(predicts, args.rows), *load_findings(loads)]
    print_predicts(predicts, args.rows)
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
