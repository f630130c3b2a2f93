"""Keras callbacks around a training loop that is not Keras's.

They see a real compiled ``keras.Sequential`` with the weights of the moment. Weights, learning rate
and ``stop_training`` that they set are carried back after every hook; what this loop cannot do,
such as freezing a layer, is said in one warning. Callbacks that act on batches need Keras's own
loop, and :func:`batch_callback` finds them.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any

from sk_mnist_mlp._network import as_arrays, as_layers, build_network
from sk_mnist_mlp._storage import copy_optimizer
from sk_mnist_mlp._training.plan import EpochObserver, Job, Training, TrainingPlan
from sk_mnist_mlp._training.stack import same_layers
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = ["KerasCallbacks", "batch_callback", "compile_model", "has_schedule", "held_out_logs"]

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def batch_callback(callbacks: Iterable[Any]) -> str | None:
    """Name the first callback that only Keras's loop can run; None where there is none."""
    return next((type(one).__name__ for one in callbacks if _needs_batches(one)), None)


def _needs_batches(callback: Any) -> bool:
    """Whether a callback acts on batches, as it is configured."""
    import keras

    known = keras.callbacks
    kind = type(callback)
    if isinstance(callback, known.ModelCheckpoint):
        return callback.save_freq != "epoch"
    if isinstance(callback, known.TensorBoard):
        profiles = getattr(callback, "_should_trace", False)  # Keras keeps no public trace of it
        return callback.update_freq != "epoch" or profiles or callback.write_steps_per_second
    if isinstance(callback, known.BackupAndRestore):
        return True  # it tells Keras's loop at which epoch to begin
    if kind is known.TerminateOnNaN:
        return False  # a loss that is not finite ends every training here
    if kind.__module__.split(".")[0] == "mlflow" and getattr(callback, "log_every_epoch", False):
        return False
    return any(_acts(callback, name) for name in _BATCH_HOOKS)


def _acts(callback: Any, hook: str) -> bool:
    """Whether a hook is there and does anything."""
    import keras

    if hook not in vars(callback):  # LambdaCallback hangs its hooks on the instance
        default = getattr(keras.callbacks.Callback, hook, None)
        if getattr(type(callback), hook, None) is default:
            return False
    code = getattr(inspect.unwrap(getattr(callback, hook)), "__code__", None)
    return code is None or code.co_code not in _EMPTY


_EMPTY = {(lambda: None).__code__.co_code, EpochObserver.begin.__code__.co_code}
"""Code of functions whose body is ``pass`` or a docstring."""


def compile_model(plan: TrainingPlan, model: Any) -> None:
    """Compile a model to train by a plan, with an optimizer of its own."""
    import keras

    optimizer = plan.optimizer
    if isinstance(optimizer, str):
        optimizer = keras.optimizers.get(optimizer)
        optimizer.learning_rate = plan.learning_rate
    else:
        optimizer = copy_optimizer(optimizer)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(
            label_smoothing=plan.label_smoothing,
            # Weights divided by their sum: rows of weight two count as two rows, exactly.
            reduction="mean_with_sample_weight",
            dtype=plan.network.dtype,
        ),
        metrics=["accuracy"],
    )
    optimizer.build(model.trainable_variables)


def has_schedule(optimizer: Any) -> bool:
    """Whether a Keras optimizer follows a schedule of its own, so that no rate can be set."""
    return isinstance(optimizer.get_config().get("learning_rate"), dict)


def held_out_logs(run: Training) -> dict[str, float]:
    """What Keras tells of the held-out rows."""
    return {name: value for name, value in run.logs.items() if name.startswith("val_")}


