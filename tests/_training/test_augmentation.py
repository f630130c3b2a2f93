"""Distortions of images: by their equations, as values to search, and in training only."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import (
    ImageFlattener,
    MLPDigitClassifier,
    RandomDistortion,
    load_model,
    save_model,
)
from sk_mnist_mlp._network.arrays import NumpyNamespace, tensorflow_namespace
from sk_mnist_mlp._training import distortions as _augmentation
from sk_mnist_mlp._training.distortions import Distortion, distort, distortion_values
from sk_mnist_mlp.exceptions import InvalidParameterError
from small_fits import digits

X, Y = digits(dtype=np.float32)

STILL = Distortion(rotation=0, scale=0, shear=0, translation=0, elastic=0, smoothing=4)
NOTHING = dict(rotation=0, scale=0, shear=0, translation=0)
N_IMAGES = 2000
SIDE = 28


def distorted(images, distortion, draws=None, key=(1, 2), monkeypatch=None, dtype="float64"):
    """Distort ``(n, height, width)`` images, by given draws of the affine part if any."""
    n, *shape = images.shape
    if draws is not None:
        rows = np.array(draws, float)
        monkeypatch.setattr(
            _augmentation,
            "uniform",
            lambda xp, key, n_rows, n, dtype: np.tile(np.pad(rows, (0, n - 6)), (1, n_rows, 1)),
        )
    values = distortion_values([distortion], tuple(shape), dtype)
    keys = np.array([key], np.uint32)
    flat = images.reshape(1, n, -1).astype(dtype)
    return distort(NumpyNamespace, flat, keys, values, tuple(shape), n, dtype)[0].reshape(
        images.shape
    )


def places(distortion, n=N_IMAGES):
    """Where each pixel of ``n`` images is read from, relative to the centre: (2, n, 28, 28).

    Read off images whose brightness is the row, and the column, of a pixel. Only pixels that are
    read from inside the frame are right, so look at those near the centre.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    read = [
        distorted(np.broadcast_to(ramp, (n, SIDE, SIDE)), distortion) - (SIDE - 1) / 2
        for ramp in (rows, columns)
    ]
    return np.stack(read)


def affine_maps(distortion):
    """Recover each image's matrix (n, 2, 2) and offset (n, 2) from three pixels near the centre."""
    read = places(distortion)
    step = 4.0
    origin, down, right = (read[:, :, 11 + i, 11 + j] for i, j in ((0, 0), (4, 0), (0, 4)))
    matrix = np.stack([(down - origin) / step, (right - origin) / step], axis=-1)
    matrix = matrix.transpose(1, 0, 2)
    offset = origin.T - np.einsum("nij,j->ni", matrix, np.array([11 - 13.5, 11 - 13.5]))
    return matrix, offset


def assert_uniform(draws, reach):
    """The draws fill [-reach, reach] evenly: bounds, mean and variance."""
    assert abs(draws).max() <= reach * (1 + 1e-9)
    assert abs(draws).max() > 0.98 * reach
    assert abs(draws.mean()) < 5 * reach / np.sqrt(3 * len(draws))
    np.testing.assert_allclose(draws.var(), reach**2 / 3, rtol=0.1)


# ------------------------------------------------------------------------------------------------
# The equations


@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, 3), (-2, 1), (-3, -3)])
def test_whole_pixels_are_moved_exactly(down, right, monkeypatch):
    """A translation by whole pixels copies them, and zeros come in from beyond the frame."""
    image = np.random.default_rng(0).random((1, 8, 10))
    ours = distorted(
        image,
        STILL._replace(translation=4.0),
        draws=[0, 0, 0, 0, down / 4, right / 4],
        monkeypatch=monkeypatch,
    )
    expected = np.zeros_like(image)
    for y in range(8):
        for x in range(10):
            if 0 <= y + down < 8 and 0 <= x + right < 10:
                expected[0, y, x] = image[0, y + down, x + right]
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("turn", [-1, 1])
def test_a_quarter_turn_is_a_quarter_turn(turn, monkeypatch):
    """Rotation by 90 degrees permutes the pixels of a square image about its centre."""
    image = np.random.default_rng(0).random((1, 9, 9))
    ours = distorted(
        image, STILL._replace(rotation=90), draws=[turn, 0, 0, 0, 0, 0], monkeypatch=monkeypatch
    )
    np.testing.assert_allclose(ours, np.rot90(image, turn, axes=(1, 2)), atol=1e-12)


