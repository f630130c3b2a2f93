"""The Display classes: what is drawn is what the search found and what the training measured."""

import subprocess
import sys

import keras
import matplotlib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - its import is the switch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.inspection import SearchResultsDisplay, TrainingCurveDisplay

matplotlib.use("agg")
import matplotlib.pyplot as plt


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:240] / 16, y[:240]


def classifier(**parameters):
    return MLPDigitClassifier(
        **{"hidden_units": 8, "epochs": 2, "learning_rate": 0.01, "random_state": 0} | parameters
    )


@pytest.fixture(scope="module")
def search(digits):
    """A search over two parameters: three rates of dropout, two shapes of network."""
    grid = {"dropout": [0.4, 0.0, 0.2], "hidden_units": [8, (16, 8)]}
    return GridSearchCV(classifier(), grid, cv=2).fit(*digits)


# ----------------------------------------------------------------------------------------------
# Scores of a search


def test_two_parameters_make_a_heat_map(search):
    """Rows and columns are the parameters' values, and each cell shows its candidate's mean."""
    display = SearchResultsDisplay.from_search(search)
    assert list(display.parameters) == ["dropout", "hidden_units"]
    assert display.parameters["dropout"] == [0.0, 0.2, 0.4]
    assert display.parameters["hidden_units"] == [8, (16, 8)]
    shown = np.asarray(display.im_.get_array())
    for parameters, mean in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        row = display.parameters["dropout"].index(parameters["dropout"])
        column = display.parameters["hidden_units"].index(parameters["hidden_units"])
        assert shown[row, column] == pytest.approx(mean)
    texts = [text.get_text() for text in display.ax_.texts]
    assert len(texts) == 6
    best = search.best_index_
    mean, std = (search.cv_results_[f"{kind}_test_score"][best] for kind in ("mean", "std"))
    assert f"{mean:.3f}\n± {std:.3f}" in texts
    assert display.ax_.get_ylabel() == "dropout"
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["8", "16-8"]


def test_the_best_candidate_is_framed(search):
    """The frame stands around the cell that the search calls its best."""
    display = SearchResultsDisplay.from_search(search)
    (frame,) = [patch for patch in display.ax_.patches if not patch.get_fill()]
    column, row = np.rint(np.add(frame.get_xy(), 0.49)).astype(int)
    assert display.parameters["dropout"][row] == search.best_params_["dropout"]
    assert display.parameters["hidden_units"][column] == search.best_params_["hidden_units"]


@pytest.mark.parametrize(
    ("grid", "scale"),
    [
        ({"learning_rate": [0.0001, 0.001, 0.01]}, "log"),
        ({"dropout": [0.0, 0.2, 0.4]}, "linear"),
        ({"optimizer": ["sgd", "adam"]}, "linear"),
    ],
)
def test_one_parameter_makes_an_interval_plot(digits, grid, scale):
    """Every value has its mean, its deviation and a dot for each fold; numbers get a true axis."""
    search = GridSearchCV(classifier(), grid, cv=3).fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    assert display.im_ is None
    means = display.errorbar_.lines[0].get_ydata()
    np.testing.assert_allclose(means, search.cv_results_["mean_test_score"])
    assert display.ax_.get_xscale() == scale
    folds = [line for line in display.ax_.lines if line.get_alpha() == 0.45]
    assert len(folds) == 3
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert any(label.startswith("best: ") for label in labels)


def test_a_pipelines_parameters_are_named_shortly(digits):
    """The step's name before the double underscore is left out on the axes."""
    model = make_pipeline(ImageFlattener(), classifier())
    grid = {"mlpdigitclassifier__dropout": [0.0, 0.2], "mlpdigitclassifier__l2": [0.0, 0.01]}
    display = SearchResultsDisplay.from_search(GridSearchCV(model, grid, cv=2).fit(*digits))
    assert (display.ax_.get_ylabel(), display.ax_.get_xlabel()) == ("dropout", "l2")


def test_what_does_not_vary_takes_no_axis(digits):
    """A parameter with one value in the grid is not shown."""
    search = GridSearchCV(classifier(), {"dropout": [0.0, 0.2], "epochs": [2]}, cv=2).fit(*digits)
    assert list(SearchResultsDisplay.from_search(search).parameters) == ["dropout"]


