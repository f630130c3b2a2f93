"""Bad input: one clear sentence of the expected type, before training, and nothing is lost."""

import copy
import dataclasses
import inspect

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning, NotFittedError

from sk_mnist_mlp import MLPDigitClassifier, RandomDistortion
from sk_mnist_mlp.exceptions import InvalidParameterError

DIGITS, TARGET = load_digits(return_X_y=True)
X = DIGITS[TARGET < 3][:90] / 16
y = np.repeat([0, 1, 2], 30)
WHO = "MLPDigitClassifier: expected "


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted classifier; no test may change it."""
    return MLPDigitClassifier(hidden_units=4, epochs=1, random_state=0, warm_start=True).fit(X, y)


@pytest.fixture(autouse=True)
def no_training(request, monkeypatch):
    """Fail a test in which training starts."""

    def train(*arguments):
        pytest.fail("training has started")

    request.getfixturevalue("fitted")
    monkeypatch.setattr("sk_mnist_mlp._estimators.classifier.train", train)


def changed(model, **parameters):
    """Return a fitted model with other parameters; it shares what was learnt with the first."""
    return copy.copy(model).set_params(**parameters)


def frozen(value):
    """Return a value in a form that compares by its contents."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: frozen(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.random.RandomState):
        return [frozen(part) for part in value.get_state()]
    if isinstance(value, list):
        return [frozen(part) for part in value]
    return value


def state_of(model):
    """Return all that a model holds, and what it predicts, in a form that compares."""
    answers = [model.predict_proba(X)] if hasattr(model, "coefs_") else []
    return {name: frozen(value) for name, value in vars(model).items()}, frozen(answers)


def refusal(model, call, kind=ValueError):
    """Return what a call on a model is refused with; the model must stay as it was."""
    before = state_of(model)
    with pytest.raises(kind) as caught:
        call(model)
    assert state_of(model) == before
    return str(caught.value)


# ----------------------------------------------------------------------------------------------
# Parameters

