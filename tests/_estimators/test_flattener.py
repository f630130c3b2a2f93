"""What `ImageFlattener` promises: the scikit-learn contract, exact scaling and the way back."""

import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_mnist_mlp._estimators.flattener import ImageFlattener
from sk_mnist_mlp.exceptions import InvalidParameterError

EXACT_DTYPES = [np.bool_, np.uint8, np.int8, np.uint16, np.int16]
quick = settings(max_examples=50, deadline=None)


def image_batches(dtypes):
    """Batches of 1-3 images of 1-6 pixels a side, grey or of 1-4 channels, of finite pixels."""
    channels = st.one_of(st.just(()), st.integers(1, 4).map(lambda c: (c,)))
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
    full = st.tuples(shapes, channels).map(lambda pair: pair[0] + pair[1])
    finite = {"allow_nan": False, "allow_infinity": False}
    return st.sampled_from(dtypes).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            full,
            elements=finite if np.dtype(dtype).kind == "f" else None,
        )
    )


def random_images(shape, dtype=np.uint8):
    """Images over the whole range of an unsigned dtype."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, shape, dtype=dtype, endpoint=True)


# The scikit-learn contract


@parametrize_with_checks([ImageFlattener(), ImageFlattener(scale=None), ImageFlattener(scale=255)])
def test_scikit_learn_checks(estimator, check):
    """Every check of scikit-learn passes, none is expected to fail."""
    check(estimator)


def test_tags():
    """The tags tell of images, rows, no need of fit, and float32 out."""
    tags = get_tags(ImageFlattener())
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.one_d_array
    assert not tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert not tags.requires_fit
    assert not tags.no_validation
    assert not tags.target_tags.required
    assert tags.transformer_tags.preserves_dtype == ["float32"]


def test_pipeline_of_digits():
    """Before a classifier it takes images as they are, and prediction works after pickling."""
    digits = load_digits()
    model = make_pipeline(ImageFlattener(scale=16), LogisticRegression())
    model.fit(digits.images[:300], digits.target[:300])
    assert model.score(digits.images[:300], digits.target[:300]) > 0.95
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(digits.images), model.predict(digits.images))
    assert clone(model[0]).get_params() == {"scale": 16}


@pytest.mark.parametrize(
    ("container", "table"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output(container, table):
    """`set_output` gives tables with a column a pixel, named after its place."""
    images = random_images((5, 3, 2))
    flattener = ImageFlattener()
    rows = flattener.fit_transform(images)
    framed = ImageFlattener().set_output(transform=container).fit_transform(images)
    assert isinstance(framed, table)
    assert list(framed.columns) == list(flattener.get_feature_names_out())
    np.testing.assert_array_equal(framed.to_numpy(), rows)
    assert framed.to_numpy().dtype == np.float32
    np.testing.assert_array_equal(flattener.inverse_transform(framed), images)


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame])
def test_table_of_flat_pixels(table):
    """A table of uint8 columns is scaled as uint8."""
    pixels = random_images((5, 4))
    frame = table({f"p{i}": pixels[:, i] for i in range(4)})
    flattener = ImageFlattener().fit(frame)
    np.testing.assert_array_equal(flattener.transform(frame), pixels / np.float32(255))
    assert flattener.image_dtype_ == np.uint8


# In pandas only: scikit-learn 1.6 does not see the names of a table of recent versions of polars.
def test_names_of_a_table():
    """The names of a table's columns are kept, checked in transform and forgotten by a new fit."""
    pixels = random_images((5, 4))
    flattener = ImageFlattener().fit(pd.DataFrame(pixels, columns=list("abcd")))
    assert list(flattener.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="The feature names should match"):
        flattener.transform(pd.DataFrame(pixels, columns=list("abce")))
    assert not hasattr(flattener.fit(pixels), "feature_names_in_")


