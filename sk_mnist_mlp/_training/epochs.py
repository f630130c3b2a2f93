"""A training from epoch to epoch, the same for every engine.

An engine moves the weights of a :class:`Run`; the run keeps the history, measures the held-out
rows and tells the observers, in this order: the progress display, the check for a loss that is not
finite, those that the estimator sends, early stopping, Keras's callbacks. Then the checkpoint is
kept.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_mnist_mlp._network import Layers, forward, initial_layers, log_softmax
from sk_mnist_mlp._training.plan import EarlyStopping, EpochObserver, Job, Training, ValidationData
from sk_mnist_mlp._training.progress import ProgressDisplay
from sk_mnist_mlp._training.result import (
    Checkpoint,
    FittedNetwork,
    History,
    TrainingState,
    join_histories,
)
from sk_mnist_mlp._training.schedules import relative_rates

__all__ = ["Run", "warn_of_interrupt"]

_Value = TypeVar("_Value")


class Run:
    """One network in training."""

    def __init__(self, job: Job, engine: str) -> None:
        plan, self.data, hooks = job
        self.plan, self.hooks = plan, hooks
        self.engine = engine
        self.history: History = {}  # of this call
        self.logs: dict[str, float] = {}  # the last epoch's values
        self.learning_rate = plan.learning_rate  # or what callbacks have made of it
        self.stopped = False  # no further epoch is wanted
        self.interrupted = False  # by Ctrl-C
        self.failure: BaseException | None = None  # what the user's code raised
        self.on_failure: Callable[[BaseException], Any] = lambda error: None  # told of it at once
        self.layers: Layers  # the weights now
        self.validated: Layers = ()  # that the held-out rows were measured with
        if plan.start is None:
            self.start = TrainingState(seeds=plan.seeds)  # where it stood when this call began
            self.layers = initial_layers(plan.network, plan.seeds.weights)
        else:
            self.start, self.layers = plan.start.state, plan.start.layers
        self.state = self.start
        self.finished = False  # by an earlier call, of which all is kept
        self._early = BestEpoch(plan.early_stopping)
        if hooks.resume is not None:
            self._resume(hooks.resume)
        # Factors of the learning rate, for each step of this call.
        n_steps = plan.epochs * self.n_steps
        self.rates = relative_rates(plan.schedule, plan.learning_rate, self.start.step, n_steps)
        self._display = ProgressDisplay(hooks.verbose, plan.epochs)
        self.observers: list[EpochObserver] = [
            self._display,
            DivergenceCheck(),
            *hooks.observers,
            self._early,
        ]

    def _resume(self, checkpoint: Checkpoint) -> None:
        self.layers, self.state = checkpoint.layers, checkpoint.state
        self.history = {name: list(column) for name, column in checkpoint.history.items()}
        self.learning_rate, self.stopped = checkpoint.learning_rate, checkpoint.stopped
        self.finished = checkpoint.finished
        self._early.resume(checkpoint)

    # ------------------------------------------------------------------------------------------
    # Where it stands

    @property
    def who(self) -> str:
        """Name of the estimator, for warnings."""
        return self.hooks.who

    @property
    def n_epochs(self) -> int:
        """Whole epochs of this call."""
        return len(self.history.get("loss", ()))

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return self.plan.n_steps(len(self.data.rows))

    @property
    def wants_more(self) -> bool:
        """Whether it has epochs to go."""
        ended = self.stopped or self.interrupted or self.failure is not None
        return not ended and self.n_epochs < self.plan.epochs

    def fitted(self) -> FittedNetwork:
        """What has come out so far."""
        start = self.plan.start
        return FittedNetwork(
            network=self.plan.network,
            layers=self.layers,
            classes=self.data.classes,
            history=join_histories(start.history if start else {}, self.history),
            engine=self.engine,
            state=self.state,
        )

    def attempt(self, action: Callable[[], _Value]) -> _Value | None:
        """Run what calls the user's code; what that raises ends this training alone."""
        try:
            return action()
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException as error:
            self.failure = error
            self.on_failure(error)
        return None

    # ------------------------------------------------------------------------------------------
    # What engines tell

    def begin(self) -> None:
        """Begin the training."""
        self._tell("begin")

    def begin_epoch(self) -> None:
        """Begin an epoch."""
        self._tell("begin_epoch")

    def end_epoch(self, loss: float, accuracy: float) -> dict[str, float]:
        """End an epoch with these means over its rows; returns its logs."""
        self.logs = {"loss": float(loss), "accuracy": float(accuracy)}
        if self.data.validation is not None:
            self._tell("begin_validation")
            self.validated = self.layers
            self.logs |= self._measure(self.data.validation, self.validated)
            self._tell("end_validation")
        for name, value in self.logs.items():
            self.history.setdefault(name, []).append(value)
        self.state = replace(self.state, epoch=self.state.epoch + 1)
        self._tell("end_epoch")
        return self.logs

    def keep(self, *, finished: bool = False) -> None:
        """Keep where the training stands, where that is wished."""
        if self.hooks.keep is not None:
            self.hooks.keep(
                Checkpoint(
                    layers=self.layers,
                    state=self.state,
                    history=self.history,
                    best_layers=self._early.layers,
                    best_score=self._early.score,
                    stale_epochs=self._early.stale_epochs,
                    learning_rate=self.learning_rate,
                    stopped=self.stopped,
                    finished=finished,
                )
            )

    def end(self) -> None:
        """End the training: the best epoch's weights take the place of the last one's.

        The last checkpoint is kept after everything that changes the weights.
        """
        if not self.interrupted:
            self._tell("end")
        self.layers = self._early.layers or self.layers
        if not self.interrupted:
            self.keep(finished=True)

    def close(self) -> None:
        """End the progress display, whatever happened."""
        self._display.close()

    def _tell(self, hook: str) -> None:
        for observer in self.observers:
            getattr(observer, hook)(self)

    def _measure(self, held_out: ValidationData, layers: Layers) -> dict[str, float]:
        """Loss and accuracy on the held-out rows, under the names that Keras gives them."""
        weights = held_out.sample_weight
        labels = held_out.labels[held_out.rows]
        with np.errstate(all="ignore"):  # weights that diverged show in the loss
            logits = forward(held_out.X[held_out.rows], layers, self.plan.network.activation)
            loss = -log_softmax(logits)[np.arange(len(labels)), labels]
        hits = (logits.argmax(axis=1) == labels).astype(float)
        share = None if weights is None else weights[held_out.rows]
        return {
            "val_loss": float(np.average(loss, weights=share)),
            "val_accuracy": float(np.average(hits, weights=share)),
        }


