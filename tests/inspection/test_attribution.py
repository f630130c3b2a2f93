"""Attributions of pixels: they add up, agree with finite differences, and can be drawn."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._network import forward
from sk_mnist_mlp.inspection import AttributionDisplay, pixel_attributions
from sk_mnist_mlp.inspection.attribution import _logit_gradients

matplotlib.use("agg")
import matplotlib.pyplot as plt

DIGITS = load_digits()
IMAGES, ROWS, Y = DIGITS.images, DIGITS.data / 16, DIGITS.target


def small(**parameters):
    defaults = {"hidden_units": (16, 12), "epochs": 3, "learning_rate": 0.01, "random_state": 0}
    return MLPDigitClassifier(**defaults | parameters)


def logits_of(model, rows):
    return forward(np.asarray(rows, float), model._layers(), model.activation)


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(ImageFlattener(scale=16), small()).fit(IMAGES, Y.astype(str))


@pytest.mark.parametrize("activation", ["relu", "gelu", "leaky_relu", "tanh"])
def test_integrated_gradients_sum_to_the_difference_of_logits(activation):
    """Over an image they sum to its logit minus that of a black image, within 1e-3."""
    model = small(activation=activation).fit(ROWS, Y)
    for target in (None, 3):
        outputs = model.predict(ROWS[:20]) if target is None else np.full(20, target)
        difference = logits_of(model, ROWS[:20]) - logits_of(model, np.zeros((1, 64)))
        sums = pixel_attributions(model, ROWS[:20], target).sum(axis=1)
        np.testing.assert_allclose(sums, difference[range(20), outputs], rtol=0, atol=1e-3)


@pytest.mark.parametrize("activation", ["gelu", "softplus", "tanh", "selu"])
def test_gradients_agree_with_finite_differences(activation):
    """The derivative of a logit by every pixel is what small steps measure."""
    model = small(activation=activation).fit(ROWS, Y)
    step = 1e-6 * np.eye(64)
    measured = (logits_of(model, ROWS[5] + step) - logits_of(model, ROWS[5] - step))[:, 7] / 2e-6
    found = _logit_gradients(model, ROWS[5:6], 7)[0]
    np.testing.assert_allclose(found, measured, rtol=1e-5, atol=1e-6)


def test_occlusion_is_the_fall_of_the_logit(pipeline):
    """A pixel's attribution is the logit's fall when it and its neighbours are black."""
    found = pixel_attributions(pipeline, IMAGES[:1], "4", method="occlusion")
    flattener, model = pipeline
    for row, column in [(0, 0), (3, 4), (7, 6)]:
        hidden = IMAGES[:1].copy()
        hidden[0, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 0
        whole, without = (
            logits_of(model, flattener.transform(x))[0, 4] for x in (IMAGES[:1], hidden)
        )
        assert found[0, row, column] == pytest.approx(whole - without)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_pipeline_has_its_classifiers_attributions(pipeline, method):
    """Images and the rows that a flattener makes of them have the same attributions."""
    images = pixel_attributions(pipeline, IMAGES[:3], method=method)
    rows = pixel_attributions(pipeline[-1], pipeline[0].transform(IMAGES[:3]), method=method)
    assert images.shape == (3, 8, 8)
    np.testing.assert_allclose(images.reshape(3, 64), rows, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "method", "reason"),
    [
        ("x", "occlusion", r"targets among \['0'.* got 'x'\. Pass labels that"),
        (["1"], "occlusion", r"one for each of 3 images, got target of shape \(1,\)\. Pass one of"),
        (None, "saliency", r"method to be one of integrated_gradients, occlusion, got 'saliency'"),
    ],
)
def test_what_cannot_be_explained_is_refused(pipeline, target, method, reason):
    """Unknown labels and methods are a ValueError in one sentence."""
    with pytest.raises(ValueError, match=rf"^pixel_attributions: expected .*{reason}"):
        pixel_attributions(pipeline, IMAGES[:3], target, method)


def test_other_estimators_are_refused():
    """They are a TypeError, unfitted ones a NotFittedError."""
    with pytest.raises(TypeError, match=r"^pixel_attributions: .* got LogisticRegression\."):
        pixel_attributions(LogisticRegression().fit(ROWS, Y), ROWS[:1])
    with pytest.raises(NotFittedError):
        pixel_attributions(small(), ROWS[:1])
    model = small().fit(ROWS, Y)
    with pytest.raises(ValueError, match="expected a feature for each of 60 pixels, got 64"):
        pixel_attributions(model, ROWS[:1, :60])


def test_attributions_need_no_tensorflow():
    """They are computed by NumPy alone."""
    code = """
import sys
import numpy as np
from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp.inspection import pixel_attributions
X = np.eye(4)
model = MLPDigitClassifier(hidden_units=3, epochs=1, engine="numpy").fit(X, [0, 1, 0, 1])
pixel_attributions(model, X)
print({"tensorflow", "keras", "matplotlib"} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.stdout.strip() == "set()", run.stderr


def test_attributions_are_drawn_over_the_images(pipeline):
    """Each image has its axes, on one scale around zero, and the table holds the numbers."""
    pytest.importorskip("pandas")
    display = AttributionDisplay.from_estimator(pipeline, IMAGES[:3])
    assert display.images.shape == display.attributions.shape == (3, 8, 8)
    for axes, found, label in zip(
        display.ax_, display.attributions, pipeline.predict(IMAGES[:3]), strict=True
    ):
        drawn = axes.images[-1]
        np.testing.assert_array_equal(drawn.get_array(), found)
        assert drawn.norm.vmin == -drawn.norm.vmax
        assert axes.get_title() == f"why {label}?"
    frame = display.frame()
    assert list(frame) == ["image", "target", "pixel", "value", "attribution"]
    np.testing.assert_array_equal(frame["attribution"], display.attributions.ravel())
    np.testing.assert_array_equal(frame["image"], np.repeat(range(3), 64))
    with pytest.raises(ValueError, match=r"^AttributionDisplay.plot: expected axes for 3 images"):
        display.plot(plt.subplots(1, 2)[1])
    figure, axes = plt.subplots(1, 4)
    assert display.plot(axes).figure_ is figure
    plt.close("all")