COUNT = "an int in the range [1, inf)"
FLAG = "an instance of 'bool' or an instance of 'numpy.bool'"
NOT_NEGATIVE = "a float in the range [0.0, inf)"
BAD_PARAMETERS = {
    "hidden_units": (
        COUNT + " or a sequence of such ints",
        [
            0,
            -1,
            2.0,
            True,
            None,
            "256",
            [],
            (),
            {3},
            [4, 0],
            [4, 2.5],
            np.array([[4]]),
            np.array(4),
        ],
    ),
    "dropout": (
        "a float in the range [0.0, 1.0)",
        [1, 1.0, 45, -0.1, np.nan, np.inf, "0.4", None, False, np.array(0.3), [0.4, 0.4]],
    ),
    "activation": (
        (
            "a str among {'elu', 'gelu', 'leaky_relu', 'linear', 'mish', 'relu', 'relu6', 'selu', "
            "'sigmoid', 'silu', 'softplus', 'softsign', 'swish', 'tanh'}"
        ),
        ["rellu", "softmax", "ReLU", "", None, np.tanh, [], keras.activations.relu],
    ),
    "optimizer": (
        "the name of a Keras optimizer or an instance of one",
        ["adm", "", None, 3, {}, keras.optimizers.Adam, "loss_scale_optimizer", ["adam"]],
    ),
    "learning_rate": (
        "a float in the range (0.0, inf)",
        [0, -0.1, np.nan, np.inf, "auto", None, True, [0.1]],
    ),
    "learning_rate_schedule": (
        ("None, a str among {'cosine', 'one_cycle'} or a Keras LearningRateSchedule"),
        ["cosin", "", 0.1, True, ["cosine"], {}],
    ),
    "l2": (NOT_NEGATIVE, [-1e-9, np.nan, np.inf, "0", None, True]),
    "label_smoothing": ("a float in the range [0.0, 1.0)", [1, -0.1, np.nan, "0.1", None, True]),
    "batch_size": (COUNT, [0, -1, 1.5, 128.0, "auto", None, True, np.inf]),
    "epochs": (COUNT, [0, -1, 2.0, "20", None, True, np.array([2, 3])]),
    "early_stopping": (FLAG, [0, 1, None, "yes", 0.1]),
    "validation_fraction": (
        "a float in the range (0.0, 1.0)",
        [0, 1, 1.5, -0.1, np.nan, None, "0.1", True],
    ),
    "monitor": (
        "a str among {'val_accuracy', 'val_loss'}",
        ["loss", "accuracy", None, 1, ["val_loss"], "VAL_LOSS"],
    ),
    "n_iter_no_change": (COUNT, [0, -1, 1.5, None, "10", True, np.inf]),
    "tol": (NOT_NEGATIVE, [-1e-9, np.nan, np.inf, None, "0", True]),
    "class_weight": (
        ("None, a str among {'balanced'} or a dict of label to finite weight of 0 or more"),
        ["balance", {0: -1}, {0: np.nan}, {0: "2"}, {0: None}, [1, 2, 3], 2, {0: True}],
    ),
    "warm_start": (FLAG, [0, 1, None, "yes"]),
    "callbacks": (
        "None, a function, a Keras callback or a list of them",
        [[1], "x", 5, keras.callbacks.EarlyStopping, {}, [None]],
    ),
    "checkpoint": ("None or a file's path", ["", 5, True, b"digits", ["digits"], print]),
    "dtype": (
        "a str among {'float32', 'float64'}",
        ["float16", "double", np.float32, None, 32, "", np.dtype("float32")],
    ),
    "engine": (
        "a str among {'auto', 'numpy', 'xla', 'keras'}",
        ["compiled", "Keras", None, 1, ["auto"]],
    ),
    "augmentation": (
        ("None or an instance of 'sk_mnist_mlp._estimators.distortion.RandomDistortion'"),
        [True, "random", 12.0, RandomDistortion, {"rotation": 3}],
    ),
    "random_state": (
        (
            "an int in the range [0, 4294967295], an instance of "
            "'numpy.random.mtrand.RandomState' or None"
        ),
        ["abc", -1, 2**32, 1.5, np.nan, True, np.random.default_rng(0), [1, 2]],
    ),
    "verbose": (
        "an int in the range [0, inf), an instance of 'bool' or an instance of 'numpy.bool'",
        [-1, 1.5, None, "loud", np.inf],
    ),
}
CASES = [
    (name, value, method)
    for name, (_, values) in BAD_PARAMETERS.items()
    for number, value in enumerate(values)
    for method in (("fit",) if number else ("fit", "partial_fit"))
]
HUGE = 10**400


@pytest.mark.parametrize(
    ("name", "value", "method"), CASES, ids=[f"{n}={v!r}, {m}" for n, v, m in CASES]
)
def test_wrong_parameters(fitted, name, value, method):
    """Each parameter says in scikit-learn's words what it may be and what it was."""
    model = changed(fitted, **{name: value})
    message = refusal(model, lambda model: getattr(model, method)(X, y), InvalidParameterError)
    assert message == (
        f"The {name!r} parameter of MLPDigitClassifier must be {BAD_PARAMETERS[name][0]}. Got "
        f"{value!r} instead."
    )


def test_the_table_of_wrong_parameters_is_complete():
    """Every parameter is in the table above."""
    assert set(inspect.signature(MLPDigitClassifier).parameters) == set(BAD_PARAMETERS)


@pytest.mark.parametrize("name", ["dropout", "learning_rate", "l2", "tol"])
@pytest.mark.parametrize("value", [HUGE, -HUGE])
def test_numbers_beyond_floats(fitted, name, value):
    """An integer that no float can hold is out of range, like any other."""
    message = refusal(
        clone(fitted).set_params(**{name: value}), lambda m: m.fit(X, y), InvalidParameterError
    )
    assert message.startswith(f"The {name!r} parameter of MLPDigitClassifier must be a float")


def test_a_wrong_parameter_is_a_value_error_and_a_type_error(fitted):
    """Whichever of the two a user catches, it is caught."""
    for kind in (ValueError, TypeError):
        refusal(clone(fitted).set_params(epochs=0), lambda model: model.fit(X, y), kind)


def test_construction_refuses_only_unknown_names():
    """A wrong value is found by ``fit``; a wrong name, or no name, at once."""
    assert MLPDigitClassifier(dropout="?").dropout == "?"
    with pytest.raises(TypeError, match="drop_out"):
        MLPDigitClassifier(drop_out=0.1)
    with pytest.raises(TypeError, match="positional"):
        MLPDigitClassifier(256)
    with pytest.raises(ValueError, match="Invalid parameter 'drop_out'"):
        MLPDigitClassifier().set_params(drop_out=0.1)


