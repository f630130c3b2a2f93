"""Whether probabilities mean what they say: scores, and temperature scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 15

Probabilities = NDArray[np.float64]
"""Of shape (n_rows, n_classes)."""


def calibration_scores(probabilities: Probabilities, labels: NDArray[Any]) -> dict[str, float]:
    """Return accuracy, expected calibration error, log loss and Brier score.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes)
        Rows sum to one.
    labels : ndarray of int of shape (n_rows,)
        Columns of the right classes.
    """
    right = probabilities[np.arange(len(labels)), labels]
    hot = np.eye(probabilities.shape[1])[labels]
    return {
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        "calibration_error": expected_calibration_error(probabilities, labels),
        "log_loss": float(-np.log(np.maximum(right, np.finfo(float).eps)).mean()),
        "brier": float(((probabilities - hot) ** 2).sum(axis=1).mean()),
    }


def expected_calibration_error(probabilities: Probabilities, labels: NDArray[Any]) -> float:
    """Mean distance of confidence from accuracy, over bins of equal width of the confidence.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML.
    """
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, hits - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def best_temperature(log_probabilities: Probabilities, labels: NDArray[Any]) -> float:
    """Temperature by which to divide the logits for the least log loss on these rows."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        tempered = with_temperature(log_probabilities, float(np.exp(log_temperature)))
        return calibration_scores(tempered, labels)["log_loss"]

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def with_temperature(log_probabilities: Probabilities, temperature: float) -> Probabilities:
    """Probabilities of the logits divided by ``temperature``; the winners stay."""
    logits = log_probabilities / temperature
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(logits / logits.sum(axis=1, keepdims=True))
