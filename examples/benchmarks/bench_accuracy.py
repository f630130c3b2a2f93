"""How accurate each recipe gets, how soon, how sure, and on how hard images.

    python bench_accuracy.py                  # about an hour on 2 cores
    python bench_accuracy.py --seeds 1 --recipes accurate
    python bench_accuracy.py --quick          # a minute: few rows, two epochs

Every recipe over the same seeds, beside the tutorial's script in Keras and ``MLPClassifier`` in
the same run, each fit in a fresh process. Test images decide nothing: they are only measured on,
after every epoch with the clock stopped. ``render_accuracy.py`` writes the results into the
documents.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import _peers
import numpy as np
from _bench import Contestant, Outcome, Task, Values, measure
from _calibration import best_temperature, calibration_scores, with_temperature
from _corruptions import SEVERITIES, corrupted
from _data import mnist
from _report import Finding, Report, alone, conclude, faster

N_CALIBRATION_ROWS = 5_000
LEAST_ACCURACY = {"tutorial": 98.2, "accurate": 99.3, "best": 99.45}
MOST_WEIGHTS = {"tutorial": 269_322, "accurate": 269_322, "best": 1_500_000}


# ----------------------------------------------------------------------------------------------
# A fit with a look at the test images after every epoch


class Watch:
    """A clock that stands still while somebody looks at the test images."""

    def __init__(self) -> None:
        _, self._rows, _, self._labels = mnist(1)
        self.curve: list[tuple[float, float]] = []
        self._elapsed = 0.0
        self._since = time.perf_counter()

    def start(self) -> None:
        """Begin."""
        self._since = time.perf_counter()

    def look(self, predict: Callable[[Any], Any]) -> None:
        """Note the test accuracy of ``predict``, from rows to labels, and go on."""
        self._elapsed += time.perf_counter() - self._since
        accuracy = float((predict(self._rows) == self._labels).mean())
        self.curve.append((self._elapsed, accuracy))
        self._since = time.perf_counter()

    def stop(self) -> float:
        """Return the seconds in all."""
        return self._elapsed + time.perf_counter() - self._since


def keras_callback(watch: Watch, activation: str) -> Any:
    """Make a callback that looks after every epoch, for Keras's loop and for ours."""
    import keras

    from sk_mnist_mlp._network import as_layers, forward

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            layers = as_layers(self.model.get_weights())
            watch.look(lambda rows: forward(rows, layers, activation, dtype=np.float32).argmax(1))

    return Look()


# ----------------------------------------------------------------------------------------------
# Contestants


def fit_tutorial(task: Task) -> Values:
    return _fit_recipe("tutorial", task)


def fit_accurate(task: Task) -> Values:
    return _fit_recipe("accurate", task)


def fit_best(task: Task) -> Values:
    return _fit_recipe("best", task)


def _fit_recipe(recipe: str, task: Task) -> Values:
    from sk_mnist_mlp.datasets import load_mnist

    watch = Watch()
    pipeline = _make(recipe, task)
    classifier = pipeline[-1]
    classifier.set_params(callbacks=[keras_callback(watch, classifier.activation)])
    images, _, labels, _ = load_mnist(return_splits=True)
    images, labels = images[: task["rows"]], labels[: task["rows"]]
    watch.start()
    pipeline.fit(images, labels)
    seconds = watch.stop()
    n_weights = sum(array.size for array in [*classifier.coefs_, *classifier.intercepts_])
    values = _values(watch, seconds, n_weights, classifier.predict_proba, task)
    return values | {"other_images": _fit_other_images(recipe, task)}


def _make(recipe: str, task: Task, **overrides: Any) -> Any:
    from sk_mnist_mlp import make_digit_pipeline

    if task["epochs"] is not None:
        overrides["epochs"] = task["epochs"]
    return make_digit_pipeline(recipe, random_state=task["seed"], **overrides)


