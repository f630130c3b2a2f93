"""The first layer's weights, as images."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.inspection import AttributionDisplay, WeightsDisplay

IMAGES, Y = load_digits().images[:200], load_digits().target[:200]


def fitted(*transformers, images=IMAGES, hidden_units=30):
    model = MLPDigitClassifier(hidden_units=hidden_units, epochs=1, random_state=0)
    return make_pipeline(ImageFlattener(scale=16), *transformers, model).fit(images, Y)


def test_each_image_is_a_units_weights_the_largest_norm_first():
    """Image i is column ``units[i]`` of the first weights; 25 are drawn, all are held."""
    pytest.importorskip("pandas")
    pipeline = fitted()
    weights = pipeline[-1].coefs_[0]
    display = WeightsDisplay.from_estimator(pipeline)
    assert display.weights.shape == (30, 8, 8)
    np.testing.assert_array_equal(display.weights.reshape(30, 64), weights[:, display.units].T)
    assert (np.diff(np.linalg.norm(weights[:, display.units], axis=0)) <= 0).all()
    assert len(display.ax_) == 25
    for axes, image, unit in zip(display.ax_, display.weights, display.units, strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
        assert axes.get_title() == f"unit {unit}"
    scales = {axes.images[0].get_clim() for axes in display.ax_}
    ((low, high),) = scales
    assert low == -high
    frame = display.frame()
    assert list(frame) == ["unit", "norm", "pixel", "weight"]
    row = frame.iloc[64 + 5]
    assert row["weight"] == weights[5, display.units[1]]
    assert row["norm"] == pytest.approx(np.linalg.norm(weights[:, display.units[1]]))


def test_given_axes_say_how_many_units_are_drawn():
    """Without a number there are as many as axes; with one, the other axes stay empty."""
    pipeline = fitted()
    figure, axes = plt.subplots(2, 3)
    display = WeightsDisplay.from_estimator(pipeline, ax=axes)
    assert display.figure_ is figure
    assert len(display.ax_) == 6
    assert len(display.plot(plt.subplots(1, 4)[1], n_units=2).ax_) == 2
    with pytest.raises(ValueError, match=r"^WeightsDisplay\.plot: expected axes for 9 images, got"):
        display.plot(axes, n_units=9)


def test_colour_images_and_lines_are_drawn():
    """Channels are summed, and features that make no square are a line."""
    colours = np.stack([IMAGES] * 3, axis=-1)
    display = WeightsDisplay.from_estimator(fitted(images=colours))
    assert display.weights.shape == (30, 8, 8, 3)
    assert display.ax_[0].images[0].get_array().shape == (8, 8)
    lines = IMAGES.reshape(200, 64)[:, :60]
    pipeline = fitted(images=lines)
    assert WeightsDisplay.from_estimator(pipeline).weights.shape == (30, 1, 60)
    assert AttributionDisplay.from_estimator(pipeline, lines[:2]).images.shape == (2, 1, 60)


def test_what_has_no_weights_of_pixels_is_refused():
    """Mixed pixels are a ValueError, other estimators a TypeError, unfitted a NotFittedError."""
    with pytest.raises(ValueError, match=r"^WeightsDisplay: expected a feature for each of 64 pi"):
        WeightsDisplay.from_estimator(fitted(PCA(9)))
    with pytest.raises(TypeError, match=r"^WeightsDisplay: expected .* got LogisticRegression\."):
        WeightsDisplay.from_estimator(LogisticRegression())
    with pytest.raises(NotFittedError):
        WeightsDisplay.from_estimator(MLPDigitClassifier())
