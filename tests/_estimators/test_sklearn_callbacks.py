"""scikit-learn's callbacks: a task an epoch, estimators rebuilt on demand, stop requests."""

import re
import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._estimators.sklearn_compat import open_fit_context

callback_module = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 or later")
ProgressBar, ScoringMonitor = callback_module.ProgressBar, callback_module.ScoringMonitor


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def classifier(**parameters):
    return MLPDigitClassifier(
        **{"hidden_units": 16, "epochs": 4, "learning_rate": 0.01, "random_state": 0} | parameters
    )


class Recorder:
    """Writes down what it is told; asks to stop after an epoch of its choice."""

    def __init__(self, stop_after=None, asks_for_estimator=False):
        self.events = []
        self.fitted = []
        self._stop_after = stop_after
        if asks_for_estimator:
            self.on_fit_task_end = self._end_with_estimator

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name} {context.task_id}")
        return context.task_name == "epoch" and context.task_id == self._stop_after

    def _end_with_estimator(self, estimator, context, *, fitted_estimator=None):
        self.fitted.append(fitted_estimator)

    def teardown(self, estimator, context):
        self.events.append("teardown")


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_fit_is_one_task_with_one_inside_for_each_epoch(digits, engine):
    """Callbacks see setup, the fit, its epochs in order, and teardown, in either engine."""
    recorder = Recorder()
    classifier(epochs=2, engine=engine).set_callbacks(recorder).fit(*digits)
    assert recorder.events == [
        "setup",
        "begin fit 0",
        "begin epoch 0",
        "end epoch 0",
        "begin epoch 1",
        "end epoch 1",
        "end fit 0",
        "teardown",
    ]


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_stop_request_is_honoured(digits, engine):
    """A callback that returns True after an epoch makes it the last one."""
    model = classifier(engine=engine).set_callbacks(Recorder(stop_after=1)).fit(*digits)
    assert model.n_iter_ == 2
    if engine == "numpy":
        assert_same_weights(model, classifier(epochs=2).fit(*digits))


def test_watching_changes_nothing(digits):
    """A fit with a callback gives the same weights as one without, bit for bit."""
    watched = classifier().set_callbacks(Recorder(asks_for_estimator=True)).fit(*digits)
    assert_same_weights(watched, classifier().fit(*digits))
    assert (
        vars(watched).keys() - vars(clone(watched)).keys()
        == vars(classifier().fit(*digits)).keys() - vars(clone(watched)).keys()
    )


def test_the_estimator_of_an_epoch_is_the_one_that_a_shorter_fit_gives(digits):
    """What a callback is handed after epoch k predicts as an estimator fitted for k epochs."""
    recorder = Recorder(asks_for_estimator=True)
    classifier().set_callbacks(recorder).fit(*digits)
    assert [fitted.n_iter_ for fitted in recorder.fitted] == [1, 2, 3, 4, 4]
    for n_epochs, fitted in enumerate(recorder.fitted[:4], start=1):
        alone = classifier(epochs=n_epochs).fit(*digits)
        assert_same_weights(fitted, alone)
        assert fitted.history_ == alone.history_
        np.testing.assert_array_equal(
            fitted.predict_proba(digits[0]), alone.predict_proba(digits[0])
        )


def test_no_estimator_is_built_unless_a_callback_wants_one(digits, monkeypatch):
    """reconstruction_attributes are a function, called for those that name fitted_estimator."""
    built = []
    attributes = MLPDigitClassifier._attributes
    monkeypatch.setattr(
        MLPDigitClassifier,
        "_attributes",
        lambda *args, **kwargs: built.append(1) or attributes(*args, **kwargs),
    )
    classifier().set_callbacks(Recorder()).fit(*digits)
    assert len(built) == 1  # what fit itself keeps
    classifier().set_callbacks(Recorder(asks_for_estimator=True)).fit(*digits)
    assert len(built) == 1 + 1 + 5


def test_scoring_monitor_records_a_score_for_each_epoch(digits):
    """ScoringMonitor scores the training data after every epoch; a table keeps its names."""
    X, y = pd.DataFrame(digits[0]).add_prefix("pixel_"), digits[1]
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier().set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert epochs["task_id"].tolist() == [0, 1, 2, 3]
    assert epochs["accuracy"].iloc[-1] == accuracy_score(y, model.predict(X))
    shorter = classifier(epochs=2).fit(X, y)
    assert epochs["accuracy"].iloc[1] == accuracy_score(y, shorter.predict(X))