def _fit_other_images(recipe: str, task: Task) -> float:
    """Test accuracy of the recipe, untouched, on scikit-learn's digits drawn on 28 × 28 pixels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    large = data.images.repeat(3, axis=1).repeat(3, axis=2)  # three pixels for one
    images = np.pad((large * 255 / 16).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    X, X_test, y, y_test = train_test_split(
        images, data.target, test_size=0.5, random_state=task["seed"], stratify=data.target
    )
    return float(_make(recipe, task).fit(X, y).score(X_test, y_test))


def fit_keras(task: Task) -> Values:
    import keras

    keras.utils.set_random_seed(task["seed"])
    X, _, y, _ = mnist(task["rows"])
    y = keras.utils.to_categorical(y)
    watch = Watch()
    look = keras_callback(watch, "relu")
    epochs = task["epochs"] or 20
    watch.start()
    network = _peers.keras_tutorial()
    network.fit(X, y, epochs=epochs, batch_size=_peers.BATCH_SIZE, callbacks=[look], verbose=0)
    seconds = watch.stop()

    def probabilities(rows: Any) -> Any:
        return network.predict(rows, verbose=0, batch_size=1000).astype(float)

    return _values(watch, seconds, network.count_params(), probabilities, task)


def fit_mlp(task: Task) -> Values:
    X, _, y, _ = mnist(task["rows"])
    watch = Watch()
    epochs = task["epochs"] or 20
    watch.start()
    model = _peers.mlp(epochs, task["seed"])
    for _ in range(epochs):
        model.partial_fit(X, y, classes=np.arange(10))
        watch.look(model.predict)
    seconds = watch.stop()
    n_weights = sum(array.size for array in [*model.coefs_, *model.intercepts_])
    return _values(watch, seconds, n_weights, model.predict_proba, task)


def _values(
    watch: Watch,
    seconds: float,
    n_weights: int,
    predict_proba: Callable[[Any], Any],
    task: Task,
) -> Values:
    """Measure a fitted model on the test images as they are, and on the harder ones."""
    _, rows, _, labels = mnist(1)
    robustness: dict[str, list[float]] = {}
    with np.load(task["harder"]) as harder:
        for name in harder.files:
            hard = harder[name].reshape(len(labels), -1).astype(np.float32) / 255
            hits = predict_proba(hard).argmax(axis=1) == labels
            robustness.setdefault(name.split()[0], []).append(float(hits.mean()))
    return {
        "seconds": seconds,
        "weights": int(n_weights),
        "curve": watch.curve,
        "robustness": robustness,
        **calibration_scores(predict_proba(rows), labels),
    }


RECIPE_FITS = {"tutorial": fit_tutorial, "accurate": fit_accurate, "best": fit_best}
PEERS = [
    Contestant("keras", "tutorial's script in Keras", fit_keras),
    Contestant("mlp", "MLPClassifier", fit_mlp),
]


# ----------------------------------------------------------------------------------------------
# Calibration: trained without some rows, which then calibrate


def calibrate_tutorial(task: Task) -> Values:
    return _calibrate("tutorial", task)


def calibrate_accurate(task: Task) -> Values:
    return _calibrate("accurate", task)


def calibrate_best(task: Task) -> Values:
    return _calibrate("best", task)


def _calibrate(recipe: str, task: Task) -> Values:
    """Score the test probabilities before calibration and after, by two ways of it."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import train_test_split

    X, X_test, y, y_test = mnist(task["rows"])
    n_held_out = min(N_CALIBRATION_ROWS, len(y) // 4)
    X, X_held, y, y_held = train_test_split(
        X, y, test_size=n_held_out, stratify=y, random_state=task["seed"]
    )
    model = _make(recipe, task)[-1].fit(X, y)
    temperature = best_temperature(model.predict_log_proba(X_held), y_held)
    tempered = with_temperature(model.predict_log_proba(X_test), temperature)
    sigmoid = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid")
    sigmoid.fit(X_held, y_held)
    return {
        "temperature": temperature,
        "before": calibration_scores(model.predict_proba(X_test), y_test),
        "temperature scaling": calibration_scores(tempered, y_test),
        "CalibratedClassifierCV": calibration_scores(sigmoid.predict_proba(X_test), y_test),
    }


CALIBRATIONS = {
    "tutorial": calibrate_tutorial,
    "accurate": calibrate_accurate,
    "best": calibrate_best,
}


# ----------------------------------------------------------------------------------------------
# The findings


def recipe_findings(fits: Outcome) -> list[Finding]:
    """Judge accuracy, weights and time of each recipe."""
    findings: list[Finding] = []
    for recipe in RECIPE_FITS:
        if not fits.has(recipe):
            continue
        accuracies = [100 * value for value in fits.column(recipe, "accuracy")]
        mean, n_seeds = statistics.mean(accuracies), len(accuracies)
        seeds = f"{n_seeds} seed" + "s" * (n_seeds > 1)
        findings += [
            _at_least(
                f"recipe {recipe}: test accuracy, mean over {seeds}",
                mean,
                "% right",
                LEAST_ACCURACY[recipe],
            ),
            alone(f"recipe {recipe}: worst of {seeds}", min(accuracies), "% right"),
            alone(
                f"recipe {recipe}: weights",
                fits.median(recipe, "weights"),
                "",
                at_most=MOST_WEIGHTS[recipe],
            ),
        ]
    return findings + _time_findings(fits)


def _at_least(what: str, ours: float, unit: str, bound: float) -> Finding:
    return Finding(what, ours, unit, "", None, ours, unit, at_least=bound)


def _time_findings(fits: Outcome) -> list[Finding]:
    findings = []
    if fits.has("accurate"):
        error = 100 * statistics.mean(fits.column("accurate", "calibration_error"))
        findings.append(
            alone("recipe accurate: expected calibration error", error, "%", at_most=0.5)
        )
    if fits.has("accurate", "keras"):
        ours, keras = fits.median("accurate"), fits.median("keras")
        what = "recipe accurate: fit"
        findings.append(faster(what, ours, fits.names["keras"], keras, at_least=1.0))
    if fits.has("best"):
        findings.append(alone("recipe best: fit", fits.median("best"), "s", at_most=240.0))
    return findings


# ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def harder_images(n_severities: int | None = None) -> Iterator[str]:
    """Make the harder test images once for all fits: a file of arrays named by what was done."""
    from sk_mnist_mlp.datasets import load_mnist

    _, images, _, _ = load_mnist(return_splits=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "harder.npz")
        arrays = {
            f"{kind} {severity:g}": corrupted(images, kind, severity)
            for kind, severities in SEVERITIES.items()
            for severity in severities[:n_severities]
        }
        np.savez(path, **arrays)
        yield str(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="fits of everyone")
    parser.add_argument(
        "--recipes", nargs="+", choices=list(RECIPE_FITS), default=list(RECIPE_FITS)
    )
    parser.add_argument("--quick", action="store_true", help="1,000 rows and two epochs, to try")
    parser.add_argument(
        "--output",
        type=Path,
        help="where to write the JSON (default: results/ beside this script, for a whole run)",
    )
    args = parser.parse_args(arguments)
    recipes = [name for name in RECIPE_FITS if name in args.recipes]
    contestants = [Contestant(name, f"recipe {name}", RECIPE_FITS[name]) for name in recipes]
    calibrations = [Contestant(name, f"recipe {name}", CALIBRATIONS[name]) for name in recipes]
    with harder_images(1 if args.quick else None) as path:
        task = {
            "rows": 1_000 if args.quick else 60_000,
            "epochs": 2 if args.quick else None,
            "harder": path,
        }
        fits = measure([*contestants, *PEERS], task, repeats=args.seeds)
    calibration = measure(calibrations, task, repeats=1)
    report = Report(
        "accuracy",
        "Accuracy: every recipe over the same seeds, test images only measured on.",
        recipe_findings(fits),
        {"fits": fits, "calibration": calibration},
    )
    return conclude(report, parser, args)


if __name__ == "__main__":
    sys.exit(main())
