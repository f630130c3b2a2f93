"""Fused searches: every network as if trained alone, every tool's results as without."""

import functools
import subprocess
import sys
import tracemalloc

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - its import is the switch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mnist_mlp import MLPDigitClassifier, RandomDistortion
from sk_mnist_mlp._training import engines
from sk_mnist_mlp._training.runners import n_traces
from sk_mnist_mlp.model_selection import fused
from sk_mnist_mlp.model_selection import stacks as _stacks
from sk_mnist_mlp.model_selection.fused import FusedBackend
from sk_mnist_mlp.model_selection.report import FusedReport, TrainedStack
from sk_mnist_mlp.model_selection.shared_rows import SharedRows
from small_fits import digits, small_classifier

X, Y = digits(240, dtype=np.float32)
classifier = functools.partial(small_classifier, hidden_units=(12,), epochs=3, learning_rate=0.01)


def fit(model, *data, **metadata):
    return model.fit(*data, **metadata)


def fit_all(models, *data, **metadata):
    """Fit clones as tasks of joblib."""
    tasks = (joblib.delayed(fit)(clone(model), *data, **metadata) for model in models)
    return joblib.Parallel(n_jobs=None)(tasks)


def assert_same_fits(alone, together, rtol=0.0):
    """Weights and history agree, to the last bit unless a tolerance is given."""
    for one, two in zip(alone, together, strict=True):
        assert one.engine_ == two.engine_
        for a, b in zip(one.coefs_ + one.intercepts_, two.coefs_ + two.intercepts_, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=str(one))
        for name, column in one.history_.items():
            np.testing.assert_allclose(column, two.history_[name], rtol=max(rtol, 1e-6))


# ----------------------------------------------------------------------------------------------
# Exactness


def keras_sgd():
    import keras

    return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)


def lower_rate():
    import keras

    return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch))]


VARIED = {
    "hidden_units": [(12,), (12, 8), 10],
    "dropout": [0.0, 0.2, 0.6],
    "activation": ["tanh", "gelu"],
    "optimizer": ["adamw", "rmsprop", "sgd", keras_sgd],
    "learning_rate": [0.001, 0.03],
    "learning_rate_schedule": ["cosine", "one_cycle"],
    "l2": [1e-3],
    "label_smoothing": [0.1],
    "batch_size": [50, 128, 1000],
    "epochs": [1, 5],
    "augmentation": [RandomDistortion(image_shape=(8, 8), random_state=0)],
    "early_stopping": [True],
    "validation_fraction": [0.2],
    "monitor": ["val_loss"],
    "n_iter_no_change": [1],
    "tol": [0.5],
    "class_weight": ["balanced", {0: 3.0, 1: 0.0}],
    "warm_start": [True],
    "callbacks": [lower_rate],
    "checkpoint": ["made in the test"],
    "dtype": ["float64"],
    "engine": ["numpy", "xla", "keras"],
    "random_state": [1, np.random.RandomState(5)],
    "verbose": [1],
}
TOGETHER = {
    "validation_fraction": {"early_stopping": True},
    "monitor": {"early_stopping": True, "n_iter_no_change": 2, "epochs": 12},
    "n_iter_no_change": {"early_stopping": True, "epochs": 12},
    "tol": {"early_stopping": True, "n_iter_no_change": 2, "epochs": 12},
}


def varied_classifiers(names):
    """Classifiers of which each differs from the first in one parameter."""
    models = [classifier()]
    for name in names:
        for value in VARIED[name]:
            value = value() if callable(value) else value
            models.append(classifier(**TOGETHER.get(name, {}) | {name: value}))
    return models


def test_every_parameter_is_varied():
    """The tests below leave out no parameter."""
    assert set(VARIED) == set(MLPDigitClassifier().get_params())