# ----------------------------------------------------------------------------------------------
# Rows


def with_value(value, dtype=float):
    """Return rows of which one entry is ``value``."""
    rows = X.astype(dtype)
    rows[7, 11] = value
    return rows


SCALE = "Scale X to about [0, 1], for example with sklearn.preprocessing.MinMaxScaler."
FLATTEN = "Put an ImageFlattener before it: make_pipeline(ImageFlattener(), MLPDigitClassifier())."
CONVERT = "Convert it first, for example with X.astype(float)."
NAN = "Input X contains NaN.\nMLPDigitClassifier does not accept missing values encoded as NaN"
NO_NUMBERS = "dtype='numeric' is not compatible with arrays of bytes/strings"
RAGGED = "setting an array element with a sequence. The requested array has an inhomogeneous shape"
DENSE = "Sparse data was passed for X, but dense data is required."
WORDS = X.astype(object)
WORDS[3, 4] = "dark"
DICTS = X.astype(object)
DICTS[3, 4] = {}
NAMED = pd.DataFrame(X).rename(columns=str)
THEIR_ROWS = {
    "NaN": (with_value(np.nan), ValueError, NAN),
    "infinity": (
        with_value(-np.inf),
        ValueError,
        "Input X contains infinity or a value too large for dtype('float64').",
    ),
    "NaN in single precision": (with_value(np.nan, np.float32), ValueError, NAN),
    "None among objects": (with_value(None, object), ValueError, NAN),
    "a gap in a nullable column": (NAMED.astype("Float64").mask(NAMED > 0.9), ValueError, NAN),
    "a gap in a polars column": (pl.DataFrame({"a": [0.5, None] * 45}), ValueError, NAN),
    "one row": (X[0], ValueError, "Expected 2D array, got 1D array instead"),
    "one column of a frame": (NAMED["3"], ValueError, "Expected a 2-dimensional container but got"),
    "nothing": (None, ValueError, "Expected 2D array, got scalar array instead"),
    "a number": (5, ValueError, "Expected 2D array, got scalar array instead"),
    "a name": ("mnist", ValueError, "Expected 2D array, got scalar array instead"),
    "rows of two lengths": ([[1.0, 2.0], [3.0]], ValueError, RAGGED),
    "a sparse matrix": (sparse.csr_matrix(X), TypeError, DENSE),
    "a sparse array": (sparse.coo_array(X), TypeError, DENSE),
    "words among objects": (WORDS, ValueError, "could not convert string to float: 'dark'"),
    "dicts among objects": (DICTS, TypeError, "float() argument must be a string or a real number"),
    "a column of words": (
        pd.DataFrame({"a": ["dark", "light"] * 45}),
        ValueError,
        "could not convert string to float: 'dark'",
    ),
    "a polars column of words": (
        pl.DataFrame({"a": ["dark", "light"] * 45}),
        ValueError,
        "could not convert string to float: 'dark'",
    ),
    "text": (X.astype(str), ValueError, NO_NUMBERS),
    "bytes": (np.full((90, 2), b"7"), ValueError, NO_NUMBERS),
    "complex numbers": (X + 1j, ValueError, "Complex data not supported"),
}
OUR_ROWS = {
    "beyond float32": (
        with_value(1e300),
        f"X within the range of float32, got 1e+300. {SCALE}",
    ),
    "below float32": (
        with_value(-1e300),
        f"X within the range of float32, got -1e+300. {SCALE}",
    ),
    "images": (X.reshape(-1, 8, 8), f"X of 2 dimensions, got shape (90, 8, 8). {FLATTEN}"),
    "images with channels": (
        X.reshape(-1, 8, 8, 1),
        f"X of 2 dimensions, got shape (90, 8, 8, 1). {FLATTEN}",
    ),
    "images as lists": (
        X.reshape(-1, 8, 8).tolist(),
        f"X of 2 dimensions, got shape (90, 8, 8). {FLATTEN}",
    ),
    "dates": (
        np.zeros((90, 64), "datetime64[s]"),
        f"X of numbers, got dtype datetime64[s]. {CONVERT}",
    ),
    "a column of dates": (
        pd.DataFrame({"a": np.zeros(90, "datetime64[s]")}),
        f"X of numbers, got dtype datetime64[s]. {CONVERT}",
    ),
}
BAD_ROWS = THEIR_ROWS | {
    kind: (rows, ValueError, WHO + sentence) for kind, (rows, sentence) in OUR_ROWS.items()
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_rows_that_are_no_table_of_numbers(fitted, kind):
    """Each kind of wrong X is refused: in scikit-learn's words, or in ours that say what to do."""
    rows, error, sentence = BAD_ROWS[kind]
    for model, call in (
        (clone(fitted), lambda model: model.partial_fit(rows, y, classes=[0, 1, 2])),
        (changed(fitted, warm_start=False), lambda model: model.fit(rows, y)),
    ):
        message = refusal(model, call, error)
        assert message.startswith(sentence)
        assert message == sentence or kind in THEIR_ROWS


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("kind", [kind for kind in BAD_ROWS if "column" not in kind])
def test_rows_that_cannot_be_predicted(fitted, kind, method):
    """Prediction refuses wrong rows in the same words as training does."""
    rows, error, sentence = BAD_ROWS[kind]
    message = refusal(fitted, lambda model: getattr(model, method)(rows), error)
    if "features as input" not in message:
        assert message.startswith(sentence)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.fit(X[:, :5], y),  # a warm start
        lambda model: model.partial_fit(X[:, :5], y),
        lambda model: model.predict(X[:, :5]),
        lambda model: model.score(X[:, :5], y),
    ],
)
def test_another_number_of_columns(fitted, call):
    """Rows of another width than in ``fit`` are refused in scikit-learn's words."""
    assert refusal(fitted, call) == (
        "X has 5 features, but MLPDigitClassifier is expecting 64 features as input."
    )


