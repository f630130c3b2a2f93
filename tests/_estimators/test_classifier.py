"""``MLPDigitClassifier``: what each parameter does and what each attribute says."""

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._training.plan import Seeds
from sk_mnist_mlp._training.shuffling import stratified_holdout

DIGITS, TARGET = load_digits(return_X_y=True)
X = np.ascontiguousarray(DIGITS[TARGET < 3][:150] / 16)
y = TARGET[TARGET < 3][:150]

TUTORIAL = {
    "hidden_units": 256,
    "dropout": 0.45,
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 0.001,
    "l2": 0.0,
    "label_smoothing": 0.0,
    "batch_size": 128,
    "epochs": 20,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "class_weight": None,
    "warm_start": False,
    "callbacks": None,
    "dtype": "float32",
    "engine": "auto",
    "random_state": None,
    "verbose": 0,
}


def small(**parameters):
    """Return a classifier that fits in a moment."""
    defaults = {"hidden_units": 16, "epochs": 3, "batch_size": 32, "learning_rate": 0.01}
    return MLPDigitClassifier(**{**defaults, "random_state": 0, **parameters})


def weights_of(model):
    """Return a model's weights as one flat array."""
    return np.concatenate([a.ravel() for a in [*model.coefs_, *model.intercepts_]])


def assert_same(model, other):
    """Two models have learnt the same, bit for bit."""
    assert_array_equal(weights_of(model), weights_of(other))


def held_out_rows(model, labels):
    """Return the rows that early stopping holds out for a ``random_state`` of 0."""
    seed = Seeds.draw(check_random_state(0)).validation
    indices = np.unique(labels, return_inverse=True)[1]
    n_classes, fraction = indices.max() + 1, model.validation_fraction
    return stratified_holdout(indices, np.arange(len(labels)), n_classes, fraction, seed)[1]


# ----------------------------------------------------------------------------------------------
# Parameters


def test_defaults_are_the_tutorial():
    """Without a word from the user, the classifier is the tutorial's, by keywords only."""
    parameters = inspect.signature(MLPDigitClassifier).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    assert TUTORIAL.items() <= defaults.items()
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("hidden_units", "widths"),
    [
        (5, [5, 5]),
        (np.int64(5), [5, 5]),
        ([7], [7]),
        ((6, 4, 3), [6, 4, 3]),
        (np.array([8, 2]), [8, 2]),
        (range(3, 5), [3, 4]),
    ],
)
def test_hidden_units(hidden_units, widths):
    """A number gives two hidden layers of that width, a sequence one width a layer."""
    model = small(hidden_units=hidden_units, epochs=1).fit(X, y)
    assert [len(bias) for bias in model.intercepts_] == [*widths, 3]
    layers = zip([64, *widths], [*widths, 3], strict=True)
    assert [kernel.shape for kernel in model.coefs_] == [*layers]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 0.1),
        ("activation", "tanh"),
        ("optimizer", "sgd"),
        ("learning_rate", 0.02),
        ("l2", 0.01),
        ("label_smoothing", 0.1),
        ("batch_size", 16),
        ("class_weight", {0: 5}),
        ("random_state", 1),
    ],
)
def test_each_parameter_of_training_matters(name, value):
    """Changing one parameter changes what is learnt."""
    plain, changed = small().fit(X, y), small(**{name: value}).fit(X, y)
    assert not np.array_equal(weights_of(plain), weights_of(changed))


def test_numpy_numbers_are_numbers():
    """Parameters as NumPy scalars, as a grid gives them, mean what plain numbers mean."""
    model = small(
        dropout=np.float64(0.5), epochs=np.int32(3), batch_size=np.int64(32), l2=np.float64(0.25)
    )
    assert_same(model.fit(X, y), small(dropout=0.5, l2=0.25).fit(X, y))


