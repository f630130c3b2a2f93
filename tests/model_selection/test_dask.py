"""Searches on a Dask cluster of separate processes: same scores, little traffic, survival."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - its import is the switch
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener
from small_fits import small_classifier
from worker_killers import KillsItsWorker

EXAMPLE = Path(__file__).parents[2] / "examples" / "dask_search.py"
GRID = {
    "mlpdigitclassifier__dropout": [0.0, 0.4],
    "mlpdigitclassifier__hidden_units": [8, (16, 8)],
}


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread each, and a client connected to them."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.amm.stop()  # which leaves scattered data on one worker alone after two seconds
        yield client


def pipeline():
    return make_pipeline(ImageFlattener(scale=16), small_classifier(hidden_units=16))


@pytest.fixture(scope="module")
def example():
    """examples/dask_search.py as a module, whose class travels to the workers by value."""
    spec = importlib.util.spec_from_file_location("dask_search", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["dask_search"] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    yield module
    cloudpickle.unregister_pickle_by_value(module)
    del sys.modules["dask_search"]


def test_the_workers_are_processes_of_their_own(client):
    """The cluster under test really has two processes beside this one."""
    processes = set(client.run(os.getpid).values())
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_a_search_scores_the_same_on_the_cluster(client, digit_images):
    """Any search class gives bit-equal scores on the workers, and the same best candidate."""
    X, y = digit_images
    local = GridSearchCV(pipeline(), GRID, cv=3).fit(X, y)
    halving = HalvingGridSearchCV(
        pipeline(), GRID, resource="mlpdigitclassifier__epochs", max_resources=4, factor=2, cv=2
    )
    halved = halving.fit(X, y)
    validated = cross_validate(pipeline(), X, y, cv=3)
    with joblib.parallel_config(backend="dask", scatter=[X, y]):
        remote = GridSearchCV(pipeline(), GRID, cv=3).fit(X, y)
        remotely_halved = halving.fit(X, y)
        remotely_validated = cross_validate(pipeline(), X, y, cv=3)
    for here, there in ((local, remote), (halved, remotely_halved)):
        np.testing.assert_array_equal(
            here.cv_results_["mean_test_score"], there.cv_results_["mean_test_score"]
        )
        assert here.best_params_ == there.best_params_
    np.testing.assert_array_equal(validated["test_score"], remotely_validated["test_score"])


@pytest.mark.parametrize("keeps_splits", [False, True])
@pytest.mark.parametrize("n_rows", [300, 1797])
def test_the_data_travel_once_and_a_task_is_small(
    client, digit_images, example, monkeypatch, n_rows, keeps_splits
):
    """X and y are scattered once; a task is a few kilobytes, however many rows there are."""
    X, y = digit_images[0][:n_rows], digit_images[1][:n_rows]
    scattered, tasks = [], []
    scatter, submit = Client.scatter, Client.submit

    def spy_on_scatter(self, data, **options):
        scattered.extend(map(id, data) if isinstance(data, list) else [id(data)])
        return scatter(self, data, **options)

    def spy_on_submit(self, function, *args, **options):
        if "tasks" in options:
            tasks.append(len(cloudpickle.dumps((function, options["tasks"]))))
        return submit(self, function, *args, **options)

    monkeypatch.setattr(Client, "scatter", spy_on_scatter)
    monkeypatch.setattr(Client, "submit", spy_on_submit)
    cv = example.KeptSplits(StratifiedKFold(3), X, y) if keeps_splits else StratifiedKFold(3)
    rows = cv.rows() if keeps_splits else []
    with joblib.parallel_config(backend="dask", scatter=[X, y, *rows]):
        GridSearchCV(pipeline(), GRID, cv=cv, refit=False).fit(X, y)
    assert scattered.count(id(X)) == scattered.count(id(y)) == 1
    assert len(tasks) >= 6  # 12 fits, of which joblib may put some together
    assert sum(tasks) / 12 < 15_000 < X[:300].nbytes


def test_a_search_survives_the_death_of_a_worker(client, digit_images, example, tmp_path):
    """With the row numbers scattered too, a killed worker costs its unfinished fits' time only."""
    X, y = digit_images
    splits = example.KeptSplits(StratifiedKFold(3), X, y)
    local = GridSearchCV(pipeline(), GRID, cv=splits).fit(X, y)
    before = set(client.run(os.getpid).values())
    search = GridSearchCV(pipeline(), GRID, cv=splits, scoring=KillsItsWorker(tmp_path, at=5))
    with joblib.parallel_config(backend="dask", scatter=[X, y, *splits.rows()]):
        search.fit(X, y)
    np.testing.assert_array_equal(
        local.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
    client.wait_for_workers(2, timeout=600)
    assert len(before & set(client.run(os.getpid).values())) == 1  # one was killed indeed


@pytest.mark.parametrize("at", [1, 4])
def test_what_was_not_replicated_ends_in_an_error_of_dask(client, digit_images, tmp_path, at):
    """Without the row numbers scattered a killed worker may take them along: an error, no hang."""
    X, y = digit_images
    client.wait_for_workers(2, timeout=600)
    local = GridSearchCV(pipeline(), GRID, cv=3).fit(X, y)
    search = GridSearchCV(pipeline(), GRID, cv=3, scoring=KillsItsWorker(tmp_path, at=at))
    with joblib.parallel_config(backend="dask", scatter=[X, y]):
        try:
            search.fit(X, y)
        except (FutureCancelledError, KilledWorker):
            return
    np.testing.assert_array_equal(
        local.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )


def test_the_example_runs(tmp_path):
    """examples/dask_search.py searches on two workers of its own."""
    # Written to a file: a pipe would stay open in the workers, should the time run out.
    with (tmp_path / "shown.txt").open("w") as shown:
        subprocess.run([sys.executable, EXAMPLE], stdout=shown, timeout=600, check=True)
    shown = (tmp_path / "shown.txt").read_text()
    assert "12 fits on 2 workers" in shown
    assert "Best: {" in shown