def test_a_half_turn_of_any_rectangle(monkeypatch):
    """Rotation by 180 degrees turns both axes round, also where they differ in length."""
    image = np.random.default_rng(0).random((1, 6, 11))
    ours = distorted(
        image, STILL._replace(rotation=180), draws=[1, 0, 0, 0, 0, 0], monkeypatch=monkeypatch
    )
    np.testing.assert_allclose(ours, image[:, ::-1, ::-1], atol=1e-12)


def test_the_affine_map_is_the_product_of_its_parts(monkeypatch):
    """Pixels are read at diag(1/stretch) · rotation · shear · p + translation, from the centre."""
    draws = np.array([0.7, -0.4, 0.9, 0.5, -0.6, 0.3])
    distortion = Distortion(30.0, 0.2, 0.4, 3.0, 0.0, 4.0)
    angle = np.radians(30) * draws[0]
    stretch = np.diag(1 / (1 + 0.2 * draws[1:3]))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    slant = np.array([[1, 0], [0.4 * draws[3], 1]])
    centred = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    expected = np.einsum("ij,jyx->iyx", stretch @ turn @ slant, centred)
    expected += 3.0 * draws[4:, None, None]
    inside = (abs(expected) <= (SIDE - 1) / 2).all(axis=0)
    assert inside.mean() > 0.5
    for axis, ramp in enumerate(np.mgrid[:SIDE, :SIDE].astype(float)):
        ours = distorted(ramp[None], distortion, draws=draws, monkeypatch=monkeypatch)[0]
        np.testing.assert_allclose(ours[inside], (expected[axis] + (SIDE - 1) / 2)[inside])


def test_rotation_is_in_degrees():
    """Alone, it turns each image by an angle uniform in ±rotation, and moves nothing."""
    matrix, offset = affine_maps(STILL._replace(rotation=12.0))
    assert_uniform(np.degrees(np.arctan2(matrix[:, 0, 1], matrix[:, 0, 0])), 12.0)
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0)
    np.testing.assert_allclose(offset, 0.0, atol=1e-9)


def test_scale_is_a_fraction_of_each_side():
    """Alone, it stretches height and width by factors of their own, uniform in 1 ± scale."""
    matrix, offset = affine_maps(STILL._replace(scale=0.13))
    tall, wide = 1 / matrix[:, 0, 0] - 1, 1 / matrix[:, 1, 1] - 1
    assert_uniform(tall, 0.13)
    assert_uniform(wide, 0.13)
    assert abs(np.corrcoef(tall, wide)[0, 1]) < 5 / np.sqrt(N_IMAGES)
    np.testing.assert_allclose(matrix[:, [0, 1], [1, 0]], 0.0, atol=1e-9)
    np.testing.assert_allclose(offset, 0.0, atol=1e-9)


def test_shear_is_a_fraction_of_the_distance_from_the_centre():
    """Alone, it slants vertical lines by up to its tangent and leaves rows rows."""
    matrix, _ = affine_maps(STILL._replace(shear=0.15))
    assert_uniform(matrix[:, 1, 0], 0.15)
    np.testing.assert_allclose(matrix[:, 0], np.broadcast_to([1.0, 0.0], (N_IMAGES, 2)), atol=1e-9)


