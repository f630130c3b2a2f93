"""Training in worker processes and threads after the parent has trained: no hang, same result."""

import multiprocessing

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._training import engines
from sk_mnist_mlp._training.runners import n_traces


def make_rows(n_rows=1200, n_features=784):
    """Rows of three noisy patterns."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n_rows)
    patterns = rng.normal(size=(3, n_features))
    return (patterns[y] + rng.normal(0, 5, (n_rows, n_features))).astype(np.float32), y


def large_classifier(**parameters):
    """A classifier whose every fit on half of these rows is large enough for XLA."""
    defaults = {"hidden_units": 512, "epochs": 130, "batch_size": 300, "random_state": 0}
    return MLPDigitClassifier(**(defaults | parameters))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_searches_in_a_row_after_the_parent_trained(backend):
    """Workers train in XLA after the parent did, twice, and find what the parent finds alone."""
    X, y = make_rows()
    before = n_traces()
    large_classifier().fit(X[:600], y[:600])
    assert n_traces() > before or before > 0  # the parent has used TensorFlow
    search = GridSearchCV(large_classifier(), {"dropout": [0.2, 0.5]}, cv=2, refit=False)
    alone = search.fit(X, y).cv_results_
    for _ in range(2):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            together = search.fit(X, y).cv_results_
        np.testing.assert_array_equal(together["mean_test_score"], alone["mean_test_score"])


def fit_in_fork(engine, queue):
    """Train in a forked child and report how it went."""
    X, y = make_rows(300, 20)
    try:
        model = MLPDigitClassifier(hidden_units=8, epochs=2, engine=engine, random_state=0)
        queue.put(model.fit(X, y).score(X, y))
    except RuntimeError as error:
        queue.put(str(error))


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_of_a_process_that_used_tensorflow(engine, monkeypatch):
    """A forked child trains in NumPy, or says at once why Keras's loop would hang there."""
    X, y = make_rows(300, 20)
    monkeypatch.setattr(engines, "_XLA_FLOPS", 0.0)
    MLPDigitClassifier(hidden_units=8, epochs=1).fit(X, y)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=fit_in_fork, args=(engine, queue))
    child.start()
    outcome = queue.get(timeout=600)
    child.join(timeout=600)
    if engine == "auto":
        assert isinstance(outcome, float)
    else:
        assert outcome == (
            "MLPDigitClassifier: expected a process of its own for engine='keras', got a fork of "
            "one that had used TensorFlow, where TensorFlow hangs. Start workers with joblib's "
            "'loky' backend or multiprocessing's 'spawn'."
        )


def test_spawned_child_trains(monkeypatch):
    """A spawned child trains with Keras after the parent did."""
    X, y = make_rows(300, 20)
    MLPDigitClassifier(hidden_units=8, epochs=1, engine="keras").fit(X, y)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=fit_in_fork, args=("keras", queue))
    child.start()
    assert isinstance(queue.get(timeout=600), float)
    child.join(timeout=600)