class KerasCallbacks(EpochObserver):
    """Run a job's callbacks, in order, between the epochs of our own engines."""

    def __init__(self, job: Job) -> None:
        start_tensorflow()
        import keras

        self._plan = plan = job.plan
        self._model = model = build_network(plan.network, seed=plan.seeds.dropout)
        compile_model(plan, model)
        # Keras builds metrics with the first batch; callbacks look for them by name.
        widths, dtype = plan.network.layer_widths, plan.network.dtype
        x, y = (keras.ops.zeros((1, width), dtype) for width in (widths[0], widths[-1]))
        model.compute_metrics(x, y, y)
        model.reset_metrics()
        model.stop_training = False
        self._callbacks = keras.callbacks.CallbackList(
            list(job.hooks.callbacks),
            add_history=True,
            add_progbar=False,
            model=model,
            verbose=job.hooks.verbose,
            epochs=plan.epochs,
            steps=plan.n_steps(len(job.data.rows)),
        )
        self._warned: set[str] = set()

    def begin(self, run: Training) -> None:
        """Training begins."""
        self._hear(run, "on_train_begin")

    def begin_epoch(self, run: Training) -> None:
        """An epoch begins."""
        self._hear(run, "on_epoch_begin", run.n_epochs)

    def begin_validation(self, run: Training) -> None:
        """The held-out rows are about to be measured."""
        self._hear(run, "on_test_begin")

    def end_validation(self, run: Training) -> None:
        """The held-out rows were measured."""
        self._hear(run, "on_test_end", held_out_logs(run))

    def end_epoch(self, run: Training) -> None:
        """An epoch has ended."""
        self._hear(run, "on_epoch_end", run.n_epochs - 1, dict(run.logs))
        # Whenever it was set: an epoch that has begun is ended, as callbacks count on it.
        run.stopped |= bool(self._model.stop_training)

    def end(self, run: Training) -> None:
        """Training has ended."""
        self._hear(run, "on_train_end", dict(run.logs))

    def _hear(self, run: Training, hook: str, *arguments: Any) -> None:
        """Show the callbacks where the training stands, and carry back what they change."""
        model, optimizer = self._model, self._model.optimizer
        model.set_weights(as_arrays(run.layers))
        optimizer.iterations.assign(run.state.updates)
        optimizer.learning_rate = run.learning_rate
        shown_rate, settings = float(optimizer.learning_rate), self._read_settings()
        getattr(self._callbacks, hook)(*arguments)
        seen = as_layers(model.get_weights())
        if not same_layers(run.layers, seen):
            run.layers = seen
        self._warn_of_changes(run, settings)
        if has_schedule(model.optimizer):
            compile_model(self._plan, model)  # Keras would let nobody set a rate again
        elif model.optimizer is optimizer and float(optimizer.learning_rate) != shown_rate:
            run.learning_rate = float(optimizer.learning_rate)

    def _read_settings(self) -> dict[str, Any]:
        """All else that a callback may change, by the name it is known by."""
        model, optimizer = self._model, self._model.optimizer
        settings = {
            f"optimizer.{name}": value
            for name, value in optimizer.get_config().items()
            if name not in ("learning_rate", "name")
        }
        settings |= {"optimizer": id(optimizer), "loss": id(model.loss)}
        if has_schedule(optimizer):
            settings["optimizer.learning_rate to a schedule"] = True
        settings["optimizer.iterations"] = int(optimizer.iterations)
        for layer in model.layers:
            for name in ("trainable", "rate", "activation", "kernel_regularizer"):
                settings[f"{layer.name}.{name}"] = getattr(layer, name, None)
        return settings

    def _warn_of_changes(self, run: Training, before: dict[str, Any]) -> None:
        after = self._read_settings()
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        if "optimizer" in changed:  # another one, so all of its settings may differ
            changed = {name for name in changed if not name.startswith("optimizer.")}
        if not changed - self._warned:
            return
        self._warned |= changed
        warnings.warn(
            f"{run.who}: expected callbacks that change weights, the learning rate or "
            f"stop_training, got one that changed {', '.join(sorted(changed))}, which "
            f"engine={run.engine!r} leaves as it was. Set engine='keras'.",
            stacklevel=2,
        )
