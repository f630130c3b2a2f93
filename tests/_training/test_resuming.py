"""``warm_start`` and ``partial_fit``: a training that goes on is one that never stopped."""

import copy
import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sk_mnist_mlp.exceptions import InvalidParameterError
from small_fits import digits, small_classifier

X, y = digits(150, n_classes=3)
small = functools.partial(small_classifier, batch_size=32, learning_rate=0.01)


def assert_same(model, other):
    """Two models have learnt the same, bit for bit, on the same way."""
    for array, same in zip(
        [*model.coefs_, *model.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    ):
        assert_array_equal(array, same)
    assert (model.n_iter_, model.history_) == (other.n_iter_, other.history_)
    assert model.loss_curve_ == other.loss_curve_ == model.history_["loss"]


def through_pickle(model):
    """Return a model as another process would get it."""
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_partial_fit_is_one_epoch(engine):
    """Three calls of ``partial_fit`` equal ``fit`` with three epochs, bit for bit."""
    model = small(engine=engine)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert_same(model, small(engine=engine, epochs=3).fit(X, y))


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("numpy", lambda model: model),
        ("numpy", copy.deepcopy),
        ("numpy", copy.copy),
        ("numpy", through_pickle),
        ("keras", through_pickle),
    ],
)
def test_a_warm_start_goes_on(engine, way):
    """Two epochs and then three equal five, bit for bit, also after a copy or a pickle between."""
    model = way(small(engine=engine, warm_start=True).fit(X, y))
    model.set_params(epochs=3).fit(X, y)
    assert_same(model, small(engine=engine, epochs=5).fit(X, y))


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "sgd", "adagrad"])
def test_every_optimizer_keeps_its_moments(optimizer):
    """The optimizer's memory goes on too, whichever optimizer it is."""
    model = small(optimizer=optimizer, warm_start=True).fit(X, y).fit(X, y)
    assert_same(model, small(optimizer=optimizer, epochs=4).fit(X, y))


def test_partial_fit_goes_on_after_a_pickle():
    """A model in the middle of ``partial_fit`` keeps its moments in a pickle."""
    model = small().partial_fit(X, y, classes=[0, 1, 2])
    through_pickle(model).partial_fit(X, y)
    assert_same(through_pickle(model).partial_fit(X, y), small(epochs=2).fit(X, y))


def test_partial_fit_goes_on_from_fit():
    """``partial_fit`` after ``fit`` is one epoch more."""
    assert_same(small().fit(X, y).partial_fit(X, y), small(epochs=3).fit(X, y))


def test_a_plain_fit_starts_anew():
    """Without ``warm_start``, nothing of an earlier fit is left in the next."""
    model = small().fit(X[:, :10], np.array(list("abc"))[y]).fit(X, y)
    assert_same(model, small().fit(X, y))
    assert model.n_features_in_ == 64
    assert model.classes_.tolist() == [0, 1, 2]


def test_partial_fit_takes_all_classes_from_the_first_call():
    """A first call need not hold every class, nor later ones, and their order does not matter."""
    model = small().partial_fit(X[y < 2], y[y < 2], classes=[2, 0, 1, 0])
    assert model.classes_.tolist() == [0, 1, 2]
    model.partial_fit(X[y == 2], y[y == 2])
    model.partial_fit(X, y, classes=[0, 1, 2])
    assert model.n_iter_ == 3
    assert model.predict_proba(X).shape == (150, 3)


def test_partial_fit_weighs_rows():
    """``partial_fit`` heeds sample weights as ``fit`` does."""
    weights = np.linspace(0, 2, 150)
    model = small().partial_fit(X, y, classes=[0, 1, 2], sample_weight=weights)
    assert_same(model, small(epochs=1).fit(X, y, sample_weight=weights))


