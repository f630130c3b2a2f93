"""scikit-learn's own searches: the same scores on one core and on several, and flat memory."""

import functools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener
from small_fits import small_classifier

GRID = {"dropout": [0.0, 0.4], "hidden_units": [8, 16]}


classifier = functools.partial(small_classifier, hidden_units=16, epochs=3, learning_rate=0.01)


@pytest.fixture(scope="module")
def images(digit_images):
    """A few digits, as images of 8 x 8 pixels and labels."""
    return digit_images[0][:240], digit_images[1][:240]


def alone(images):
    """The classifier over flat rows, and the grid's names for it."""
    X, y = images
    return classifier(), GRID, X.reshape(len(X), -1) / 16, y


def in_pipeline(images):
    """The classifier behind a flattener, over images."""
    X, y = images
    model = make_pipeline(ImageFlattener(scale=16), classifier())
    return model, {f"mlpdigitclassifier__{name}": values for name, values in GRID.items()}, X, y


def scores(results):
    """Every score of every candidate and split, as bytes."""
    names = [name for name in sorted(results) if "score" in name and "time" not in name]
    columns = [np.asarray(results[name], float) for name in names]
    assert columns
    return b"".join(column.tobytes() for column in columns)


def halving_over_epochs(model, grid, n_jobs):
    name = "mlpdigitclassifier__epochs" if hasattr(model, "steps") else "epochs"
    return HalvingGridSearchCV(
        model, grid, resource=name, min_resources=1, max_resources=4, factor=2, cv=2, n_jobs=n_jobs
    )


SEARCHES = {
    "grid": lambda model, grid, n_jobs: GridSearchCV(model, grid, cv=2, n_jobs=n_jobs),
    "random": lambda model, grid, n_jobs: RandomizedSearchCV(
        model, grid, n_iter=3, cv=2, n_jobs=n_jobs, random_state=0
    ),
    "halving": halving_over_epochs,
}


@pytest.mark.parametrize("make_search", SEARCHES.values(), ids=SEARCHES.keys())
@pytest.mark.parametrize("make_model", [alone, in_pipeline])
def test_searches_score_the_same_on_any_number_of_cores(make_search, make_model, images):
    """Every search class gives bit-equal scores for n_jobs=1, 2 and -1."""
    model, grid, X, y = make_model(images)
    runs = [make_search(model, grid, n_jobs).fit(X, y) for n_jobs in (1, 2, -1)]
    assert len({scores(search.cv_results_) for search in runs}) == 1
    assert len({repr(search.best_params_) for search in runs}) == 1
    predictions = [search.predict_proba(X) for search in runs]
    np.testing.assert_array_equal(predictions[0], predictions[1])


@pytest.mark.parametrize("make_model", [alone, in_pipeline])
def test_cross_validate_scores_the_same_on_any_number_of_cores(make_model, images):
    """cross_validate gives bit-equal train and test scores for n_jobs=1, 2 and -1."""
    model, _, X, y = make_model(images)
    runs = [
        cross_validate(model, X, y, cv=3, n_jobs=n_jobs, return_train_score=True)
        for n_jobs in (1, 2, -1)
    ]
    assert len({scores(run) for run in runs}) == 1


def test_halving_gives_the_better_half_more_epochs(images):
    """Successive halving over epochs trains all candidates briefly and the best ones longest."""
    model, grid, X, y = alone(images)
    search = halving_over_epochs(model, grid, None).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    assert search.n_candidates_ == [4, 2, 1]
    last = search.cv_results_["iter"] == 2
    best_before = search.cv_results_["mean_test_score"][search.cv_results_["iter"] == 1].max()
    assert search.cv_results_["mean_test_score"][last].max() >= best_before - 0.1
    assert search.best_estimator_.n_iter_ == 4