def test_table_before_fit():
    """Without a fit no warning speaks of the names a fit has not seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = ImageFlattener().transform(pd.DataFrame({"a": [0.5], "b": [1.0]}))
    np.testing.assert_array_equal(rows, np.array([[0.5, 1.0]], dtype=np.float32))


def test_link_to_documentation():
    """The link in the HTML picture of the estimator leads to this project's pages."""
    html = ImageFlattener()._repr_html_()
    assert "sk-mnist-mlp.readthedocs.io/en/latest/api.html#sk_mnist_mlp.ImageFlattener" in html


def test_import_is_light():
    """Importing the module imports no large package beyond what scikit-learn imports itself."""
    code = (
        "import sys, sklearn.utils.validation; before = set(sys.modules); "
        "import sk_mnist_mlp._estimators.flattener; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert "sk_mnist_mlp" in packages
    assert not packages & {"tensorflow", "keras", "scikeras", "matplotlib", "pandas", "polars"}


# Scaling


@pytest.mark.parametrize("shape", [(7, 28, 28), (7, 28, 28, 1), (7, 784)])
@pytest.mark.parametrize("fitted", [True, False])
def test_layouts_of_mnist(shape, fitted):
    """Images, images with a channel axis and flat rows give the same rows, fitted or not."""
    images = random_images((7, 28, 28))
    flattener = ImageFlattener()
    if fitted:
        flattener.fit(images)
    rows = flattener.transform(images.reshape(shape))
    assert rows.shape == (7, 784)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert rows.min() == 0 and rows.max() == 1
    np.testing.assert_array_equal(rows, (images.reshape(7, 784) / 255.0).astype(np.float32))


@quick
@given(image_batches([np.uint8, np.int8, np.uint16, np.int16]))
def test_auto_is_exact_for_small_integers(images):
    """Integers of up to 16 bits become the float32 nearest to pixel / largest value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = ImageFlattener().fit_transform(images)
    exact = images.reshape(len(images), -1).astype(np.float64) / np.iinfo(images.dtype).max
    np.testing.assert_array_equal(rows, exact.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.uint64, np.int64])
def test_auto_of_wide_integers(dtype):
    """The largest value of any integer type becomes 1, half of it 0.5 and zero stays 0."""
    top = np.iinfo(dtype).max
    images = np.array([[[0, top // 2, top]]], dtype=dtype)
    np.testing.assert_allclose(ImageFlattener().transform(images), [[0, 0.5, 1]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.bool_])
def test_auto_leaves_floats_and_booleans(dtype):
    """Floats are only cast, whatever their values, and booleans become 0 and 1."""
    images = np.array([[[0, 1], [-3, 255]]]).astype(dtype)
    expected = images.reshape(1, 4).astype(np.float32)
    rows = ImageFlattener().transform(images)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_scale_of_none_and_numbers(dtype):
    """None only casts, and a number divides pixels of every dtype alike."""
    images = np.arange(12).reshape(1, 3, 4).astype(dtype)
    flat = np.arange(12, dtype=np.float32)[np.newaxis]
    np.testing.assert_array_equal(ImageFlattener(scale=None).transform(images), flat)
    for scale in (16, 255.0, np.float32(0.5), np.int64(3), np.float16(255)):
        rows = ImageFlattener(scale=scale).transform(images)
        np.testing.assert_array_equal(rows, flat / np.float32(scale))


@pytest.mark.parametrize("scale", ["auto", None, 255])
def test_lists(scale):
    """Nested lists of numbers are images as well."""
    rows = ImageFlattener(scale=scale).fit_transform([[[0.0, 51.0], [102.0, 255.0]]])
    np.testing.assert_allclose(rows * (scale if scale == 255 else 1), [[0, 51, 102, 255]])


def test_stateless():
    """The dtype seen in fit does not change how later images are scaled."""
    images = random_images((4, 5, 5))
    fitted = ImageFlattener().fit(images.astype(np.float32))
    np.testing.assert_array_equal(fitted.transform(images), ImageFlattener().transform(images))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.int16])
def test_dark_integers_warn(dtype):
    """8-bit pixels in a wider integer type are scaled as promised, with a warning that helps."""
    images = np.array([[[0, 255]]], dtype=dtype)
    top = np.iinfo(dtype).max
    message = (
        f"ImageFlattener: expected {np.dtype(dtype)} pixels that use their range of 0 to {top}, "
        "got none above 255, so all come out below 0.008. Set scale=255 if white is 255, or cast "
        "X to uint8."
    )
    with pytest.warns(UserWarning, match=re.escape(message)) as seen:
        rows = ImageFlattener().transform(images)
    assert seen[0].filename == __file__
    np.testing.assert_allclose(rows, [[0, 255 / top]], rtol=1e-6)


@pytest.mark.parametrize(
    ("images", "scale"),
    [
        (np.zeros((1, 2, 2), dtype=np.int64), "auto"),
        (np.ones((1, 2, 2), dtype=np.uint8), "auto"),
        (np.full((1, 2, 2), 9000, dtype=np.uint16), "auto"),
        (np.full((1, 2, 2), 255, dtype=np.int64), 255),
        (np.full((1, 2, 2), 255, dtype=np.int64), None),
        (np.full((1, 2, 2), 1e-9), "auto"),
    ],
)
def test_other_images_do_not_warn(images, scale):
    """Black images, uint8, wide integers that use their range and explicit scales are silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFlattener(scale=scale).fit_transform(images)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_input_is_not_written_to(order, dtype):
    """Read-only images in any memory order work, so nothing is written to them."""
    images = np.asarray(random_images((3, 4, 5, 2)), dtype=dtype, order=order)
    images.flags.writeable = False
    flattener = ImageFlattener().fit(images)
    rows = flattener.transform(images)
    np.testing.assert_array_equal(rows, flattener.transform(images.copy(order="C")))
    rows.flags.writeable = False
    np.testing.assert_array_equal(flattener.inverse_transform(rows), images)


def test_memory_is_shared_only_where_documented():
    """Only float32 pixels that need no scaling are not copied."""
    images = np.ones((2, 3, 3), dtype=np.float32)
    assert np.shares_memory(ImageFlattener().transform(images), images)
    assert not np.shares_memory(ImageFlattener(scale=1).transform(images), images)


# Names and the way back


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((1, 2, 2), ["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1"]),
        ((1, 2, 1, 1), ["pixel_0_0", "pixel_1_0"]),
        ((1, 1, 2, 2), ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_1_0", "pixel_0_1_1"]),
        ((1, 4), ["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1"]),
        ((1, 3), ["pixel_0", "pixel_1", "pixel_2"]),
    ],
)
def test_feature_names(shape, names):
    """Columns are named after row, column and, of several, the channel; odd rows by index."""
    flattener = ImageFlattener().fit(np.zeros(shape))
    assert flattener.get_feature_names_out().tolist() == names
    assert flattener.get_feature_names_out(["any"] * len(names)).tolist() == names
    assert flattener.n_features_in_ == len(names)


