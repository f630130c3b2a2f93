"""The mistakes drawn are the model's, the most confident first."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.inspection import MistakesDisplay

DIGITS = load_digits()
IMAGES, Y = DIGITS.images, DIGITS.target


@pytest.fixture(scope="module")
def pipeline():
    model = MLPDigitClassifier(hidden_units=8, epochs=3, learning_rate=0.01, random_state=0)
    return make_pipeline(ImageFlattener(scale=16), model).fit(IMAGES[:400], Y[:400])


def test_mistakes_are_all_wrong_answers_by_confidence(pipeline):
    """Index, truth, answer and probability are the model's; the surest comes first."""
    pytest.importorskip("pandas")
    display = MistakesDisplay.from_estimator(pipeline, IMAGES, Y)
    answers, probabilities = pipeline.predict(IMAGES), pipeline.predict_proba(IMAGES)
    frame = display.frame()
    assert list(frame) == ["index", "truth", "answer", "probability"]
    assert sorted(frame["index"]) == np.flatnonzero(answers != Y).tolist()
    index = frame["index"].to_numpy()
    np.testing.assert_array_equal(frame["truth"], Y[index])
    np.testing.assert_array_equal(frame["answer"], answers[index])
    np.testing.assert_array_equal(frame["probability"], probabilities[index].max(axis=1))
    assert frame["probability"].is_monotonic_decreasing
    assert len(display.ax_) == 15
    for i, axes in enumerate(display.ax_):
        np.testing.assert_array_equal(axes.images[0].get_array(), IMAGES[index[i]])
        assert axes.get_title() == f"{Y[index[i]]}, taken for {answers[index[i]]}"
        assert axes.get_xlabel().endswith(" %")
    title = display.figure_.get_suptitle()
    assert title == f"the 15 most confident of {len(index):,} mistakes"


def test_a_cell_of_the_confusion_matrix_is_shown_alone(pipeline):
    """Truth chooses a row, answer a column; the numbers of mistakes are the matrix's."""
    counts = confusion_matrix(Y, pipeline.predict(IMAGES))
    np.fill_diagonal(counts, 0)
    truth, answer = (int(i) for i in np.unravel_index(counts.argmax(), counts.shape))
    for cell, n in (
        ({"truth": truth, "answer": answer}, counts[truth, answer]),
        ({"truth": truth}, counts[truth].sum()),
        ({"answer": answer}, counts[:, answer].sum()),
    ):
        display = MistakesDisplay.from_estimator(pipeline, IMAGES, Y, **cell)
        assert len(display.images) == n > 0
        for name, label in cell.items():
            assert (getattr(display, name) == label).all()


def test_any_models_answers_can_be_drawn(pipeline):
    """Labels do, in the order of the images; rows of pixels are images too."""
    probabilities = pipeline.predict_proba(IMAGES)
    asked = MistakesDisplay.from_predictions(IMAGES, Y, probabilities)
    same = MistakesDisplay.from_estimator(pipeline, IMAGES.reshape(-1, 64), Y)
    np.testing.assert_array_equal(asked.index, same.index)
    np.testing.assert_array_equal(asked.images, same.images)
    rows = DIGITS.data[:3]
    display = MistakesDisplay.from_predictions(rows, ["a", "b", "c"], ["b", "b", "a"])
    assert display.index.tolist() == [0, 2]
    assert display.images.shape == (2, 8, 8)
    assert display.probability is None
    assert display.figure_.get_suptitle() == "2 mistakes"
    assert [axes.get_title() for axes in display.ax_] == ["a, taken for b", "c, taken for a"]
    chances = [[0.0, 0.0, 1.0], [0.4, 0.6, 0.0]]
    display = MistakesDisplay.from_predictions(rows[:2], [0, 0], chances, labels=[0, 1, 2])
    assert [axes.get_xlabel() for axes in display.ax_] == ["over 99.9 %", "60.0 %"]


def test_a_model_without_mistakes_has_an_empty_picture():
    """It says so, and its table has no rows."""
    pytest.importorskip("pandas")
    display = MistakesDisplay.from_predictions(IMAGES[:3], Y[:3], Y[:3])
    assert display.figure_.get_suptitle() == "no mistakes"
    assert len(display.ax_) == len(display.frame()) == 0


def test_given_axes_say_how_many_are_drawn(pipeline):
    """Without a number there are as many as axes."""
    figure, axes = plt.subplots(2, 2)
    display = MistakesDisplay.from_estimator(pipeline, IMAGES, Y, ax=axes)
    assert display.figure_ is figure
    assert len(display.ax_) == 4
    assert len(display.plot(n_images=7).ax_) == 7
    with pytest.raises(ValueError, match=r"^MistakesDisplay\.plot: expected axes for 5 images"):
        display.plot(axes, n_images=5)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"truth": 10}, r"^MistakesDisplay: expected truth to be one of \[0, .* got 10\. Pass a"),
        ({"answer": "3"}, r"^MistakesDisplay: expected answer to be one of \[0, .* got '3'\."),
        ({"truth": 3, "answer": 3}, "^MistakesDisplay: expected truth and answer to differ, got 3"),
        ({"labels": [0, 1]}, "^MistakesDisplay: expected a label for each of 10 columns of"),
        ({"y_true": Y[:9]}, "inconsistent numbers of samples"),
        ({"y_true": Y.astype(str), "labels": range(10)}, "Mix of label input types"),
        ({"y_true": np.eye(10)[Y]}, "should be a 1d array"),
    ],
)
def test_what_does_not_fit_is_refused(changed, reason):
    """Unknown labels, lengths and shapes that do not fit are a ValueError."""
    answers = {"images": IMAGES, "y_true": Y, "y_pred": np.eye(10)[Y]}
    with pytest.raises(ValueError, match=reason):
        MistakesDisplay.from_predictions(**answers | changed)


def test_other_estimators_are_refused():
    """They are a TypeError, unfitted ones a NotFittedError."""
    with pytest.raises(TypeError, match=r"^MistakesDisplay: expected .* got LogisticRegression\."):
        MistakesDisplay.from_estimator(LogisticRegression(), IMAGES, Y)
    with pytest.raises(NotFittedError):
        MistakesDisplay.from_estimator(MLPDigitClassifier(), IMAGES, Y)