def test_one_search_varies_architecture_and_training_together(images):
    """Depth, width, batch size, learning rate, penalty and optimizer are one search's grid."""
    X, y = images
    space = {
        "mlpdigitclassifier__hidden_units": [8, (16,), (16, 8), (8, 8, 8)],
        "mlpdigitclassifier__batch_size": [16, 64],
        "mlpdigitclassifier__learning_rate": [0.001, 0.01],
        "mlpdigitclassifier__l2": [0.0, 1e-3],
        "mlpdigitclassifier__optimizer": ["adam", "sgd", "rmsprop"],
    }
    model = make_pipeline(ImageFlattener(scale=16), classifier(epochs=2))
    search = RandomizedSearchCV(model, space, n_iter=12, cv=2, n_jobs=2, random_state=0)
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    depths = {
        len(units) if isinstance(units, tuple) else 2
        for units in search.cv_results_["param_mlpdigitclassifier__hidden_units"]
    }
    assert depths == {1, 2, 3}
    widths = search.best_params_["mlpdigitclassifier__hidden_units"]
    fitted = search.best_estimator_[-1]
    assert [len(bias) for bias in fitted.intercepts_[:-1]] == list(
        widths if isinstance(widths, tuple) else (widths, widths)
    )


def test_a_worker_of_a_small_search_never_imports_tensorflow(images, fresh_workers):
    """Workers start fast: fits too small to repay a compilation leave TensorFlow alone."""
    model, grid, X, y = in_pipeline(images)
    GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X, y)
    loaded = Parallel(n_jobs=2)(delayed(_loaded_frameworks)() for _ in range(4))
    assert loaded == [[]] * 4


def _loaded_frameworks():
    return [
        name for name in ("keras", "matplotlib", "scikeras", "tensorflow") if name in sys.modules
    ]


def test_a_worker_gives_tensorflow_the_threads_of_its_share(fresh_workers):
    """A worker's TensorFlow takes as many threads as the pool gave the worker."""
    before = dict(os.environ)
    ((given, taken),) = Parallel(n_jobs=2)([delayed(_threads)()])  # one import of TensorFlow
    assert given == taken is not None
    assert dict(os.environ) == before


def _threads():
    from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

    start_tensorflow()
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("TF_NUM_INTRAOP_THREADS")


@pytest.mark.parametrize(
    ("path", "n_candidates"), [("numpy", 67), pytest.param("xla", 20, id="xla")]
)
def test_memory_stays_flat_over_a_search(path, n_candidates):
    """Two hundred small fits (sixty compiled ones) add less than 50 MB to the peak memory."""
    script = f"""
        import resource
        import numpy as np
        from sklearn.datasets import load_digits
        from sklearn.model_selection import GridSearchCV
        from sk_mnist_mlp import MLPDigitClassifier
        from sk_mnist_mlp._training import engines

        if {path!r} == "xla":
            engines._XLA_FLOPS = 0
        X, y = load_digits(return_X_y=True)
        model = MLPDigitClassifier(hidden_units=32, epochs=1, random_state=0)

        def peak(n_candidates):
            grid = {{"dropout": list(np.linspace(0, 0.5, n_candidates))}}
            GridSearchCV(model, grid, cv=3).fit(X, y)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

        before = peak(4)
        print(peak({n_candidates}) - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert int(run.stdout.split()[-1]) < 50


def test_the_example_runs(tmp_path):
    """examples/plot_grid_search.py searches a few images and draws its three pictures."""
    example = Path(__file__).parents[2] / "examples" / "plot_grid_search.py"
    # Written to a file: a pipe would stay open in the workers, should the time run out.
    with (tmp_path / "shown.txt").open("w") as shown:
        command = [sys.executable, example, tmp_path / "pictures", "300"]
        subprocess.run(command, stdout=shown, timeout=600, check=True)
    assert "16 candidates,  2 epochs each" in (tmp_path / "shown.txt").read_text()
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == ["grid_search.png", "halving.png", "training_curves.png"]
