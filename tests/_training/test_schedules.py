"""Learning rate schedules: by their equations, through the estimator."""

import copy
import functools
import pickle
import re

import keras
import numpy as np
import pytest
from sklearn.base import clone

from sk_mnist_mlp import MLPDigitClassifier, load_model, save_model
from sk_mnist_mlp._training.schedules import relative_rates, schedule_factors
from sk_mnist_mlp.exceptions import InvalidParameterError
from small_fits import digits, small_classifier

X, Y = digits(300)
small = functools.partial(small_classifier, hidden_units=(24, 16), epochs=3, batch_size=32)

FULL_BATCH = dict(
    hidden_units=(12, 8),
    dropout=0.0,
    optimizer="sgd",
    learning_rate=0.5,
    batch_size=1000,
    dtype="float64",
    random_state=0,
)
"""One step an epoch, and no memory but the weights: every step can be looked at."""


def one_step_an_epoch(**parameters):
    """Return a classifier whose epochs are single steps of plain gradient descent."""
    return MLPDigitClassifier(**(FULL_BATCH | parameters))


def weights_of(model):
    """Return a model's weights as one flat array."""
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])


# ------------------------------------------------------------------------------------------------
# The factors


def test_cosine_by_its_equation():
    """Up in a straight line over a twentieth of the steps, then down half a cosine to zero."""
    factors = schedule_factors("cosine", 200)
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 11)
    t = np.arange(190) / 190
    np.testing.assert_allclose(factors[10:], (1 + np.cos(np.pi * t)) / 2)
    assert factors[-1] < 1e-4


def test_one_cycle_by_its_equation():
    """From 1/25 up over three tenths of the steps, then down half a cosine to 1/10,000."""
    factors = schedule_factors("one_cycle", 200)
    np.testing.assert_allclose(factors[:60], 1 / 25 + 24 / 25 * np.arange(1, 61) / 61)
    t = np.arange(140) / 140
    np.testing.assert_allclose(factors[60:], 1e-4 + (1 - 1e-4) * (1 + np.cos(np.pi * t)) / 2)
    assert factors[-1] < 3e-4


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 19, 20, 21, 1000])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_any_number_of_steps(schedule, n_steps):
    """There is a rate above zero for each step; it rises to its peak of one, and then falls."""
    factors = schedule_factors(schedule, n_steps)
    assert factors.shape == (n_steps,)
    assert factors.min() > 0
    assert factors.max() == 1.0
    peak = factors.argmax()
    assert (np.diff(factors[: peak + 1]) > 0).all()
    assert (np.diff(factors[peak:]) < 0).all()


def test_a_keras_schedule_gives_the_rates_itself():
    """Its rates are those of the steps since the first of all, whatever ``learning_rate`` says."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    rates = 7.0 * relative_rates(schedule, 7.0, 5, 20)
    np.testing.assert_allclose(rates, 0.1 * 0.5 ** (np.arange(5, 25) / 10), rtol=1e-6)


class Halves(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the user's own, in plain Python."""

    def __call__(self, step):
        if step < 10:
            return 0.5
        return 0.25

    def get_config(self):
        return {}


SCHEDULES = keras.optimizers.schedules


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES.CosineDecay(0.1, 30, warmup_target=0.2, warmup_steps=10),
        SCHEDULES.CosineDecayRestarts(0.1, 15),
        SCHEDULES.ExponentialDecay(0.1, 10, 0.5, staircase=True),
        SCHEDULES.InverseTimeDecay(0.1, 10, 0.5),
        SCHEDULES.PiecewiseConstantDecay([10, 20], [0.1, 0.2, 0.3]),
        SCHEDULES.PolynomialDecay(0.1, 30),
        Halves(),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_rates_asked_at_once_are_those_asked_one_by_one(schedule):
    """Every kind of Keras schedule gives in one graph what it gives to each step alone."""
    one_by_one = [float(schedule(step)) for step in range(5, 45)]
    np.testing.assert_allclose(7.0 * relative_rates(schedule, 7.0, 5, 40), one_by_one, atol=1e-7)


def test_without_a_schedule_the_rate_stays():
    """None is one factor throughout."""
    np.testing.assert_array_equal(relative_rates(None, 0.1, 0, 4), np.ones(4))


# ------------------------------------------------------------------------------------------------
# Schedules in training


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_each_step_takes_its_rate(schedule):
    """A fit with a schedule equals one step after another, each at its own constant rate."""
    scheduled = one_step_an_epoch(learning_rate_schedule=schedule, epochs=8).fit(X, Y)
    steps = one_step_an_epoch(warm_start=True, epochs=1)
    for factor in schedule_factors(schedule, 8):
        steps.set_params(learning_rate=0.5 * factor).fit(X, Y)
    np.testing.assert_allclose(weights_of(steps), weights_of(scheduled), rtol=1e-12)


