"""Fused searches never hang: errors, nested calls, interruptions, locks, and fits within fits."""

import _thread
import threading
import time
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._training.engines import train_alone, train_through
from sk_mnist_mlp._training.epochs import Monitor
from sk_mnist_mlp._training.loop import train_each, train_stack
from sk_mnist_mlp.model_selection import fused
from sk_mnist_mlp.model_selection import scheduler as _rendezvous

pytestmark = pytest.mark.timeout(120)

X, Y = load_digits(return_X_y=True)
X, Y = (X[:240] / 16).astype(np.float32), Y[:240]


@pytest.fixture(autouse=True)
def _everything_ends():
    """After each test, whatever it did, every thread of the backend is gone."""
    yield
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("fused") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.02)


def classifier(**parameters):
    small = {"hidden_units": (12,), "epochs": 3, "learning_rate": 0.01, "random_state": 0}
    return MLPDigitClassifier(**small | parameters)


def endless(**parameters):
    """A classifier that would train for minutes, in short epochs and in NumPy."""
    return classifier(epochs=200_000, **parameters)


def scores(search):
    return search.cv_results_["mean_test_score"]


# ----------------------------------------------------------------------------------------------
# Errors


def test_a_candidate_that_cannot_be_fitted_gets_the_error_score():
    """Candidates with bad parameters score NaN; the others' scores are those of a plain search."""
    grid = {"dropout": [0.1, 2.0, 0.3]}
    search = GridSearchCV(classifier(), grid, cv=2, error_score=np.nan, refit=False)
    with pytest.warns(FitFailedWarning):
        plain = scores(search.fit(X, Y))
    with fused() as report, pytest.warns(FitFailedWarning):
        np.testing.assert_array_equal(plain, scores(search.fit(X, Y)))
    assert np.isnan(plain).tolist() == [False, True, False]
    assert report.n_fits == 4


def test_an_error_ends_the_search_at_once():
    """With ``error_score="raise"`` the search raises the plain error, and the others stop."""
    search = GridSearchCV(endless(), {"dropout": [0.1, 2.0, 0.3]}, cv=2, error_score="raise")
    began = time.monotonic()
    with pytest.raises(ValueError, match="expected dropout"), fused():
        search.fit(X, Y)
    assert time.monotonic() - began < 60


def test_an_error_while_others_train_ends_them_with_their_epoch(monkeypatch):
    """A task that fails after a long wait ends the others, though they are in training by then."""
    monkeypatch.setattr(_rendezvous, "_PATIENCE", 0.5)

    def fail(seconds):
        time.sleep(seconds)
        raise KeyError("late")

    tasks = [joblib.delayed(endless().fit)(X, Y), joblib.delayed(fail)(2)]
    with pytest.raises(KeyError, match="late"), fused():
        joblib.Parallel(n_jobs=2)(tasks)


class FailingObserver:
    """Raises in the second epoch, at its beginning or its end."""

    def __init__(self, error, at_begin):
        self.error, self.at_begin, self.n_epochs = error, at_begin, 0

    def begin_epoch(self):
        self.n_epochs += 1
        if self.at_begin and self.n_epochs == 2:
            raise self.error

    def end_epoch(self, history, weights):
        if self.n_epochs == 2:
            raise self.error


@pytest.mark.parametrize("at_begin", [True, False])
@pytest.mark.parametrize("path", ["numpy", "xla"])
def test_what_a_callback_raises_ends_its_own_network_alone(path, at_begin, make_jobs):
    """In a stack, an observer's error is one network's outcome; its neighbours are as if alone."""
    error = SystemExit("enough")
    jobs = make_jobs({0: None, 1: FailingObserver(error, at_begin), 2: None})
    outcomes = train_each(jobs, path=path)
    assert outcomes[1] is error
    for number in (0, 2):
        (alone,) = train_stack([jobs[number]], path=path)
        for a, b in zip(alone.weights, outcomes[number].weights, strict=True):
            np.testing.assert_allclose(a, b, atol=0 if path == "numpy" else 1e-4)
    with pytest.raises(SystemExit, match="enough"):
        train_stack(make_jobs({0: None, 1: FailingObserver(error, at_begin)}), path=path)


