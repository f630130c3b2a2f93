"""What scikit-learn's users do with a classifier, done with this one."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import estimator_html_repr

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier

DIGITS, TARGET = load_digits(return_X_y=True)
X = DIGITS[TARGET < 4][:200] / 16
y = TARGET[TARGET < 4][:200]
IMAGES = (X * 255).astype(np.uint8).reshape(-1, 8, 8)


def small(**parameters):
    """Return a classifier that learns four digits in a moment."""
    defaults = {"hidden_units": 16, "epochs": 8, "batch_size": 32, "learning_rate": 0.01}
    return MLPDigitClassifier(**{**defaults, "random_state": 0, **parameters})


def flattened():
    """Return the classifier behind a flattener."""
    return make_pipeline(ImageFlattener(), small())


# ----------------------------------------------------------------------------------------------
# Pipelines and searches


def test_a_pipeline_takes_images():
    """Images go in, digits come out; slices of the pipeline work as scikit-learn's do."""
    model = flattened().fit(IMAGES, y)
    assert model.score(IMAGES, y) > 0.9
    assert model.n_features_in_ == 64
    assert_array_equal(model.classes_, [0, 1, 2, 3])
    assert_array_equal(model[-1].predict(model[:-1].transform(IMAGES)), model.predict(IMAGES))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_grid_search_twice_in_a_row(n_jobs):
    """A search over dropout and widths finds the same twice, and refits the best of it."""
    grid = {"mlpdigitclassifier__dropout": [0.0, 0.95], "mlpdigitclassifier__hidden_units": [4, 16]}
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(flattened(), grid, cv=folds, n_jobs=n_jobs)
    first = search.fit(IMAGES, y).cv_results_["mean_test_score"]
    assert search.best_params_["mlpdigitclassifier__dropout"] == 0.0
    assert search.best_estimator_.score(IMAGES, y) == search.score(IMAGES, y) > 0.9
    assert_array_equal(search.fit(IMAGES, y).cv_results_["mean_test_score"], first)


def test_the_number_of_workers_changes_no_score():
    """One worker and two give the same scores to the last bit."""
    scores = [
        GridSearchCV(small(), {"dropout": [0.1, 0.5]}, cv=3, n_jobs=n_jobs).fit(X, y).cv_results_
        for n_jobs in (1, 2)
    ]
    assert_array_equal(scores[0]["mean_test_score"], scores[1]["mean_test_score"])


def test_a_search_reports_a_wrong_parameter_and_goes_on():
    """A candidate with a wrong parameter is a failed fit, not the end of the search."""
    search = GridSearchCV(small(), {"dropout": [0.1, 45]}, cv=3)
    with pytest.warns() as caught:
        search.fit(X, y)
    assert "must be a float in the range [0.0, 1.0). Got 45 instead." in str(caught[0].message)
    assert search.best_params_ == {"dropout": 0.1}
    assert np.isnan(search.cv_results_["mean_test_score"][1])


def test_a_randomized_search_over_optimizers_and_layers():
    """Candidates may be sequences, names and None, as a search hands them over."""
    space = {"hidden_units": [(8,), (8, 8)], "optimizer": ["adam", "sgd"], "class_weight": [None]}
    search = RandomizedSearchCV(small(), space, n_iter=3, cv=2, random_state=0).fit(X, y)
    assert len(search.cv_results_["params"]) == 3


def test_cross_validation():
    """Every row is predicted by a model that has not seen it."""
    predicted = cross_val_predict(flattened(), IMAGES, y, cv=3)
    assert accuracy_score(y, predicted) > 0.8
    probabilities = cross_val_predict(small(), X, y, cv=3, method="predict_proba")
    assert probabilities.shape == (200, 4)
    scores = cross_validate(
        small(), X, y, cv=3, scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"], n_jobs=2
    )
    assert scores["test_roc_auc_ovr"].mean() > 0.9


def test_curves():
    """Learning and validation curves rise with rows and with epochs."""
    _, _, scores = learning_curve(small(), X, y, train_sizes=[0.2, 1.0], cv=3, shuffle=True)
    assert scores.mean(axis=1)[0] < scores.mean(axis=1)[1]
    sizes, _, partial = learning_curve(
        small(),
        X,
        y,
        train_sizes=[0.3, 1.0],
        cv=3,
        exploit_incremental_learning=True,
        shuffle=True,
        random_state=0,
    )
    assert partial.shape == (len(sizes), 3)
    _, scores = validation_curve(small(), X, y, param_name="epochs", param_range=[1, 8], cv=3)
    assert scores.mean(axis=1)[0] < scores.mean(axis=1)[1]


# ----------------------------------------------------------------------------------------------
# Meta-estimators


