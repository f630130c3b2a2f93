"""Sample weights are exact: a weight of zero is no row, a weight of two is two rows."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._estimators.sklearn_compat import check_sample_weight
from sk_mnist_mlp._estimators.targets import combine_weights
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


# ----------------------------------------------------------------------------------------------
# Class weights on top


def absent_class(label, with_rows):
    """Return rows and weights where a class has only rows of weight zero, or no rows."""
    weighs = y != label
    if with_rows:
        return X, y, weighs * np.linspace(1, 2, len(y))
    return X[weighs], y[weighs], np.linspace(1, 2, len(y))[weighs]


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("how", ["partial_fit", "warm fit", "warm fit, early stopping"])
@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_balance_where_a_known_class_weighs_nothing(label, how, engine):
    """A known class with no row that counts has no influence on "balanced", nor makes a noise."""
    models = []
    for with_rows in (True, False):
        model = random(class_weight="balanced", warm_start=how != "partial_fit", engine=engine)
        if how != "partial_fit":
            model.fit(X, y).set_params(early_stopping="stopping" in how, validation_fraction=0.2)
        rows, labels, weights = absent_class(label, with_rows)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if how == "partial_fit":
                model.partial_fit(rows, labels, classes=[0, 1, 2], sample_weight=weights)
            else:
                model.fit(rows, labels, sample_weight=weights)
        assert np.isfinite(model.loss_curve_).all()
        models.append(model)
    assert largest_difference(*models) == 0
    assert models[0].history_ == models[1].history_


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_class_weighed_down_to_nothing_needs_no_held_out_row(label):
    """``class_weight={k: 0}`` goes with early stopping: such rows are in neither part."""
    options = {"early_stopping": True, "validation_fraction": 0.2}
    model = random(class_weight={label: 0}, **options).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    kept = y != label
    known = random(warm_start=True).fit(X, y)
    without = random(warm_start=True).fit(X, y)
    known.set_params(class_weight={label: 0}, **options).fit(X, y)
    without.set_params(**options).fit(X[kept], y[kept])
    assert largest_difference(known, without) == 0
    assert known.history_ == without.history_


def combined(sample_weight, class_weight, dtype="float64"):
    """Return the weights that training reads, made without a warning."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, len(y))
        labels, classes = y.astype(np.int32), np.arange(3)
        return combine_weights(labels, classes, sample_weight, class_weight, dtype)


BASE = np.random.default_rng(1).integers(1, 8, len(y)).astype(float)


@settings(deadline=None, max_examples=100)
@given(
    power=st.integers(-1074, 1020),
    class_powers=st.lists(st.integers(-1070, 1020), min_size=3, max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_weights_of_any_finite_size_are_scaled_first(power, class_powers, dtype):
    """Powers of two in sample or class weights change no ratio, however far beyond any float."""
    factors = np.array([1.0, 2.0, 5.0])
    plain = combined(BASE, dict(enumerate(factors)), dtype)
    assert_array_equal(combined(np.ldexp(BASE, power), dict(enumerate(factors)), dtype), plain)
    for common in class_powers:
        scaled = dict(enumerate(np.ldexp(factors, common)))
        assert_array_equal(combined(np.ldexp(BASE, power), scaled, dtype), plain)
    # Each class on a scale of its own: "balanced" takes all of it out again.
    apart = np.ldexp(BASE, np.array(class_powers)[y])
    ratios = combined(apart, "balanced", dtype) / combined(BASE, "balanced", dtype)
    assert_allclose(ratios / ratios[0], 1, rtol=1e-13)


@settings(deadline=None, max_examples=100)
@given(power=st.integers(-300, 300), class_power=st.integers(-300, 300))
def test_weights_at_any_power_of_ten_keep_their_ratios(power, class_power):
    """Ratios are those of ordinary weights to the last digits, at any power of ten."""
    class_weight = {0: 1.0, 1: 2.0, 2: 5.0}
    huge = {label: weight * 10.0**class_power for label, weight in class_weight.items()}
    ratios = combined(BASE * 10.0**power, huge) / combined(BASE, class_weight)
    assert_allclose(ratios / ratios[0], 1, rtol=1e-13)
    ratios = combined(BASE * 10.0**power, "balanced") / combined(BASE, "balanced")
    assert_allclose(ratios / ratios[0], 1, rtol=1e-13)


def test_balance_is_scikit_learn_s():
    """Without sample weights, "balanced" has the ratios of ``compute_class_weight``."""
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)[y]
    weights = combined(None, "balanced")
    assert_allclose(weights / weights[0], expected / expected[0], rtol=1e-14)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
@pytest.mark.parametrize(
    ("sample_weight", "class_weight"),
    [
        (1e307, "balanced"),
        (1e200, {0: 1e200, 1: 1e200, 2: 1e200}),
        (1e-200, {0: 1e-200, 1: 1e-200, 2: 1e-200}),
        (5e-324, "balanced"),
        (5e-324, {0: 5e-324, 1: 5e-324, 2: 5e-324}),
        (1.7e308, {0: 1.7e308, 1: 1.7e308, 2: 1.7e308}),
    ],
)
def test_extreme_weights_train_as_ordinary_ones(engine, sample_weight, class_weight):
    """Weights at the ends of what a float holds train as the same ratios do at normal size."""
    ordinary = "balanced" if class_weight == "balanced" else None
    plain = random(engine=engine, class_weight=ordinary).fit(X, y, np.ones(len(y)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = random(engine=engine, class_weight=class_weight)
        model.fit(X, y, sample_weight=np.full(len(y), sample_weight))
    assert largest_difference(model, plain) < 1e-6


def test_one_row_of_the_least_weight_there_is():
    """A class of one row whose weight is the least above zero still counts in "balanced"."""
    weights = np.ones(len(y))
    weights[y == 2] = 0
    weights[np.flatnonzero(y == 2)[0]] = 5e-324
    share = combined(weights, "balanced")
    assert_allclose([share[y == label].sum() for label in range(3)], share[y == 2].sum())