def test_a_batch_larger_than_the_data_is_all_of_it():
    """``batch_size`` bounds the rows of a step, so a huge one gives one step an epoch."""
    whole = small(batch_size=len(X), dropout=0).fit(X, y)
    assert_same(small(batch_size=10**9, dropout=0).fit(X, y), whole)


def test_random_state():
    """An int repeats, a generator moves on, None is another draw each time."""
    assert_same(small(random_state=7).fit(X, y), small(random_state=7).fit(X, y))
    generator = np.random.RandomState(7)
    model = small(random_state=generator, epochs=1)
    first, second = weights_of(model.fit(X, y)), weights_of(model.fit(X, y))
    assert not np.array_equal(first, second)
    drawn = [weights_of(small(random_state=None, epochs=1).fit(X, y)) for _ in range(2)]
    assert not np.array_equal(*drawn)


# ----------------------------------------------------------------------------------------------
# Labels and features of any kind

KINDS = {
    "text": np.array(["nought", "one", "two"]),
    "text objects": np.array(["nought", "one", "two"], dtype=object),
    "numbers with gaps": np.array([3, 70, 2000]),
    "negative numbers": np.array([-7, -1, 5]),
    "whole floats": np.array([0.0, 1.0, 5.0]),
    "huge numbers": np.array([-(2**62), 2**60, 2**62]),
    "numbers beyond floats": np.array([2**53, 2**53 + 1, 2**64 - 1], dtype=np.uint64),
    "bytes of one number": np.array([0, 100, 255], dtype=np.uint8),
    "small numbers": np.array([-128, 0, 127], dtype=np.int8),
    "half floats": np.array([-2, 0, 2048], dtype=np.float16),
    "long floats": np.array([-2, 0, 2048], dtype=np.longdouble),
    "swapped bytes": np.array([3, 70, 2000]).astype(np.dtype(np.int64).newbyteorder()),
    "days": np.array(["2026-01-01", "2026-02-01", "2026-03-01"], dtype="datetime64[D]"),
    "moments": np.array(["2026-01-01", "2026-02-01", "2026-03-01"], dtype="datetime64[ns]"),
    "time spans": np.array([-1, 0, 3600], dtype="timedelta64[s]"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind(kind):
    """Labels are names: what is learnt does not depend on them, what is predicted are they."""
    names = KINDS[kind]
    plain, model = small().fit(X, y), small().fit(X, names[y])
    assert_same(model, plain)
    assert_array_equal(model.classes_, names)
    assert_array_equal(model.predict(X), names[plain.predict(X)])
    assert model.predict(X).dtype == model.classes_.dtype == names.dtype.newbyteorder("=")
    assert np.mean(model.predict(X) == names[y]) == plain.score(X, y) > 0.5
    assert_all_agree(model, names[y])


def assert_all_agree(model, labels):
    """What fits, predicts and scores, and so it does in folds of scikit-learn's making."""
    assert accuracy_score(labels, model.predict(X)) == model.score(X, labels) > 0.5
    for scoring in (None, "accuracy"):
        assert np.isfinite(cross_val_score(model, X, labels, cv=2, scoring=scoring)).all()
    before = model.n_iter_
    assert model.partial_fit(X, labels).n_iter_ == before + 1


LETTERS = np.array(list("abc"))[y]
CONTAINERS = {
    "categories": pd.Series(LETTERS).astype("category"),
    "categories of numbers": pd.Series(y).astype("category"),
    "strings": pd.Series(LETTERS, dtype="string"),
    "objects": pd.Series(LETTERS, dtype=object),
    "nullable": pd.Series(y, dtype="Int64"),
    "nullable floats": pd.Series(y, dtype="Float64"),
    "another index": pd.Series(y, dtype="Int64", index=np.arange(150)[::-1]),
    "dates": pd.Series(pd.to_datetime("2026-01-01") + pd.to_timedelta(y, "D")),
    "polars": pl.Series(y),
    "polars strings": pl.Series(LETTERS),
    "polars categories": pl.Series(LETTERS, dtype=pl.Categorical),
    "polars dates": pl.Series(np.datetime64("2026-01-01") + y),
    "list": y.tolist(),
    "tuple": tuple(LETTERS),
    "masked nowhere": np.ma.array(y),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_labels_in_any_container(kind):
    """Columns of pandas and polars of every dtype, lists and tuples of labels are labels."""
    labels = CONTAINERS[kind]
    model = small().fit(X, labels)
    assert_same(model, small().fit(X, y))
    assert_array_equal(model.classes_, np.unique(np.asarray(labels)))
    assert_all_agree(model, labels)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_going_on_with_whole_numbers_of_another_type(method):
    """Labels are compared as whole numbers, never as floats, which hold only 53 bits."""
    names = np.array([2**53, 2**53 + 1, 2**53 + 2], dtype=np.uint64)
    model, same = (small(warm_start=True).fit(X, names[y]) for _ in range(2))
    getattr(model, method)(X, names[y].astype(np.int64))
    assert_same(model, getattr(same, method)(X, names[y]))
    with pytest.raises(ValueError, match="got the label -1"):
        getattr(model, method)(X, np.where(y == 1, -1, names[y].astype(np.int64)))


@pytest.mark.parametrize("labels", [y == 1, pd.Series(y == 1, dtype="boolean")])
def test_booleans_are_two_classes(labels):
    """Two classes get two outputs, and booleans stay booleans."""
    model = small().fit(X, labels)
    assert model.classes_.tolist() == [False, True]
    assert model.predict(X).dtype == bool
    assert model.predict_proba(X).shape == (150, 2)
    assert model.score(X, y == 1) > 0.8
    assert_all_agree(model, labels)


@pytest.mark.parametrize("n_classes", [2, 10, 50])
@pytest.mark.parametrize("n_features", [1, 3, 500])
def test_any_number_of_classes_and_features(n_classes, n_features):
    """One feature is enough, two classes are enough, and many of each are fine."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % n_classes
    model = small(epochs=1).fit(rng.random((150, n_features)), labels)
    assert model.n_features_in_ == n_features
    assert model.coefs_[0].shape[0] == n_features
    assert model.predict_proba(rng.random((4, n_features))).shape == (4, n_classes)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, object])
def test_features_of_any_number_type(dtype):
    """Booleans, integers, floats and objects that are numbers train as the numbers they are."""
    pixels = (X * 16).round().astype(dtype)
    model, plain = small().fit(pixels, y), small().fit(pixels.astype(np.float32), y)
    assert_same(model, plain)
    assert_array_equal(model.predict(pixels), plain.predict(pixels.astype(np.float32)))


@pytest.mark.parametrize(
    "table",
    [
        (X * 16).round().tolist(),
        np.asfortranarray((X * 16).round()),
        pd.DataFrame((X * 16).round()),
        pd.DataFrame((X * 16).round()).astype("Int64"),
        pd.DataFrame((X * 16).round()).astype("Float32"),
        pd.DataFrame((X * 16).round()).astype("category"),
    ],
    ids=["lists", "Fortran order", "frame", "nullable Int64", "nullable Float32", "categories"],
)
def test_tables_of_any_kind(table):
    """Lists of lists, arrays of any order and frames of nullable or category columns are tables."""
    assert_same(small().fit(table, y), small().fit((X * 16).round(), y))


PIXELS = np.random.default_rng(0).integers(0, 256, (90, 81))
PIXEL_LABELS = np.arange(90) % 3
NOTHING = "make_pipeline(ImageFlattener(), MLPDigitClassifier())."
BY_255 = "make_pipeline(ImageFlattener(scale=255), MLPDigitClassifier())."
RAW = {
    "uint8": (PIXELS.astype(np.uint8), 255, NOTHING),
    "uint8, no square": (PIXELS[:, :70].astype(np.uint8), 255, NOTHING),
    "uint16": (PIXELS.astype(np.uint16) * 257, 65535, NOTHING),
    "uint16 of 8 bits": (PIXELS.astype(np.uint16), 255, BY_255),
    "int64": (PIXELS.astype(np.int64), 255, BY_255),
    "float32": (PIXELS.astype(np.float32), 255, BY_255),
    "lists": (PIXELS.astype(int).tolist(), 255, BY_255),
    "frame": (pd.DataFrame(PIXELS.astype(int)), 255, BY_255),
    "three channels": (PIXELS[:, :75].astype(float), 255, BY_255),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit", "pipeline"])
@pytest.mark.parametrize("kind", RAW)
def test_raw_pixels_are_warned_of_once(kind, method):
    """Pixels of 0 to 255 bring one warning, at the user's line, with a pipeline that mends it."""
    rows, most, fix = RAW[kind]
    model = small(epochs=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if method == "partial_fit":
            model.partial_fit(rows, PIXEL_LABELS, classes=[0, 1, 2])
            model.partial_fit(rows, PIXEL_LABELS)
        elif method == "pipeline":
            make_pipeline(FunctionTransformer(), model).fit(rows, PIXEL_LABELS)
        else:
            model.fit(rows, PIXEL_LABELS)
    assert [(one.category, str(one.message)) for one in caught] == [
        (
            UserWarning,
            f"MLPDigitClassifier: expected X in about [0, 1], got whole numbers up to {most} that "
            "look like raw pixels, with which it learns badly. Put an ImageFlattener before it: "
            + fix,
        )
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "rows",
    [
        DIGITS[:90],
        DIGITS[:90].astype(np.uint8),
        PIXELS / 255,
        PIXELS / 2,
        (PIXELS - PIXELS.mean(axis=0)) / PIXELS.std(axis=0),
        PIXELS - 128,
        PIXELS * 5,
        PIXELS > 127,
        (PIXELS > 127).astype(np.uint8),
        PIXELS[:, :36],
        PIXELS[:, :36].astype(np.uint8),
        PIXELS[:, :70],
        np.zeros((90, 784), np.uint8),
    ],
)
def test_other_tables_are_not_warned_of(rows):
    """Scaled pixels, counts, one-hot columns and small tables of whole numbers bring no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(epochs=1).fit(rows, PIXEL_LABELS)


def test_a_warning_of_raw_pixels_that_is_an_error_leaves_all_as_it_was():
    """Under ``-W error`` the warning comes before any work, and nothing is lost."""
    model = small(epochs=1).fit(X, y)
    before = weights_of(model)
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="ImageFlattener"):
        warnings.simplefilter("error")
        model.fit(PIXELS, PIXEL_LABELS)
    assert_array_equal(weights_of(model), before)
    assert model.n_features_in_ == 64


def test_fit_changes_nothing_it_is_given():
    """Rows, labels and weights are read, never written, and may be read-only."""
    given = X.copy(), y.copy(), np.arange(150.0)
    for array in given:
        array.flags.writeable = False
    small(class_weight="balanced", early_stopping=True).fit(*given)
    for array, before in zip(given, (X, y, np.arange(150.0)), strict=True):
        assert_array_equal(array, before)


# ----------------------------------------------------------------------------------------------
# Prediction


def test_the_four_answers_agree():
    """Probabilities sum to one, logs are their logs, the most probable class is predicted."""
    model = small().fit(X, y)
    probabilities = model.predict_proba(X)
    assert probabilities.dtype == np.float64
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert_allclose(np.exp(model.predict_log_proba(X)), probabilities, rtol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[probabilities.argmax(axis=1)])
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    assert model.score(X, y, y == 1) == np.mean(model.predict(X)[y == 1] == 1)


def test_a_row_s_answer_does_not_depend_on_its_neighbours():
    """Rows one by one, in blocks and all together get the same probabilities."""
    model = small().fit(X, y)
    together = model.predict_proba(X)
    assert_allclose([model.predict_proba(row[None])[0] for row in X], together, rtol=0, atol=1e-12)
    many = np.tile(X, (200, 1))
    assert_allclose(model.predict_proba(many)[:150], together, rtol=0, atol=1e-12)


def test_logarithms_stay_finite_where_probabilities_vanish():
    """A probability of zero has a finite logarithm."""
    model = small().fit(X, y)
    far = X * 1e6
    assert (model.predict_proba(far) == 0).any()
    assert np.isfinite(model.predict_log_proba(far)).all()


FITTED = {
    (activation, dtype): small(activation=activation, dtype=dtype, hidden_units=(16, 8))
    for activation in ACTIVATIONS
    for dtype in ("float32", "float64")
}


def fitted(activation, dtype):
    """Return a model of some activation, fitted once."""
    model = FITTED[activation, dtype]
    return model if hasattr(model, "coefs_") else model.fit(X, y)


@settings(deadline=None, max_examples=300)
@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    dtype=st.sampled_from(["float32", "float64"]),
    power=st.floats(-45, 38.5),
    seed=st.integers(0, 2**32 - 1),
    signs=st.booleans(),
)
def test_the_answers_agree_at_any_magnitude(activation, dtype, power, seed, signs):
    """What is predicted is the most probable class for all rows that are accepted, silently."""
    model = fitted(activation, dtype)
    rng = np.random.default_rng(seed)
    low = -1.0 if signs else 0.0
    rows = rng.uniform(low, 1, (50, 64)) * 10.0**power
    rows[::2] *= rng.random((25, 64)) < 0.1
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        probabilities = model.predict_proba(rows)
        logarithms = model.predict_log_proba(rows)
        predicted = model.predict(rows)
    assert np.isfinite(probabilities).all() and np.isfinite(logarithms).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(predicted, model.classes_[probabilities.argmax(axis=1)])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_largest_numbers_of_single_precision(activation):
    """Rows of the largest numbers that X may have get answers, and both the same."""
    model = fitted(activation, "float32")
    rng = np.random.default_rng(0)
    rows = rng.choice([-1, 0, 1], (100, 64)) * np.finfo(np.float32).max
    assert np.isfinite(model.predict_proba(rows)).all()
    assert_array_equal(model.predict(rows), model.predict_proba(rows).argmax(axis=1))


@pytest.mark.parametrize(
    "ask", ["predict", "predict_proba", "predict_log_proba", "predict_proba_samples"]
)
def test_what_overflows_double_precision_is_refused(ask):
    """Where no answer can be computed there is a sentence that names the row, never NaN."""
    model = fitted("relu", "float64")
    rows = np.vstack([X[:3], np.full(64, 1e308) * np.sign(model.coefs_[0][:, 0])])
    with warnings.catch_warnings(), pytest.raises(ValueError) as caught:
        warnings.simplefilter("error")
        getattr(model, ask)(rows)
    assert str(caught.value) == (
        "MLPDigitClassifier: expected rows whose answers float64 can hold, got row 3, where the "
        "network overflows. Scale X to about [0, 1], for example with "
        "sklearn.preprocessing.MinMaxScaler, or fit again with a smaller learning_rate."
    )


def test_a_fitted_model_does_not_change_with_its_parameters():
    """Parameters set after ``fit`` wait for the next ``fit``."""
    model = small().fit(X, y)
    before = model.predict_proba(X)
    model.set_params(activation="tanh", hidden_units=3, dtype="float64", dropout="?")
    assert_array_equal(model.predict_proba(X), before)
    assert [layer.units for layer in model.model_.layers if hasattr(layer, "units")] == [16, 16, 3]


# ----------------------------------------------------------------------------------------------
# Early stopping


def test_early_stopping_holds_out_a_share_of_each_class():
    """The held-out rows are stratified, their number is the fraction's, the seed decides them."""
    labels = np.repeat([0, 1, 2], [80, 50, 20])
    rows = held_out_rows(small(validation_fraction=0.3), labels)
    assert np.bincount(labels[rows]).tolist() == [24, 15, 6]
    model = small(early_stopping=True, validation_fraction=0.3)
    assert_same(model.fit(X, labels), small(**model.get_params()).fit(X, labels))


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_early_stopping_keeps_the_best_weights(engine):
    """The weights kept are those of the best epoch, not those of the last."""
    model = small(
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=2,
        learning_rate=0.2,  # so wild that accuracy goes up and down
        epochs=15,
        engine=engine,
    ).fit(X, y)
    accuracy = model.history_["val_accuracy"]
    assert accuracy[-1] < max(accuracy)
    rows = held_out_rows(model, y)
    assert model.score(X[rows], y[rows]) == pytest.approx(max(accuracy), abs=1e-6)


@pytest.mark.parametrize(("patience", "tol"), [(1, 0.0), (4, 0.0), (2, 1.0)])
def test_early_stopping_waits_as_long_as_it_is_told(patience, tol):
    """Training ends after ``n_iter_no_change`` epochs in a row without a rise by ``tol``."""
    model = small(
        early_stopping=True,
        n_iter_no_change=patience,
        tol=tol,
        epochs=60,
        learning_rate=0.01 if tol else 1e-12,  # with the latter nothing ever rises
    ).fit(X, y)
    assert model.n_iter_ == 1 + patience


def test_held_out_rows_are_not_trained_on():
    """What stands in the held-out rows does not reach the weights."""
    model = small(early_stopping=True, learning_rate=1e-4, n_iter_no_change=9)
    rows = held_out_rows(model, y)
    other = X.copy()
    other[rows] = other[rows][::-1] + 1
    history = model.fit(X, y).history_
    assert small(**model.get_params()).fit(other, y).history_["loss"] == history["loss"]


def test_without_early_stopping_its_parameters_do_nothing():
    """All rows are trained on for all epochs, whatever the other three parameters say."""
    model = small(validation_fraction=0.5, n_iter_no_change=1, tol=9.0).fit(X, y)
    assert_same(model, small().fit(X, y))
    assert model.n_iter_ == 3


# ----------------------------------------------------------------------------------------------
# Attributes


def test_history():
    """One plain column a figure, one float an epoch; the loss is also the loss curve."""
    plain = small().fit(X, y)
    assert sorted(plain.history_) == ["accuracy", "loss"]
    stopped = small(early_stopping=True).fit(X, y)
    assert sorted(stopped.history_) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for model in (plain, stopped):
        assert {len(column) for column in model.history_.values()} == {model.n_iter_} == {3}
        assert {type(value) for column in model.history_.values() for value in column} == {float}
        assert model.loss_curve_ == model.history_["loss"]
    assert plain.loss_curve_[-1] < plain.loss_curve_[0]


def test_the_first_loss_is_the_cross_entropy():
    """With hardly a step taken, the loss is the mean cross-entropy plus the l2 penalty."""
    model = small(
        dropout=0, batch_size=150, epochs=1, learning_rate=1e-9, l2=0.01, label_smoothing=0.3
    ).fit(X, y)
    targets = 0.7 * np.eye(3)[y] + 0.1
    entropy = -(targets * model.predict_log_proba(X)).sum(axis=1).mean()
    penalty = 0.01 * sum((kernel**2).sum() for kernel in model.coefs_)
    assert model.loss_curve_[0] == pytest.approx(entropy + penalty, rel=1e-5)
    assert model.history_["accuracy"][0] == pytest.approx(model.score(X, y), abs=0.01)


def test_fitted_attributes():
    """``fit`` says what it saw and which engine trained, in scikit-learn's names."""
    frame = pd.DataFrame(X, columns=[f"pixel_{i}" for i in range(64)])
    model = small().fit(frame, y)
    assert model.n_features_in_ == 64
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert_array_equal(model.classes_, [0, 1, 2])
    assert (model.engine_, model.n_iter_) == ("numpy", 3)
    assert {array.dtype for array in [*model.coefs_, *model.intercepts_]} == {np.dtype("float32")}
    assert not hasattr(model.fit(X, y), "feature_names_in_")


def test_float64():
    """``dtype`` is the weights' and the arithmetic's, and changes no result by much."""
    single, double = small(dropout=0).fit(X, y), small(dropout=0, dtype="float64").fit(X, y)
    assert {array.dtype for array in [*double.coefs_, *double.intercepts_]} == {np.dtype("float64")}
    assert_allclose(weights_of(double), weights_of(single), rtol=0, atol=1e-3)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2, 1: 0.5, 2: 1}, {0: 4}])
def test_class_weight_is_a_sample_weight(class_weight):
    """Weighing a class is weighing its rows, on top of their own weights."""
    own = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    if class_weight == "balanced":
        factors = own.sum() / (3 * np.bincount(y, own))
        assert_allclose(
            len(y) / (3 * np.bincount(y)),
            compute_class_weight("balanced", classes=np.arange(3), y=y),
        )
    else:
        factors = np.array([class_weight.get(label, 1) for label in range(3)])
    weighed = small(class_weight=class_weight).fit(X, y, sample_weight=own)
    assert_allclose(
        weights_of(weighed),
        weights_of(small().fit(X, y, sample_weight=own * factors[y])),
        rtol=0,
        atol=1e-6,
    )


def test_class_weight_is_keyed_by_labels_as_they_stand():
    """Keys are labels, whether text, booleans or NumPy's numbers."""
    names = np.array(["a", "b", "c"])
    expected = small(class_weight={1: 3}).fit(X, y)
    assert_same(small(class_weight={"b": 3}).fit(X, names[y]), expected)
    assert_same(small(class_weight={np.int64(1): 3}).fit(X, y), expected)
    assert_same(small(class_weight={0: 1, 1: 3, 2: 1, 7: 9}).fit(X, y), expected)
    two = small(class_weight={True: 3}).fit(X, y == 1)
    assert_same(two, small(class_weight={1: 3}).fit(X, (y == 1).astype(int)))


class Narrow(MLPDigitClassifier):
    """Exposes one parameter and fixes the rest."""

    def __init__(self, *, dropout=0.1):
        super().__init__(dropout=dropout, hidden_units=7, epochs=2, random_state=0)


class Wide(MLPDigitClassifier):
    """Has a parameter more."""

    def __init__(self, *, colour="red", hidden_units=7, epochs=2):
        super().__init__(hidden_units=hidden_units, epochs=epochs, random_state=0)
        self.colour = colour


@pytest.mark.parametrize("kind", [Narrow, Wide])
def test_a_subclass_may_expose_other_parameters(kind, tmp_path):
    """What a subclass exposes is its own affair: it fits, is cloned, pickled and named."""
    model = kind().fit(X, y)
    assert model.coefs_[0].shape == (64, 7)
    assert_same(clone(model).fit(X, y), model)
    assert_same(pickle.loads(pickle.dumps(model)), model)
    kind().fit(X, y).partial_fit(X, y)
    model.checkpoint = tmp_path / "kept"
    assert_same(model.fit(X, y), kind().fit(X, y))
    with pytest.raises(ValueError, match=f"^{kind.__name__}: expected X of 2 dimensions"):
        model.fit(X.reshape(-1, 8, 8), y)


def test_attributes_that_users_of_scikit_learns_classifier_read():
    """The names of ``MLPClassifier`` say here what they say there."""
    model = small(early_stopping=True, validation_fraction=0.3).fit(X, y)
    assert (model.n_layers_, model.n_outputs_, model.out_activation_) == (4, 3, "softmax")
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ == model.history_["val_accuracy"]
    assert model.best_validation_score_ == max(model.validation_scores_)
    plain = small().fit(X, y)
    assert plain.validation_scores_ is plain.best_validation_score_ is None