def test_translation_is_in_pixels():
    """Alone, it moves each image by distances uniform in ±translation, one for each axis."""
    matrix, offset = affine_maps(STILL._replace(translation=2.0))
    assert_uniform(offset[:, 0], 2.0)
    assert_uniform(offset[:, 1], 2.0)
    assert abs(np.corrcoef(offset.T)[0, 1]) < 5 / np.sqrt(N_IMAGES)
    np.testing.assert_allclose(matrix, np.broadcast_to(np.eye(2), (N_IMAGES, 2, 2)), atol=1e-9)


@pytest.fixture(scope="module")
def fields():
    """Displacements by an elastic distortion of half a pixel, smoothed over three."""
    still = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return places(STILL._replace(elastic=0.5, smoothing=3.0)) - still[:, None]


def test_elastic_is_the_root_mean_square_displacement(fields):
    """Along each axis, and at every pixel alike, the displacement has that root mean square."""
    inner = fields[:, :, 4:-4, 4:-4]  # read from inside the frame, eight deviations away from it
    rms = np.sqrt((inner**2).mean(axis=1))
    np.testing.assert_allclose(rms, 0.5, rtol=0.1)
    np.testing.assert_allclose(rms.mean(), 0.5, rtol=0.02)
    assert abs(inner.mean(axis=1)).max() < 5 * 0.5 / np.sqrt(N_IMAGES)
    assert abs(np.corrcoef(inner[0].ravel(), inner[1].ravel())[0, 1]) < 0.02


