"""Rows to validate with that ``fit`` is given, in place of those it would hold out."""

import functools

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from small_fits import digits, small_classifier

X, Y = digits(600, dtype=np.float32)
X_TRAIN, Y_TRAIN, X_VAL, Y_VAL = X[:450], Y[:450], X[450:], Y[450:]
VALIDATION = {"X_val": X_VAL, "y_val": Y_VAL}
small = functools.partial(small_classifier, epochs=5, hidden_units=16, learning_rate=0.01)


def split_of(model, monkeypatch, **weights):
    """Fit with early stopping; also the rows that were trained on and those that were held out."""
    from sk_mnist_mlp._estimators import planning

    seen = []
    hold_out = planning.stratified_holdout
    monkeypatch.setattr(
        planning, "stratified_holdout", lambda *given: seen.append(hold_out(*given)) or seen[-1]
    )
    model.fit(X, Y, **weights)
    return seen[-1]


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss"])
@pytest.mark.parametrize("engine", ["numpy", "xla", "keras"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_rows_give_the_same_bits(engine, weighted, monitor, monkeypatch):
    """Given the rows that early stopping would hold out, a fit is the same to the last bit."""
    weight = np.random.default_rng(0).integers(1, 5, len(Y)).astype(float) if weighted else None
    options = {"engine": engine, "early_stopping": True, "monitor": monitor}
    options |= {"class_weight": {3: 2.0}, "n_iter_no_change": 2} if weighted else {}
    split = small(**options)
    rows, held_out = split_of(split, monkeypatch, sample_weight=weight)
    given = {"X_val": X[held_out], "y_val": Y[held_out]}
    if weighted:
        given |= {"sample_weight": weight[rows], "sample_weight_val": weight[held_out]}
    own = small(**options).fit(X[rows], Y[rows], **given)
    assert own.history_ == split.history_
    for one, two in zip(own.coefs_, split.coefs_, strict=True):
        assert_array_equal(one, two)


def test_curves_are_recorded_without_early_stopping_too():
    """The rows change nothing about the weights, and every epoch is measured on them."""
    plain = small().fit(X_TRAIN, Y_TRAIN)
    model = small().fit(X_TRAIN, Y_TRAIN, **VALIDATION)
    assert_array_equal(model.coefs_[0], plain.coefs_[0])
    assert len(model.history_["val_loss"]) == len(model.validation_scores_) == 5
    assert model.history_["val_accuracy"][-1] == model.score(X_VAL, Y_VAL)
    assert "val_loss" not in plain.history_


def test_the_loss_can_be_what_is_watched():
    """With ``monitor="val_loss"`` the weights kept are those of the least loss."""
    model = small(early_stopping=True, monitor="val_loss", epochs=30, learning_rate=0.1)
    model.set_params(n_iter_no_change=3).fit(X_TRAIN, Y_TRAIN, **VALIDATION)
    probabilities = model.predict_proba(X_VAL)
    loss = -np.log(probabilities[np.arange(len(Y_VAL)), Y_VAL]).mean()
    assert loss == pytest.approx(min(model.history_["val_loss"]), rel=1e-6)


def test_a_pipeline_hands_them_through():
    """By metadata routing, with ``transform_input``: images in, both flattened alike."""
    images, held_out = X_TRAIN.reshape(-1, 8, 8), X_VAL.reshape(-1, 8, 8)
    with config_context(enable_metadata_routing=True):
        classifier = small().set_fit_request(X_val=True, y_val=True)
        steps = [("flat", ImageFlattener(scale=1)), ("net", classifier)]
        model = Pipeline(steps, transform_input=["X_val"])
        model.fit(images, Y_TRAIN, X_val=held_out, y_val=Y_VAL)
    assert model[-1].history_ == small().fit(X_TRAIN, Y_TRAIN, **VALIDATION).history_


@pytest.mark.parametrize("backend", ["loky", "fused"])
def test_searches_hand_them_through(backend):
    """Every fit of a search is measured on them, in workers and in stacks."""
    with joblib.parallel_config(backend=backend, n_jobs=2):
        search = GridSearchCV(small(), {"dropout": [0.0, 0.3]}, cv=2, refit=True)
        search.fit(X_TRAIN, Y_TRAIN, **VALIDATION)
    alone = small(**search.best_params_).fit(X_TRAIN, Y_TRAIN, **VALIDATION)
    assert search.best_estimator_.history_ == alone.history_


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"X_val": X_VAL}, "expected X_val and y_val together, got no y_val"),
        ({"y_val": Y_VAL}, "expected X_val and y_val together, got no X_val"),
        ({"sample_weight_val": Y_VAL}, "expected X_val and y_val together, got no X_val"),
        ({"X_val": X_VAL, "y_val": Y_VAL[1:]}, "to fit X and y, got: Found input variables"),
        ({"X_val": X_VAL[:, 1:], "y_val": Y_VAL}, "to fit X and y, got: X has 63 features"),
        ({"X_val": X_VAL * np.nan, "y_val": Y_VAL}, "to fit X and y, got: Input X contains NaN"),
        ({"X_val": X_VAL, "y_val": Y_VAL + 5}, "expected y_val of the known classes"),
        (VALIDATION | {"sample_weight_val": -Y_VAL - 1.0}, "to fit X and y, got: Negative values"),
    ],
)
def test_rows_that_do_not_fit_are_refused(given, words):
    """One sentence, before any work; the estimator stays as it was."""
    model = small().fit(X_TRAIN, Y_TRAIN)
    before = model.coefs_[0]
    with pytest.raises(ValueError, match=f"^MLPDigitClassifier: .*{words}"):
        model.fit(X_TRAIN, Y_TRAIN, **given)
    assert model.coefs_[0] is before
    with pytest.raises(ValueError, match="monitor"):
        MLPDigitClassifier(monitor="loss").fit(X_TRAIN, Y_TRAIN)
