"""Pictures of a search and of a training, as scikit-learn's Display classes draw them."""

from sk_mnist_mlp.inspection.search_results import SearchResultsDisplay
from sk_mnist_mlp.inspection.training_curve import TrainingCurveDisplay

__all__ = ["SearchResultsDisplay", "TrainingCurveDisplay"]