def test_names_are_in_the_order_of_the_pixels():
    """The column `pixel_r_c_k` holds channel k of the pixel in row r and column c."""
    images = random_images((1, 3, 4, 2))
    flattener = ImageFlattener(scale=None).fit(images)
    for name, value in zip(
        flattener.get_feature_names_out(), flattener.transform(images)[0], strict=True
    ):
        row, column, channel = map(int, name.split("_")[1:])
        assert value == images[0, row, column, channel]


@quick
@given(
    image_batches(EXACT_DTYPES), st.one_of(st.sampled_from(["auto", None]), st.floats(1e-3, 1e6))
)
def test_round_trip_is_exact(images, scale):
    """Booleans and integers of up to 16 bits come back the same, of any size and scale."""
    flattener = ImageFlattener(scale=scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = flattener.inverse_transform(flattener.fit_transform(images))
    assert back.dtype == images.dtype
    np.testing.assert_array_equal(back, images)


@quick
@given(image_batches([np.uint32, np.int32, np.uint64, np.int64]))
def test_round_trip_of_wide_integers(images):
    """Wider integers come back to the precision of float32, and never wrap around."""
    flattener = ImageFlattener()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = flattener.inverse_transform(flattener.fit_transform(images))
    assert back.dtype == images.dtype
    np.testing.assert_allclose(back.astype(float), images.astype(float), rtol=2**-22)


@quick
@given(image_batches([np.float16, np.float32]), st.sampled_from(["auto", None]))
def test_round_trip_of_floats(images, scale):
    """Floats that float32 holds come back the same."""
    flattener = ImageFlattener(scale=scale)
    back = flattener.inverse_transform(flattener.fit_transform(images))
    assert back.dtype == images.dtype
    np.testing.assert_array_equal(back, images)


@pytest.mark.parametrize(
    ("shape", "back"),
    [((2, 9), (2, 3, 3)), ((2, 6), (2, 6)), ((2, 3, 3, 1), (2, 3, 3, 1)), ((2, 3, 3), (2, 3, 3))],
)
def test_shape_of_the_way_back(shape, back):
    """Images return in their shape, square rows as square images, other rows as rows."""
    flattener = ImageFlattener().fit(random_images(shape))
    assert flattener.image_shape_ == back[1:]
    assert flattener.inverse_transform(flattener.transform(random_images(shape))).shape == back


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64, np.int16])
def test_way_back_rounds_and_clips(dtype):
    """Rows that are no pixels, such as a model's output, are rounded and clipped to the range."""
    limits = np.iinfo(dtype)
    flattener = ImageFlattener(scale=1).fit(np.zeros((1, 1, 4), dtype=dtype))
    back = flattener.inverse_transform([[-1e30, 1.4, 1.6, 1e30]])[0, 0]
    assert back[:3].tolist() == [limits.min, 1, 2]
    assert limits.max * (1 - 2**-50) <= int(back[3]) <= limits.max


