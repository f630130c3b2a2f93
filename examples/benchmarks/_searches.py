"""The searches that ``bench_search.py`` times: each one ``GridSearchCV.fit``, everything included.

A task names the data, the grid's values, the folds and the epochs. Worker processes are started
inside the time; what is imported outside is what a notebook would have loaded by then.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import _peers
from _bench import Skip, Stopwatch, Task, Values
from _data import digits, mnist

N_JOBS = 2


def ours(task: Task) -> Values:
    """Search with this package's classifier and two workers."""
    return _search_ours(task, n_jobs=N_JOBS)


def ours_alone(task: Task) -> Values:
    """Search with this package's classifier in one process."""
    return _search_ours(task, n_jobs=1)


def fused(task: Task) -> Values:
    """Search with all fits as stacks."""
    import joblib
    import keras  # noqa: F401 - outside the clock, as for SciKeras

    try:
        import sk_mnist_mlp.model_selection  # noqa: F401 - registers the backend

        backend = joblib.parallel_config(backend="fused")
    except (ImportError, ValueError) as error:
        raise Skip(f'no backend "fused": {error}') from None
    with backend:
        return _search_ours(task, n_jobs=None)


def _search_ours(task: Task, n_jobs: int | None) -> Values:
    if task["data"] == "mnist":  # the fits of load_digits never need TensorFlow
        import keras  # noqa: F401 - outside the clock, as for SciKeras

    classifier = _peers.ours(
        epochs=task["epochs"], engine=task.get("engine", "auto"), random_state=0
    )
    return _time_search(classifier, _our_grid(task), task, n_jobs)


def _our_grid(task: Task) -> dict[str, list[Any]]:
    grid = {"hidden_units": task["hidden_units"], "dropout": task["dropout"]}
    return grid | task.get("further", {})


def scikeras(task: Task) -> Values:
    """Search with SciKeras and two workers."""
    grid = {"hidden_units": task["hidden_units"], "dropout": task["dropout"]}
    return _time_search(_peers.scikeras(task["epochs"], 0), grid, task, N_JOBS)


def skorch(task: Task) -> Values:
    """Search with skorch and two workers."""
    names = {"module__hidden_units": "hidden_units", "module__dropout": "dropout"}
    grid = {name: task[value] for name, value in names.items()}
    n_features = 64 if task["data"] == "digits" else 784
    return _time_search(_peers.skorch(task["epochs"], 0, n_features), grid, task, N_JOBS)


def mlp(task: Task) -> Values:
    """Search with MLPClassifier and two workers: over alpha, as it has no dropout."""
    grid = {
        "hidden_layer_sizes": [(width, width) for width in task["hidden_units"]],
        "alpha": [10.0 ** -(4 - step) for step in range(len(task["dropout"]))],
    }
    return _time_search(_peers.mlp(task["epochs"], 0), grid, task, N_JOBS)


def _time_search(classifier: Any, grid: dict[str, Any], task: Task, n_jobs: int | None) -> Values:
    X, y = _rows(task)
    search = _make_search(classifier, grid, task, n_jobs)
    with Stopwatch() as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLPClassifier warns that all epochs were run
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"].tolist()
    return {"seconds": watch.seconds, "best_score": max(scores), "scores": scores}


def _rows(task: Task) -> tuple[Any, Any]:
    if task["data"] == "digits":
        return digits()
    X, _, y, _ = mnist(task["rows"])
    return X, y


def _make_search(classifier: Any, grid: dict[str, Any], task: Task, n_jobs: int | None) -> Any:
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    # SciKeras is no classifier to scikit-learn 1.6 and later, so the folds are named.
    folds = StratifiedKFold(task["folds"])
    return GridSearchCV(classifier, grid, cv=folds, n_jobs=n_jobs, error_score="raise")


# ----------------------------------------------------------------------------------------------
# The callback protocol


def callbacks(task: Task) -> Values:
    """Search by two workers with and without a ProgressBar, in turns."""
    return _callbacks(task, N_JOBS)


def callbacks_alone(task: Task) -> Values:
    """Search in one process with and without a ProgressBar, in turns."""
    return _callbacks(task, 1)


def _callbacks(task: Task, n_jobs: int) -> Values:
    """Time searches in turns, warm.

    The overhead is the median over the turns of the ratio of neighbours, so that a drift of the
    machine's speed cancels.
    """
    classifier = _peers.ours(epochs=task["epochs"], random_state=0)
    if not hasattr(classifier, "set_callbacks"):
        raise Skip("the estimator has no set_callbacks: scikit-learn 1.9 brings it")
    from sklearn.callback import ProgressBar

    X, y = _rows(task)
    grid = _our_grid(task)
    _make_search(classifier, grid, task, n_jobs).fit(X, y)
    ratios, seconds = [], []
    for turn in range(task["turns"]):
        times = {}
        for with_bar in (turn % 2 == 0, turn % 2 == 1):
            search = _make_search(classifier, grid, task, n_jobs)
            if with_bar:
                search.set_callbacks(ProgressBar())
            with Stopwatch() as watch:
                search.fit(X, y)
            times[with_bar] = watch.seconds
        ratios.append(times[True] / times[False])
        seconds.append(times[False])
    overhead = 100 * (statistics.median(ratios) - 1)
    return {"seconds": statistics.median(seconds), "overhead": overhead}


# ----------------------------------------------------------------------------------------------
# The same on a GPU


def on_gpu(search: Callable[[Task], Values], task: Task) -> Values:
    """Run a search where TensorFlow sees a GPU, and say which."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        raise Skip("no GPU")
    details = tf.config.experimental.get_device_details(devices[0])
    return search(task) | {"gpu": details.get("device_name", "GPU")}


def gpu_fused(task: Task) -> Values:
    """Search with all fits as stacks, on a GPU."""
    return on_gpu(fused, task)


def gpu_alone(task: Task) -> Values:
    """Search with one fit after the other, on a GPU, the small fits too."""
    return on_gpu(ours_alone, task | {"engine": "xla"})
