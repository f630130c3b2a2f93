"""A model's answers to rows whose labels are known, and what they say of it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators.rules import named
from sk_mnist_mlp._estimators.targets import check_labels

__all__ = ["CalibrationBin", "ScoredAnswers"]

_N_BINS = 10


class CalibrationBin(NamedTuple):
    """Answers of about the same probability: how many, their mean probability, the share right."""

    n: int
    probability: float
    accuracy: float


class ScoredAnswers:
    """Answers beside the truth, as numbers of classes.

    Raises
    ------
    TypeError, ValueError
        In the name of the public function ``who``, before anything is predicted, where ``y`` does
        not fit ``X`` or the classes.
    """

    def __init__(self, who: str, model: Any, classes: NDArray[Any], X: Any, y: Any) -> None:
        n_rows = (getattr(X, "shape", None) or np.shape(X) or (0,))[0]
        with named(who):
            labels = check_labels(y)
            if len(labels) != n_rows:
                raise ValueError(
                    f"expected a label for each of {n_rows} rows, got {len(labels)}. "
                    "Pass X and y of the same rows."
                )
        unseen = [label for label in np.unique(labels).tolist() if label not in classes.tolist()]
        if unseen:
            raise ValueError(
                f"{who}: expected y of the classes that the model knows, got the label "
                f"{unseen[0]!r}. Leave its rows out."
            )
        self.classes = classes
        self.probabilities = model.predict_proba(X)
        self.truth = np.searchsorted(classes, labels)
        self.answer = self.probabilities.argmax(axis=1)
        self.probability = self.probabilities.max(axis=1)
        self.is_right = self.truth == self.answer

    def accuracy(self) -> float:
        """The share of right answers."""
        return float(self.is_right.mean())

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson 1927)."""
        z, n, share = 1.959964, len(self.truth), self.accuracy()
        middle = share + z * z / (2 * n)
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        low, high = ((middle + sign * reach) / (1 + z * z / n) for sign in (-1, 1))
        return low, high

    def confusion(self) -> NDArray[np.intp]:
        """How often each class, a row, was answered by each, a column."""
        counts = np.zeros((len(self.classes), len(self.classes)), int)
        np.add.at(counts, (self.truth, self.answer), 1)
        return counts

    def calibration(self) -> list[CalibrationBin]:
        """The answers by tenths of their probability; tenths without any are left out."""
        bins = np.minimum((self.probability * _N_BINS).astype(int), _N_BINS - 1)
        return [
            CalibrationBin(
                int((bins == number).sum()),
                float(self.probability[bins == number].mean()),
                float(self.is_right[bins == number].mean()),
            )
            for number in np.unique(bins)
        ]

    def calibration_error(self) -> float:
        """The expected calibration error: the bins' gaps, weighted by their answers."""
        gaps = [bin.n * abs(bin.probability - bin.accuracy) for bin in self.calibration()]
        return sum(gaps) / len(self.truth)
