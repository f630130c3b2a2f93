"""Pictures of networks, trainings and searches, in the manner of scikit-learn's Displays."""

from sk_mnist_mlp.inspection.attribution import AttributionDisplay, pixel_attributions
from sk_mnist_mlp.inspection.mistakes import MistakesDisplay
from sk_mnist_mlp.inspection.network import NetworkDisplay
from sk_mnist_mlp.inspection.report import write_report
from sk_mnist_mlp.inspection.search_results import SearchResultsDisplay
from sk_mnist_mlp.inspection.training_curve import TrainingCurveDisplay
from sk_mnist_mlp.inspection.weights import WeightsDisplay

__all__ = [
    "AttributionDisplay",
    "MistakesDisplay",
    "NetworkDisplay",
    "SearchResultsDisplay",
    "TrainingCurveDisplay",
    "WeightsDisplay",
    "pixel_attributions",
    "write_report",
]