def test_more_than_two_parameters_need_a_choice(digits):
    """With three that vary, the two to show are named, and each cell is the best of the third."""
    grid = {"dropout": [0.0, 0.4], "batch_size": [16, 64], "optimizer": ["adam", "sgd"]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(*digits)
    with pytest.raises(ValueError) as caught:
        SearchResultsDisplay.from_search(search)
    assert str(caught.value) == (
        "SearchResultsDisplay: expected one or two of the search's parameters, batch_size, "
        "dropout, optimizer, got ['batch_size', 'dropout', 'optimizer']. Name those to show, for "
        "example parameters=['batch_size', 'dropout']; the best candidate over the others is "
        "shown for each."
    )
    display = SearchResultsDisplay.from_search(search, parameters=["dropout", "batch_size"])
    assert display.split_scores.mean(-1).max() == pytest.approx(search.best_score_)
    assert display.figure_.axes[1].get_ylabel() == "accuracy, best over the others, mean of 2 folds"
    rates = SearchResultsDisplay.from_search(search, parameters="dropout")
    assert len(rates.split_scores) == 2
    assert rates.errorbar_.lines[0].get_linestyle() == "None"  # nothing lies between the two


@pytest.mark.parametrize("asked", [["depth"], ["dropout", "depth"], [], ["dropout"] * 3])
def test_unknown_parameters_are_refused(search, asked):
    """A name that is not in the grid is refused in words that list the grid's."""
    with pytest.raises(ValueError) as caught:
        SearchResultsDisplay.from_search(search, parameters=asked)
    assert str(caught.value) == (
        "SearchResultsDisplay: expected one or two of the search's parameters, dropout, "
        f"hidden_units, got {asked!r}. Name those to show, for example parameters=['dropout', "
        "'hidden_units']; the best candidate over the others is shown for each."
    )


def test_a_search_over_nothing_is_refused(digits):
    """A grid without parameters has nothing to draw."""
    search = GridSearchCV(classifier(), {}, cv=2).fit(*digits)
    with pytest.raises(ValueError) as caught:
        SearchResultsDisplay.from_search(search)
    assert str(caught.value) == (
        "SearchResultsDisplay: expected a search over one or two parameters, got one over none. "
        "Give its grid a parameter."
    )


def test_a_metric_is_chosen_by_name(digits):
    """Of several metrics the one of refit is shown, or the one asked for."""
    search = GridSearchCV(
        classifier(),
        {"dropout": [0.0, 0.4]},
        cv=2,
        scoring=["accuracy", "neg_log_loss"],
        refit="accuracy",
    ).fit(*digits)
    assert SearchResultsDisplay.from_search(search).score_name == "accuracy"
    display = SearchResultsDisplay.from_search(search, metric="neg_log_loss")
    np.testing.assert_allclose(
        display.split_scores.mean(-1), search.cv_results_["mean_test_neg_log_loss"]
    )
    assert display.ax_.get_ylabel() == "negative log loss, mean of 2 folds"
    with pytest.raises(ValueError) as caught:
        SearchResultsDisplay.from_search(search, metric="recall")
    assert str(caught.value) == (
        "SearchResultsDisplay: expected metric to be one of accuracy, neg_log_loss, got 'recall'. "
        "Name one of the search's metrics."
    )


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
def test_a_failed_candidate_says_so(digits):
    """A cell whose fits failed reads "failed"; one that was never tried stays empty."""
    grid = [{"learning_rate": [1e-3, 1e30], "optimizer": ["sgd"]}, {"optimizer": ["adam"]}]
    search = GridSearchCV(classifier(), grid, cv=2)
    with pytest.warns(Warning, match="training stops there"):
        search.fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    assert display.tried.sum() == 3
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts.count("failed") == 1
    assert len(texts) == 3


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
def test_a_search_in_which_all_failed_is_still_drawn(digits):
    """Without a single score nothing is framed, and nothing breaks."""
    search = GridSearchCV(
        classifier(optimizer="sgd"), {"learning_rate": [1e30, 2e30]}, cv=2, refit=False
    )
    with pytest.warns(Warning, match="training stops there"):
        search.fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    assert np.isnan(display.split_scores).all()


def test_halving_shows_each_candidate_once_by_its_longest_training(digits):
    """Of successive halving the last iteration that a candidate took part in counts."""
    search = HalvingGridSearchCV(
        classifier(),
        {"dropout": [0.0, 0.2], "l2": [0.0, 1.0]},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
    ).fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    assert list(display.parameters) == ["dropout", "l2"]
    means = display.split_scores.mean(-1)
    assert means[
        display.parameters["dropout"].index(search.best_params_["dropout"]),
        display.parameters["l2"].index(search.best_params_["l2"]),
    ] == pytest.approx(search.best_score_)


def test_a_random_search_leaves_untried_cells_empty(digits):
    """Cells nobody tried have no text; numbers of different types are one value."""
    space = {"dropout": [0, 0.2, 0.4], "learning_rate": list(np.logspace(-4, -2, 4))}
    search = RandomizedSearchCV(classifier(), space, n_iter=6, cv=2, random_state=0).fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    assert len(display.ax_.texts) == display.tried.sum() == 6


def test_values_that_are_objects_are_told_apart(digits):
    """Optimizers given as instances are named by their class."""
    grid = {"optimizer": [keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01)]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(*digits)
    display = SearchResultsDisplay.from_search(search)
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["SGD", "Adam"]


def test_displays_draw_on_given_axes(search):
    """Plot takes axes, returns itself, and can draw again elsewhere."""
    _, (first, second) = plt.subplots(1, 2)
    display = SearchResultsDisplay.from_search(search, ax=first)
    assert display.ax_ is first
    assert display.plot(second, cmap="Blues", values_format=".1%", colorbar=False) is display
    assert display.ax_ is second
    assert display.figure_ is second.figure
    assert "%" in second.texts[0].get_text()


def test_a_searchs_table_is_its_results(search):
    """Each candidate has a row: its parameters and its scores, as ``cv_results_`` has them."""
    pd = pytest.importorskip("pandas")
    frame = SearchResultsDisplay.from_search(search).frame()
    scores = ["mean_test_score", "std_test_score", "split0_test_score", "split1_test_score"]
    assert list(frame) == ["dropout", "hidden_units", *scores]
    results = pd.DataFrame(search.cv_results_)
    assert len(frame) == len(results)
    for row in frame.to_dict("records"):
        asked = {name: row[name] for name in ("dropout", "hidden_units")}
        (expected,) = results[[params == asked for params in results["params"]]].to_dict("records")
        assert [row[name] for name in scores] == pytest.approx([expected[name] for name in scores])


def test_a_search_that_is_not_fitted_is_refused():
    """An unfitted search raises scikit-learn's own NotFittedError."""
    with pytest.raises(NotFittedError):
        SearchResultsDisplay.from_search(GridSearchCV(classifier(), {"dropout": [0.0]}))


# ----------------------------------------------------------------------------------------------
# Curves of a training


@pytest.fixture(scope="module")
def trained(digits):
    """Two classifiers that differ in dropout, with held-out rows."""
    return [
        classifier(dropout=rate, epochs=5, early_stopping=True, validation_fraction=0.2).fit(
            *digits
        )
        for rate in (0.0, 0.4)
    ]


def test_a_training_shows_loss_and_accuracy(digits):
    """Without held-out rows there is one line of loss and one of accuracy, epoch by epoch."""
    model = classifier(epochs=4).fit(*digits)
    display = TrainingCurveDisplay.from_estimator(model)
    loss, accuracy = (axes.lines for axes in display.ax_)
    assert len(loss) == len(accuracy) == 1
    np.testing.assert_array_equal(loss[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(loss[0].get_ydata(), model.history_["loss"])
    np.testing.assert_array_equal(accuracy[0].get_ydata(), model.history_["accuracy"])
    assert [axes.get_ylabel() for axes in display.ax_] == ["loss", "accuracy"]


def test_several_trainings_are_laid_over_each_other(trained):
    """Each has its colour and its name by what it differs in; held-out lines are dashed."""
    display = TrainingCurveDisplay.from_estimator(trained)
    assert list(display.histories) == ["dropout=0.0", "dropout=0.4"]
    for model, name in zip(trained, display.histories, strict=True):
        lines = display.lines_[name]
        assert len({line.get_color() for line in lines}) == 1
        columns = ("loss", "val_loss", "accuracy", "val_accuracy")
        for line, column in zip(lines, columns, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), model.history_[column])
            assert (line.get_linestyle() == "-") == (not column.startswith("val_"))
    legend = [text.get_text() for text in display.ax_[1].get_legend().get_texts()]
    assert legend[:4] == ["dropout=0.0", "dropout=0.4", "training", "held out"]
    assert legend[4:] == [f"kept: epoch {epoch}" for epoch in display.kept.values()]


def test_a_line_stands_at_the_epoch_that_was_kept(digits):
    """It is the epoch whose weights early stopping gave back, and the legend names it."""
    model = classifier(epochs=8, early_stopping=True, validation_fraction=0.3, n_iter_no_change=2)
    model.fit(*digits)
    display = TrainingCurveDisplay.from_estimator(model)
    (epoch,) = display.kept.values()
    assert model.history_["val_accuracy"][epoch - 1] == model.best_validation_score_
    again = classifier(epochs=epoch, early_stopping=True, validation_fraction=0.3).fit(*digits)
    np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])
    for axes in display.ax_:
        assert axes.lines[-1].get_xdata() == [epoch, epoch]
    texts = [text.get_text() for text in display.ax_[1].get_legend().get_texts()]
    assert texts == ["training", "held out", f"kept: epoch {epoch}"]