def test_the_field_is_as_smooth_as_it_says(fields):
    """Displacements d pixels apart correlate as exp(-d²/4 smoothing²): noise under a Gaussian."""
    line = fields[0, :, 14, 4:-4]
    for distance in range(1, 9):
        near, far = line[:, :-distance].ravel(), line[:, distance:].ravel()
        expected = np.exp(-(distance**2) / (4 * 3.0**2))
        assert abs(np.corrcoef(near, far)[0, 1] - expected) < 0.06, distance


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9, 2)])
def test_the_compiled_mathematics_is_the_plain_one(dtype, shape):
    """TensorFlow's namespace gives what NumPy's gives, for a stack of two distortions."""
    tf_xp = tensorflow_namespace()
    ranges = [Distortion(12, 0.13, 0.15, 1, 0.7, 2), Distortion(40, 0, 0.3, 2, 0, 4)]
    values = distortion_values(ranges, shape, dtype)
    rng = np.random.default_rng(0)
    x = rng.random((2, 30, int(np.prod(shape)))).astype(dtype)
    keys = rng.integers(0, 2**32, (2, 2), dtype=np.uint32)
    plain = distort(NumpyNamespace, x, keys, values, shape, 30, dtype)
    import tensorflow as tf

    tensors = type(values)(*(tf.constant(value) for value in values))
    traced = distort(tf_xp, tf.constant(x), tf.constant(keys), tensors, shape, 30, dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(np.asarray(traced), plain, atol=tolerance)
    assert np.asarray(traced).dtype == dtype


# ------------------------------------------------------------------------------------------------
# RandomDistortion().transform


@pytest.mark.parametrize("dtype", [bool, "u1", "u2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(3, 8, 6), (3, 8, 6, 2), (3, 49)])
def test_ranges_of_zero_change_nothing(dtype, shape):
    """An image comes back bit for bit, of the same shape and dtype."""
    images = np.random.default_rng(0).integers(0, 2 if dtype is bool else 127, shape).astype(dtype)
    ours = RandomDistortion(**NOTHING).transform(images)
    np.testing.assert_array_equal(ours, images)
    assert ours.dtype == images.dtype
    assert ours is not images


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_distorted_images_keep_shape_dtype_and_range(dtype):
    """Bilinear reading gives no brighter pixel than there was, and writes nothing back."""
    images = (X.reshape(-1, 8, 8)[:300] * 100).astype(dtype)
    images.setflags(write=False)
    ours = RandomDistortion(translation=1, elastic=0.5, random_state=0).transform(images)
    assert (ours.shape, ours.dtype) == (images.shape, images.dtype)
    assert ours.min() >= 0
    assert ours.max() <= images.max()
    assert not np.array_equal(ours, images)


def test_each_image_is_distorted_in_its_own_way():
    """Copies of one image come out all different, beyond the size of a block as well."""
    images = np.broadcast_to(X[0].reshape(8, 8), (600, 8, 8))
    ours = RandomDistortion(translation=1, random_state=0).transform(images)
    assert len({image.tobytes() for image in ours}) == 600


def test_channels_are_distorted_together():
    """The channels of an image are read at the same places."""
    gray = X.reshape(-1, 8, 8)[:5]
    distortion = RandomDistortion(translation=1, elastic=0.5, random_state=3)
    colour = distortion.transform(np.stack([gray, 2 * gray], axis=-1))
    np.testing.assert_allclose(colour[..., 0], distortion.transform(gray), atol=1e-6)
    np.testing.assert_allclose(colour[..., 1], 2 * colour[..., 0], atol=1e-6)


def test_flat_rows_are_square_images():
    """A row of 64 pixels is distorted as the image of 8 × 8 that it is."""
    distortion = RandomDistortion(translation=1, random_state=0)
    flat = distortion.transform(X[:9])
    np.testing.assert_array_equal(
        flat.reshape(-1, 8, 8), distortion.transform(X[:9].reshape(-1, 8, 8))
    )


def test_random_state_decides():
    """An int repeats, a generator moves on, None is another draw; nothing global is touched."""
    before = np.random.get_state()[1].copy()
    fixed = RandomDistortion(translation=1, random_state=0)
    np.testing.assert_array_equal(fixed.transform(X[:5]), fixed.transform(X[:5]))
    np.testing.assert_array_equal(fixed.transform(X[:5]), fixed.transform(X[:300])[:5])
    for random_state in (None, np.random.RandomState(0)):
        moving = RandomDistortion(translation=1, random_state=random_state)
        assert not np.array_equal(moving.transform(X[:5]), moving.transform(X[:5]))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_it_is_an_estimator_of_values():
    """It clones, prints what differs from the defaults, and pickles."""
    distortion = RandomDistortion(rotation=20, random_state=0)
    for copy in (clone(distortion), pickle.loads(pickle.dumps(distortion))):
        assert copy.get_params() == distortion.get_params()
        assert repr(copy) == "RandomDistortion(random_state=0, rotation=20)"
    assert "RandomDistortion" in distortion._repr_html_()


def test_no_pipeline_takes_it_for_a_step():
    """Rows to predict must not be distorted, so it has no ``fit`` to be a step with."""
    pipeline = make_pipeline(RandomDistortion(), MLPDigitClassifier())
    with pytest.raises(TypeError, match="transformers and implement fit and transform"):
        pipeline.fit(X, Y)


def test_transforming_imports_no_tensorflow():
    """Images are distorted in NumPy."""
    script = (
        "import numpy, sys; from sk_mnist_mlp import RandomDistortion;"
        "RandomDistortion(elastic=1.0).transform(numpy.zeros((2, 28, 28)));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root, timeout=600)


# ------------------------------------------------------------------------------------------------
# Bad ranges and bad images

IN_FRAME = "a float in the range [0.0, 4.0), half the smaller side of images of 8 × 8"
RANGES = [
    ("rotation", 181, "a float in the range [0.0, 180.0]"),
    ("rotation", -1, "a float in the range [0.0, 180.0]"),
    ("scale", 1.0, "a float in the range [0.0, 1.0)"),
    ("scale", None, "a float in the range [0.0, 1.0)"),
    ("shear", 15, "a float in the range [0.0, 1.0]"),
    ("translation", 4, IN_FRAME),
    ("translation", 28.0, IN_FRAME),
    ("translation", np.inf, IN_FRAME),
    ("elastic", 4, IN_FRAME),
    ("elastic", "1", IN_FRAME),
    ("smoothing", 0.5, "a float in the range [1.0, inf)"),
    ("smoothing", np.nan, "a float in the range [1.0, inf)"),
    *[
        ("image_shape", shape, "None or (height, width) or (height, width, channels)")
        for shape in (64, (64,), (8, 8, 1, 1), (8.0, 8.0), (0, 64), (-8, -8), "88", (), {8: 8})
    ],
    ("image_shape", (8, None), "None or (height, width) or (height, width, channels)"),
]


@pytest.mark.parametrize(("name", "value", "expected"), RANGES)
def test_a_wrong_range_is_refused(name, value, expected):
    """Alone and in a classifier, a range is checked for the images at hand before any work."""
    distortion = RandomDistortion(translation=1).set_params(**{name: value})
    sentence = (
        f"The {name!r} parameter of RandomDistortion must be {expected}. Got {value!r} instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        distortion.transform(X[:3])
    model = MLPDigitClassifier(augmentation=distortion)
    sentence = (
        f"The 'augmentation__{name}' parameter of MLPDigitClassifier must be {expected}. Got "
        f"{value!r} instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.fit(X, Y)
    assert not hasattr(model, "n_features_in_")


def test_a_number_of_features_that_is_no_image_is_refused():
    """Sixty columns are no square, so somebody must say what image they are."""
    model = MLPDigitClassifier(augmentation=RandomDistortion(translation=1))
    sentence = (
        "MLPDigitClassifier: expected rows that are square images to distort, got 60 columns, "
        "which is no square number. Set RandomDistortion(image_shape=(height, width)) or (height, "
        "width, channels)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        model.fit(X[:, :60], Y)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        model.partial_fit(X[:, :60], Y, classes=range(10))
    assert vars(model).keys() == model.get_params(deep=False).keys()


def test_an_image_shape_of_another_size_is_refused():
    """The shape must have as many pixels as X has columns."""
    distortion = RandomDistortion(image_shape=(28, 28))
    sentence = (
        "expected image_shape of 64 pixels, as the images have, got (28, 28) of 784. Set "
        "RandomDistortion(image_shape=(height, width)) or (height, width, channels)."
    )
    with pytest.raises(ValueError, match=f"^MLPDigitClassifier: {re.escape(sentence)}$"):
        MLPDigitClassifier(augmentation=distortion).fit(X, Y)
    for images in (X[:3], X[:3].reshape(-1, 8, 8)):
        with pytest.raises(ValueError, match=f"^RandomDistortion: {re.escape(sentence)}$"):
            distortion.transform(images)


@pytest.mark.parametrize("shape", [(64,), (2, 8, 8, 1, 1), (2, 0, 8)])
def test_what_is_no_batch_of_images_is_refused(shape):
    """The sentence says what shapes there are."""
    with pytest.raises(ValueError) as caught:
        RandomDistortion().transform(np.zeros(shape))
    assert str(caught.value) == (
        "RandomDistortion: expected numbers of shape (n_samples, height, width), (n_samples, "
        "height, width, channels) or (n_samples, n_pixels), got float64 of shape "
        f"{shape}. Reshape your data: X[np.newaxis] makes a batch of one image or one flat "
        "row."
    )


def test_rows_that_are_no_square_are_refused():
    """Somebody must say what image sixty pixels are."""
    with pytest.raises(ValueError, match=r"^RandomDistortion: expected rows that are"):
        RandomDistortion().transform(np.zeros((3, 60)))
    assert RandomDistortion(image_shape=(6, 10)).transform(np.zeros((3, 60))).shape == (3, 60)


@pytest.mark.parametrize("images", [np.full((1, 4, 4), np.nan), np.full((1, 4, 4), np.inf)])
def test_images_that_are_not_finite_are_refused(images):
    """NaN and infinity are refused in scikit-learn's words."""
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        RandomDistortion(translation=1).transform(images)


def test_pixels_that_are_no_numbers_are_refused():
    """Complex pixels cannot be moved between."""
    with pytest.raises(ValueError, match="Complex data not supported"):
        RandomDistortion(translation=1).transform(np.zeros((1, 4, 4), complex))


def test_a_wrong_random_state_of_a_distortion_is_refused():
    """A seed is checked when it is used."""
    sentence = (
        "The 'random_state' parameter of RandomDistortion must be an int in the range [0, "
        "4294967295], an instance of 'numpy.random.mtrand.RandomState' or None. Got 'x' instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        RandomDistortion(translation=1, random_state="x").transform(X)


# ------------------------------------------------------------------------------------------------
# In training


def model_of(distortion, **parameters):
    """Return a classifier that fits in a moment."""
    given = {"hidden_units": (24, 16), "epochs": 3, "batch_size": 32, "random_state": 0}
    return MLPDigitClassifier(augmentation=distortion, **(given | parameters))


def weights_of(model):
    """Return a model's weights as one flat array."""
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])


def test_ranges_of_zero_train_as_no_augmentation():
    """To distort by nothing is not to distort, bit for bit."""
    still = model_of(RandomDistortion(**NOTHING)).fit(X, Y)
    plain = model_of(None).fit(X, Y)
    np.testing.assert_array_equal(weights_of(still), weights_of(plain))


@pytest.mark.parametrize(
    "change", [{"rotation": 30}, {"scale": 0.3}, {"shear": 0.4}, {"translation": 2}, {"elastic": 1}]
)
def test_each_range_matters(change):
    """Changing one range changes what is learnt."""
    distortion = RandomDistortion(translation=1)
    one = model_of(distortion).fit(X, Y)
    other = model_of(clone(distortion).set_params(**change)).fit(X, Y)
    assert not np.array_equal(weights_of(one), weights_of(other))


def test_the_estimator_s_seed_decides_the_distortions():
    """The same ``random_state`` trains the same, whatever the distortion's own says."""
    one, same, other = (
        model_of(RandomDistortion(translation=1, random_state=own), random_state=seed).fit(X, Y)
        for own, seed in ((0, 0), (1, 0), (0, 1))
    )
    np.testing.assert_array_equal(weights_of(one), weights_of(same))
    assert not np.array_equal(weights_of(one), weights_of(other))


def test_distortions_are_fresh_every_epoch(monkeypatch):
    """No image is met twice in the same form, in one epoch or two."""
    from sk_mnist_mlp._training import step as _step

    seen = []

    def recorded(*arguments):
        seen.append(distort(*arguments))
        return seen[-1]

    monkeypatch.setattr(_step, "distort", recorded)
    rows = np.repeat(X[:1], 40, axis=0)
    model_of(RandomDistortion(translation=1), batch_size=20).fit(rows, np.arange(40) % 2)
    assert len(seen) == 6  # two steps in each of three epochs
    assert len({image.tobytes() for batch in seen for image in batch[0]}) == 6 * 20


def test_rows_to_predict_are_left_as_they_are():
    """A row's answer is the same every time, and that of the plain forward pass."""
    model = model_of(RandomDistortion(translation=1, elastic=1)).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    hidden = X.astype(float)
    for kernel, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ kernel + bias, 0)
    logits = hidden @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_array_equal(model.predict(X), logits.argmax(axis=1))


def test_rows_held_out_are_left_as_they_are():
    """Early stopping measures on the images themselves."""
    model = model_of(RandomDistortion(translation=3), early_stopping=True, epochs=4)
    model.fit(X, Y)
    from sk_mnist_mlp._training.plan import Seeds
    from sk_mnist_mlp._training.shuffling import stratified_holdout

    seed = Seeds.draw(np.random.RandomState(0)).validation
    _, held_out = stratified_holdout(Y, np.arange(len(Y)), 10, 0.1, seed)
    best = max(model.history_["val_accuracy"])
    assert model.score(X[held_out], Y[held_out]) == pytest.approx(best)


def test_both_engines_learn_from_the_same_images():
    """Without dropout, the losses of both engines are equal, batch for batch."""
    distortion = RandomDistortion(translation=1, elastic=0.5)
    ours, keras = (
        model_of(distortion, dropout=0.0, engine=engine).fit(X[:500], Y[:500])
        for engine in ("numpy", "keras")
    )
    assert (ours.engine_, keras.engine_) == ("numpy", "keras")
    np.testing.assert_allclose(ours.loss_curve_, keras.loss_curve_, rtol=1e-3)


def test_training_goes_on_with_fresh_distortions():
    """Going on by ``warm_start`` or ``partial_fit`` is what one longer training does."""
    distortion = RandomDistortion(translation=1, elastic=0.5)
    whole = model_of(distortion, epochs=5).fit(X, Y)
    parts = model_of(distortion, epochs=2, warm_start=True).fit(X, Y)
    parts.set_params(epochs=3).fit(X, Y)
    steps = model_of(distortion)
    for _ in range(5):
        steps.partial_fit(X, Y, classes=np.arange(10))
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))
    np.testing.assert_array_equal(weights_of(steps), weights_of(whole))


@pytest.mark.parametrize(
    "shape", [(4, 16), (2, 32), (4, 8, 2), [8, 8], np.array([8, 8]), (8, 8, 1)]
)
def test_images_of_any_shape(shape):
    """``image_shape`` says what image a row is; another shape distorts otherwise."""
    distortion = RandomDistortion(translation=0.9)
    model = model_of(clone(distortion).set_params(image_shape=shape)).fit(X, Y)
    square = model_of(distortion).fit(X, Y)
    same = np.array_equal(weights_of(model), weights_of(square))
    assert same == (tuple(shape)[:2] == (8, 8))


def test_training_on_distorted_images_helps_on_images_like_them():
    """With a few images to learn from, moved ones are read better by who has seen others move."""
    train, test = X[:400], X[400:]
    moved = np.zeros((len(test), 8, 8), np.float32)
    moved[:, 1:, :] = test.reshape(-1, 8, 8)[:, :-1, :]
    scores = [
        model_of(distortion, hidden_units=64, dropout=0.0, learning_rate=0.003, epochs=60)
        .fit(train, Y[:400])
        .score(moved.reshape(len(test), -1), Y[400:])
        for distortion in (None, RandomDistortion(translation=1))
    ]
    assert scores[1] > scores[0] + 0.1


def test_ranges_are_parameters_of_the_classifier():
    """They are listed, set, searched and cloned as ``augmentation__…``."""
    model = model_of(RandomDistortion(translation=1))
    assert {f"augmentation__{name}" for name in RandomDistortion().get_params()} <= set(
        model.get_params()
    )
    model.set_params(augmentation__rotation=3)
    assert clone(model).augmentation.rotation == 3
    assert clone(model).augmentation is not model.augmentation
    search = GridSearchCV(model, {"augmentation__rotation": [0, 10]}, cv=2).fit(X[:200], Y[:200])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_fitted_model_is_pickled_and_kept_in_a_file(tmp_path):
    """The distortion comes back with the model, from a pickle and from a model file."""
    model = model_of(RandomDistortion(translation=1, elastic=0.5)).fit(X, Y)
    save_model(model, tmp_path / "model.skmlp")
    for copy in (pickle.loads(pickle.dumps(model)), load_model(tmp_path / "model.skmlp")):
        np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
        assert copy.augmentation.get_params() == model.augmentation.get_params()
        np.testing.assert_array_equal(
            weights_of(clone(copy).fit(X[:200], Y[:200])),
            weights_of(clone(model).fit(X[:200], Y[:200])),
        )


def test_a_pipeline_trains_on_distorted_images():
    """Images go in as they are: flattened, scaled, then distorted in training."""
    images = (X.reshape(-1, 8, 8) * 255).astype(np.uint8)
    pipeline = make_pipeline(ImageFlattener(), model_of(RandomDistortion(translation=1), epochs=20))
    assert pipeline.fit(images, Y).score(images, Y) > 0.7