@pytest.mark.parametrize("weighted", [False, True], ids=["", "sample weights"])
def test_every_network_is_trained_as_if_alone(tmp_path, weighted):
    """Whatever parameter differs in a stack, each network equals its plain fit to the last bit."""
    weights = {"sample_weight": np.random.default_rng(0).integers(0, 4, len(Y))} if weighted else {}
    names = [name for name in VARIED if not (weighted and name in ("engine", "callbacks"))]
    models = varied_classifiers(names)
    for number, model in enumerate(models):
        if model.checkpoint is not None:
            model.set_params(checkpoint=tmp_path / f"{number}")
    alone = [clone(model).fit(X, Y, **weights) for model in models]
    for path in tmp_path.iterdir():
        path.unlink()
    with fused() as report:
        together = fit_all(models, X, Y, **weights)
    assert_same_fits(alone, together)
    assert len({model.n_iter_ for model in together}) > 3  # some have stopped early
    n_keras = sum(model.engine_ == "keras" for model in together)
    assert (report.n_fits, report.n_keras) == (len(models) - n_keras, n_keras)
    assert len(report.stacks) < report.n_fits


def test_fits_of_different_rows_and_weights_share_stacks():
    """Folds of different sizes, some weighted, are trained as if alone."""
    rng = np.random.default_rng(0)
    parts = [rng.permutation(len(Y))[: 240 - 30 * number] for number in range(6)]

    def fit_part(number, rows):
        weight = None if number % 2 else np.arange(len(rows)) % 3
        return classifier(dropout=0.1 * number, batch_size=40).fit(X[rows], Y[rows], weight)

    alone = [fit_part(*part) for part in enumerate(parts)]
    with fused() as report:
        together = joblib.Parallel()(joblib.delayed(fit_part)(*part) for part in enumerate(parts))
    assert_same_fits(alone, together)
    assert report.n_fits == 6
    assert len(report.stacks) < 6


def test_calls_of_partial_fit_meet_too():
    """Tasks that train epoch by epoch meet at each epoch, and lose nothing."""

    def train(model):
        for _ in range(3):
            model.partial_fit(X, Y, classes=np.arange(10))
        return model

    models = [classifier(dropout=rate) for rate in (0.1, 0.2, 0.3)]
    with fused() as report:
        together = joblib.Parallel()(joblib.delayed(train)(clone(model)) for model in models)
    assert_same_fits([model.fit(X, Y) for model in models], together)
    assert report.n_rounds == 3


@pytest.mark.parametrize("gpu", [False, True], ids=["processor", "as on a GPU"])
def test_compiled_networks_are_trained_as_if_alone(monkeypatch, gpu):
    """In XLA too: to the last bit on a processor, where a program holds one network, else to 1e-4.

    Early stopping empties the stack step by step; programs are compiled for halves of it only.
    """
    monkeypatch.setattr(engines, "_XLA_FLOPS", 0.0)
    monkeypatch.setattr(_stacks, "_has_gpu", lambda: gpu)
    options = {"early_stopping": True, "n_iter_no_change": 1, "epochs": 6, "tol": 0.05}
    models = [classifier(dropout=0.1 * k, random_state=k, **options) for k in range(5)]
    alone = [clone(model).fit(X, Y) for model in models]
    before = n_traces()
    with fused() as report:
        together = fit_all(models, X, Y)
    assert_same_fits(alone, together, rtol=1e-4 if gpu else 0.0)
    assert {stack.engine for stack in report.stacks} == {"xla"}
    assert [stack.n_fits for stack in report.stacks] == ([5] if gpu else [1] * 5)
    assert n_traces() - before <= (3 if gpu else 0)  # of 5, of 2 and of 1


# ----------------------------------------------------------------------------------------------
# scikit-learn's tools

GRID = {"dropout": [0.0, 0.4], "hidden_units": [(8,), (16,)]}


def scores(search):
    timeless = {name: v for name, v in search.cv_results_.items() if "_time" not in name}
    return {name: v for name, v in timeless.items() if not name.startswith("param")}


def columns(results):
    return {name: value for name, value in results.items() if not name.endswith("_time")}