def test_no_epoch_is_said_to_be_kept_where_the_history_cannot_tell(digits):
    """Without early stopping, and after several calls, there is no such line."""
    several = classifier(early_stopping=True).fit(*digits).partial_fit(*digits)
    for model in (classifier().fit(*digits), several):
        display = TrainingCurveDisplay.from_estimator(model)
        assert display.kept == {}
        assert all(len(line.get_xdata()) == model.n_iter_ for line in display.ax_[0].lines)


def test_pipelines_and_searches_are_looked_into(digits, search):
    """The classifier may be the last step of a pipeline or the best estimator of a search."""
    pipeline = make_pipeline(ImageFlattener(), classifier()).fit(*digits)
    display = TrainingCurveDisplay.from_estimator([pipeline, search], names=["one", "other"])
    assert list(display.histories) == ["one", "other"]
    assert display.histories["other"] == search.best_estimator_.history_


def test_equal_estimators_are_numbered(digits):
    """Two trainings of equal parameters still get names of their own."""
    models = [classifier().fit(*digits) for _ in range(2)]
    assert list(TrainingCurveDisplay.from_estimator(models).histories) == ["1", "2"]


@pytest.mark.parametrize("names", [["one"], ["same", "same"]])
def test_names_that_do_not_fit_are_refused(trained, names):
    """There is one name for each estimator, and no two alike."""
    with pytest.raises(ValueError) as caught:
        TrainingCurveDisplay.from_estimator(trained, names=names)
    assert str(caught.value) == (
        "TrainingCurveDisplay: expected a name of its own for each of 2 estimators, got "
        f"{names}. Pass names=[...], one for each."
    )