def test_what_fails_before_the_first_epoch_is_one_networks_outcome(make_jobs):
    """A network that cannot even be begun leaves its neighbours alone."""
    good, (plan, data) = make_jobs({0: None, 1: None})
    outcomes = train_each([good, (replace(plan, optimizer="nadam"), data)], path="numpy")
    assert isinstance(outcomes[1], Exception)
    assert len(outcomes[0].history["loss"]) == 3


def test_an_interrupted_callback_keeps_what_its_network_learnt(make_jobs):
    """KeyboardInterrupt from one network's observer ends that one, as in a plain fit."""
    jobs = make_jobs({0: FailingObserver(KeyboardInterrupt(), False), 1: None})
    with pytest.warns(UserWarning, match="interrupted"):
        first, second = train_each(jobs, path="numpy")
    assert (first.interrupted, len(first.history["loss"])) == (True, 2)
    assert (second.interrupted, len(second.history["loss"])) == (False, 3)


@pytest.fixture
def make_jobs():
    """Return a function from observers to jobs of one structure, taken from real fits."""

    def make(observers):
        jobs = []
        for number, observer in observers.items():
            seen = {}

            def catch(plan, data, engine, seen=seen):
                seen["job"] = plan, data
                return train_alone(plan, data, engine)

            with train_through(catch):
                classifier(random_state=number, dropout=0.1 * number).fit(X, Y)
            plan, data = seen["job"]
            jobs.append((replace(plan, observers=(observer,) if observer else ()), data))
        return jobs

    return make