class BestEpoch(EpochObserver):
    """Early stopping: stop when what is monitored stalls, and remember the best epoch."""

    def __init__(self, rule: EarlyStopping | None) -> None:
        self._rule = rule
        self.layers: Layers = ()
        self.score = -math.inf
        self.stale_epochs = 0

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go back to where an earlier call stood."""
        self.layers, self.score = checkpoint.best_layers, checkpoint.best_score
        self.stale_epochs = checkpoint.stale_epochs

    def end_epoch(self, run: Training) -> None:
        """Judge the epoch."""
        if self._rule is None or not math.isfinite(run.logs["loss"]):
            return
        score = run.logs[self._rule.monitor]
        score = -score if self._rule.monitor == "val_loss" else score
        self.stale_epochs = 0 if score > self.score + self._rule.tol else self.stale_epochs + 1
        if score > self.score:
            self.score, self.layers = score, run.validated
        run.stopped |= self.stale_epochs >= self._rule.patience


class DivergenceCheck(EpochObserver):
    """Stop where the loss is not finite."""

    def end_epoch(self, run: Training) -> None:
        """Judge the loss."""
        if math.isfinite(run.logs["loss"]):
            return
        run.stopped = True
        warnings.warn(
            f"{run.who}: expected a finite loss, got {run.logs['loss']} in epoch "
            f"{run.n_epochs}; training stops there. Try a smaller learning_rate, or scale X to "
            "about [0, 1].",
            ConvergenceWarning,
            stacklevel=2,
        )


def warn_of_interrupt(who: str) -> None:
    """Say that Ctrl-C ended a training."""
    warnings.warn(
        f"{who}: expected to train to the last epoch, got interrupted; what was learnt so far is "
        "kept. Call fit again with warm_start=True to resume.",
        stacklevel=3,
    )
