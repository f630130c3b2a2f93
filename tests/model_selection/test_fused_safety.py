"""Fused searches never hang: errors, nested calls, interruptions, locks, and fits within fits."""

import _thread
import functools
import multiprocessing
import sys
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
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from sk_mnist_mlp._network.spec import as_arrays
from sk_mnist_mlp._training.engines import train_alone, train_through
from sk_mnist_mlp._training.epochs import Run
from sk_mnist_mlp._training.loop import train_each, train_stack
from sk_mnist_mlp._training.plan import EpochObserver, TrainingHooks
from sk_mnist_mlp.model_selection import fused
from sk_mnist_mlp.model_selection import scheduler as _scheduler
from sk_mnist_mlp.model_selection.fused import FusedBackend
from sk_mnist_mlp.model_selection.scheduler import Scheduler
from small_fits import digits, small_classifier

X, Y = digits(240, dtype=np.float32)
classifier = functools.partial(small_classifier, hidden_units=(12,), epochs=3, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _everything_ends():
    """After each test, whatever it did, every thread of the backend is gone."""
    yield
    deadline = time.monotonic() + 600
    while any(thread.name.startswith("fused") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.02)


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
    with (
        pytest.raises(ValueError, match="The 'dropout' parameter of MLPDigitClassifier must be"),
        fused(),
    ):
        search.fit(X, Y)
    assert time.monotonic() - began < 300


def test_an_error_while_others_train_ends_them_with_their_epoch(monkeypatch):
    """A task that fails after a long wait ends the others, though they are in training by then."""
    monkeypatch.setattr(_scheduler, "_PATIENCE", 0.5)

    def fail(seconds):
        time.sleep(seconds)
        raise KeyError("late")

    tasks = [joblib.delayed(endless().fit)(X, Y), joblib.delayed(fail)(2)]
    with pytest.raises(KeyError, match="late"), fused():
        joblib.Parallel(n_jobs=2)(tasks)


class FailingObserver(EpochObserver):
    """Raises in the second epoch, at its beginning or its end."""

    def __init__(self, error, at_begin):
        self.error, self.at_begin, self.n_epochs = error, at_begin, 0

    def begin_epoch(self, run):
        self.n_epochs += 1
        if self.at_begin and self.n_epochs == 2:
            raise self.error

    def end_epoch(self, run):
        if self.n_epochs == 2:
            raise self.error


@pytest.mark.parametrize("at_begin", [True, False])
@pytest.mark.parametrize("path", ["numpy", "xla"])
def test_what_a_callback_raises_ends_its_own_network_alone(path, at_begin, make_jobs):
    """In a stack, an observer's error is one network's outcome; its neighbours are as if alone."""
    error = SystemExit("enough")
    jobs = make_jobs({0: None, 1: FailingObserver(error, at_begin), 2: None})
    outcomes = train_each(jobs, path)
    assert outcomes[1] is error
    for number in (0, 2):
        (alone,) = train_stack([jobs[number]], path)
        for a, b in zip(as_arrays(alone.layers), as_arrays(outcomes[number].layers), strict=True):
            np.testing.assert_allclose(a, b, atol=0 if path == "numpy" else 1e-4)
    with pytest.raises(SystemExit, match="enough"):
        train_stack(make_jobs({0: None, 1: FailingObserver(error, at_begin)}), path)


def test_what_fails_before_the_first_epoch_is_one_networks_outcome(make_jobs):
    """A network that cannot even be begun leaves its neighbours alone."""
    good, job = make_jobs({0: None, 1: None})
    bad = job._replace(plan=replace(job.plan, optimizer="nadam", rule=None))
    outcomes = train_each([good, bad], "numpy")
    assert isinstance(outcomes[1], Exception)
    assert len(outcomes[0].history["loss"]) == 3


def test_an_interrupted_callback_keeps_what_its_network_learnt(make_jobs):
    """KeyboardInterrupt from one network's observer ends that one, as in a plain fit."""
    jobs = make_jobs({0: FailingObserver(KeyboardInterrupt(), False), 1: None})
    with pytest.warns(UserWarning, match="interrupted"):
        first, second = train_each(jobs, "numpy")
    assert (len(first.history["loss"]), len(second.history["loss"])) == (2, 3)


@pytest.fixture
def make_jobs():
    """Return a function from observers to jobs of one structure, taken from real fits."""

    def make(observers):
        jobs = []
        for number, observer in observers.items():
            seen = {}

            def catch(job, engine, seen=seen):
                seen["job"] = job
                return train_alone(job, engine)

            with train_through(catch):
                classifier(random_state=number, dropout=0.1 * number).fit(X, Y)
            hooks = TrainingHooks(observers=(observer,) if observer else ())
            jobs.append(seen["job"]._replace(hooks=hooks))
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
    with (
        pytest.raises(ValueError, match="The 'dropout' parameter of MLPDigitClassifier must be"),
        fused(),
    ):
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
# Errors in every order of events


class Training:
    """Stands for the training: it has begun, and ends only what is given up, or what may end."""

    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.outcomes = {}

    def __call__(self, fits, ended, n_cores, report):
        self.begun.set()
        fits = list(fits)
        while fits:
            for fit in fits[:]:
                outcome = self.outcomes.get(fit.job.plan.epochs)
                if fit.task.call.is_given_up:
                    outcome = _scheduler.GivenUp()
                elif self.may_end.is_set():
                    outcome = train_alone(fit.job, fit.engine)
                elif callable(outcome):
                    outcome = outcome(fit)
                if outcome is not None:
                    ended(fit, outcome)
                    fits.remove(fit)
            time.sleep(0.001)

    def fail(self, error):
        """Raise while others are in training."""
        assert self.begun.wait(600)
        raise error


@pytest.fixture
def training(monkeypatch):
    """Put a training of which the test is the master in the place of the real one."""
    training = Training()
    monkeypatch.setattr(sys.modules[FusedBackend.__module__], "train_fits", training)
    monkeypatch.setattr(_scheduler, "_PATIENCE", 0.1)  # it begins beside the task that fails
    return training


def nest(depth, level_of_others, others):
    """Make calls within calls, and fit at the bottom; run others beside it on one level."""
    if depth == 0:
        return classifier().fit(X, Y)
    beside = others if level_of_others == 0 else []
    return joblib.Parallel()(
        [joblib.delayed(nest)(depth - 1, level_of_others - 1, others), *beside]
    )


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(("depth", "level"), [(d, k) for d in (1, 2, 3) for k in range(d)])
def test_an_error_ends_the_training_that_waits_for_it(training, depth, level, error):
    """An error on any level of nested calls ends a training that nothing else can end."""
    fails = joblib.delayed(training.fail)(error("on its way"))
    with pytest.raises(error, match="on its way"), fused():
        nest(depth, level, [fails])


@pytest.mark.parametrize("max_tasks", [3, 64])  # three: the two in training, and the one that fails
def test_a_task_that_catches_an_error_goes_on_while_others_train(training, max_tasks):
    """What is nested in a failed call ends alone; a task that expects that is held up by nobody."""

    def expect_an_error():
        with pytest.raises(KeyError):
            nest(2, 1, [joblib.delayed(training.fail)(KeyError("expected"))])
        training.may_end.set()
        return "went on"

    with fused(max_tasks=max_tasks):
        model, words = joblib.Parallel()(
            [joblib.delayed(classifier().fit)(X, Y), joblib.delayed(expect_an_error)()]
        )
    assert words == "went on"
    assert model.n_iter_ == 3


def test_a_network_that_fails_ends_the_others_in_training(training):
    """An error from within the training is raised at once, not after the others' last epoch."""
    training.outcomes[1] = ArithmeticError("within")
    fits = [joblib.delayed(classifier(epochs=epochs).fit)(X, Y) for epochs in (3, 1, 3)]
    with pytest.raises(ArithmeticError, match="within"), fused():
        joblib.Parallel()(fits)


def test_an_error_after_a_fit_ends_the_others_in_training(training):
    """A task whose network is trained goes on while others train, and may end them."""
    training.outcomes[1] = lambda fit: train_alone(fit.job, fit.engine)

    def fit_and_fail():
        raise KeyError(classifier(epochs=1).fit(X, Y).n_iter_)

    with pytest.raises(KeyError, match="1"), fused():
        joblib.Parallel()([joblib.delayed(classifier().fit)(X, Y), joblib.delayed(fit_and_fail)()])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_call_that_takes_too_long_ends_its_training(training, depth):
    """A call with joblib's ``timeout`` ends a training, from any level."""

    def in_time(depth):
        return joblib.Parallel(timeout=0.3)([joblib.delayed(nest)(depth - 1, -1, [])])

    with pytest.raises(multiprocessing.TimeoutError), fused():
        joblib.Parallel()([joblib.delayed(in_time)(depth)])


def test_a_generator_that_a_task_drops_ends_its_training(training):
    """Results that a task no longer wants are not trained for."""

    def drop():
        results = joblib.Parallel(return_as="generator")([joblib.delayed(nest)(1, -1, [])])
        assert training.begun.wait(600)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            del results
        return "went on"

    with fused():
        assert joblib.Parallel()([joblib.delayed(drop)()]) == ["went on"]


class Failing(DummyClassifier):
    """Raises in its fit."""

    def fit(self, X, y):
        raise KeyError("at the bottom")


def voting(*models):
    return VotingClassifier([(f"m{number}", model) for number, model in enumerate(models)])


def raising_search(model):
    return GridSearchCV(model, {"m0__dropout": [0.1, 0.2]}, cv=2, error_score="raise")


SCENARIOS = {
    "in a call": lambda: joblib.Parallel()(
        joblib.delayed(model.fit)(X, Y) for model in (endless(), Failing())
    ),
    "in a nested call": lambda: joblib.Parallel()(
        joblib.delayed(model.fit)(X, Y)
        for model in (voting(endless(), endless()), voting(endless(), Failing()))
    ),
    "three deep": lambda: joblib.Parallel()(
        joblib.delayed(model.fit)(X, Y)
        for model in (voting(endless()), voting(endless(), voting(endless(), Failing())))
    ),
    "above a nested call": lambda: joblib.Parallel()(
        joblib.delayed(model.fit)(X, Y) for model in (voting(endless(), endless()), Failing())
    ),
    "in a search in cross-validation": lambda: cross_val_score(
        raising_search(voting(endless(), Failing())), X, Y, cv=2, error_score="raise"
    ),
}
EVENTS = {
    "a task is submitted": (Scheduler, "submit"),
    "a fit is handed in": (Scheduler, "_train_with_others"),
    "an outcome is told": (joblib.parallel.BatchCompletionCallBack, "__call__"),
    "a caller enters or leaves": (Scheduler, "set_retrieving"),
    "a caller sees the error": (joblib.Parallel, "_raise_error_fast"),
    "a call is given up": (Scheduler, "give_up"),
    "a call ends": (Scheduler, "end_call"),
    "a training": (Scheduler, "_train_together"),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_error_comes_out_whatever_is_slow(monkeypatch, scenario, event):
    """Errors reach the top, and end real trainings, however long any step on their way takes."""
    method = getattr(*EVENTS[event])

    @functools.wraps(method)
    def slow(*args, **kwargs):
        time.sleep(0.05)
        try:
            return method(*args, **kwargs)
        finally:
            time.sleep(0.05)

    monkeypatch.setattr(*EVENTS[event], slow)
    with pytest.raises(KeyError, match="at the bottom"), fused():
        SCENARIOS[scenario]()


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_callback_that_raises_ends_the_other_networks(engine):
    """An error in a callback ends the networks beside it, by either engine, with their epoch."""
    keras = pytest.importorskip("keras")

    class Raise(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ArithmeticError(f"epoch {epoch}")

    models = [endless(), classifier(callbacks=[Raise()], engine=engine), endless()]
    if engine == "keras":
        models = [models[1], endless(engine="keras")]
    with pytest.raises(ArithmeticError, match="epoch 0"), fused():
        joblib.Parallel()(joblib.delayed(model.fit)(X, Y) for model in models)


# ----------------------------------------------------------------------------------------------
# Calls beside one another


def test_ending_a_call_leaves_another_alone():
    """Two generators of one context: what ends the first never ends the second's tasks."""
    with fused():
        first, second = (
            joblib.Parallel(return_as="generator")(
                joblib.delayed(clone(model).fit)(X, Y) for _ in range(4)
            )
            for model in (endless(), classifier())
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            del first
        assert [model.n_iter_ for model in second] == [3] * 4


def test_an_error_between_results_leaves_the_results_to_come(monkeypatch):
    """A call that fails while a generator is open costs the generator nothing."""
    monkeypatch.setattr(_scheduler, "_PATIENCE", 0.5)
    with fused():
        models = joblib.Parallel(return_as="generator")(
            joblib.delayed(classifier(epochs=epochs).fit)(X, Y) for epochs in (1, 2)
        )
        assert next(models).n_iter_ == 1
        with pytest.raises(KeyError):
            SCENARIOS["in a nested call"]()
        assert next(models).n_iter_ == 2


@pytest.mark.parametrize("parameters", [{}, {"pre_dispatch": "nonsense"}])
def test_a_call_that_never_began_holds_up_nobody(monkeypatch, parameters):
    """What joblib cannot even iterate leaves nothing behind that the next call would wait for."""
    monkeypatch.setattr(_scheduler, "_PATIENCE", 100.0)
    filters = warnings.filters
    with fused() as report:
        with pytest.raises((TypeError, ValueError, NameError)):
            joblib.Parallel(**parameters)([joblib.delayed(abs)(1)] if parameters else 5)
        assert warnings.filters is filters
        assert len(cross_val_score(classifier(), X, Y, cv=3)) == 3
        assert joblib.Parallel()([]) == []
    assert report.n_rounds == 1


@pytest.mark.parametrize("n_cores", [1, 2])
def test_tasks_may_be_made_by_calls_of_their_own(monkeypatch, n_cores):
    """A call whose tasks come out of further calls, while it runs, does not stand in their way."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: n_cores)

    def square(n):
        return sum(joblib.Parallel(pre_dispatch=1)(joblib.delayed(int)(n) for _ in range(n)))

    def squares(numbers):
        tasks = (joblib.delayed(int)(square(n)) for n in numbers)
        return joblib.Parallel(pre_dispatch=2)(tasks)

    with fused():
        assert joblib.Parallel()(joblib.delayed(squares)(range(k, k + 6)) for k in range(4)) == [
            [n * n for n in range(k, k + 6)] for k in range(4)
        ]


def test_a_round_waits_for_callers_that_can_go_on(monkeypatch):
    """A caller whose tasks have ended is at work: its next fits are trained with the others'."""
    retrieve = joblib.Parallel._retrieve

    def late(self):
        yield from retrieve(self)
        time.sleep(0.2)

    monkeypatch.setattr(joblib.Parallel, "_retrieve", late)

    def call_and_fit(n):
        joblib.Parallel()(joblib.delayed(time.sleep)(0.05 * n) for _ in range(2))
        return classifier(random_state=n).fit(X, Y)

    with fused() as report:
        joblib.Parallel()(joblib.delayed(call_and_fit)(n) for n in range(4))
    assert report.n_rounds == 1


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
    monkeypatch.setattr(_scheduler, "_PATIENCE", 0.3)
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
    end_epoch = Run.end_epoch

    def note(self, *means):
        seen.append(sklearn.get_config()["assume_finite"])
        return end_epoch(self, *means)

    monkeypatch.setattr(Run, "end_epoch", note)
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
