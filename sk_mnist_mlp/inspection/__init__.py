"""Pictures of searches and trainings, in the manner of scikit-learn's Displays."""

from sk_mnist_mlp.inspection.attribution import AttributionDisplay, pixel_attributions
from sk_mnist_mlp.inspection.search_results import SearchResultsDisplay
from sk_mnist_mlp.inspection.training_curve import TrainingCurveDisplay

__all__ = [
    "AttributionDisplay",
    "SearchResultsDisplay",
    "TrainingCurveDisplay",
    "pixel_attributions",
]
