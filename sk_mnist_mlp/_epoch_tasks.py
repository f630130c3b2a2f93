"""scikit-learn's callbacks around a fit: one task for the fit, one inside it for each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sk_mnist_mlp._compat import open_fit_context
from sk_mnist_mlp._network import Weights
from sk_mnist_mlp.training._plan import History

__all__ = ["EpochTasks"]

FittedAttributes = Callable[[History, Weights], dict[str, Any]]
"""From the history and the weights of a fit so far to the attributes an estimator would have."""


class EpochTasks:
    """Tell the callbacks of a fit about its epochs, and carry their wish to stop back.

    Nobody pays for what no callback asks for: copies of the estimator are made from a function
    that scikit-learn calls only for a callback that wants one, and without callbacks every method
    returns at once.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        The one being fitted.
    X, y, sample_weight
        As the user gave them: a table keeps its column names, which ``predict`` checks.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit: Any = None
        self._epoch: Any = None
        self._attributes: FittedAttributes = lambda history, weights: {}

    def begin(self, n_epochs: int, attributes: FittedAttributes) -> None:
        """Begin the fit's task; call it inside a method decorated by ``with_callbacks``."""
        self._attributes = attributes
        self._fit = open_fit_context(self._given["estimator"], n_epochs)
        if self._fit is not None:
            self._fit.call_on_fit_task_begin(**self._given)

    def begin_epoch(self) -> None:
        """Begin an epoch's task."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._given)

    def end_epoch(self, history: History, weights: Weights) -> bool:
        """End the epoch's task and return whether a callback asks to stop the training."""
        return self._fit is not None and self._end(self._epoch, history, weights)

    def end(self, history: History, weights: Weights) -> None:
        """End the fit's task."""
        if self._fit is not None:
            self._end(self._fit, history, weights)

    def _end(self, context: Any, history: History, weights: Weights) -> bool:
        # Weights of a loss that is not finite predict nothing, so there is nothing to rebuild.
        usable = math.isfinite(history["loss"][-1]) if history else False
        attributes = (lambda: self._attributes(history, weights)) if usable else None
        return bool(
            context.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)
        )
