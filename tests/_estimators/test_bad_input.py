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

from sk_mnist_mlp import MLPDigitClassifier
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

WIDTHS = (
    "to be a whole number of 1 or more, or a sequence of them, got {}. Use 256 for two hidden "
    "layers of 256 units, or (512, 128) for one width a layer."
)
COUNT = "to be a whole number of 1 or more, got {}. "
FLAG = "to be True or False, got {}. "
NOT_NEGATIVE = "to be a number of 0 or more, got {}. "
BAD_PARAMETERS = {
    "hidden_units": (
        WIDTHS,
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
        "to be a number in [0, 1), got {}. Use 0 for no dropout; the tutorial uses 0.45.",
        [1, 1.0, 45, -0.1, np.nan, np.inf, "0.4", None, False, np.array(0.3), [0.4, 0.4]],
    ),
    "activation": (
        "to be one of elu, gelu, leaky_relu, linear, mish, relu, relu6, selu, sigmoid, silu, "
        'softplus, softsign, swish, tanh, got {}. The tutorial uses "relu".',
        ["rellu", "softmax", "ReLU", "", None, np.tanh, [], keras.activations.relu],
    ),
    "optimizer": (
        "to be the name of a Keras optimizer or an instance of one, got {}. "
        'Use "adam", "adamw", "sgd", "rmsprop" or keras.optimizers.SGD(0.1, momentum=0.9).',
        ["adm", "", None, 3, {}, keras.optimizers.Adam, "loss_scale_optimizer", ["adam"]],
    ),
    "learning_rate": (
        "to be a number above 0, got {}. The tutorial's Adam uses 0.001.",
        [0, -0.1, np.nan, np.inf, "auto", None, True, [0.1]],
    ),
    "learning_rate_schedule": (
        "to be None, one of cosine, one_cycle, or a Keras LearningRateSchedule, got {}. "
        'Use "cosine" to warm up and then decay to zero by the last epoch.',
        ["cosin", "", 0.1, True, ["cosine"], {}],
    ),
    "l2": (NOT_NEGATIVE + "Use 0 for no penalty.", [-1e-9, np.nan, np.inf, "0", None, True]),
    "label_smoothing": (
        "to be a number in [0, 1), got {}. Use 0 for none; 0.1 is usual.",
        [1, -0.1, np.nan, "0.1", None, True],
    ),
    "batch_size": (
        COUNT + "The tutorial uses 128 rows a step.",
        [0, -1, 1.5, 128.0, "auto", None, True, np.inf],
    ),
    "epochs": (COUNT + "The tutorial uses 20.", [0, -1, 2.0, "20", None, True, np.array([2, 3])]),
    "early_stopping": (FLAG + "Use False to train all epochs.", [0, 1, None, "yes", 0.1]),
    "validation_fraction": (
        "to be a number in (0, 1), got {}. Use 0.1 to hold out a tenth of each class.",
        [0, 1, 1.5, -0.1, np.nan, None, "0.1", True],
    ),
    "n_iter_no_change": (
        COUNT + "Use 10 to wait ten epochs for an improvement.",
        [0, -1, 1.5, None, "10", True, np.inf],
    ),
    "tol": (
        NOT_NEGATIVE + "It is in units of accuracy; 0.0001 is usual.",
        [-1e-9, np.nan, np.inf, None, "0", True],
    ),
    "class_weight": (
        'to be None, "balanced" or a dict of label to weight of 0 or more, got {}. '
        'Use "balanced" to weigh classes by the inverse of their frequency.',
        ["balance", {0: -1}, {0: np.nan}, {0: "2"}, {0: None}, [1, 2, 3], 2, {0: True}],
    ),
    "warm_start": (FLAG + "Use True to resume the last fit.", [0, 1, None, "yes"]),
    "callbacks": (
        "to be None, a Keras callback or a list of them, got {}. "
        "Derive your own from keras.callbacks.Callback.",
        [[1], "x", 5, print, keras.callbacks.EarlyStopping, {}, [None]],
    ),
    "checkpoint": (
        'to be None or a file\'s path, got {}. Use "digits.checkpoint", or None to keep nothing.',
        ["", 5, True, b"digits", ["digits"], print],
    ),
    "dtype": (
        'to be "float32" or "float64", got {}. float32 is twice as fast.',
        ["float16", "double", np.float32, None, 32, "", np.dtype("float32")],
    ),
    "engine": (
        "to be one of auto, numpy, xla, keras, got {}. "
        'Use "auto" to take the fastest engine that can train what is asked for.',
        ["compiled", "Keras", None, 1, ["auto"]],
    ),
    "image_shape": (
        "to be None, (height, width) or (height, width, channels), got {}. "
        "Use None for square images of one channel.",
        [64, (64,), (8, 8, 1, 1), (8, 0), "8x8", (8.0, 8.0), []],
    ),
    "random_state": (
        "to be None, a whole number from 0 to 4294967295 or a numpy.random.RandomState, got {}. "
        "Use 0, or any other number, to make every fit the same.",
        ["abc", -1, 2**32, 1.5, np.nan, True, np.random.default_rng(0), [1, 2]],
    ),
    "verbose": (
        "to be a whole number of 0 or more, got {}. "
        "Use 0 for silence, 1 for a live bar, 2 for one line per epoch.",
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


def shown(value):
    """Return a value as an error sentence shows it: cut where it is long."""
    text = repr(value)
    return f"{text[:77]}..." if len(text) > 80 else text


@pytest.mark.parametrize(
    ("name", "value", "method"), CASES, ids=[f"{n}={shown(v)}, {m}" for n, v, m in CASES]
)
def test_wrong_parameters(fitted, name, value, method):
    """Each parameter says what it may be, what it was, and what to use."""
    sentence = BAD_PARAMETERS[name][0].format(shown(value))
    model = changed(fitted, **{name: value})
    message = refusal(model, lambda model: getattr(model, method)(X, y), InvalidParameterError)
    assert message == f"{WHO}{name} {sentence}"


def test_the_table_of_wrong_parameters_is_complete():
    """Every parameter is in the table above; augmentation has tests of its own."""
    names = set(inspect.signature(MLPDigitClassifier).parameters)
    assert names - set(BAD_PARAMETERS) == {"augmentation"}


@pytest.mark.parametrize("name", ["dropout", "learning_rate", "l2", "tol"])
@pytest.mark.parametrize("value", [HUGE, -HUGE])
def test_numbers_beyond_floats(fitted, name, value):
    """An integer that no float can hold is out of range, like any other."""
    message = refusal(
        clone(fitted).set_params(**{name: value}), lambda m: m.fit(X, y), InvalidParameterError
    )
    assert message.startswith(f"{WHO}{name} to be a number")
    assert len(message) < 250


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


IMPUTE = "Fill or drop such values first, for example with sklearn.impute.SimpleImputer."
SCALE = "Scale X to about [0, 1], for example with sklearn.preprocessing.MinMaxScaler."
ENCODE = "Encode such columns first, for example with sklearn.preprocessing.OrdinalEncoder."
RESHAPE = (
    "Reshape your data: X.reshape(1, -1) is a table of one row, X.reshape(-1, 1) of one column."
)
FLATTEN = "Put an ImageFlattener before it: make_pipeline(ImageFlattener(), MLPDigitClassifier())."
WORDS = X.astype(object)
WORDS[3, 4] = "dark"
DICTS = X.astype(object)
DICTS[3, 4] = {}
NAMED = pd.DataFrame(X).rename(columns=str)
BAD_ROWS = {
    "NaN": (
        with_value(np.nan),
        ValueError,
        f"X of finite numbers, got NaN in row 7, column 11. {IMPUTE}",
    ),
    "infinity": (
        with_value(-np.inf),
        ValueError,
        f"X of finite numbers, got infinity (inf) in row 7, column 11. {IMPUTE}",
    ),
    "NaN in single precision": (
        with_value(np.nan, np.float32),
        ValueError,
        f"X of finite numbers, got NaN in row 7, column 11. {IMPUTE}",
    ),
    "None among objects": (
        with_value(None, object),
        ValueError,
        f"X of finite numbers, got NaN in row 7, column 11. {IMPUTE}",
    ),
    "a gap in a nullable column": (
        NAMED.astype("Float64").mask(NAMED > 0.9),
        ValueError,
        "X of finite numbers, got NaN in row ",
    ),
    "a gap in a polars column": (
        pl.DataFrame({"a": [0.5, None] * 45}),
        ValueError,
        f"X of finite numbers, got NaN in row 1, column 0. {IMPUTE}",
    ),
    "beyond float32": (
        with_value(1e300),
        ValueError,
        f"X within the range of float32, got 1e+300 in row 7, column 11. {SCALE}",
    ),
    "images": (
        X.reshape(-1, 8, 8),
        ValueError,
        f"X of 2 dimensions, got shape (90, 8, 8). {FLATTEN}",
    ),
    "images with channels": (
        X.reshape(-1, 8, 8, 1),
        ValueError,
        f"X of 2 dimensions, got shape (90, 8, 8, 1). {FLATTEN}",
    ),
    "images as lists": (
        X.reshape(-1, 8, 8).tolist(),
        ValueError,
        f"X of 2 dimensions, got shape (90, 8, 8). {FLATTEN}",
    ),
    "one row": (X[0], ValueError, f"X of 2 dimensions, got shape (64,). {RESHAPE}"),
    "one column of a frame": (
        NAMED["3"],
        ValueError,
        f"X of 2 dimensions, got shape (90,). {RESHAPE}",
    ),
    "nothing": (
        None,
        ValueError,
        "X of 2 dimensions, got None. Reshape your data to a table of one row a sample.",
    ),
    "a number": (
        5,
        ValueError,
        "X of 2 dimensions, got 5. Reshape your data to a table of one row a sample.",
    ),
    "a name": (
        "mnist",
        ValueError,
        "X of 2 dimensions, got 'mnist'. Reshape your data to a table of one row a sample.",
    ),
    "rows of two lengths": (
        [[1.0, 2.0], [3.0]],
        ValueError,
        "X of rows of one length, got rows of different lengths. Give each row a value for each "
        "feature.",
    ),
    "a sparse matrix": (
        sparse.csr_matrix(X),
        TypeError,
        "a dense X, got a sparse csr_matrix of shape (90, 64). Pass X.toarray().",
    ),
    "a sparse array": (
        sparse.coo_array(X),
        TypeError,
        "a dense X, got a sparse coo_array of shape (90, 64). Pass X.toarray().",
    ),
    "words among objects": (
        WORDS,
        ValueError,
        "X of numbers, got values that are none (could not convert string to float: 'dark'). "
        + ENCODE,
    ),
    "dicts among objects": (
        DICTS,
        TypeError,
        "X of numbers, got values that are none (float() argument must be a string or a real "
        f"number, not 'dict'). {ENCODE}",
    ),
    "a column of words": (
        pd.DataFrame({"a": ["dark", "light"] * 45}),
        ValueError,
        "X of numbers, got values that are none (could not convert string to float: 'dark'). "
        + ENCODE,
    ),
    "a polars column of words": (
        pl.DataFrame({"a": ["dark", "light"] * 45}),
        ValueError,
        "X of numbers, got values that are none (could not convert string to float: 'dark'). "
        + ENCODE,
    ),
    "text": (
        X.astype(str),
        ValueError,
        "X of numbers, got text (dtype <U32). Convert them first, for example with "
        "X.astype(float).",
    ),
    "bytes": (
        np.full((90, 2), b"7"),
        ValueError,
        "X of numbers, got bytes (dtype |S1). Convert them first, for example with "
        "X.astype(float).",
    ),
    "dates": (
        np.zeros((90, 2), "datetime64[s]"),
        ValueError,
        "X of numbers, got dates (dtype datetime64[s]). Convert them first, for example with "
        "X.astype(float).",
    ),
    "a column of dates": (
        pd.DataFrame({"a": np.zeros(90, "datetime64[s]")}),
        ValueError,
        "X of numbers, got dates (dtype datetime64[s]). Convert them first, for example with "
        "X.astype(float).",
    ),
    "complex numbers": (
        X + 1j,
        ValueError,
        "X of real numbers, got dtype complex128 (Complex data not supported). Pass real and "
        "imaginary parts as columns of their own.",
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_rows_that_are_no_table_of_numbers(fitted, kind):
    """Each kind of wrong X is named, located where it has a place, and helped."""
    rows, error, sentence = BAD_ROWS[kind]
    for model, call in (
        (clone(fitted), lambda model: model.partial_fit(rows, y, classes=[0, 1, 2])),
        (changed(fitted, warm_start=False), lambda model: model.fit(rows, y)),
    ):
        message = refusal(model, call, error)
        assert message.startswith(WHO + sentence)
        assert message == WHO + sentence or "nullable" in kind


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("kind", [kind for kind in BAD_ROWS if "column" not in kind])
def test_rows_that_cannot_be_predicted(fitted, kind, method):
    """Prediction refuses wrong rows in the same words as training does."""
    rows, error, sentence = BAD_ROWS[kind]
    message = refusal(fitted, lambda model: getattr(model, method)(rows), error)
    if "features as input" not in message:
        assert message == WHO + sentence


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
    """Rows of another width than in ``fit`` are refused, with scikit-learn's words in it."""
    assert refusal(fitted, call) == (
        f"{WHO}the columns of fit, got others: X has 5 features, but MLPDigitClassifier is "
        "expecting 64 features as input. Pass the same again."
    )


def test_columns_of_other_names(no_training, monkeypatch):
    """Columns in another order or of other names are refused, with scikit-learn's list of them."""
    monkeypatch.undo()
    model = MLPDigitClassifier(hidden_units=4, epochs=1).fit(NAMED, y)
    start = (
        f"{WHO}the columns of fit in their order, got others. Select them with "
        "X[model.feature_names_in_].\nThe feature names should match those that were passed "
        "during fit.\n"
    )
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
DROP = "Drop rows without a label first."
BIN = (
    "(Unknown label type: continuous). Bin them into classes, for example with np.digitize, or use "
    "a regressor."
)
SCORED = "y of labels that scikit-learn's scores take,"
UNKNOWN = "(Unknown label type: unknown). Convert them with"
ONE = "Give one label a row; one-hot rows become labels by argmax(axis=1)."
BAD_LABELS = {
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
    "no labels": (
        None,
        ValueError,
        "y of labels, got None; it requires y to be passed, but the target y is None. Call "
        "fit(X, y).",
    ),
    "too few": (
        y[:-1],
        ValueError,
        "a label for each of 90 rows, got 89 labels. Give X and y of one length.",
    ),
    "NaN": (
        np.where(y == 1, np.nan, y),
        ValueError,
        f"a label in every row of y, got nan in row 30. {DROP}",
    ),
    "infinity": (
        np.where(y == 2, np.inf, y),
        ValueError,
        f"a label in every row of y, got inf in row 60. {DROP}",
    ),
    "None": (GAPS, ValueError, f"a label in every row of y, got None in row 5. {DROP}"),
    "NA": (
        pd.Series(NAMES, dtype="string").mask(y == 1),
        ValueError,
        f"a label in every row of y, got <NA> in row 30. {DROP}",
    ),
    "no day": (
        np.where(y == 1, np.datetime64("NaT"), np.datetime64("2026-01-01")),
        ValueError,
        f"a label in every row of y, got NaT in row 30. {DROP}",
    ),
    "no time": (
        np.where(y == 1, np.timedelta64("NaT"), np.timedelta64(1, "s")),
        ValueError,
        f"a label in every row of y, got NaT in row 30. {DROP}",
    ),
    "masked": (
        np.ma.array(y, mask=y == 1),
        ValueError,
        f"a label in every row of y, got a masked one in row 30. {DROP}",
    ),
    "objects that are numbers": (
        y.astype(object),
        ValueError,
        f"{SCORED} got int in an array of objects {UNKNOWN} np.asarray(y, dtype=int).",
    ),
    "objects that are floats": (
        pd.Series(y.astype(float)).astype(object),
        ValueError,
        f"{SCORED} got float in an array of objects {UNKNOWN} np.asarray(y, dtype=float).",
    ),
    "objects that are booleans": (
        (y == 1).astype(object),
        ValueError,
        f"{SCORED} got bool in an array of objects {UNKNOWN} np.asarray(y, dtype=bool).",
    ),
    "NumPy's own strings": (
        NAMES.astype(np.dtypes.StringDType()),
        TypeError,
        f"{SCORED} got NumPy's StringDType(). Convert them with y.astype(str).",
    ),
    "NumPy's own strings with gaps": (
        NAMES.astype(np.dtypes.StringDType(na_object=np.nan)),
        TypeError,
        f"{SCORED} got NumPy's StringDType(na_object=nan). Convert them with y.astype(str).",
    ),
    "records": (
        np.array([(label,) for label in y], dtype=[("digit", int)]),
        ValueError,
        "y of labels, got dtype [('digit', '<i8')]. Use whole numbers or strings.",
    ),
    "numbers that only floats hold": (
        [0, 1, 2**63] * 30,
        ValueError,
        "y of whole numbers that int64 or uint64 holds, got floats such as 9.22337e+18 (Unknown "
        "label type: continuous). Use smaller numbers or strings.",
    ),
    "fractions": (
        y + 0.25,
        ValueError,
        f"y of labels, got fractional numbers such as 0.25 {BIN}",
    ),
    "fractions among objects": (
        (y + 0.25).astype(object),
        ValueError,
        f"y of labels, got fractional numbers such as 0.25 {BIN}",
    ),
    "numbers and text": (
        MIXED,
        ValueError,
        "y of labels of one kind, numbers or text, got int and str (Unknown label type: unknown). "
        "Convert them, for example with y.astype(str).",
    ),
    "numbers and booleans": (
        np.array([True, 1, 2] * 30, dtype=object),
        ValueError,
        "y of labels of one kind, numbers or text, got bool and int (Unknown label type: unknown). "
        "Convert them, for example with y.astype(str).",
    ),
    "one-hot": (np.eye(3)[y], ValueError, f"y of 1 dimension, got shape (90, 3). {ONE}"),
    "one number": (3, ValueError, f"y of 1 dimension, got shape (). {ONE}"),
    "lists of two lengths": (
        [[1], [1, 2]] * 45,
        ValueError,
        "y of 1 dimension, got rows of different lengths. Give one label a row.",
    ),
    "sparse": (
        sparse.csr_matrix(np.eye(3)[y]),
        TypeError,
        "y of dense labels, got a sparse csr_matrix. Pass y.toarray().ravel().",
    ),
    "bytes": (
        NAMES.astype("S"),
        TypeError,
        "y of labels that are text or numbers, got bytes. Decode them with np.char.decode(y).",
    ),
    "complex": (
        y + 1j,
        ValueError,
        "y of labels, got dtype complex128. Use whole numbers or strings.",
    ),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_labels_that_are_none(fitted, kind):
    """Each kind of wrong y is named, located where it has a place, and helped."""
    labels, error, sentence = BAD_LABELS[kind]
    message = refusal(clone(fitted), lambda model: model.fit(X, labels), error)
    assert message == WHO + sentence
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
            "classes in the first call of partial_fit, got None. Name all labels there will ever "
            "be: partial_fit(X, y, classes=np.unique(y)).",
        ),
        ([0], "two classes or more, got [0]. Name all labels there will ever be."),
        ([], "two classes or more, got []. Name all labels there will ever be."),
        ([0, 1], f"y of the known classes [0, 1], got the label 2. {KNOWN}"),
        (["a", "b"], f"y of the known classes ['a', 'b'], got the label 0. {KNOWN}"),
        (3, f"classes of 1 dimension, got shape (). {ONE}"),
        ([[0, 1, 2]], f"classes of 1 dimension, got shape (1, 3). {ONE}"),
        ([0, 1, np.nan], f"a label in every row of classes, got nan in row 2. {DROP}"),
        ([0, 1, 2.5], f"classes of labels, got fractional numbers such as 2.5 {BIN}"),
    ],
)
def test_wrong_classes_of_the_first_call(fitted, classes, sentence):
    """``partial_fit`` must be told two classes or more, and all that come."""
    message = refusal(clone(fitted), lambda model: model.partial_fit(X, y, classes=classes))
    assert message == WHO + sentence


def test_other_classes_in_a_later_call(fitted):
    """Classes named again must be the same."""
    call = lambda model: model.partial_fit(X, y, classes=[0, 1, 2, 3])  # noqa: E731
    assert refusal(fitted, call) == (
        f"{WHO}the classes of the first call, [0, 1, 2], got [0, 1, 2, 3]. Leave classes out, or "
        "clone the estimator to start anew."
    )


# ----------------------------------------------------------------------------------------------
# Weights

LEAVE = "Use 0 to leave a row out."
KINDS = 'Pass an array of numbers; weights by class are class_weight="balanced" or a dict.'
BAD_WEIGHTS = {
    "zeros": (
        np.zeros(90),
        "at least one sample_weight above 0, got 90 zeros. Pass None to weigh all rows alike.",
    ),
    "negative": (
        np.r_[np.ones(89), -2],
        "sample_weight of finite numbers of 0 or more, got -2 (a negative or non-finite weight). "
        + LEAVE,
    ),
    "NaN": (
        np.r_[np.ones(89), np.nan],
        "sample_weight of finite numbers of 0 or more, got nan (a negative or non-finite weight). "
        + LEAVE,
    ),
    "infinite": (
        np.r_[np.ones(89), np.inf],
        "sample_weight of finite numbers of 0 or more, got inf (a negative or non-finite weight). "
        + LEAVE,
    ),
    "beyond floats": (
        [10**400] * 90,
        "sample_weight of finite numbers of 0 or more, got inf (a negative or non-finite weight). "
        + LEAVE,
    ),
    "too few": (
        np.ones(89),
        "sample_weight of shape (90,), one number a row, got shape (89,). Pass "
        "sample_weight.ravel() or None.",
    ),
    "a column": (
        np.ones((90, 1)),
        "sample_weight of shape (90,), one number a row, got shape (90, 1). Pass "
        "sample_weight.ravel() or None.",
    ),
    "a word": (
        "balanced",
        f"sample_weight of one number a row, got a str that holds something else. {KINDS}",
    ),
    "words": (
        ["heavy"] * 90,
        f"sample_weight of one number a row, got a list that holds something else. {KINDS}",
    ),
    "complex": (
        np.ones(90) * 1j,
        f"sample_weight of one number a row, got a ndarray that holds something else. {KINDS}",
    ),
    "sparse": (
        sparse.csr_matrix(np.ones((90, 1))),
        f"sample_weight of one number a row, got a csr_matrix that holds something else. {KINDS}",
    ),
    "of one class": (
        (y == 1).astype(float),
        "y of two classes or more, got 1 class ([1]). Give rows of at least one more class, with a "
        "weight above 0.",
    ),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_wrong_weights(fitted, kind):
    """Each kind of wrong sample weights is named and helped."""
    weights, sentence = BAD_WEIGHTS[kind]
    fresh = clone(fitted)
    assert refusal(fresh, lambda model: model.fit(X, y, weights)) == WHO + sentence
    if kind != "of one class":
        assert refusal(fitted, lambda m: m.fit(X, y, weights)) == WHO + sentence
        call = lambda model: model.partial_fit(X, y, [0, 1, 2], weights)  # noqa: E731
        assert refusal(fresh, call) == refusal(fitted, call) == WHO + sentence


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
        f"{WHO}a fitted estimator, got one not fitted yet. Call fit(X, y) first."
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
