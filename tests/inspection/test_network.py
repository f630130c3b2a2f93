"""The picture of a network says what its layers are."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.inspection import NetworkDisplay

DIGITS = load_digits()
TUTORIAL = NetworkDisplay(layer_widths=(784, 256, 256, 10), dropout=0.45, image_shape=(28, 28))


def texts(display):
    return "\n".join([display.ax_.get_title(), *(text.get_text() for text in display.ax_.texts)])


def test_the_tutorials_network_has_269322_weights():
    """The sum is the title, and each layer's weights stand where they lead to it."""
    pytest.importorskip("pandas")
    frame = TUTORIAL.frame()
    assert list(frame) == ["layer", "units", "activation", "dropout", "weights"]
    assert frame["layer"].tolist() == ["input", "hidden 1", "hidden 2", "output"]
    assert frame["weights"].tolist() == [0, 200_960, 65_792, 2_570]
    assert frame["dropout"].tolist() == [0, 0.45, 0.45, 0]
    assert frame["activation"].tolist() == ["", "relu", "relu", "softmax"]
    drawn = texts(TUTORIAL.plot())
    assert drawn.startswith("269,322 weights\n")
    for fact in ("28 × 28 pixels", "256 units\nrelu\ndropout 0.45", "2,570\n256 × 10 + 10"):
        assert fact in drawn


def test_all_text_is_inside_a_picture_of_700_pixels():
    """The picture is 700 pixels wide, and no text leaves it or runs into another one."""
    display = TUTORIAL.plot()
    figure = display.figure_
    assert figure.get_figwidth() * figure.dpi == 700
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in [display.ax_.title, *display.ax_.texts]]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize("dropout", [0.0, 0.2, 0.45, 0.9])
def test_as_many_units_are_hollow_as_drop_out(dropout):
    """Of the units drawn of a hidden layer the rate's share is hollow, but for one."""
    display = NetworkDisplay(layer_widths=(64, 100, 10), dropout=dropout).plot()
    full, hollow = (len(units.get_offsets()) for units in display.ax_.collections[3:5])
    assert full + hollow == 12
    assert abs(hollow - 12 * dropout) <= 1
    assert ("hollow" in texts(display)) == (dropout > 0)


def test_a_model_is_drawn_as_it_is():
    """Pipelines and searches are looked into; classes stand beside the outputs."""
    pytest.importorskip("pandas")
    model = MLPDigitClassifier(hidden_units=(8, 6, 4), epochs=1, activation="gelu", dropout=0.1)
    pipeline = make_pipeline(ImageFlattener(scale=16), model)
    names = np.array(list("abcdefghij"))[DIGITS.target]
    search = GridSearchCV(pipeline, {"mlpdigitclassifier__l2": [0.0]}, cv=2)
    search.fit(DIGITS.images[:200], names[:200])
    display = NetworkDisplay.from_estimator(search)
    weights = sum(array.size for pair in search.best_estimator_[-1]._layers() for array in pair)
    assert display.frame()["weights"].sum() == weights
    assert display.image_shape == (8, 8)
    drawn = texts(display)
    assert "\na\nb\nc\n" in drawn
    assert "8 × 8 pixels" in drawn
    alone = NetworkDisplay.from_estimator(search.best_estimator_[-1], ax=display.ax_)
    assert alone.ax_ is display.ax_
    assert alone.image_shape is None  # rows of numbers need not be images


def test_a_network_without_hidden_layers_is_drawn():
    """Its input leads to its output."""
    assert texts(NetworkDisplay(layer_widths=(5, 3)).plot()).startswith("18 weights")


def test_other_estimators_are_refused(monkeypatch):
    """They are a TypeError, unfitted ones a NotFittedError, and no matplotlib an ImportError."""
    with pytest.raises(TypeError, match=r"^NetworkDisplay: expected .* got LogisticRegression\."):
        NetworkDisplay.from_estimator(LogisticRegression())
    with pytest.raises(NotFittedError):
        NetworkDisplay.from_estimator(MLPDigitClassifier())
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"^NetworkDisplay\.plot: .* matplotlib, got none"):
        TUTORIAL.plot()
