"""scikit-learn's contract: parameters, X and y checked, a network adopted.

Only ``sklearn_compat`` touches what is private in scikit-learn or differs between its versions.
"""

from sk_mnist_mlp._estimators.classifier import MLPDigitClassifier
from sk_mnist_mlp._estimators.distortion import RandomDistortion
from sk_mnist_mlp._estimators.facts import changed_parameters, model_facts
from sk_mnist_mlp._estimators.flattener import ImageFlattener, divisor_of
from sk_mnist_mlp._estimators.recipes import RECIPES, make_digit_pipeline
from sk_mnist_mlp._estimators.rules import is_real, named
from sk_mnist_mlp._estimators.scored_answers import CalibrationBin, ScoredAnswers
from sk_mnist_mlp._estimators.sklearn_compat import metadata_requests, output_container
from sk_mnist_mlp._estimators.targets import check_labels
from sk_mnist_mlp._estimators.unwrapping import unwrap

__all__ = [
    "RECIPES",
    "CalibrationBin",
    "ImageFlattener",
    "MLPDigitClassifier",
    "RandomDistortion",
    "ScoredAnswers",
    "changed_parameters",
    "check_labels",
    "divisor_of",
    "is_real",
    "make_digit_pipeline",
    "metadata_requests",
    "model_facts",
    "named",
    "output_container",
    "unwrap",
]