def test_warnings_as_errors_fail_their_own_fit():
    """A fit that warns under an error filter fails; the others score."""
    search = GridSearchCV(classifier(epochs=2), {"learning_rate": [0.01, 1e30]}, cv=2, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.simplefilter("ignore", UserWarning)
        plain = scores(search.fit(X, Y))
        with fused():
            together = scores(search.fit(X, Y))
    np.testing.assert_array_equal(plain, together)
    assert np.isnan(plain).tolist() == [False, True]


# ----------------------------------------------------------------------------------------------
# Interruption


def test_ctrl_c_ends_a_search():
    """KeyboardInterrupt in the main thread reaches the user, and the training ends."""
    search = GridSearchCV(endless(), {"dropout": [0.1, 0.2, 0.3]}, cv=2)
    timer = threading.Timer(1.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt), fused():
        search.fit(X, Y)
    timer.join()


def test_a_context_goes_on_after_an_interruption():
    """The same context serves the next search."""
    with fused() as report:
        timer = threading.Timer(0.5, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            cross_val_score(endless(), X, Y, cv=3)
        timer.join()
        before = report.n_fits
        assert len(cross_val_score(classifier(), X, Y, cv=3)) == 3
    assert report.n_fits >= before + 3


# ----------------------------------------------------------------------------------------------
# Tasks that never fit, and other engines


def test_tasks_that_never_fit_run_as_usual():
    """Anything else than the classifier runs in threads, and holds up nobody."""
    with fused() as report:
        assert joblib.Parallel()(joblib.delayed(abs)(-n) for n in range(200)) == list(range(200))
        assert len(cross_val_score(DummyClassifier(), X, Y, cv=3)) == 3
        vote = VotingClassifier([("d", DummyClassifier()), ("m", classifier()), ("n", endless())])
        vote.set_params(n__epochs=1)
        assert vote.fit(X, Y).predict(X).shape == Y.shape
    assert report.n_fits == 2


def test_a_candidate_of_the_keras_engine_is_trained_by_it():
    """Candidates that need Keras's loop are trained by it, one at a time, between the others."""
    grid = {"optimizer": ["adam", "nadam"]}
    search = GridSearchCV(classifier(epochs=2), grid, cv=2, refit=False)
    plain = scores(search.fit(X, Y))
    with fused() as report:
        np.testing.assert_array_equal(plain, scores(search.fit(X, Y)))
    assert (report.n_fits, report.n_keras) == (2, 2)


@pytest.mark.parametrize("pre_dispatch", [1, 3, "n_jobs", "all"])
def test_every_way_of_dispatching_works(pre_dispatch):
    """Whatever joblib submits at a time, all is done."""
    search = GridSearchCV(
        classifier(), {"dropout": [0.1, 0.2, 0.3]}, cv=3, pre_dispatch=pre_dispatch, refit=False
    )
    plain = scores(search.fit(X, Y))
    with fused() as report:
        np.testing.assert_array_equal(plain, scores(search.fit(X, Y)))
    assert report.n_fits == 9


def test_more_tasks_than_may_wait():
    """Two hundred fits pass through eight places."""
    with fused(max_tasks=8) as report:
        fits = (joblib.delayed(clone(classifier(epochs=1)).fit)(X, Y) for _ in range(200))
        assert len(joblib.Parallel()(fits)) == 200
    assert report.n_fits == 200
    assert max(stack.n_fits for stack in report.stacks) <= 8


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_results_as_a_generator(return_as):
    """Results may be asked for one by one, and given up in between."""
    fits = [joblib.delayed(clone(classifier()).fit)(X, Y) for _ in range(6)]
    with fused():
        assert len(list(joblib.Parallel(return_as=return_as)(fits))) == 6
        some = joblib.Parallel(return_as=return_as)(fits)
        next(some)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            del some


def test_a_task_may_fit_many_times_and_be_batched():
    """Tasks of several fits, several to a batch, meet as often as they fit."""

    def fit_twice(seed):
        return [classifier(random_state=seed + k).fit(X, Y).coefs_[0] for k in range(2)]

    plain = [fit_twice(seed) for seed in range(4)]
    with fused() as report:
        together = joblib.Parallel(batch_size=2)(joblib.delayed(fit_twice)(s) for s in range(4))
    np.testing.assert_array_equal(plain, together)
    assert report.n_fits == 8


# ----------------------------------------------------------------------------------------------
# Calls within calls


def early(**parameters):
    stopping = {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.3}
    return classifier(epochs=6, **stopping | parameters)


NESTED = {
    "calibration in a search": lambda: scores(
        GridSearchCV(
            CalibratedClassifierCV(early(), cv=3),
            {"estimator__dropout": [0.1, 0.4]},
            cv=2,
            refit=False,
        ).fit(X, Y)
    ),
    "stacking in cross-validation": lambda: cross_val_score(
        StackingClassifier(
            [("a", classifier()), ("b", early())],
            LogisticRegression(max_iter=10),
            cv=2,
            stack_method="predict",
        ),
        X,
        Y,
        cv=2,
    ),
    "bagging in voting in a search": lambda: scores(
        GridSearchCV(
            VotingClassifier([("b", BaggingClassifier(classifier(), 3, random_state=0))]),
            {"b__estimator__dropout": [0.0, 0.3]},
            cv=2,
            refit=False,
        ).fit(X, Y)
    ),
    "a search in cross-validation": lambda: cross_val_score(
        GridSearchCV(early(), {"dropout": [0.1, 0.3]}, cv=2), X, Y, cv=3
    ),
    "with workers inside": lambda: cross_val_score(
        BaggingClassifier(classifier(), 3, random_state=0, n_jobs=2), X, Y, cv=2, n_jobs=2
    ),
    "one after another outside": lambda: cross_val_score(
        BaggingClassifier(classifier(), 3, random_state=0), X, Y, cv=2, n_jobs=1
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("max_tasks", [2, 64])
@pytest.mark.parametrize("name", NESTED)
def test_nested_calls_meet_too(name, max_tasks):
    """Calls within tasks train with the others, in any depth, and change no result."""
    plain = NESTED[name]()
    with fused(max_tasks=max_tasks) as report:
        np.testing.assert_array_equal(plain, NESTED[name]())
    assert report.n_fits > 0


def test_an_error_in_a_nested_call_comes_out_on_top():
    """What fails at the bottom is raised at the top, and all the rest ends."""
    models = [
        VotingClassifier([("good", endless()), ("bad", classifier(dropout=dropout))])
        for dropout in (0.1, 2.0)
    ]
    with pytest.raises(ValueError, match="expected dropout"), fused():
        joblib.Parallel()(joblib.delayed(clone(model).fit)(X, Y) for model in models)


def test_other_backends_inside_a_task():
    """Tasks that bring their own backend, and fused calls of their own, wait for nobody."""

    def with_backend(backend):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            return cross_val_score(classifier(), X, Y, cv=2)

    plain = with_backend("threading")
    with fused():
        together = joblib.Parallel()(
            joblib.delayed(with_backend)(name) for name in ("threading", "fused", "sequential")
        )
    for found in together:
        np.testing.assert_array_equal(found, plain)


# ----------------------------------------------------------------------------------------------
# Tasks that wait for one another


class Locked(ClassifierMixin, BaseEstimator):
    """Fits under a lock that all its clones share, as a device or a licence might be."""

    lock = threading.Lock()

    def fit(self, X, y):
        with self.lock:
            self.model_ = classifier().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


def test_tasks_that_share_a_lock_go_on(monkeypatch):
    """Fits under one lock cannot meet; after a while they are trained as they come."""
    monkeypatch.setattr(_rendezvous, "_PATIENCE", 0.3)
    plain = cross_val_score(Locked(), X, Y, cv=5)
    with fused() as report:
        np.testing.assert_array_equal(cross_val_score(Locked(), X, Y, cv=5), plain)
    assert report.n_fits == 5


# ----------------------------------------------------------------------------------------------
# What a task finds around it


def test_the_filters_of_warnings_are_put_back():
    """A fused search leaves the process's filters as they were."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "some words")
        before = warnings.filters, list(warnings.filters)
        with fused():
            cross_val_score(classifier(), X, Y, cv=4)
        assert (warnings.filters, list(warnings.filters)) == before


def test_warnings_of_a_training_are_shown():
    """A loss that overflows warns in a stack as it does alone."""
    search = GridSearchCV(classifier(), {"learning_rate": [0.01, 1e30]}, cv=2, refit=False)
    with fused(), pytest.warns(ConvergenceWarning, match="expected a finite loss"):
        search.fit(X, Y)


def test_observers_find_scikit_learns_configuration(monkeypatch):
    """What a task's thread is configured to holds for its callbacks in the training too."""
    seen = []
    measure = Monitor.measure

    def note(self, weights):
        seen.append(sklearn.get_config()["assume_finite"])
        return measure(self, weights)

    monkeypatch.setattr(Monitor, "measure", note)
    with sklearn.config_context(assume_finite=True), fused():
        cross_val_score(classifier(epochs=1), X, Y, cv=2)
    assert seen == [True, True]


def test_scikit_learns_callbacks_hear_every_epoch():
    """Callbacks are told of each candidate's epochs, as in a plain search."""
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 or later")

    class Count:
        def __init__(self):
            self.n_epochs = 0

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.n_epochs += context.task_name == "epoch"

        def teardown(self, estimator, context):
            pass

    counts = []
    for surrounding in (fused(n_jobs=1), fused()):
        counter = Count()
        model = classifier().set_callbacks(counter)
        with surrounding:
            GridSearchCV(model, {"dropout": [0.1, 0.2]}, cv=2, refit=False).fit(X, Y)
        counts.append(counter.n_epochs)
    assert counts == [12, 12]