def test_partial_fit_uses_all_rows():
    """Early stopping has no part in ``partial_fit``: no row is held out."""
    model = small(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    assert_same(model, small(epochs=1).fit(X, y))


def test_other_rows_and_fewer_classes_may_follow():
    """A warm start takes other rows, even without some of the classes."""
    model = small(warm_start=True).fit(X, y).fit(X[y < 2], y[y < 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_iter_ == 4


def test_the_values_of_parameters_may_change_on_the_way():
    """Rate, dropout, penalties, batch size and weights of a warm start may be others."""
    model = small(warm_start=True).fit(X, y)
    before = model.coefs_[0]
    model.set_params(learning_rate=0.1, dropout=0.1, l2=0.1, batch_size=50, label_smoothing=0.1)
    model.set_params(class_weight="balanced", early_stopping=True).fit(X, y)
    assert not np.array_equal(model.coefs_[0], before)
    assert len(model.history_["loss"]) == 4
    assert np.isfinite(model.history_["val_loss"]).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("engine", "optimizer"),
    [("numpy", "rmsprop"), ("numpy", "sgd"), ("keras", "adamw"), ("auto", "adagrad")],
)
def test_another_optimizer_starts_with_fresh_moments(optimizer, engine):
    """Moments of one rule never serve another; the weights go on."""
    model = small(warm_start=True, engine=engine).fit(X, y)
    model.set_params(optimizer=optimizer).fit(X, y)
    assert model.n_iter_ == 4
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[2] < model.loss_curve_[0]


def test_another_engine_goes_on_from_the_same_weights():
    """A warm start may change engines: the loss goes on where it was."""
    model = small(warm_start=True, dropout=0).fit(X, y).set_params(engine="keras").fit(X, y)
    assert (model.engine_, model.n_iter_) == ("keras", 4)
    assert model.loss_curve_[2] < model.loss_curve_[1]


def test_another_dtype_goes_on_from_the_same_weights():
    """A warm start may change precision: weights and moments are cast."""
    model = small(warm_start=True, dropout=0).fit(X, y).set_params(dtype="float64").fit(X, y)
    assert {array.dtype for array in model.coefs_} == {np.dtype("float64")}
    plain = small(dropout=0, epochs=4).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=0, atol=1e-4)


def test_an_earlier_copy_keeps_what_it_had():
    """Going on changes no array that a copy, or the user, still holds."""
    model = small(warm_start=True).fit(X, y)
    kept, history = copy.copy(model), model.history_
    before = copy.deepcopy((kept.coefs_, kept.intercepts_, history))
    model.fit(X, y).partial_fit(X, y)
    for array, same in zip([*kept.coefs_, *kept.intercepts_], before[0] + before[1], strict=True):
        assert_array_equal(array, same)
    assert history == kept.history_ == before[2]


def test_a_pickle_of_a_finished_fit_is_small():
    """Moments stay out of the pickle of a fit that nothing says will go on."""
    finished, going_on = small().fit(X, y), small(warm_start=True).fit(X, y)
    n_bytes = sum(array.nbytes for array in [*finished.coefs_, *finished.intercepts_])
    difference = len(pickle.dumps(going_on)) - len(pickle.dumps(finished))
    assert difference == pytest.approx(2 * n_bytes, rel=0.2)  # Adam's two moments
    through_pickle(finished).partial_fit(X, y)


def test_a_clone_starts_anew():
    """A clone takes parameters along and nothing that was learnt."""
    model = small(warm_start=True).fit(X, y)
    assert_same(clone(model).fit(X, y), small().fit(X, y))


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_the_history_has_one_value_per_epoch(engine):
    """Columns are of one length whenever early stopping is on or off; NaN where there is none."""
    model = small(engine=engine, early_stopping=True, validation_fraction=0.3).fit(X, y)
    model.partial_fit(X, y).set_params(warm_start=True, early_stopping=False).fit(X, y)
    model.set_params(early_stopping=True).fit(X, y)
    assert {name: len(column) for name, column in model.history_.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), 7
    )
    measured = np.isfinite(model.history_["val_loss"]).tolist()
    assert measured == [True] * 2 + [False] * 3 + [True] * 2
    assert np.isfinite(model.history_["loss"]).all()
    assert model.n_iter_ == 7
    assert through_pickle(model).history_.keys() == model.history_.keys()


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_after_a_training_that_diverged_the_next_starts_anew(way):
    """Weights that are not finite are not resumed: a warning says so, and the fit is fresh."""
    model = small(optimizer="sgd", learning_rate=1e30, warm_start=True)
    model.fit(X, y)
    with pytest.raises(ValueError, match="training that diverged in epoch 1"):
        model.predict(X)
    model.set_params(learning_rate=0.01)
    with pytest.warns(UserWarning, match="expected finite weights to resume, got those of a"):
        getattr(model, way)(X, y)
    fresh = small(optimizer="sgd", warm_start=True)
    assert_same(model, getattr(fresh, way)(X, y, *([[0, 1, 2]] if way == "partial_fit" else [])))
    assert np.isfinite(model.predict_proba(X)).all()


def test_another_width_cannot_be_resumed():
    """``hidden_units`` of a warm start must be those of the fit before."""
    model = small(warm_start=True).fit(X, y).set_params(hidden_units=9)
    with pytest.raises(InvalidParameterError, match="expected hidden_units as in the fit to"):
        model.fit(X, y)
