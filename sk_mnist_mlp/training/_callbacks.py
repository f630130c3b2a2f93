"""Keras callbacks around a training loop that is not Keras's.

Callbacks with epoch hooks see a real compiled ``keras.Sequential`` whose weights are those of the
last epoch; what they do to it (new weights, another learning rate, ``stop_training``) is carried
back. Callbacks with batch hooks need Keras's own loop, and :func:`needs_batches` tells them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sk_mnist_mlp._network import Weights, build_network
from sk_mnist_mlp.training._optimizers import make_keras_optimizer
from sk_mnist_mlp.training._plan import TrainingPlan
from sk_mnist_mlp.training._tensorflow import use_worker_threads

__all__ = ["CallbackRunner", "needs_batches"]

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def needs_batches(callback: Any) -> bool:
    """Whether a callback acts on batches, so that only Keras's loop can run it."""
    import keras

    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return callback.save_freq != "epoch"
    if isinstance(callback, keras.callbacks.TensorBoard):
        profiles = getattr(callback, "_should_trace", False)  # Keras keeps no public trace of it
        return callback.update_freq != "epoch" or profiles or callback.write_steps_per_second
    return any(
        name in vars(callback)  # LambdaCallback hangs its hooks on the instance
        or getattr(type(callback), name, None) is not getattr(keras.callbacks.Callback, name, None)
        for name in _BATCH_HOOKS
    )


class CallbackRunner:
    """Run callbacks between the epochs of the compiled engine.

    Parameters
    ----------
    plan : TrainingPlan
        Its ``callbacks`` are run, in order.
    weights : list of ndarray
        Weights before the first epoch.
    """

    def __init__(self, plan: TrainingPlan, weights: Weights) -> None:
        use_worker_threads()
        import keras

        self._model = build_network(plan.network, weights, seed=plan.seeds.dropout)
        self._model.compile(
            make_keras_optimizer(plan.optimizer, plan.learning_rate),
            keras.losses.CategoricalCrossentropy(label_smoothing=plan.label_smoothing),
        )
        # A checkpoint holds the optimizer too, and loads without complaint only if it is built.
        self._model.optimizer.build(self._model.trainable_variables)
        self._model.stop_training = False
        self._first_rate = float(self._model.optimizer.learning_rate)
        if plan.progress is not None:
            self._model.optimizer.learning_rate = plan.progress.rate_factor * self._first_rate
        self._callbacks = keras.callbacks.CallbackList(
            list(plan.callbacks),
            add_history=False,
            add_progbar=False,
            model=self._model,
            verbose=plan.verbose,
            epochs=plan.epochs,
        )

    def begin(self) -> None:
        """Training begins."""
        self._callbacks.on_train_begin()

    def begin_epoch(self, epoch: int) -> float:
        """An epoch begins; returns what callbacks have made of the learning rate, as a factor."""
        self._callbacks.on_epoch_begin(epoch)
        return float(self._model.optimizer.learning_rate) / self._first_rate

    def end_epoch(
        self, epoch: int, logs: dict[str, float], weights: Weights
    ) -> tuple[bool, Weights | None]:
        """An epoch has ended; returns whether to stop, and weights if a callback changed them."""
        changed = self._show(weights, lambda: self._callbacks.on_epoch_end(epoch, dict(logs)))
        return bool(self._model.stop_training), changed

    def end(self, weights: Weights) -> Weights | None:
        """Training has ended; returns weights if a callback changed them, by restoring the best."""
        return self._show(weights, self._callbacks.on_train_end)

    def _show(self, weights: Weights, run: Callable[[], None]) -> Weights | None:
        self._model.set_weights(weights)
        run()
        seen = self._model.get_weights()
        same = all(np.array_equal(old, new) for old, new in zip(weights, seen, strict=True))
        return None if same else seen