def test_scoring_monitor_uses_the_weights_of_the_rows(digits):
    """sample_weight reaches the scorer, as scikit-learn's own estimators pass it."""
    X, y = digits
    weight = np.linspace(0.1, 2.0, len(y))
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier().set_callbacks(monitor).fit(X, y, sample_weight=weight)
    expected = accuracy_score(y, model.predict(X), sample_weight=weight)
    assert monitor.get_logs().data[-1]["accuracy"] == pytest.approx(expected)


def test_scoring_monitor_collects_from_the_workers_of_a_search(digits):
    """Every epoch of every candidate and fold is scored, also in other processes."""
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier(epochs=2).set_callbacks(monitor)
    search = GridSearchCV(model, {"dropout": [0.0, 0.4]}, cv=2, n_jobs=2, refit=False)
    search.fit(*digits)
    names = [row["task_name"] for row in monitor.get_logs().data]
    assert names.count("epoch") == 2 * 2 * 2


def test_a_loss_that_is_not_finite_ends_a_watched_fit_as_an_unwatched_one(digits):
    """The ConvergenceWarning comes, and nobody is handed weights that predict nothing."""
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier(optimizer="sgd", learning_rate=1e30).set_callbacks(monitor)
    with pytest.warns(ConvergenceWarning, match="in epoch 1; training stops there"):
        model.fit(*digits)
    with pytest.raises(ValueError, match="No logs to retrieve"):
        monitor.get_logs()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_on_a_search_reaches_down_to_the_epochs(digits, n_jobs, capsys):
    """search.set_callbacks(ProgressBar()) nests search, candidate, pipeline and fit; all end."""
    X, y = digits
    model = make_pipeline(ImageFlattener(), classifier(epochs=3))
    search = GridSearchCV(model, {"mlpdigitclassifier__dropout": [0.0, 0.4]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    shown = capsys.readouterr().out
    bars = [line for line in shown.splitlines() if "100%" in line]
    fits = [bar for bar in bars if "MLPDigitClassifier" in bar]
    assert len(fits) == 2 * 2 + 1
    assert {len(bar) - len(bar.lstrip()) for bar in bars} >= {0, 2, 4, 6}
    assert not re.search(r"\b\d{1,2}%", shown.replace("100%", ""))


def test_a_failed_fit_ends_its_callbacks_and_leaves_the_estimator_as_it_was(digits):
    """Callbacks are torn down even when an epoch raises, or a bar's thread would never end."""

    class Failing(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("enough")

    failing = Failing()
    model = classifier().set_callbacks(failing, ProgressBar())
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(*digits)
    assert failing.events[-1] == "teardown"
    assert vars(model) == before
    running = [type(thread).__name__ for thread in threading.enumerate()]
    assert "RichProgressMonitor" not in running


def test_a_wrong_parameter_never_reaches_the_callbacks(digits):
    """What fit refuses beforehand sets nothing up."""
    recorder = Recorder()
    with pytest.raises(ValueError, match="The 'epochs' parameter"):
        classifier(epochs=0).set_callbacks(recorder).fit(*digits)
    assert recorder.events == []


def test_a_clone_is_watched_by_the_same_callbacks():
    """A clone is given the callbacks, which is how a search's candidates get them."""
    recorder = Recorder()
    assert clone(classifier().set_callbacks(recorder))._skl_callbacks == [recorder]


def test_the_flattener_takes_part(digits):
    """ImageFlattener.fit is one task, so that a pipeline's bars have no gap and no warning."""
    recorder = Recorder()
    flattener = ImageFlattener().set_callbacks(recorder)
    assert flattener.fit(digits[0], digits[1]) is flattener
    assert recorder.events == ["setup", "begin fit 0", "end fit 0", "teardown"]


def test_without_callbacks_nothing_is_opened():
    """Before scikit-learn 1.9 there is no context to open, and a fit goes on without."""

    class Old:
        pass

    assert open_fit_context(Old(), 3) is None


def assert_same_weights(one, other):
    for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)