TOOLS = {
    "GridSearchCV": lambda: scores(
        GridSearchCV(classifier(), GRID, cv=3, return_train_score=True).fit(X, Y)
    ),
    "several metrics": lambda: scores(
        GridSearchCV(
            classifier(), GRID, cv=2, scoring=["accuracy", "f1_macro"], refit="accuracy"
        ).fit(X, Y)
    ),
    "RandomizedSearchCV": lambda: scores(
        RandomizedSearchCV(classifier(), GRID, n_iter=3, cv=2, random_state=0).fit(X, Y)
    ),
    "HalvingGridSearchCV": lambda: scores(
        HalvingGridSearchCV(
            classifier(),
            {"dropout": [0.0, 0.1, 0.2, 0.4]},
            cv=2,
            resource="epochs",
            max_resources=6,
        ).fit(X, Y)
    ),
    "cross_validate": lambda: columns(cross_validate(classifier(), X, Y, cv=4)),
    "cross_val_predict": lambda: cross_val_predict(classifier(), X, Y, cv=4),
    "learning_curve": lambda: learning_curve(
        classifier(batch_size=32), X, Y, cv=4, exploit_incremental_learning=True
    )[:3],
    "validation_curve": lambda: validation_curve(
        classifier(), X, Y, param_name="l2", param_range=[0.0, 1e-3], cv=2
    ),
    "permutation_test_score": lambda: permutation_test_score(
        classifier(), X, Y, cv=2, n_permutations=3, random_state=0
    )[1],
    "BaggingClassifier": lambda: (
        BaggingClassifier(classifier(), 4, random_state=0).fit(X, Y).predict(X)
    ),
    "VotingClassifier": lambda: (
        VotingClassifier([(f"{seed}", classifier(random_state=seed)) for seed in range(4)])
        .fit(X, Y)
        .predict(X)
    ),
    "StackingClassifier": lambda: (
        StackingClassifier(
            [("a", classifier()), ("b", classifier(random_state=1))],
            LogisticRegression(max_iter=20),
            cv=3,
            stack_method="predict",
        )
        .fit(X, Y)
        .predict(X)
    ),
    "OneVsRestClassifier": lambda: OneVsRestClassifier(classifier()).fit(X, Y).predict(X),
    "Pipeline": lambda: scores(
        GridSearchCV(
            make_pipeline(StandardScaler(), classifier()),
            {"standardscaler__with_std": [True, False], "mlpdigitclassifier__dropout": [0.1, 0.3]},
            cv=2,
        ).fit(X, Y)
    ),
}


def assert_equal(one, two):
    if isinstance(one, dict):
        one, two = [one[name] for name in one], [two[name] for name in one]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", TOOLS)
def test_tools_give_the_same_results(name):
    """Everything that fits clones through joblib gives, fused, exactly what it gives plain."""
    plain = TOOLS[name]()
    with fused() as report:
        together = TOOLS[name]()
    assert_equal(plain, together)
    assert max(stack.n_fits for stack in report.stacks) > 1


def test_a_search_is_asked_for_as_joblib_has_it():
    """``parallel_config(backend="fused")`` does the same, with any n_jobs but 1."""
    searches = [
        GridSearchCV(classifier(), GRID, cv=2, n_jobs=n_jobs, refit=False) for n_jobs in (None, 2)
    ]
    with joblib.parallel_config(backend="fused"):
        fitted = [search.fit(X, Y) for search in searches]
    plain = searches[0].fit(X, Y)
    for search in fitted:
        assert_equal(scores(search), scores(plain))