# Errors


NO_IMAGES = (
    "ImageFlattener: expected numbers of shape (n_samples, height, width), (n_samples, height, "
    "width, channels) or (n_samples, n_pixels), got {} of shape {}. Reshape your data: "
    "X[np.newaxis] makes a batch of one image or one flat row."
)


def error_of(call, kind=ValueError):
    """Return the message of the error that `call` raises."""
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    "scale",
    ["Auto", "", True, 0, -255, np.nan, np.inf, 1e39, 1e-300, 10**400, 1j, [255], (), "255"],
)
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_wrong_scale(scale, method):
    """Every method names the scales there are, and construction accepts anything."""
    flattener = ImageFlattener(scale=scale)
    assert flattener.scale is scale
    message = error_of(
        lambda: getattr(flattener, method)(np.zeros((1, 2, 2))), InvalidParameterError
    )
    assert message == (
        "The 'scale' parameter of ImageFlattener must be a str among {'auto'}, None or a float in "
        f"the range [1.1754943508222875e-38, 3.4028234663852886e+38]. Got {scale!r} instead."
    )


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("shape", [(784,), (1, 2, 2, 2, 2)])
def test_wrong_number_of_dimensions(method, shape):
    """A single row and arrays of five dimensions are refused with the shapes that work."""
    assert error_of(lambda: getattr(ImageFlattener(), method)(np.zeros(shape))) == NO_IMAGES.format(
        "float64", shape
    )


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("shape", [(2, 0, 28), (2, 28, 0), (2, 28, 28, 0)])
def test_images_without_pixels(method, shape):
    """Images without height, width or channels are refused."""
    assert error_of(lambda: getattr(ImageFlattener(), method)(np.zeros(shape))) == NO_IMAGES.format(
        "float64", shape
    )


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_no_images(method):
    """A batch of no images is refused in scikit-learn's words."""
    assert error_of(lambda: getattr(ImageFlattener(), method)(np.zeros((0, 28, 28)))) == (
        "Found array with 0 sample(s) (shape=(0, 28, 28)) while a minimum of 1 is required by "
        "ImageFlattener."
    )


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_dates_are_not_pixels(method):
    """What is neither boolean, integer nor float is refused by its dtype."""
    dates = np.zeros((1, 2, 2), dtype="datetime64[s]")
    assert error_of(lambda: getattr(ImageFlattener(), method)(dates)) == NO_IMAGES.format(
        "datetime64[s]", (1, 2, 2)
    )