def test_a_trainings_table_is_its_history(trained):
    """Each epoch of each training has a row, and one of them was kept."""
    pytest.importorskip("pandas")
    display = TrainingCurveDisplay.from_estimator(trained)
    frame = display.frame()
    measured = ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert {*frame} == {"training", "epoch", *measured, "kept"}
    for (name, part), model in zip(frame.groupby("training"), trained, strict=True):
        assert part["epoch"].tolist() == list(range(1, model.n_iter_ + 1))
        for column in measured:
            assert part[column].tolist() == model.history_[column]
        assert part["epoch"][part["kept"]].tolist() == [display.kept[name]]
    without = TrainingCurveDisplay(histories={"a": {"loss": [2.0, 1.0], "accuracy": [0.1, 0.2]}})
    assert without.frame()["kept"].tolist() == [False, False]


def test_curves_need_two_axes(trained):
    """A single pair of axes is refused, and two given ones are drawn on."""
    _, ax = plt.subplots()
    with pytest.raises(ValueError) as caught:
        TrainingCurveDisplay.from_estimator(trained[0], ax=ax)
    assert str(caught.value) == (
        "TrainingCurveDisplay.plot: expected two axes, for loss and accuracy, got 1. Make them by "
        "plt.subplots(1, 2)."
    )
    figure, pair = plt.subplots(2, 1)
    display = TrainingCurveDisplay.from_estimator(trained[0], ax=pair)
    assert display.figure_ is figure
    assert display.plot(pair) is display


def test_only_estimators_with_a_history_have_curves(digits):
    """Others are refused in words; unfitted ones by scikit-learn's NotFittedError."""
    with pytest.raises(TypeError) as caught:
        TrainingCurveDisplay.from_estimator(LogisticRegression().fit(*digits))
    assert str(caught.value) == (
        "TrainingCurveDisplay: expected an estimator that keeps history_, got LogisticRegression. "
        "Pass a fitted MLPDigitClassifier, or a pipeline or a search of one."
    )
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(classifier())


# ----------------------------------------------------------------------------------------------
# matplotlib


def test_importing_the_displays_loads_no_matplotlib():
    """The drawing library comes in when something is drawn, not before."""
    code = "import sys; import sk_mnist_mlp.inspection; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.stdout.strip() == "False"


def test_without_matplotlib_the_error_says_what_to_install(search, trained, monkeypatch):
    """A missing matplotlib is an ImportError with the command that installs it."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw, name in (
        (lambda: SearchResultsDisplay.from_search(search), "SearchResultsDisplay"),
        (lambda: TrainingCurveDisplay.from_estimator(trained), "TrainingCurveDisplay"),
    ):
        with pytest.raises(ImportError) as caught:
            draw()
        assert str(caught.value) == (
            f"{name}.plot: expected the package matplotlib, got none. "
            f'Install it: {sys.executable} -m pip install "matplotlib>=3.8"'
        )


def test_a_history_that_was_held_out_in_part_is_drawn():
    """Epochs without held-out rows leave a gap."""
    import pandas as pd

    X, y = load_digits(return_X_y=True)
    model = MLPDigitClassifier(hidden_units=8, epochs=3, early_stopping=True, random_state=0)
    model.fit(X / 16, y).partial_fit(X / 16, y)
    assert pd.DataFrame(model.history_).shape == (4, 4)
    display = TrainingCurveDisplay.from_estimator(model)
    held_out = display.ax_[1].lines[1].get_ydata()
    assert np.isnan(held_out).tolist() == [False, False, False, True]