def test_columns_of_other_names(no_training, monkeypatch):
    """Columns in another order or of other names are refused, with scikit-learn's list of them."""
    monkeypatch.undo()
    model = MLPDigitClassifier(hidden_units=4, epochs=1).fit(NAMED, y)
    start = "The feature names should match those that were passed during fit.\n"
    swapped, renamed = NAMED[NAMED.columns[::-1]], NAMED.rename(columns={"3": "three"})
    for table, rest in (
        (swapped, "Feature names must be in the same order as they were in fit.\n"),
        (
            renamed,
            "Feature names unseen at fit time:\n- three\n"
            "Feature names seen at fit time, yet now missing:\n- 3\n",
        ),
    ):
        with pytest.raises(ValueError) as caught:
            model.predict(table)
        assert str(caught.value) == start + rest


def test_no_rows_and_no_columns(fitted):
    """Empty tables are refused in scikit-learn's words."""
    assert refusal(clone(fitted), lambda model: model.fit(X[:0], y[:0])) == (
        "Found array with 0 sample(s) (shape=(0, 64)) while a minimum of 1 is required by "
        "MLPDigitClassifier."
    )
    assert refusal(clone(fitted), lambda model: model.fit(X[:, :0], y)) == (
        "Found array with 0 feature(s) (shape=(90, 0)) while a minimum of 1 is required by "
        "MLPDigitClassifier."
    )
    assert "0 sample(s)" in refusal(fitted, lambda model: model.predict(X[:0]))


# ----------------------------------------------------------------------------------------------
# Labels

