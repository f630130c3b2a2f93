"""Searches that resume from a folder of finished fits end as those that were never stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - its import is the switch
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.model_selection import finished_fits, resumable

DIGITS = load_digits()
X, Y = DIGITS.images[:240], DIGITS.target[:240]
GRID = {"mlpdigitclassifier__dropout": [0.0, 0.4]}


def model(**parameters):
    """A pipeline that trains in a fraction of a second."""
    parameters = {"hidden_units": 8, "epochs": 2, "random_state": 0} | parameters
    return make_pipeline(ImageFlattener(scale=16), MLPDigitClassifier(**parameters))


SEARCHES = {
    "grid": lambda: GridSearchCV(model(), GRID, cv=2),
    "in processes": lambda: GridSearchCV(model(), GRID, cv=2, n_jobs=2, return_train_score=True),
    "several scores": lambda: GridSearchCV(
        model(), GRID, cv=2, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss"
    ),
    "random": lambda: RandomizedSearchCV(
        model(), GRID, n_iter=2, random_state=0, cv=2, scoring="roc_auc_ovr"
    ),
    "halving over rows": lambda: HalvingGridSearchCV(model(), GRID, cv=2, random_state=0),
    "halving over epochs": lambda: HalvingGridSearchCV(
        model(),
        GRID,
        cv=2,
        resource="mlpdigitclassifier__epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
    ),
}


@pytest.fixture
def fitted(monkeypatch):
    """The classifiers that are fitted in this process from now on."""
    fits, fit = [], MLPDigitClassifier.fit

    def counted(self, *arguments, **options):
        fits.append(self)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(MLPDigitClassifier, "fit", counted)
    return fits


def assert_same_results(one, two):
    """The two searches found the same, to the last bit."""
    assert one.cv_results_.keys() == two.cv_results_.keys()
    for name in one.cv_results_:
        if not name.endswith("_time"):
            np.testing.assert_array_equal(one.cv_results_[name], two.cv_results_[name], name)
    assert one.best_params_ == two.best_params_
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert one.score(X, Y) == two.score(X, Y)
    np.testing.assert_array_equal(one.classes_, two.classes_)


@pytest.mark.parametrize("make", SEARCHES.values(), ids=SEARCHES)
def test_any_search_ends_as_the_plain_one(make, tmp_path):
    """Whether its fits are done or found, every kind of search gives the plain one's results."""
    plain = make().fit(X, Y)
    for _ in range(3):  # the second and third find what scoring the first has kept too
        assert_same_results(resumable(make(), tmp_path).fit(X, Y), plain)


def test_only_what_is_missing_is_fitted(fitted, tmp_path):
    """A search called again trains its best model alone; another candidate is all that is new."""
    search = resumable(SEARCHES["grid"](), tmp_path).fit(X, Y)
    assert len(fitted) == 5
    search.fit(X, Y)
    assert len(fitted) == 6
    wider = GridSearchCV(model(), {"mlpdigitclassifier__dropout": [0.0, 0.2]}, cv=2, refit=False)
    resumable(wider, tmp_path).fit(X, Y)
    assert len(fitted) == 8
    resumable(wider.set_params(scoring="neg_log_loss"), tmp_path).fit(X, Y)
    assert len(fitted) == 12  # other scores need the models


def test_what_makes_another_fit(fitted, tmp_path):
    """Other rows, labels, weights or parameters are fitted; verbosity and types do not count."""
    search = GridSearchCV(model(), {"mlpdigitclassifier__l2": [0.0]}, cv=2, refit=False)

    def n_fits(X=X, y=Y, parameters=None, **weights):
        n_before = len(fitted)
        changed = GridSearchCV(model(**parameters or {}), search.param_grid, cv=2, refit=False)
        resumable(changed, tmp_path).fit(X, y, **weights)
        return len(fitted) - n_before

    assert n_fits() == 2
    assert n_fits() == n_fits(parameters={"verbose": 0, "epochs": np.int64(2)}) == 0
    other = X.copy()
    other[0, 0, 0] += 1
    assert n_fits(other) == 1 + 1  # a training row of one fold is scored in the other
    assert n_fits(y=np.roll(Y, 1)) == n_fits(parameters={"epochs": 3}) == 2
    weights = {"mlpdigitclassifier__sample_weight": np.linspace(0.5, 1, len(Y))}
    assert (n_fits(**weights), n_fits(**weights)) == (2, 0)


def test_the_search_given_stays_as_it_was(tmp_path):
    """The clone keeps its fits; the search and its estimator are not touched."""
    search = SEARCHES["grid"]()
    before = repr(search.get_params())
    resumable(search, tmp_path).set_params(estimator__mlpdigitclassifier__epochs=1).fit(X, Y)
    assert repr(search.get_params()) == before
    assert not hasattr(search, "cv_results_")