def test_joblib_knows_the_backend_from_the_classifier_on():
    """Importing the classifier is enough to ask for the backend by its name."""
    code = """
import sys
import sk_mnist_mlp
assert "joblib" not in sys.modules
from sk_mnist_mlp import MLPDigitClassifier
import joblib
with joblib.parallel_config(backend="fused", max_tasks=7):
    assert joblib.effective_n_jobs() == 7
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


# ----------------------------------------------------------------------------------------------
# What is held in memory


class ReadsOnly(TransformerMixin, BaseEstimator):
    """Says whether its rows could be written to."""

    def fit(self, X, y=None):
        self.writeable_ = X.flags.writeable
        return self

    def transform(self, X):
        return X


def test_folds_are_held_once():
    """Sixteen tasks on two folds hold two copies of their rows, not sixteen."""
    table = np.zeros((2000, 512))
    table[:, :64] = np.resize(X, (2000, 64))
    labels = np.arange(2000) % 10
    search = GridSearchCV(
        classifier(epochs=1), {"dropout": np.linspace(0, 0.7, 8)}, cv=2, refit=False
    )
    tracemalloc.start()
    with fused() as report:
        search.fit(table, labels)
    peak = tracemalloc.get_traced_memory()[1] / table.nbytes
    tracemalloc.stop()
    assert report.n_rounds == 1
    # In tables: 2 for the folds, 1 for the rows of each stack in training; a plain search takes 3.
    assert peak < 6


def test_shared_folds_are_plain_arrays_that_stay_as_they_are():
    """Equal selections are one array, not writeable; all else is as with a plain table."""
    table = SharedRows.of(np.arange(24.0).reshape(6, 4))
    rows = np.array([3, 1])
    selection = table[rows]
    assert type(selection) is np.ndarray
    assert table[rows.copy(), ...] is selection
    assert table[np.array([1, 3])] is not selection
    assert not selection.flags.writeable
    mask = np.arange(6) < 2
    np.testing.assert_array_equal(table[mask], np.arange(8.0).reshape(2, 4))
    assert table[1:3].flags.writeable
    assert table[2, 1] == 9.0
    assert type(table[:, 0]) is np.ndarray
    assert (table + 1)[0, 0] == 1.0


def test_small_tables_are_left_alone():
    """Tables below the threshold reach a task as they are, with folds that can be written to."""
    results = {}
    with fused():
        for name, table in {"small": X, "large": np.zeros((240, 1000))}.items():
            model = make_pipeline(ReadsOnly(), classifier(epochs=1))
            found = cross_validate(model, table, Y, cv=2, return_estimator=True)
            results[name] = {one[0].writeable_ for one in found["estimator"]}
    assert results == {"small": {True}, "large": {False}}


def test_transformers_that_work_in_place_find_their_own_copy():
    """``copy=False`` spoils no other task's rows."""
    table = np.tile(X, (1, 20)).astype(np.float64)
    model = make_pipeline(StandardScaler(copy=False), classifier())
    search = GridSearchCV(model, {"mlpdigitclassifier__dropout": [0.0, 0.2, 0.4]}, cv=2)
    plain = scores(search.fit(table.copy(), Y))
    with fused():
        assert_equal(plain, scores(search.fit(table, Y)))


@pytest.mark.parametrize("bounds", [{"max_tasks": 2}, {"max_bytes": 0}], ids=str)
def test_bounds_cut_a_search_into_rounds(bounds):
    """Few tasks or bytes at a time make more rounds, and the same results."""
    search = GridSearchCV(classifier(), GRID, cv=2, refit=False)
    plain = scores(search.fit(X, Y))
    with fused(**bounds) as report:
        assert_equal(plain, scores(search.fit(X, Y)))
    assert report.n_rounds > 2
    assert report.n_fits == 8


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            {"max_tasks": 1},
            "fused: expected max_tasks to be a whole number of 2 or more, got 1. "
            "Leave it out for the default.",
        ),
        (
            {"max_bytes": 0.5},
            "fused: expected max_bytes to be a whole number of 0 or more, got 0.5. "
            "Leave it out for the default.",
        ),
    ],
)
def test_bounds_are_checked(parameters, sentence):
    """Impossible bounds are refused at once."""
    with pytest.raises(ValueError) as caught:
        FusedBackend(**parameters)
    assert str(caught.value) == sentence


def test_no_jobs_are_refused():
    """``n_jobs=0`` is an error, as with every backend, and the only one that is shown."""
    with pytest.raises(ValueError) as caught, fused():
        cross_validate(classifier(), X, Y, n_jobs=0)
    assert caught.value.__context__ is None
    assert str(caught.value) == (
        "fused: expected n_jobs other than 0. Leave it out, or give the number of cores."
    )


# ----------------------------------------------------------------------------------------------
# The report


def test_the_report_is_a_sentence():
    """What was done is said in words and held in numbers."""
    assert str(FusedReport()) == (
        "No fit was handed in: nothing inside called Parallel with n_jobs other than 1."
    )
    stacks = [TrainedStack((64, 8, 10), 4, "numpy", 0.1), TrainedStack((64, 9, 10), 1, "xla", 0.1)]
    assert str(FusedReport(stacks, 2, 1)) == (
        "5 fits in 2 stacks of up to 4 (NumPy and XLA), in 2 rounds. "
        "1 fit by Keras's own loop, one at a time."
    )
    assert str(FusedReport([], 0, 3)) == "3 fits by Keras's own loop, one at a time."
