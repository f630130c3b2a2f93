"""scikit-learn's own checks of an estimator, strict."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_mnist_mlp import MLPDigitClassifier

RANDOM_BATCHES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row of weight two and the row given twice fall into different random batches and under "
        "different dropout masks, so the trained weights differ"
    )
}

STOCHASTIC = [
    MLPDigitClassifier(epochs=30, batch_size=16, learning_rate=0.01),
    MLPDigitClassifier(
        epochs=30, batch_size=16, learning_rate=0.01, early_stopping=True, validation_fraction=0.5
    ),
    MLPDigitClassifier(
        hidden_units=(48, 24),
        epochs=30,
        batch_size=16,
        learning_rate=0.01,
    ),
]
# Neither batches nor dropout are left to chance, so that even sample weights are exact.
DETERMINISTIC = [
    MLPDigitClassifier(
        hidden_units=32,
        dropout=0.0,
        dtype="float64",
        batch_size=10**6,
        epochs=60,
        learning_rate=0.01,
    ),
    MLPDigitClassifier(
        hidden_units=(32,),
        dropout=0.0,
        dtype="float64",
        batch_size=10**6,
        epochs=15,
        learning_rate=0.1,
        engine="keras",
    ),
]


@parametrize_with_checks(
    STOCHASTIC + DETERMINISTIC,
    expected_failed_checks=lambda estimator: {} if estimator.dropout == 0 else RANDOM_BATCHES,
)
def test_estimator_obeys_scikit_learn(estimator, check):
    """Every check of scikit-learn passes for every configuration."""
    check(estimator)
