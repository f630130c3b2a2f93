"""scikit-learn's callbacks around a fit: one task for the fit, one inside it for each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sk_mnist_mlp._estimators.sklearn_compat import open_fit_context
from sk_mnist_mlp._training import EpochObserver, FittedNetwork, Training

__all__ = ["EpochTasks"]


class EpochTasks(EpochObserver):
    """Tell the callbacks of a fit about its epochs, and carry their wish to stop back.

    Nobody pays for what no callback asks for: copies of the estimator are made by ``attributes``,
    which scikit-learn calls only for a callback that wants one, and without callbacks every method
    returns at once. X and y are as the user gave them: a table keeps its column names, which
    ``predict`` checks.
    """

    def __init__(
        self,
        estimator: Any,
        attributes: Callable[[FittedNetwork], dict[str, Any]],
        X: Any,
        y: Any,
        sample_weight: Any,
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._attributes = attributes
        self._fit: Any = None
        self._epoch: Any = None

    def open(self, n_epochs: int) -> None:
        """Begin the fit's task; call it inside a method decorated by ``with_callbacks``."""
        self._fit = open_fit_context(self._given["estimator"], n_epochs)
        if self._fit is not None:
            self._fit.call_on_fit_task_begin(**self._given)

    def begin_epoch(self, run: Training) -> None:
        """Begin an epoch's task."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._given)

    def end_epoch(self, run: Training) -> None:
        """End the epoch's task, and stop the training if a callback asks for that."""
        if self._fit is not None:
            run.stopped |= self._end(self._epoch, run.fitted())

    def close(self, fitted: FittedNetwork) -> None:
        """End the fit's task."""
        if self._fit is not None:
            self._end(self._fit, fitted)

    def _end(self, context: Any, fitted: FittedNetwork) -> bool:
        # Weights of a loss that is not finite predict nothing, so there is nothing to rebuild.
        attributes = (lambda: self._attributes(fitted)) if fitted.is_finite else None
        return bool(
            context.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)
        )
