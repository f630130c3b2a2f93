"""Time the tutorial's fit against Keras, SciKeras, Keras's wrapper, skorch, PyTorch, MLPClassifier.

    python bench_fit.py                       # about 15 minutes on 2 cores
    python bench_fit.py --epochs 1 --rows 5000 --only ours keras

Imports and loading are outside the clock; building, tracing and compiling are inside. Round r uses
seed r, so the same runs give test accuracies. Keras is silent (``verbose=0``), which flatters it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _peers
from _bench import Contestant, Outcome, Stopwatch, Task, Values, make_parser, measure
from _data import digits, mnist
from _report import Finding, Report, alone, conclude, faster, print_table

# ----------------------------------------------------------------------------------------------
# The tutorial's fit


def fit_ours(task: Task) -> Values:
    import keras  # noqa: F401 - outside the clock, as for the others

    classifier = _peers.ours(epochs=task["epochs"], random_state=task["seed"])
    return _time_fit(classifier, task)


def fit_keras(task: Task) -> Values:
    import keras

    keras.utils.set_random_seed(task["seed"])
    X, X_test, y, y_test = mnist(task["rows"])
    y = keras.utils.to_categorical(y)
    with Stopwatch() as watch:
        network = _peers.keras_tutorial()
        network.fit(X, y, epochs=task["epochs"], batch_size=_peers.BATCH_SIZE, verbose=0)
    predicted = network.predict(X_test, verbose=0).argmax(axis=1)
    return {"seconds": watch.seconds, "accuracy": float((predicted == y_test).mean())}


def fit_scikeras(task: Task) -> Values:
    return _time_fit(_peers.scikeras(task["epochs"], task["seed"]), task)


def fit_wrapper(task: Task) -> Values:
    import keras

    keras.utils.set_random_seed(task["seed"])
    return _time_fit(_peers.keras_wrapper(task["epochs"]), task)


def fit_mlp(task: Task) -> Values:
    return _time_fit(_peers.mlp(task["epochs"], task["seed"]), task)


def fit_skorch(task: Task) -> Values:
    return _time_fit(_peers.skorch(task["epochs"], task["seed"]), task)


def fit_torch(task: Task) -> Values:
    import torch
    from _torch_network import Network, train

    torch.manual_seed(task["seed"])
    X, X_test, y, y_test = (torch.from_numpy(array) for array in mnist(task["rows"]))
    with Stopwatch() as watch:
        network = Network()
        train(network, X, y, task["epochs"], _peers.BATCH_SIZE)
    with torch.no_grad():
        predicted = network.eval()(X_test).argmax(1)
    return {"seconds": watch.seconds, "accuracy": float((predicted == y_test).double().mean())}


def _time_fit(classifier: Any, task: Task) -> Values:
    X, X_test, y, y_test = mnist(task["rows"])
    with Stopwatch() as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLPClassifier warns that all epochs were run
        classifier.fit(X, y)
    accuracy = (classifier.predict(X_test).ravel() == y_test).mean()
    return {"seconds": watch.seconds, "accuracy": float(accuracy)}


FITS = [
    Contestant("ours", "sk_mnist_mlp", fit_ours, rounds=3),
    Contestant("keras", "Keras fit", fit_keras, rounds=3),
    Contestant("scikeras", "SciKeras", fit_scikeras, ("scikeras",)),
    Contestant("wrapper", "Keras's SKLearnClassifier", fit_wrapper),
    Contestant("mlp", "MLPClassifier", fit_mlp),
    Contestant("skorch", "skorch", fit_skorch, ("skorch", "torch")),
    Contestant("torch", "PyTorch loop", fit_torch, ("torch",)),
]
PROMISES = {"keras": 3.5, "scikeras": 4.0, "mlp": 2.2, "skorch": 3.0, "torch": 1.8}


# ----------------------------------------------------------------------------------------------
# The second fit in a process, and a small one


def second_fit(task: Task) -> Values:
    """Fit twice, the second time with other values of all that a grid varies.

    Both train in the compiled program, as the tutorial's fit does, however few rows there are.
    """
    import keras

    from sk_mnist_mlp._training.runners import n_traces

    class Clock(keras.callbacks.Callback):
        """Note when each epoch begins and ends, and stop after three."""

        times: tuple[list[float], list[float]] = ([], [])

        def on_train_begin(self, logs: Any = None) -> None:
            self.times[0].clear()
            self.times[1].clear()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.times[0].append(time.perf_counter())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.times[1].append(time.perf_counter())
            self.model.stop_training = epoch == 2

    X, _, y, _ = mnist(task["rows"])
    _peers.ours(engine="xla", callbacks=[Clock()], random_state=0).fit(X, y)
    traced = n_traces()
    if not traced:
        raise RuntimeError("the first fit compiled nothing, so there is nothing to measure")

    other = {"dropout": 0.2, "learning_rate": 0.002, "l2": 1e-5, "label_smoothing": 0.1}
    second = _peers.ours(engine="xla", epochs=19, callbacks=[Clock()], random_state=1, **other)
    began = time.perf_counter()
    second.fit(X[:-777], y[:-777])
    begins, ends = Clock.times
    epochs = [end - begin for begin, end in zip(begins, ends, strict=True)]
    return {
        "before_epoch": begins[0] - began,
        "first_epoch_excess": epochs[0] - statistics.median(epochs[1:]),
        "traces": n_traces() - traced,
    }


def small_fits(task: Task) -> Values:
    """Fit ``load_digits`` again and again, in turns with ``MLPClassifier``, both warm.

    Neither needs TensorFlow at this size, so it is not loaded.
    """
    X, y = digits()
    contestants = {
        "ours": _peers.ours(epochs=task["epochs"], random_state=0),
        "mlp": _peers.mlp(task["epochs"], 0),
    }
    seconds: dict[str, list[float]] = {key: [] for key in contestants}
    for _ in range(task["turns"]):
        for key, classifier in contestants.items():
            with Stopwatch() as watch, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                classifier.fit(X, y)
            seconds[key].append(watch.seconds)
    return {key: statistics.median(column[1:]) for key, column in seconds.items()}


def checkpointed_fits(task: Task) -> Values:
    """Fit the tutorial's network with and without ``checkpoint=``, in turns, warm.

    The overhead is the median over the turns of the ratio of neighbours, so that a drift of the
    machine's speed cancels.
    """
    X, _, y, _ = mnist(task["rows"])
    _peers.ours(epochs=1, random_state=0).fit(X, y)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(task["turns"]):
            seconds = {}
            for kept in (turn % 2 == 0, turn % 2 == 1):
                path = Path(folder, f"{turn}.checkpoint") if kept else None
                classifier = _peers.ours(epochs=task["epochs"], random_state=0, checkpoint=path)
                with Stopwatch() as watch:
                    classifier.fit(X, y)
                seconds[kept] = watch.seconds
            ratios.append(seconds[True] / seconds[False])
    return {"overhead": 100 * (statistics.median(ratios) - 1)}


CHECKPOINT = [Contestant("checkpoint", "with checkpoint=", checkpointed_fits, rounds=1)]
SECOND = [Contestant("second", "second fit", second_fit, rounds=3)]
SMALL = [Contestant("small", "load_digits", small_fits, rounds=3)]


# ----------------------------------------------------------------------------------------------
# The findings


def fit_findings(fits: Outcome, more: Outcome, epochs: int) -> list[Finding]:
    """Times of all rounds that everyone took part in; accuracies also of the further ones."""
    what = f"fit of the tutorial, {epochs} epochs"
    findings = [
        faster(what, fits.median("ours"), name, fits.median(key), at_least=PROMISES.get(key))
        for key, name in fits.names.items()
        if key != "ours" and fits.has("ours")
    ]
    if fits.has("ours", "keras"):
        ours, keras = (
            [
                100 * accuracy
                for outcome in (fits, more)
                for accuracy in (outcome.column(key, "accuracy") if outcome.has(key) else [])
            ]
            for key in ("ours", "keras")
        )
        findings.append(accuracy_finding(ours, keras))
    return findings


def accuracy_finding(ours: list[float], keras: list[float]) -> Finding:
    """The mean over the same seeds."""
    n_seeds = min(len(ours), len(keras))
    means = statistics.mean(ours[:n_seeds]), statistics.mean(keras[:n_seeds])
    return Finding(
        f"test accuracy, mean over {n_seeds} seeds",
        *(means[0], "% right", "Keras fit", means[1]),
        *(means[0] - means[1], "points"),
        at_least=-0.1,
    )


def second_findings(second: Outcome) -> list[Finding]:
    """What a like-shaped fit costs before and in its first epoch."""
    if not second.has("second"):
        return []
    before, excess = (
        second.median("second", value) for value in ("before_epoch", "first_epoch_excess")
    )
    traces = max(second.column("second", "traces"))
    return [
        alone("second fit: time before its first epoch", before, "s", at_most=0.1),
        alone("second fit: first epoch beyond a later one", max(excess, 0.0), "s"),
        alone("second fit: programs traced", traces, "", at_most=0),
    ]


def small_findings(small: Outcome, epochs: int) -> list[Finding]:
    """Both were timed in one process, in turns."""
    if not small.has("small"):
        return []
    ours, theirs = small.median("small", "ours"), small.median("small", "mlp")
    what = f"warm fit of load_digits, {epochs} epochs"
    return [faster(what, ours, "MLPClassifier", theirs, at_least=1.0)]


def checkpoint_findings(checkpoint: Outcome) -> list[Finding]:
    """What keeping the training on disk after every epoch adds."""
    if not checkpoint.has("checkpoint"):
        return []
    overhead = checkpoint.median("checkpoint", "overhead")
    return [alone("fit with checkpoint=: time added", overhead, "%", at_most=3.0)]


def print_fits(fits: Outcome, epochs: int) -> None:
    """Print one line a contestant, the fastest first."""
    rows = []
    for key in sorted(fits.names, key=fits.median):
        seconds, median = fits.column(key), fits.median(key)
        spread = f"{min(seconds):.2f} – {max(seconds):.2f}"
        right = 100 * statistics.mean(fits.column(key, "accuracy"))
        row = [fits.names[key], f"{median:.2f}", spread, str(len(seconds))]
        rows.append([*row, f"{median / epochs:.3f}", f"{right:.2f}"])
    headers = ["contestant", "median s", "range", "rounds", "s per epoch", "mean test accuracy %"]
    print()
    print_table(headers, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    contestants = [*FITS, *SECOND, *SMALL, *CHECKPOINT]
    parser = make_parser(__doc__.splitlines()[0], contestants)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=60_000, help="MNIST images to train on")
    parser.add_argument("--turns", type=int, default=8, help="small fits of each in a process")
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        help="seeds for the accuracy, if more than the rounds: further rounds of ours and Keras",
    )
    args = parser.parse_args(arguments)
    task = {"epochs": args.epochs, "rows": args.rows, "turns": args.turns}
    report = Report(
        "fit",
        "Fit: medians over interleaved rounds, each in a fresh process; compile time included.",
    )
    fits = measure(FITS, task, repeats=args.repeats, only=args.only)
    more = _further_seeds(fits, task, args.seeds)
    second = measure(SECOND, task, repeats=args.repeats, only=args.only)
    small = measure(SMALL, task, repeats=args.repeats, only=args.only)
    checkpoint = measure(CHECKPOINT, task, repeats=args.repeats, only=args.only)
    report.outcomes = {
        "fit": fits,
        "further seeds": more,
        "second fit": second,
        "digits": small,
        "checkpoint": checkpoint,
    }
    report.findings = [
        *fit_findings(fits, more, args.epochs),
        *second_findings(second),
        *small_findings(small, args.epochs),
        *checkpoint_findings(checkpoint),
    ]
    if fits.names:
        print_fits(fits, args.epochs)
    return conclude(report, parser, args)


def _further_seeds(fits: Outcome, task: Task, n_seeds: int) -> Outcome:
    """Go on with the seeds after those of the rounds, for the two whose accuracy is compared."""
    if not fits.has("ours", "keras"):
        return Outcome()
    done = min(len(fits.runs["ours"]), len(fits.runs["keras"]))
    rivals = [contestant for contestant in FITS if contestant.key in ("ours", "keras")]
    return measure(rivals, task, repeats=max(0, n_seeds - done), first_seed=done)


if __name__ == "__main__":
    sys.exit(main())
