"""Sample weights are exact: a weight of zero is no row, a weight of two is two rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._training.plan import Seeds
from sk_mnist_mlp._training.shuffling import stratified_holdout

DIGITS, TARGET = load_digits(return_X_y=True)
X = DIGITS[TARGET < 3][:150] / 16
y = TARGET[TARGET < 3][:150]
WEIGHTS = np.random.default_rng(0).integers(0, 4, 150)


def deterministic(**parameters):
    """Return a classifier without chance after its first weights, in double precision."""
    defaults = {"hidden_units": 8, "dropout": 0.0, "batch_size": 10**6, "epochs": 5}
    rest = {"dtype": "float64", "learning_rate": 0.01, "random_state": 0}
    return MLPDigitClassifier(**{**defaults, **rest, **parameters})


def random(**parameters):
    """Return a classifier with random batches and dropout."""
    return MLPDigitClassifier(
        **{"hidden_units": 8, "batch_size": 32, "epochs": 3, "random_state": 0, **parameters}
    )


def largest_difference(model, other):
    """Return how far two models' weights are apart, at most."""
    arrays = zip(
        [*model.coefs_, *model.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    )
    return max(np.abs(array - same).max() for array, same in arrays)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
@pytest.mark.parametrize("options", [{}, {"l2": 0.01, "label_smoothing": 0.1}])
def test_integer_weights_are_repeats(engine, options):
    """A row of weight k trains as k equal rows do, with penalties too."""
    model = deterministic(engine=engine, **options).fit(X, y, sample_weight=WEIGHTS)
    repeated = deterministic(engine=engine, **options)
    repeated.fit(np.repeat(X, WEIGHTS, axis=0), np.repeat(y, WEIGHTS))
    assert largest_difference(model, repeated) < 1e-12
    assert_allclose(model.loss_curve_, repeated.loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
@pytest.mark.parametrize("make", [deterministic, random])
def test_rows_of_weight_zero_are_absent(engine, make):
    """Rows of weight zero leave no trace: not in batches, losses, accuracies or dropout."""
    model = make(engine=engine).fit(X, y, sample_weight=WEIGHTS)
    kept = WEIGHTS > 0
    without = make(engine=engine).fit(X[kept], y[kept], sample_weight=WEIGHTS[kept])
    assert largest_difference(model, without) == 0
    assert model.history_ == without.history_


def test_a_class_of_weight_zero_is_absent():
    """A class whose rows all weigh nothing does not exist, whatever its label."""
    strange = np.where(y == 2, 99, y)
    model = random().fit(X, strange, sample_weight=y != 2)
    assert model.classes_.tolist() == [0, 1]
    known = random().partial_fit(X, strange, classes=[0, 1], sample_weight=y != 2)
    assert known.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**5, 2.0**900])
def test_only_ratios_count(factor):
    """Weights of any size train alike: a power of two changes no bit."""
    weights = WEIGHTS.astype(float)
    model, scaled = random().fit(X, y, weights), random().fit(X, y, weights * factor)
    assert largest_difference(model, scaled) == 0


@pytest.mark.parametrize("weights", [np.full(150, 1e-300), np.full(150, 1e300), np.ones(150), 7])
def test_equal_weights_are_no_weights(weights):
    """Weights that are all the same, be they tiny, huge or one number, change nothing."""
    model = random().fit(X, y, sample_weight=weights)
    assert largest_difference(model, random().fit(X, y)) < 1e-6


def test_weights_of_very_different_size_stay_finite():
    """A row that outweighs all others by more than single precision holds breaks nothing."""
    weights = np.ones(150)
    weights[0] = 1e60
    model = random(batch_size=8, epochs=100).fit(X, y, sample_weight=weights)
    assert np.isfinite(model.loss_curve_).all()
    assert model.predict(X[:1]) == y[:1]


def test_weights_of_any_container():
    """Lists, integers and booleans are weights."""
    model = random().fit(X, y, sample_weight=WEIGHTS.astype(float))
    for weights in (WEIGHTS.tolist(), WEIGHTS, WEIGHTS.astype(np.float32)):
        assert largest_difference(random().fit(X, y, sample_weight=weights), model) == 0
    assert_array_equal(
        random().fit(X, y, sample_weight=WEIGHTS > 0).coefs_[0],
        random().fit(X, y, sample_weight=(WEIGHTS > 0).astype(int)).coefs_[0],
    )


def test_held_out_rows_are_weighed_too():
    """Validation figures are weighted means over the held-out rows that weigh something."""
    model = random(early_stopping=True, validation_fraction=0.3, n_iter_no_change=3)
    model.fit(X, y, sample_weight=WEIGHTS)
    kept = np.flatnonzero(WEIGHTS)
    seed = Seeds.draw(check_random_state(0)).validation
    rows = stratified_holdout(y, kept, 3, 0.3, seed)[1]
    hits, share = model.predict(X[rows]) == y[rows], WEIGHTS[rows]
    # Early stopping has kept the best epoch's weights.
    assert_allclose(max(model.history_["val_accuracy"]), np.average(hits, weights=share))