@pytest.mark.parametrize(
    "meta",
    [
        CalibratedClassifierCV(small(), cv=3),
        CalibratedClassifierCV(small(), cv=3, method="isotonic", ensemble=False),
        VotingClassifier([("a", small()), ("b", LogisticRegression())], voting="soft"),
        VotingClassifier([("a", small()), ("b", small(random_state=1))], n_jobs=2),
        StackingClassifier([("a", small()), ("b", small(dropout=0))], LogisticRegression(), cv=3),
        BaggingClassifier(small(), n_estimators=3, random_state=0),
        BaggingClassifier(small(), n_estimators=3, max_features=0.5, random_state=0, n_jobs=2),
        AdaBoostClassifier(small(), n_estimators=3, random_state=0),
        OneVsRestClassifier(small()),
        OneVsOneClassifier(small()),
        OutputCodeClassifier(small(), code_size=5, random_state=0),
        make_pipeline(VarianceThreshold(), SelectKBest(k=30), small()),
    ],
    ids=lambda meta: type(meta).__name__,
)
def test_meta_estimators(meta):
    """Every meta-estimator takes the classifier in and learns the digits with it."""
    model = clone(meta).fit(X, y)
    assert model.score(X, y) > 0.85
    assert_array_equal(model.classes_, [0, 1, 2, 3])
    if hasattr(model, "predict_proba"):
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_boosting_weighs_rows():
    """AdaBoost hands over the weights of its rows: its second classifier learns other rows."""
    hard = AdaBoostClassifier(small(epochs=2), n_estimators=3, random_state=0).fit(X, y)
    assert hard.estimator_weights_.shape == (3,)
    assert len(hard.estimators_) == 3
    assert (hard.estimator_errors_ > 0).all()


def test_several_targets():
    """Chains and one classifier a target treat each column of targets as labels."""
    targets = np.column_stack([y, y % 2])
    assert MultiOutputClassifier(small()).fit(X, targets).predict(X).shape == (200, 2)
    assert ClassifierChain(small()).fit(X, targets % 2).score(X, targets % 2) > 0.8


def test_self_training():
    """Rows without a label are taught by the confident ones."""
    some = np.where(np.arange(200) % 3 == 0, -1, y)
    model = SelfTrainingClassifier(small(epochs=15)).fit(X, some)
    assert model.score(X, y) > 0.85


def test_permutation_importance():
    """Shuffling a pixel that is always dark does not matter; shuffling the others does."""
    dark = np.flatnonzero(X.std(axis=0) == 0)
    result = permutation_importance(small().fit(X, y), X, y, n_repeats=2, random_state=0)
    assert (result.importances_mean[dark] == 0).all()
    assert result.importances_mean.max() > 0


def test_early_stopping_within_a_search():
    """Every fold of a search holds out its own rows."""
    search = GridSearchCV(
        small(early_stopping=True, epochs=30, n_iter_no_change=2), {"dropout": [0, 0.2]}, cv=3
    ).fit(X, y)
    assert search.best_score_ > 0.7
    assert search.best_estimator_.n_iter_ <= 30


# ----------------------------------------------------------------------------------------------
# Metadata routing


def test_sample_weights_reach_the_fit_and_the_score_of_a_search():
    """With routing on, a search hands each fold its rows' weights, for fitting and scoring."""
    weights = (y < 2).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {}, cv=3).fit(X, y, sample_weight=weights)
    assert search.best_estimator_.classes_.tolist() == [0, 1]  # the others weigh nothing
    assert search.best_score_ > 0.9  # of 0 and 1 alone: of all rows it would be half


def test_sample_weights_are_refused_where_not_requested():
    """With routing on, a search that does not know whether to pass weights says so."""
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(small(), {}, cv=3)
        with pytest.raises(ValueError, match="sample_weight"):
            search.fit(X, y, sample_weight=np.ones(200))


def test_requests_survive_clones():
    """A clone asks for the same metadata, ``partial_fit``'s classes among them."""
    with sklearn.config_context(enable_metadata_routing=True):
        model = small().set_partial_fit_request(classes=True, sample_weight=True)
        request = clone(model).get_metadata_routing()
    assert request.partial_fit.requests == {"classes": True, "sample_weight": True}


# ----------------------------------------------------------------------------------------------
# Frames


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_keep_their_names(make):
    """Frames of pandas and polars train, predict, and are known by names as everywhere else."""
    columns = {f"pixel_{i}": X[:, i] for i in range(64)}
    frame = make(columns)
    model = small().fit(frame, y)
    assert_array_equal(model.predict(frame), small().fit(X, y).predict(X))
    if not hasattr(MinMaxScaler().fit(frame), "feature_names_in_"):
        assert make is pl.DataFrame  # scikit-learn before 1.9 knows no names of polars from 2 on
        assert not hasattr(model, "feature_names_in_")
        return
    assert model.feature_names_in_.tolist() == list(columns)
    swapped = frame[list(columns)[::-1]]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(swapped)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)