@pytest.mark.parametrize(
    ("images", "kind", "message"),
    [
        (np.full((1, 2, 2), np.nan), ValueError, "Input X contains NaN"),
        (np.full((1, 2, 2), -np.inf), ValueError, "Input X contains infinity"),
        (np.ones((1, 2, 2), dtype=complex), ValueError, "Complex data not supported"),
        (np.full((1, 2, 2), "dark"), ValueError, "not compatible with arrays of bytes/strings"),
        (np.full((1, 2, 2), "dark", dtype=object), ValueError, "could not convert string to float"),
        (np.full((1, 2, 2), {}, dtype=object), TypeError, "argument must be a string or a real"),
        (csr_array(np.ones((2, 4))), TypeError, "Sparse data was passed"),
        (5, TypeError, "Input should have at least 1 dimension"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_pixels_that_scikit_learn_refuses(method, images, kind, message):
    """Pixels that are no finite real numbers are refused as by every other transformer."""
    assert message in error_of(lambda: getattr(ImageFlattener(), method)(images), kind)


@pytest.mark.parametrize(("value", "scale"), [(1e39, "auto"), (1e39, None), (1e30, 1e-30)])
def test_pixels_beyond_float32(value, scale):
    """Finite pixels never become infinite."""
    flattener = ImageFlattener(scale=scale)
    assert error_of(lambda: flattener.transform(np.full((1, 2, 2), value))) == (
        "ImageFlattener: expected scaled pixels up to 3.4e38, the range of float32, got larger "
        "ones. Scale X down, or set a larger scale."
    )


@pytest.mark.parametrize(
    ("fitted", "later"),
    [((2, 28, 28), (2, 14, 56)), ((2, 4), (2, 1, 4)), ((2, 3, 4, 1), (2, 3, 4, 3))],
)
def test_images_of_another_shape(fitted, later):
    """After fit, images of another shape are refused even if their pixels are as many."""
    flattener = ImageFlattener().fit(np.zeros(fitted))
    assert error_of(lambda: flattener.transform(np.zeros(later))) == (
        f"ImageFlattener: expected images of shape {flattener.image_shape_} as in fit, got images "
        f"of shape {later[1:]}. Resize them, or fit on images of their shape."
    )


def test_rows_of_another_length():
    """After fit, flat rows of another length are refused in scikit-learn's words."""
    flattener = ImageFlattener().fit(np.zeros((2, 28, 28)))
    assert error_of(lambda: flattener.transform(np.zeros((2, 28)))) == (
        "X has 28 features, but ImageFlattener is expecting 784 features as input."
    )
    assert error_of(lambda: flattener.inverse_transform(np.zeros((2, 28)))) == (
        "ImageFlattener: expected rows of 784 pixels, got shape (2, 28). Pass rows as transform "
        "returns them."
    )


def test_not_fitted():
    """Names and the way back need the shape that fit learns."""
    ImageFlattener().transform(np.zeros((1, 2, 2)))
    assert "not fitted yet" in error_of(ImageFlattener().get_feature_names_out, NotFittedError)
    assert "not fitted yet" in error_of(
        lambda: ImageFlattener().inverse_transform(np.zeros((1, 4))), NotFittedError
    )


def test_wrong_input_features():
    """Names that fit has not seen are refused in scikit-learn's words."""
    flattener = ImageFlattener().fit(pd.DataFrame({"a": [0.0], "b": [1.0]}))
    assert error_of(lambda: flattener.get_feature_names_out(["b", "a"])) == (
        "input_features is not equal to feature_names_in_"
    )
    flattener = ImageFlattener().fit(np.zeros((1, 2)))
    assert error_of(lambda: flattener.get_feature_names_out(["a"])) == (
        "input_features should have length equal to number of features (2), got 1"
    )
