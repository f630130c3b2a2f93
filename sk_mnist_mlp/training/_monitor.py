"""What happens between epochs, the same for every engine.

The monitor keeps the history, measures the held-out rows, prints progress, decides on early
stopping and remembers the best weights.
"""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_mnist_mlp._inference import forward, log_softmax
from sk_mnist_mlp._network import Weights
from sk_mnist_mlp.training._plan import (
    History,
    Progress,
    TrainingData,
    TrainingPlan,
    TrainingState,
)
from sk_mnist_mlp.training._progress import make_reporter

__all__ = ["Monitor", "warn_of_interrupt"]


def warn_of_interrupt() -> None:
    """Say that Ctrl-C ended a training."""
    warnings.warn(
        "MLPDigitClassifier: expected to train to the last epoch, got interrupted; what was "
        "learnt so far is kept. Call fit again with warm_start=True to go on.",
        stacklevel=3,
    )


class Monitor:
    """Follow one training from epoch to epoch.

    Parameters
    ----------
    plan : TrainingPlan
        What is trained.
    data : TrainingData
        On what.

    Attributes
    ----------
    history : dict of str to list of float
        One value an epoch.
    best_weights : list of ndarray or None
        Weights of the best epoch so far, where early stopping asks for them.
    """

    def __init__(self, plan: TrainingPlan, data: TrainingData) -> None:
        self.history: History = {}
        self.best_weights: Weights | None = None
        self._plan = plan
        self._data = data
        self._best_score = -math.inf
        self._stale_epochs = 0
        if plan.progress is not None:
            self._go_on(plan.progress)
        self._reporter = make_reporter(plan.verbose, plan.epochs)
        self._epoch_began = time.perf_counter()

    def _go_on(self, progress: Progress) -> None:
        """Follow on from where an earlier call stood."""
        self.history = {name: list(column) for name, column in progress.history.items()}
        self.best_weights = progress.best_weights or None
        self._best_score = progress.best_score
        self._stale_epochs = progress.stale_epochs

    def keep(self, state: TrainingState, rate_factor: float, *, finished: bool) -> None:
        """Tell whoever keeps the progress that an epoch is whole.

        Parameters
        ----------
        state : TrainingState
            After the epoch.
        rate_factor : float
            What callbacks have made of the learning rate.
        finished : bool
            Whether no further epoch is wanted.
        """
        if self._plan.keep_progress is None:
            return
        self._plan.keep_progress(
            Progress(
                state,
                self.history,
                self.best_weights or [],
                self._best_score,
                self._stale_epochs,
                rate_factor,
                finished,
            )
        )

    @property
    def n_epochs(self) -> int:
        """Whole epochs followed so far."""
        return len(self.history.get("loss", ()))

    def begin_epoch(self) -> None:
        """Start the epoch's clock."""
        self._epoch_began = time.perf_counter()
        for observer in self._plan.observers:
            observer.begin_epoch()

    def measure(self, weights: Weights) -> dict[str, float]:
        """Loss and accuracy on the held-out rows, under the names that Keras gives them."""
        held_out = self._data.validation_rows
        if not len(held_out):
            return {}
        labels = self._data.labels[held_out]
        logits = forward(self._data.X[held_out], weights, self._plan.network.activation)
        loss = -log_softmax(logits)[np.arange(len(labels)), labels]
        hits = (logits.argmax(axis=1) == labels).astype(float)
        sample_weight = self._data.sample_weight
        share = None if sample_weight is None else sample_weight[held_out]
        return {
            "val_loss": float(np.average(loss, weights=share)),
            "val_accuracy": float(np.average(hits, weights=share)),
        }

    def end_epoch(self, logs: dict[str, float], weights: Weights) -> bool:
        """Record an epoch and say whether training should stop.

        Parameters
        ----------
        logs : dict of str to float
            ``loss``, ``accuracy`` and what :meth:`measure` returned.
        weights : list of ndarray
            Weights after the epoch; kept, so they must not change afterwards.
        """
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self._reporter.epoch(self.n_epochs, logs, time.perf_counter() - self._epoch_began)
        wishes = [observer.end_epoch(self.history, weights) for observer in self._plan.observers]
        if not math.isfinite(logs["loss"]):
            warnings.warn(
                f"MLPDigitClassifier: expected a finite loss, got {logs['loss']} in epoch "
                f"{self.n_epochs}; training stops there. Try a smaller learning_rate, or scale X "
                "to about [0, 1].",
                ConvergenceWarning,
                stacklevel=2,
            )
            return True
        stale = self._plan.early_stopping is not None and self._is_stale(logs, weights)
        return stale or any(wishes)

    def _is_stale(self, logs: dict[str, Any], weights: Weights) -> bool:
        assert self._plan.early_stopping is not None
        score = logs["val_accuracy"]
        if score > self._best_score + self._plan.early_stopping.tol:
            self._stale_epochs = 0
        else:
            self._stale_epochs += 1
        if score > self._best_score:
            self._best_score = score
            self.best_weights = weights
        return self._stale_epochs >= self._plan.early_stopping.patience

    def close(self) -> None:
        """End the progress display."""
        self._reporter.close()
