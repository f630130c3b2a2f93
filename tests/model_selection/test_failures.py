"""What goes wrong in a search costs its candidate, never the search: no hang, no dead pool."""

import functools
import os
import re
import signal
import threading
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV

from sk_mnist_mlp._network.spec import NetworkSpec
from sk_mnist_mlp._training import memory as _memory
from sk_mnist_mlp._training.optimizers import optimizer_spec
from sk_mnist_mlp._training.plan import TrainingPlan
from sk_mnist_mlp._training.result import Seeds
from small_fits import digits, small_classifier
from worker_killers import KillsItsWorker

GRID = {"dropout": [0.0, 0.4], "hidden_units": [8, 16]}
TOO_WIDE = 10**7


X, Y = digits(240)
classifier = functools.partial(small_classifier, hidden_units=16, learning_rate=0.01)


def mean_scores(n_jobs=None, **parameters):
    """Scores of a small search, for comparison."""
    search = GridSearchCV(classifier(**parameters), GRID, cv=2, n_jobs=n_jobs, refit=False)
    return search.fit(X, Y).cv_results_["mean_test_score"]


# ----------------------------------------------------------------------------------------------
# Too wide for memory


def test_a_network_too_wide_for_memory_is_refused_in_words(monkeypatch):
    """The error names the network, what its training takes and what is free."""
    monkeypatch.setattr(_memory, "bytes_available", lambda: 8 << 30)
    with pytest.raises(MemoryError) as caught:
        classifier(hidden_units=(20_000, 20_000)).fit(X, Y)
    assert str(caught.value) == (
        "MLPDigitClassifier: expected a network that fits in memory, got hidden_units="
        "(20000, 20000) with 401,520,010 weights, whose training takes about 33 GiB where 8 GiB "
        "are free. Use fewer hidden units, or a smaller batch_size."
    )