def test_a_polars_column_of_labels():
    """Labels of polars, categories among them, are labels."""
    names = np.array(["a", "b", "c", "d"])[y]
    for labels in (pl.Series(names), pl.Series(names, dtype=pl.Categorical)):
        model = small().fit(pl.DataFrame(X), labels)
        assert model.classes_.tolist() == ["a", "b", "c", "d"]
        assert model.score(pl.DataFrame(X), labels) > 0.85


def test_set_output_before_the_classifier():
    """Names given by a transformer before it arrive."""
    model = make_pipeline(ImageFlattener(), small()).set_output(transform="pandas")
    model.fit(IMAGES, y)
    assert model[-1].feature_names_in_[:2].tolist() == ["pixel_0_0", "pixel_0_1"]


# ----------------------------------------------------------------------------------------------
# Copies


class Patience(keras.callbacks.Callback):
    """A callback with a state of its own."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        """Remember."""
        self.seen.append(epoch)


PARAMETERS = [
    {},
    {"callbacks": [Patience(), keras.callbacks.EarlyStopping("loss", patience=2)]},
    {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
    {"optimizer": keras.optimizers.Adam(0.01, amsgrad=True), "callbacks": Patience()},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["plain", "callbacks", "optimizer", "both"])
@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_predict_the_same(parameters, way):
    """Deep copies and pickles, fitted or not, are the same, whatever the parameters."""
    model = small(epochs=2, **parameters)
    model.fit(X, y)
    model.model_  # a Keras model that was built does not get in the way  # noqa: B018
    other = way(model)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.get_params().keys() == model.get_params().keys()
    assert_array_equal(other.fit(X, y).coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["plain", "callbacks", "optimizer", "both"])
def test_clones_learn_the_same(parameters):
    """A clone has the parameters and nothing else, and learns the same from the same rows."""
    model = small(epochs=2, **parameters).fit(X, y)
    other = clone(model)
    assert not [name for name in vars(other) if name.endswith("_")]
    assert_array_equal(other.fit(X, y).coefs_[0], model.coefs_[0])


def test_clone_keeps_parameters_untouched():
    """``get_params`` gives what was given, and ``set_params`` takes it back."""
    units = [8, 4]
    model = small(hidden_units=units)
    assert model.get_params()["hidden_units"] is units
    assert clone(model).get_params() == model.get_params()
    assert is_classifier(model)


def test_a_pickle_is_read_where_tensorflow_is_not(tmp_path):
    """A pickled classifier predicts in a process that cannot import TensorFlow at all."""
    model = small().fit(X, y)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps((model, X)))
    script = f"""
import pickle, sys
for name in ("tensorflow", "keras", "scikeras"):
    sys.modules[name] = None
model, X = pickle.load(open({str(path)!r}, "rb"))
print(*model.predict(X))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600
    )
    assert done.stdout.split() == [str(digit) for digit in model.predict(X)], done.stderr


# ----------------------------------------------------------------------------------------------
# How it looks


def test_repr_shows_what_is_not_default():
    """The text form is short, and evaluates to an equal classifier."""
    assert repr(MLPDigitClassifier()) == "MLPDigitClassifier()"
    model = MLPDigitClassifier(hidden_units=(8, 4), dropout=0.1)
    assert repr(model) == "MLPDigitClassifier(dropout=0.1, hidden_units=(8, 4))"
    assert eval(repr(model)).get_params() == model.get_params()


LINK = "https://sk-mnist-mlp.readthedocs.io/en/latest/api.html#sk_mnist_mlp.{}"


@pytest.mark.parametrize("fitted", [False, True])
def test_html_links_to_the_documentation(fitted):
    """The HTML view names parameters and links to the documentation of both classes."""
    model = flattened()
    page = estimator_html_repr(model.fit(IMAGES, y) if fitted else model)
    assert "hidden_units" in page
    for name in ("ImageFlattener", "MLPDigitClassifier"):
        assert LINK.format(name) in page
    assert (">Fitted<" in page) == fitted


def test_a_keras_model_is_listed_once_it_is_built():
    """``dir`` names ``model_`` after somebody has asked for it, so that nobody else builds it."""
    model = small(epochs=1).fit(X, y)
    assert "model_" not in dir(model)
    assert model.model_ is not None
    assert "model_" in dir(model)
    assert {"coefs_", "predict", "fit", "hidden_units"} <= {*dir(model)}


def test_html_does_not_import_tensorflow():
    """Looking at a fitted classifier does not build its Keras model."""
    script = """
import sys
import numpy as np
from sklearn.utils import estimator_html_repr
from sk_mnist_mlp import MLPDigitClassifier
model = MLPDigitClassifier(hidden_units=4, epochs=1).fit(np.eye(8), np.arange(8) % 2)
page = estimator_html_repr(model) + repr(model) + model._repr_html_()
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
