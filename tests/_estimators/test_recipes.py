"""``make_digit_pipeline`` and its recipes."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sk_mnist_mlp import (
    RECIPES,
    ImageFlattener,
    MLPDigitClassifier,
    RandomDistortion,
    load_model,
    make_digit_pipeline,
    save_model,
)
from sk_mnist_mlp._network.spec import NetworkSpec
from sk_mnist_mlp.exceptions import InvalidParameterError

DIGITS = load_digits()
IMAGES = np.pad(DIGITS.images.repeat(3, axis=1).repeat(3, axis=2) * 15, ((0, 0), (2, 2), (2, 2)))
IMAGES = IMAGES.astype(np.uint8)  # 28 × 28, drawn in MNIST's way


def n_weights(recipe):
    """Return the number of weights that a recipe trains on MNIST."""
    widths = RECIPES[recipe]["hidden_units"]
    return NetworkSpec(784, widths if isinstance(widths, tuple) else (widths,) * 2, 10).n_parameters


def test_the_tutorial_is_what_the_classifier_does_by_itself():
    """The recipe spells out the defaults, and the pipeline has them all."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(MLPDigitClassifier).parameters.items()
    }
    assert RECIPES["tutorial"].items() <= defaults.items()
    assert make_digit_pipeline()[-1].get_params() == defaults


def test_networks_are_of_the_promised_sizes():
    """Two recipes share the tutorial's 269,322 weights; the best has 1.5 million at most."""
    assert n_weights("tutorial") == n_weights("accurate") == 269_322
    assert n_weights("best") <= 1_500_000


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_plain_dictionary_that_can_be_printed(recipe):
    """What is printed is what would make the recipe again."""
    text = repr(RECIPES[recipe])
    again = eval(text, {"RandomDistortion": RandomDistortion})
    assert repr(again) == text
    assert type(RECIPES[recipe]) is dict
    assert "\n" not in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_pipeline_of_images_has_the_recipe_s_parameters(recipe):
    """The pipeline flattens images and trains by the recipe, with defaults for the rest."""
    pipeline = make_digit_pipeline(recipe)
    assert [type(step) for step in pipeline] == [ImageFlattener, MLPDigitClassifier]
    assert list(pipeline.named_steps) == ["imageflattener", "mlpdigitclassifier"]
    for name, value in MLPDigitClassifier(**RECIPES[recipe]).get_params().items():
        if name != "augmentation":
            assert pipeline[-1].get_params()[name] == value, name


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_predicts_and_keeps(recipe, tmp_path):
    """A few epochs learn something, and the model comes back from a file."""
    pipeline = make_digit_pipeline(recipe, epochs=5, hidden_units=32, random_state=0)
    pipeline.fit(IMAGES[:300], DIGITS.target[:300])
    save_model(pipeline, tmp_path / "model.skmlp")
    loaded = load_model(tmp_path / "model.skmlp")
    np.testing.assert_array_equal(loaded.predict(IMAGES), pipeline.predict(IMAGES))
    assert repr(loaded) == repr(pipeline)


def test_the_accurate_recipe_helps_on_other_images():
    """On images that it was not made for, the recipe untouched beats the tutorial's."""
    scores = {}
    for recipe in ("tutorial", "accurate"):
        pipeline = make_digit_pipeline(recipe, random_state=0)
        pipeline.fit(IMAGES[:400], DIGITS.target[:400])
        scores[recipe] = pipeline.score(IMAGES[400:], DIGITS.target[400:])
    assert scores["accurate"] > scores["tutorial"] + 0.02


def test_without_augmentation_no_images_are_needed():
    """A recipe trains on rows of any kind once it is told to leave them as they are."""
    pipeline = make_digit_pipeline("accurate", augmentation=None, epochs=3, random_state=0)
    table = np.random.default_rng(0).normal(size=(60, 7))
    assert pipeline.fit(table, np.arange(60) % 3).predict(table).shape == (60,)


def test_overrides_replace_and_add():
    """A parameter given by hand is the pipeline's, also one inside the augmentation."""
    pipeline = make_digit_pipeline("accurate", epochs=7, l2=1e-4, augmentation__rotation=20)
    assert pipeline[-1].epochs == 7
    assert pipeline[-1].l2 == 1e-4
    assert pipeline[-1].augmentation.rotation == 20
    assert pipeline[-1].batch_size == RECIPES["accurate"]["batch_size"]


def test_whole_overrides_come_before_their_parts():
    """``augmentation`` is replaced first, in whatever order the overrides are given."""
    parts = {"augmentation__scale": 0.5, "augmentation": RandomDistortion(rotation=1)}
    distortion = make_digit_pipeline("tutorial", **parts)[-1].augmentation
    assert (distortion.scale, distortion.rotation) == (0.5, 1)


def test_pipelines_share_nothing():
    """What is done to one pipeline reaches neither the recipe nor another pipeline."""
    before = repr(RECIPES)
    make_digit_pipeline("accurate")[-1].augmentation.rotation = 99
    make_digit_pipeline("accurate", augmentation__rotation=98)
    assert repr(RECIPES) == before
    assert make_digit_pipeline("accurate")[-1].augmentation.rotation != 99


def test_a_recipe_can_be_searched():
    """A grid reaches into the augmentation through the pipeline."""
    pipeline = make_digit_pipeline("accurate", epochs=2, hidden_units=16, random_state=0)
    grid = {"mlpdigitclassifier__augmentation__rotation": [0, 15]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(IMAGES[:200], DIGITS.target[:200])
    assert search.best_params_.keys() == grid.keys()
    assert clone(search.best_estimator_)[-1].augmentation.rotation in (0, 15)


@pytest.mark.parametrize("recipe", ["Accurate", "", None, 3, ["best"]])
def test_an_unknown_recipe_is_refused(recipe):
    """The error lists the recipes there are."""
    sentence = (
        "The 'recipe' parameter of make_digit_pipeline must be a str among {'tutorial', "
        f"'accurate', 'best'}}. Got {recipe!r} instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        make_digit_pipeline(recipe)


@pytest.mark.parametrize(
    ("recipe", "overrides", "got"),
    [
        ("accurate", {"epoch": 3}, "'epoch'. Did you mean 'epochs'?"),
        ("tutorial", {"zzz": 3}, "'zzz'. See its documentation."),
        (
            "accurate",
            {"augmentation__rotate": 3},
            "'augmentation__rotate'. Did you mean 'augmentation__rotation'?",
        ),
        (
            "tutorial",
            {"augmentation__rotation": 3},
            "'augmentation__rotation'. Did you mean 'augmentation'?",
        ),
    ],
)
def test_an_unknown_override_is_refused(recipe, overrides, got):
    """A word that is no parameter is named, with the nearest one that is."""
    sentence = f"make_digit_pipeline: expected a parameter of MLPDigitClassifier, got {got}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        make_digit_pipeline(recipe, **overrides)


def test_a_wrong_value_is_refused_by_fit():
    """Values are checked where scikit-learn checks them: in ``fit``, before training."""
    pipeline = make_digit_pipeline("accurate", label_smoothing=1.0)
    with pytest.raises(InvalidParameterError, match="label_smoothing"):
        pipeline.fit(IMAGES[:20], DIGITS.target[:20])