def test_an_optimizer_brings_the_rate_that_is_scaled():
    """A schedule scales the rate of an optimizer instance, not the parameter beside it."""
    by_name = one_step_an_epoch(learning_rate_schedule="cosine", epochs=5).fit(X, Y)
    instance = one_step_an_epoch(
        optimizer=keras.optimizers.SGD(0.5), learning_rate=9.0, learning_rate_schedule="cosine"
    )
    instance.set_params(epochs=5).fit(X, Y)
    np.testing.assert_allclose(weights_of(instance), weights_of(by_name), rtol=1e-6)


@pytest.mark.parametrize(
    "schedule",
    ["cosine", "one_cycle", keras.optimizers.schedules.PolynomialDecay(0.01, 20, 0.001)],
    ids=["cosine", "one_cycle", "keras"],
)
def test_both_engines_follow_it(schedule):
    """Keras's own loop and ours learn the same, step by step."""
    models = [
        small(
            learning_rate_schedule=schedule,
            dropout=0.0,
            engine=engine,
            dtype="float64",
        ).fit(X, Y)
        for engine in ("numpy", "keras")
    ]
    assert [model.engine_ for model in models] == ["numpy", "keras"]
    np.testing.assert_allclose(models[0].loss_curve_, models[1].loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(weights_of(models[0]), weights_of(models[1]), atol=1e-4)


def test_every_fit_has_a_cycle_of_its_own():
    """Going on by ``warm_start`` warms up and decays again, over the epochs of that call."""
    model = one_step_an_epoch(learning_rate_schedule="one_cycle", warm_start=True, epochs=5)
    model.fit(X, Y).set_params(epochs=3).fit(X, Y)
    steps = one_step_an_epoch(warm_start=True, epochs=1)
    for n_steps in (5, 3):
        for factor in schedule_factors("one_cycle", n_steps):
            steps.set_params(learning_rate=0.5 * factor).fit(X, Y)
    np.testing.assert_allclose(weights_of(model), weights_of(steps), rtol=1e-12)
    assert model.n_iter_ == 8


def test_a_keras_schedule_goes_on_through_partial_fit():
    """It knows its own length, so epochs one by one are what one fit of them is."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 20, 0.5)
    whole = small(learning_rate_schedule=schedule, epochs=4).fit(X, Y)
    parts = small(learning_rate_schedule=schedule, epochs=4)
    for _ in range(4):
        parts.partial_fit(X, Y, classes=np.arange(10))
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_named_schedule_needs_a_last_epoch(schedule):
    """``partial_fit`` knows none, and says so before it trains."""
    model = small(learning_rate_schedule=schedule)
    sentence = (
        "MLPDigitClassifier: expected learning_rate_schedule to be None or a Keras schedule in "
        f"partial_fit, which knows no last epoch, got {schedule!r}. Call fit instead, or set "
        "learning_rate_schedule=None."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.partial_fit(X, Y, classes=np.arange(10))
    assert not hasattr(model, "coefs_")
    model.fit(X, Y)
    before = weights_of(model)
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(weights_of(model), before)


@pytest.mark.parametrize(
    "schedule",
    ["one cycle", "Cosine", "", 0.1, True, ["cosine"], keras.optimizers.schedules.CosineDecay],
)
def test_a_schedule_that_is_none_is_refused(schedule):
    """The error lists the names there are."""
    sentence = (
        "The 'learning_rate_schedule' parameter of MLPDigitClassifier must be None, a str among "
        f"{{'cosine', 'one_cycle'}} or a Keras LearningRateSchedule. Got {schedule!r} instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        small(learning_rate_schedule=schedule).fit(X, Y)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_two_schedules_are_refused(engine):
    """An optimizer with a schedule of its own leaves no rate to schedule."""
    own = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    model = small(optimizer=own, learning_rate_schedule="cosine", engine=engine)
    sentence = (
        "MLPDigitClassifier: expected one learning rate schedule, got learning_rate_schedule="
        "'cosine' and an optimizer with a schedule of its own. Give the optimizer a number as "
        "learning_rate, or set learning_rate_schedule=None."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.fit(X, Y)


def test_a_keras_schedule_is_cloned_pickled_and_kept_in_a_file(tmp_path):
    """It comes back with the model, and trains the same again."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 20, 0.5)
    model = small(learning_rate_schedule=schedule).fit(X, Y)
    save_model(model, tmp_path / "model.skmlp")
    kept = load_model(tmp_path / "model.skmlp")
    for other in (clone(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), kept):
        again = clone(other).fit(X, Y)
        np.testing.assert_array_equal(weights_of(again), weights_of(model))