NAMES = np.array(["a", "b", "c"])[y]
GAPS = NAMES.astype(object)
GAPS[5] = None
MIXED = NAMES.astype(object)
MIXED[5] = 7
DROP = "Drop rows without a label, and convert the rest, as by {}.astype(str)."
UNKNOWN = "Unknown label type: unknown"
CONTINUOUS = "Unknown label type: continuous"
ONE = "y should be a 1d array, got an array of shape {} instead."
KIND = "y of numbers, text or dates, got dtype {}. Convert it, for example with y.astype(str)."
OUR_LABELS = {
    "one class": (
        np.full(90, 7),
        ValueError,
        "y of two classes or more, got 1 class ([7]). Give rows of at least one more class, with a "
        "weight above 0.",
    ),
    "one class of text": (
        np.full(90, "seven"),
        ValueError,
        "y of two classes or more, got 1 class (['seven']). Give rows of at least one more class, "
        "with a weight above 0.",
    ),
    "None": (
        GAPS,
        ValueError,
        f"a label in every row of y, all of one kind, got None in row 5. {DROP.format('y')}",
    ),
    "NA": (
        pd.Series(NAMES, dtype="string").mask(y == 1),
        ValueError,
        f"a label in every row of y, all of one kind, got <NA> in row 30. {DROP.format('y')}",
    ),
    "no day": (
        np.where(y == 1, np.datetime64("NaT"), np.datetime64("2026-01-01")),
        ValueError,
        "a label in every row of y, all of one kind, got np.datetime64('NaT','D') in row 30. "
        + DROP.format("y"),
    ),
    "no time": (
        np.where(y == 1, np.timedelta64("NaT"), np.timedelta64(1, "s")),
        ValueError,
        "a label in every row of y, all of one kind, got np.timedelta64('NaT','s') in row 30. "
        + DROP.format("y"),
    ),
    "numbers and text": (
        MIXED,
        ValueError,
        f"a label in every row of y, all of one kind, got 7 in row 5. {DROP.format('y')}",
    ),
    "masked": (
        np.ma.array(y, mask=y == 1),
        ValueError,
        "a label in every row of y, got masked ones. Drop such rows first.",
    ),
    "bytes": (NAMES.astype("S"), TypeError, KIND.format("|S1")),
    "NumPy's own strings": (
        NAMES.astype(np.dtypes.StringDType()),
        TypeError,
        KIND.format("StringDType()"),
    ),
    "records": (
        np.array([(label,) for label in y], dtype=[("digit", int)]),
        TypeError,
        KIND.format("[('digit', '<i8')]"),
    ),
}
THEIR_LABELS = {
    "no labels": (None, ValueError, ONE.format("()")),
    "too few": (
        y[:-1],
        ValueError,
        "Found input variables with inconsistent numbers of samples: [90, 89]",
    ),
    "NaN": (np.where(y == 1, np.nan, y), ValueError, "Input y contains NaN."),
    "infinity": (np.where(y == 2, np.inf, y), ValueError, "Input y contains infinity"),
    "objects that are numbers": (y.astype(object), ValueError, UNKNOWN),
    "objects that are floats": (pd.Series(y.astype(float)).astype(object), ValueError, UNKNOWN),
    "objects that are booleans": ((y == 1).astype(object), ValueError, UNKNOWN),
    "numbers and booleans": (np.array([True, 1, 2] * 30, dtype=object), ValueError, UNKNOWN),
    "fractions among objects": ((y + 0.25).astype(object), ValueError, UNKNOWN),
    "numbers that only floats hold": ([0, 1, 2**63] * 30, ValueError, CONTINUOUS),
    "fractions": (y + 0.25, ValueError, CONTINUOUS),
    "one-hot": (np.eye(3)[y], ValueError, ONE.format("(90, 3)")),
    "one number": (3, ValueError, ONE.format("()")),
    "lists of two lengths": ([[1], [1, 2]] * 45, ValueError, RAGGED),
    "sparse": (
        sparse.csr_matrix(np.eye(3)[y]),
        TypeError,
        "Sparse data was passed for y, but dense data is required.",
    ),
    "complex": (y + 1j, ValueError, "Complex data not supported"),
}

