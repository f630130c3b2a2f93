"""The one way from a pipeline or a search to the classifier inside."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._estimators import unwrap

CLASSIFIER = MLPDigitClassifier(hidden_units=4, epochs=1, random_state=0)
FLATTENER, SCALER = ImageFlattener(), MinMaxScaler()


@pytest.mark.parametrize(
    ("model", "transformers"),
    [
        (CLASSIFIER, []),
        (make_pipeline(CLASSIFIER), []),
        (make_pipeline(FLATTENER, SCALER, CLASSIFIER), [FLATTENER, SCALER]),
        (make_pipeline(FLATTENER, make_pipeline(SCALER, CLASSIFIER)), [FLATTENER, SCALER]),
        (Pipeline([("no", "passthrough"), ("none", None), ("last", CLASSIFIER)]), []),
    ],
)
def test_pipelines_are_taken_apart(model, transformers):
    """What comes before the classifier comes in order; steps that do nothing are left out."""
    assert unwrap(model) == (transformers, CLASSIFIER)


@pytest.mark.parametrize("outside", [True, False])
def test_the_best_of_a_search_counts(outside):
    """A search may stand around a pipeline, or in one; before fit it is its own estimator."""
    X, y = load_digits(return_X_y=True)
    if outside:
        grid = {"mlpdigitclassifier__dropout": [0.0, 0.2]}
        model = GridSearchCV(make_pipeline(MinMaxScaler(), CLASSIFIER), grid, cv=2)
        assert unwrap(model) == ([], model)
    else:
        model = make_pipeline(MinMaxScaler(), GridSearchCV(CLASSIFIER, {"l2": [0.0]}, cv=2))
    model.fit(X[:100], y[:100])
    (scaler,), classifier = unwrap(model)
    rows = scaler.transform(X)
    np.testing.assert_array_equal(classifier.predict(rows), model.predict(X))


def test_what_wraps_nothing_is_its_own_estimator():
    """Nothing is checked: other estimators, and other objects, come back as they are."""
    model = LogisticRegression()
    assert unwrap(model) == ([], model)
    assert unwrap("model") == ([], "model")
