"""What commands ask of a model: its classifier, how far it was trained, what it reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

__all__ = ["classifier_of", "describe_size", "images_for", "was_interrupted"]


def classifier_of(model: Any) -> Any:
    """The ``MLPDigitClassifier`` of a model: itself, or a pipeline's last step."""
    return model[-1] if hasattr(model, "steps") else model


def was_interrupted(classifier: Any) -> bool:
    """Whether Ctrl-C ended the last fit, which keeps what was learnt and raises nothing.

    Only for fits without early stopping and callbacks, which end early by themselves.
    """
    diverged = bool(classifier.loss_curve_) and not math.isfinite(classifier.loss_curve_[-1])
    return bool(classifier.n_iter_ < classifier.epochs and not diverged)


def describe_size(path: Path) -> str:
    """A file's name and its size in kilobytes or megabytes."""
    n_bytes = path.stat().st_size
    size = f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
    return f"{path} ({size})"


def images_for(model: Any, images: NDArray[Any]) -> NDArray[Any]:
    """Images in the form that a model reads: as they are, or flat for a bare classifier."""
    n_features = classifier_of(model).n_features_in_
    n_pixels = images[0].size
    if n_pixels != n_features:
        raise ValueError(
            f"expected images of {n_features} pixels as the model was trained on, got "
            f"{n_pixels} ({'x'.join(map(str, images.shape[1:]))}). Use a model trained on images "
            "of that size."
        )
    if hasattr(model, "steps"):
        return images
    from sk_mnist_mlp import ImageFlattener

    return ImageFlattener().fit_transform(images)