BAD_LABELS = THEIR_LABELS | {
    kind: (labels, error, f"{WHO}{sentence}")
    for kind, (labels, error, sentence) in OUR_LABELS.items()
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_labels_that_are_none(fitted, kind):
    """Each kind of wrong y is refused: in scikit-learn's words, or in ours that say what to do."""
    labels, error, sentence = BAD_LABELS[kind]
    message = refusal(clone(fitted), lambda model: model.fit(X, labels), error)
    assert message.startswith(sentence)
    assert message == sentence or kind in THEIR_LABELS
    anew = changed(fitted, warm_start=False)
    assert refusal(anew, lambda model: model.fit(X, labels), error) == message


def test_a_column_of_labels_is_taken_with_scikit_learn_s_warning(fitted, monkeypatch):
    """A column vector is understood, and its shape warned of."""
    monkeypatch.undo()
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = clone(fitted).fit(X, y[:, None])
    assert model.predict(X).shape == (90,)


KNOWN = (
    "Name all classes in the first call: partial_fit(X, y, classes=...), or fit anew with "
    "warm_start=False."
)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [(y + 1, "3"), (NAMES, "'a'"), (NAMES.astype(object), "'a'"), (-1 - y, "-1"), (y == 9, None)],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_labels_unseen_before(fitted, labels, shown, method, monkeypatch):
    """Going on refuses a label that the first call did not name, whatever its kind."""
    if shown is None:  # False is the known class 0, as everywhere in Python
        monkeypatch.undo()
        getattr(clone(fitted).fit(X, y), method)(X, labels)
        return
    assert refusal(fitted, lambda model: getattr(model, method)(X, labels)) == (
        f"{WHO}y of the known classes [0, 1, 2], got the label {shown}. {KNOWN}"
    )


def test_many_classes_are_not_all_listed(fitted):
    """A sentence stays a sentence where there are hundreds of classes."""
    message = refusal(
        clone(fitted), lambda model: model.partial_fit(X, y + 500, classes=np.arange(300))
    )
    assert message == (
        f"{WHO}y of the known classes [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …], got the label 500. {KNOWN}"
    )


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        (
            None,
            f"{WHO}classes in the first call of partial_fit, got None. Name all labels there will "
            "ever be: partial_fit(X, y, classes=np.unique(y)).",
        ),
        ([0], f"{WHO}two classes or more, got [0]. Name all labels there will ever be."),
        ([], f"{WHO}two classes or more, got []. Name all labels there will ever be."),
        ([0, 1], f"{WHO}y of the known classes [0, 1], got the label 2. {KNOWN}"),
        (["a", "b"], f"{WHO}y of the known classes ['a', 'b'], got the label 0. {KNOWN}"),
        (3, f"{WHO}classes of 1 dimension, got shape (). List each label once."),
        ([[0, 1, 2]], f"{WHO}classes of 1 dimension, got shape (1, 3). List each label once."),
        (
            ["a", "b", None],
            f"{WHO}a label in every row of classes, all of one kind, got None in row 2. "
            + DROP.format("classes"),
        ),
        ([0, 1, np.nan], "Input classes contains NaN."),
        ([0, 1, 2.5], CONTINUOUS),
    ],
)
def test_wrong_classes_of_the_first_call(fitted, classes, sentence):
    """``partial_fit`` must be told two classes or more, and all that come."""
    message = refusal(clone(fitted), lambda model: model.partial_fit(X, y, classes=classes))
    assert message.startswith(sentence)


def test_other_classes_in_a_later_call(fitted):
    """Classes named again must be the same."""

    def call(model):
        return model.partial_fit(X, y, classes=[0, 1, 2, 3])

    assert refusal(fitted, call) == (
        f"{WHO}the classes of the first call, [0, 1, 2], got [0, 1, 2, 3]. Leave classes out, or "
        "clone the estimator to start anew."
    )


# ----------------------------------------------------------------------------------------------
# Weights

NEGATIVE = "Negative values in data passed to `sample_weight`"
FLOAT = "could not convert string to float: "
BAD_WEIGHTS = {
    "zeros": (np.zeros(90), "Sample weights must contain at least one non-zero number."),
    "negative": (np.r_[np.ones(89), -2], NEGATIVE),
    "a negative number": (-2, NEGATIVE),
    "NaN": (np.r_[np.ones(89), np.nan], "Input sample_weight contains NaN."),
    "NaN for all": (np.nan, "Input sample_weight contains NaN."),
    "infinite": (np.r_[np.ones(89), np.inf], "Input sample_weight contains infinity"),
    "too few": (np.ones(89), "sample_weight.shape == (89,), expected (90,)!"),
    "a column": (np.ones((90, 1)), "Sample weights must be 1D array or scalar"),
    "a word": ("balanced", FLOAT),
    "words": (["heavy"] * 90, FLOAT),
    "complex": (np.ones(90) * 1j, "Complex data not supported"),
    "of one class": (
        (y == 1).astype(float),
        f"{WHO}y of two classes or more, got 1 class ([1]). Give rows of at least one more class, "
        "with a weight above 0.",
    ),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_wrong_weights(fitted, kind):
    """Each kind of wrong sample weights is refused, mostly in scikit-learn's words."""
    weights, sentence = BAD_WEIGHTS[kind]
    fresh = clone(fitted)
    assert refusal(fresh, lambda model: model.fit(X, y, weights)).startswith(sentence)
    if kind != "of one class":
        assert refusal(fitted, lambda m: m.fit(X, y, weights)).startswith(sentence)

        def call(model):
            return model.partial_fit(X, y, [0, 1, 2], weights)

        assert refusal(fresh, call) == refusal(fitted, call)
        assert refusal(fresh, call).startswith(sentence)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        (sparse.csr_matrix(np.ones((90, 1))), TypeError),
        ({0: 2, 1: 1}, TypeError),
        ([10**400] * 90, OverflowError),
    ],
)
def test_weights_of_other_kinds(fitted, weights, error):
    """What is no array of numbers is refused before any work."""
    refusal(clone(fitted), lambda model: model.fit(X, y, weights), error)