def test_the_refusal_comes_before_anything_is_allocated():
    """On this machine, whatever its size, 10 million squared weights are refused at once."""
    model = classifier(hidden_units=TOO_WIDE)
    before = dict(vars(model))
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(MemoryError, match=r"100,000,760,000,010 weights, .* [PT]iB where"):
        model.fit(X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert time.perf_counter() - began < 300
    assert vars(model) == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_goes_on_without_the_candidate_that_is_too_wide(n_jobs):
    """It is scored NaN with one warning that says why; the others are scored as ever."""
    grid = {"hidden_units": [8, TOO_WIDE, 16]}
    search = GridSearchCV(classifier(), grid, cv=2, n_jobs=n_jobs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y)
    failures = [w.message for w in caught if issubclass(w.category, FitFailedWarning)]
    assert len(failures) == 1
    assert "MemoryError: MLPDigitClassifier: expected a network that fits in memory" in str(
        failures[0]
    )
    scores = search.cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True, False]
    alone = GridSearchCV(classifier(), {"hidden_units": [8, 16]}, cv=2).fit(X, Y)
    np.testing.assert_array_equal(scores[[0, 2]], alone.cv_results_["mean_test_score"])


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_the_estimate_grows_with_everything_that_takes_memory(engine):
    """Weights, moments, precision and the batch all count; rows that a batch cannot have do not."""

    def needed(width=1000, optimizer="sgd", dtype="float32", batch_size=128, n_rows=10**6):
        plan = TrainingPlan(
            network=NetworkSpec(784, (width, width), 10, dtype=dtype),
            optimizer=optimizer,
            rule=optimizer_spec(optimizer),
            learning_rate=0.001,
            batch_size=batch_size,
            epochs=1,
            planned_epochs=1,
            seeds=Seeds(0, 0, 0, 0, 0),
        )
        return _memory.bytes_needed(plan, n_rows, engine)

    n_weights = NetworkSpec(784, (1000, 1000), 10).n_parameters
    assert needed() > 4 * 4 * n_weights
    assert needed(width=2000) > 2.5 * needed()
    assert needed(optimizer="adam") > needed() + 2 * 4 * n_weights
    assert needed(dtype="float64") == 2 * needed()
    assert needed(batch_size=10**6) > 10 * needed()
    assert needed(batch_size=10**9, n_rows=500) == needed(batch_size=500)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_training_stays_below_its_estimate(optimizer, monkeypatch):
    """The arrays of a training take no more than was asked for, and no less than a quarter."""
    asked = []
    needed = _memory.bytes_needed
    monkeypatch.setattr(
        _memory, "bytes_needed", lambda *args: asked.append(needed(*args)) or asked[-1]
    )
    tracemalloc.start()
    classifier(hidden_units=1000, epochs=1, optimizer=optimizer).fit(X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert asked[0] / 4 < peak < asked[0]


def test_a_container_counts_its_limit_and_not_its_file_cache(tmp_path, monkeypatch):
    """In a container free memory is its limit less what it uses, cached files aside."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 200\nactive_file 100\n")
    monkeypatch.setattr(_memory, "_CGROUPS", tmp_path)
    assert _memory.bytes_available() == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert _memory.bytes_available() > 1 << 20


# ----------------------------------------------------------------------------------------------
# A loss that is not finite


def test_a_search_scores_a_diverged_candidate_by_error_score():
    """A learning rate too large ends that fit with a warning that says which epoch and why."""
    grid = {"learning_rate": [0.01, 1e30], "optimizer": ["sgd"]}
    for error_score in (np.nan, -1.0):
        search = GridSearchCV(classifier(), grid, cv=2, error_score=error_score)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(X, Y)
        ours = [str(w.message) for w in caught if w.category is ConvergenceWarning]
        assert len(ours) == 2  # one for each fold
        for message in ours:
            assert re.fullmatch(
                r"MLPDigitClassifier: expected a finite loss, got (nan|inf) in epoch \d; training "
                r"stops there\. Try a smaller learning_rate, or scale X to about \[0, 1\]\.",
                message,
            )
        np.testing.assert_equal(search.cv_results_["mean_test_score"][1], error_score)
        assert search.best_params_["learning_rate"] == 0.01


def test_error_score_raise_stops_the_search():
    """With error_score="raise" a diverged candidate is an error that names its cause."""
    search = GridSearchCV(
        classifier(optimizer="sgd"), {"learning_rate": [1e30]}, cv=2, error_score="raise"
    )
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(ValueError, match="got those of a training that diverged"),
    ):
        search.fit(X, Y)


# ----------------------------------------------------------------------------------------------
# Searches at once, and inside each other


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_two_searches_at_once_in_threads(n_jobs):
    """Searches in two threads of one process both give the scores they give alone."""
    seeds = range(4)
    expected = [mean_scores(random_state=seed) for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda seed: mean_scores(n_jobs, random_state=seed), seeds))
    np.testing.assert_array_equal(got, expected)


def test_a_search_on_the_threads_of_one_process():
    """The threading backend of joblib gives the scores of one thread."""
    with joblib.parallel_config(backend="threading", n_jobs=2):
        threaded = mean_scores()
    np.testing.assert_array_equal(threaded, mean_scores())


def test_a_search_inside_a_worker():
    """A search that runs in another pool's worker gives its scores, whatever its n_jobs."""
    inner = Parallel(n_jobs=2)(delayed(mean_scores)(n_jobs) for n_jobs in (1, 2))
    expected = mean_scores()
    for scores in inner:
        np.testing.assert_array_equal(scores, expected)


# ----------------------------------------------------------------------------------------------
# A worker that dies


@pytest.mark.parametrize("at", [1, 6])
def test_a_killed_worker_is_an_error_of_joblib_and_the_next_search_works(
    fresh_workers, tmp_path, at
):
    """The search ends at once in TerminatedWorkerError, and the pool is new for the next one."""
    search = GridSearchCV(
        classifier(), GRID, cv=3, n_jobs=2, scoring=KillsItsWorker(tmp_path, at=at), refit=False
    )
    with pytest.raises(TerminatedWorkerError, match="SIGKILL"):
        search.fit(X, Y)
    np.testing.assert_array_equal(mean_scores(n_jobs=2), mean_scores())


def test_a_worker_killed_while_it_trains_is_an_error_of_joblib(fresh_workers):
    """From outside, as the system does when memory runs out: an error, and no hang."""
    workers = set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(8)))
    search = GridSearchCV(classifier(epochs=10**6), GRID, cv=2, n_jobs=2, refit=False)
    killer = threading.Timer(1.0, os.kill, [min(workers), signal.SIGKILL])
    killer.start()
    with pytest.raises(TerminatedWorkerError):
        search.fit(X, Y)
    killer.join()
