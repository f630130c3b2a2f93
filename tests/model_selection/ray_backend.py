"""Searches on Ray, through its joblib backend: the same scores, and no hang when a worker dies.

Ray takes 260 MB, so its tests are run by a target of their own, ``make test-ray``.
"""

import os
from pathlib import Path

import joblib
import numpy as np
import pytest
import ray
from ray.util.joblib import register_ray
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener
from small_fits import small_classifier
from worker_killers import KillsItsWorker

pytestmark = [
    # Of Ray's own making: joblib's context and the way its pool is put together.
    pytest.mark.filterwarnings("ignore:.*context.*argument.*:UserWarning"),
]

GRID = {
    "mlpdigitclassifier__dropout": [0.0, 0.4],
    "mlpdigitclassifier__hidden_units": [8, (16, 8)],
}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two worker processes on this machine."""
    # Workers import the scorer below.
    folders = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(folders)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    register_ray()
    yield
    ray.shutdown()


def pipeline():
    return make_pipeline(ImageFlattener(scale=16), small_classifier(hidden_units=16))


def test_a_search_scores_the_same_on_ray(digit_images):
    """GridSearchCV and cross_validate give bit-equal scores on Ray's workers."""
    X, y = digit_images
    local = GridSearchCV(pipeline(), GRID, cv=3).fit(X, y)
    validated = cross_validate(pipeline(), X, y, cv=3)
    with joblib.parallel_config(backend="ray", n_jobs=2):
        remote = GridSearchCV(pipeline(), GRID, cv=3).fit(X, y)
        remotely_validated = cross_validate(pipeline(), X, y, cv=3)
    np.testing.assert_array_equal(
        local.cv_results_["mean_test_score"], remote.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(validated["test_score"], remotely_validated["test_score"])


def test_a_killed_worker_is_an_error_of_ray_or_a_completed_search(digit_images, tmp_path):
    """A worker that dies in the middle costs an error or nothing, never a hang."""
    X, y = digit_images
    search = GridSearchCV(
        pipeline(), GRID, cv=3, scoring=KillsItsWorker(tmp_path, at=4), refit=False
    )
    local = GridSearchCV(pipeline(), GRID, cv=3, refit=False).fit(X, y)
    with joblib.parallel_config(backend="ray", n_jobs=2):
        try:
            search.fit(X, y)
        except ray.exceptions.RayActorError:
            return
    np.testing.assert_array_equal(
        local.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