@pytest.mark.parametrize(
    ("class_weight", "sentence"),
    [
        (
            {"1": 5},
            "class_weight of the classes [0, 1, 2], got the label '1'. Key it by labels as they "
            "stand in y.",
        ),
        (
            {0: 0, 1: 0, 2: 0},
            "class_weight to leave some row with a weight above 0, got {0: 0, 1: 0, 2: 0}. Raise a "
            "weight.",
        ),
    ],
)
def test_class_weights_that_do_not_fit(fitted, class_weight, sentence):
    """Class weights of labels that are none, or that leave nothing, are refused."""
    model = clone(fitted).set_params(class_weight=class_weight)
    assert refusal(model, lambda model: model.fit(X, y)) == WHO + sentence


# ----------------------------------------------------------------------------------------------
# The rest


@pytest.mark.parametrize(
    ("fraction", "labels", "sentence"),
    [
        (
            0.01,
            y,
            "validation_fraction to hold out a row of each of 3 classes, got 0.01, which holds out "
            "1 of 90 rows. Use a larger fraction or early_stopping=False.",
        ),
        (
            0.99,
            y,
            "a row of each class to train on beside those held out, got 30 of class 0 with "
            "validation_fraction=0.99. Give more rows, use a smaller fraction or "
            "early_stopping=False.",
        ),
        (
            0.1,
            np.r_[y[:-1], 9],
            "a row of each class to train on beside those held out, got 1 of class 9 with "
            "validation_fraction=0.1. Give more rows, use a smaller fraction or "
            "early_stopping=False.",
        ),
    ],
)
def test_early_stopping_needs_rows_of_each_class_on_both_sides(fitted, fraction, labels, sentence):
    """A fraction that holds out too little or too much of a class is refused."""
    model = clone(fitted).set_params(early_stopping=True, validation_fraction=fraction)
    assert refusal(model, lambda model: model.fit(X, labels)) == WHO + sentence


def test_going_on_with_other_layers(fitted):
    """A warm start cannot change the network's shape, and says which it has."""
    model = changed(fitted, hidden_units=(9, 9, 9))
    for call in (lambda m: m.fit(X, y), lambda m: m.partial_fit(X, y)):
        assert refusal(model, call) == (
            f"{WHO}hidden_units as in the fit to resume, (4, 4), got (9, 9, 9). Set it back, "
            "or clone the estimator to start anew."
        )


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.predict(X),
        lambda model: model.predict_proba(X),
        lambda model: model.predict_log_proba(X),
        lambda model: model.score(X, y),
        lambda model: model.model_,
    ],
)
def test_unfitted(ask):
    """Asking a classifier that has learnt nothing is scikit-learn's NotFittedError."""
    assert refusal(MLPDigitClassifier(), ask, NotFittedError) == (
        "This MLPDigitClassifier instance is not fitted yet. Call 'fit' with appropriate arguments "
        "before using this estimator."
    )
    assert not hasattr(MLPDigitClassifier(), "model_")


def test_a_refused_fit_draws_nothing_from_a_generator(fitted):
    """A generator given as ``random_state`` moves on only when something is trained."""
    generator = np.random.RandomState(0)
    model = clone(fitted).set_params(random_state=generator, early_stopping=True)
    model.set_params(validation_fraction=0.99, random_state=generator)
    before = frozen(generator)
    refusal(model, lambda model: model.fit(X, y))
    assert frozen(generator) == before
