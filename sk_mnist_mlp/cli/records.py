"""Finished fits of a search, kept in a folder one small JSON file each, so that none is done twice.

A fit is known by a digest of the classifier's parameters and of the rows it learnt from. A record
is written as soon as its fit is scored, by whichever process did it, and appears whole or not at
all: a search that is interrupted or killed loses only the fits under way.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp.cli.models import classifier_of, was_interrupted

__all__ = [
    "FitRecord",
    "RecordedFit",
    "data_digest",
    "fit_key",
    "read_record",
    "recorded_accuracy",
    "write_json",
]


class FitRecord(NamedTuple):
    """What is kept of a fit.

    Attributes
    ----------
    accuracy : float
        On the rows held out, in [0, 1]; NaN where the fit diverged.
    seconds : float
        Of training.
    """

    accuracy: float
    seconds: float


class RecordedFit(ClassifierMixin, BaseEstimator):
    """A model that is not fitted again where a record of the same fit exists.

    Parameters
    ----------
    model : estimator
        A pipeline that ends in an ``MLPDigitClassifier``, or that alone.
    folder : str
        Where the records are.
    """

    def __init__(self, model: Any, folder: str) -> None:
        self.model = model
        self.folder = folder

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model, or find that it was done before."""
        self.key_ = fit_key(classifier_of(self.model), data_digest(X, y))
        self.record_ = read_record(self.folder, self.key_)
        if self.record_ is None:
            began = time.perf_counter()
            self.model_ = clone(self.model).fit(X, y)
            self.seconds_ = time.perf_counter() - began
            if was_interrupted(classifier_of(self.model_)):
                raise KeyboardInterrupt  # half a training must not be scored as a whole one
        return self


def recorded_accuracy(estimator: RecordedFit, X: Any, y: Any) -> float:
    """Score a :class:`RecordedFit` as scikit-learn's ``scoring=`` asks for, and keep the score."""
    if estimator.record_ is not None:
        return estimator.record_.accuracy
    diverged = not math.isfinite(classifier_of(estimator.model_).loss_curve_[-1])
    accuracy = math.nan if diverged else float(estimator.model_.score(X, y))
    kept = {"accuracy": None if diverged else accuracy, "seconds": estimator.seconds_}
    write_json(Path(estimator.folder) / f"{estimator.key_}.json", kept)
    return accuracy


def fit_key(classifier: Any, digest: str) -> str:
    """Name of a fit: the same parameters and rows give the same name in every process."""
    parameters = classifier.get_params(deep=False)
    del parameters["verbose"]
    text = json.dumps([parameters, digest], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def data_digest(X: NDArray[Any], y: NDArray[Any]) -> str:
    """SHA-256 of images and labels."""
    digest = hashlib.sha256()
    for array in (X, y):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_record(folder: str | os.PathLike[str], key: str) -> FitRecord | None:
    """Read the record of this name; None where there is none, or none that makes sense."""
    try:
        kept = json.loads((Path(folder) / f"{key}.json").read_text(encoding="utf-8"))
        accuracy, seconds = kept["accuracy"], float(kept["seconds"])
        accuracy = math.nan if accuracy is None else float(accuracy)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    plausible = (math.isnan(accuracy) or 0.0 <= accuracy <= 1.0) and seconds >= 0.0
    return FitRecord(accuracy, seconds) if plausible else None


def write_json(path: Path, value: Any) -> None:
    """Write a file that appears whole or not at all."""
    with replacing(path, who="write_json") as file:
        file.write(json.dumps(value, indent=1).encode())