KILLED = """
import sys
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp.model_selection import resumable
X, y = load_digits(return_X_y=True)
model = MLPDigitClassifier(hidden_units=64, epochs=40, random_state=0)
grid = {"dropout": [0.0, 0.2, 0.4], "l2": [0.0, 0.1]}
search = GridSearchCV(model, grid, cv=2, n_jobs=int(sys.argv[2]))
search = resumable(search, sys.argv[1]).fit(X / 16, y)
print(search.cv_results_["mean_test_score"].tolist())
"""


@pytest.mark.parametrize("n_jobs", ["1", "2"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_was_ended_resumes(tmp_path, end, n_jobs):
    """After Ctrl-C or a kill whole fits alone are kept, and the same lines do the rest."""
    command = [sys.executable, "-c", KILLED]
    process = subprocess.Popen(
        [*command, str(tmp_path / "search"), n_jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(finished_fits(tmp_path / "search")) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, end)
    assert process.communicate(timeout=600)[0] == b""
    assert process.returncode
    before = finished_fits(tmp_path / "search")
    assert 3 <= len(before) < 12
    outputs = [
        subprocess.run([*command, str(folder), "1"], capture_output=True, text=True, check=True)
        for folder in (tmp_path / "search", tmp_path / "whole")
    ]
    assert outputs[0].stdout == outputs[1].stdout
    after = finished_fits(tmp_path / "search")
    assert len(after) == 12
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_fit_is_not_scored(early_stopping, tmp_path):
    """A fit that Ctrl-C cut short ends the search, also where a fit may end early by itself."""
    import keras

    class Press(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    parameters = {"callbacks": Press(), "early_stopping": early_stopping}
    search = GridSearchCV(model(**parameters), GRID, cv=2)
    with pytest.raises(KeyboardInterrupt):
        resumable(search, tmp_path).fit(X, Y)
    assert finished_fits(tmp_path) == {}


@pytest.mark.parametrize(
    "contents", ["", "{", "[]", "null", '{"scores": {}}', '{"scores": 3, "seconds": 1.0}']
)
def test_a_damaged_file_counts_as_none(contents, fitted, tmp_path):
    """A fit whose file makes no sense is done again, and its file made whole."""
    search = resumable(GridSearchCV(model(), GRID, cv=2, refit=False), tmp_path).fit(X, Y)
    whole = finished_fits(tmp_path)
    damaged = next(tmp_path.iterdir())
    damaged.write_text(contents)
    assert len(finished_fits(tmp_path)) == 3
    assert len(search.fit(X, Y).cv_results_["params"]) == 2
    assert len(fitted) == 5
    again = finished_fits(tmp_path)
    assert {name: fit["scores"] for name, fit in again.items()} == {
        name: fit["scores"] for name, fit in whole.items()
    }


def test_a_file_holds_what_was_fitted(tmp_path):
    """A file is plain JSON: parameters and digests as text, seconds, and the scores."""
    search = resumable(GridSearchCV(model(), GRID, cv=2, refit=False), tmp_path).fit(X, Y)
    fits = finished_fits(tmp_path)
    dropouts = [fit["identity"]["mlpdigitclassifier__dropout"] for fit in fits.values()]
    assert sorted(dropouts) == ["0.0", "0.0", "0.4", "0.4"]
    scores = [search.cv_results_[f"split{k}_test_score"] for k in range(2)]
    assert sorted(s for fit in fits.values() for s in fit["scores"]) == sorted(np.ravel(scores))
    assert all(fit["seconds"] > 0 for fit in fits.values())
    assert {path.stem for path in tmp_path.iterdir()} == fits.keys()
    assert all(json.loads(path.read_text())["seconds"] > 0 for path in tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fit_whose_score_fails(tmp_path):
    """What one of several scores cannot tell is error_score, as in a plain search."""
    search = GridSearchCV(
        model(), {"mlpdigitclassifier__learning_rate": [0.001, 1e30]}, cv=2, refit=False,
        scoring=["accuracy", "neg_log_loss"], error_score=-7.0,
    )  # fmt: skip
    kept = resumable(search, tmp_path).fit(X, Y).cv_results_
    plain = search.fit(X, Y).cv_results_
    for name in ("mean_test_accuracy", "mean_test_neg_log_loss"):
        np.testing.assert_array_equal(kept[name], plain[name])
    assert plain["mean_test_accuracy"][1] == -7.0


def test_what_is_refused(tmp_path):
    """What is no search, and a folder that is a file, are refused in a sentence."""
    with pytest.raises(TypeError) as caught:
        resumable(model(), tmp_path)
    assert str(caught.value) == (
        "resumable: expected a search with the parameters estimator and scoring, got Pipeline. "
        "Give a GridSearchCV, say."
    )
    (tmp_path / "file").write_text("precious")
    with pytest.raises(NotADirectoryError, match="resumable: expected a folder, got a file"):
        resumable(SEARCHES["grid"](), tmp_path / "file")
