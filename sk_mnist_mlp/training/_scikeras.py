"""The reference engine: Keras's own ``Model.fit``, held through scikeras' ``KerasClassifier``.

It takes what only Keras's loop can do (callbacks with batch hooks, any optimizer) and is the
oracle of the compiled engine. This is the only file that imports scikeras, which patches Keras's
pickling when imported, and seeds global generators when it is given a ``random_state``: so it is
given none, and the seeds go to the layers and to the row order instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._arrays import NumpyNamespace as xp
from sk_mnist_mlp._network import Weights, build_network, initial_weights
from sk_mnist_mlp.training._augmentation import distort, distortion_values
from sk_mnist_mlp.training._chance import row_order, step_keys
from sk_mnist_mlp.training._monitor import Monitor, warn_of_interrupt
from sk_mnist_mlp.training._optimizers import make_keras_optimizer
from sk_mnist_mlp.training._plan import (
    Progress,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    TrainingState,
)
from sk_mnist_mlp.training._schedules import averaging_shares, schedule_rates
from sk_mnist_mlp.training._tensorflow import started_before_fork, use_worker_threads

__all__ = ["train_with_keras"]

_COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")


def train_with_keras(plan: TrainingPlan, data: TrainingData) -> TrainingResult:
    """Train one network by ``keras.Model.fit``.

    Parameters
    ----------
    plan : TrainingPlan
        What to train.
    data : TrainingData
        On what.
    """
    if started_before_fork():
        raise RuntimeError(
            "MLPDigitClassifier: expected a process of its own for engine='keras', got a fork of "
            "one that had used TensorFlow, where TensorFlow hangs. Start workers with joblib's "
            "'loky' backend or multiprocessing's 'spawn'."
        )
    if plan.progress is not None and plan.progress.finished:
        return _finished(plan.progress)
    use_worker_threads()
    from scikeras.wrappers import KerasClassifier

    start = plan.start
    if start is None:
        start = TrainingState(initial_weights(plan.network, plan.seeds.weights), [], "", plan.seeds)
    # Epochs and steps count from where this call began, also if it broke off and goes on.
    current = start if plan.progress is None else plan.progress.state
    monitor = Monitor(plan, data)
    rows = _ordered_rows(plan, data, start)
    model = _make_model(plan, current, rows)
    per_step = _per_step(plan, data, start, current)

    def weights_of(model: Any) -> Weights:
        """The weights to predict with."""
        if plan.averaging is None:
            return model.get_weights()
        return [average.copy() for average in per_step[0].average]

    def state_of(model: Any, weights: Weights) -> TrainingState:
        """What to go on from, where ``weights`` are those to predict with."""
        averaged = plan.averaging is not None
        return replace(
            start,
            weights=model.get_weights() if averaged else weights,
            average=weights if averaged else [],
            optimizer_state=[np.asarray(variable) for variable in model.optimizer.variables],
            engine="keras",
            rule=type(model.optimizer).__name__,
            step=int(model.optimizer.iterations),
            epoch=start.epoch + monitor.n_epochs,
        )

    wrapper = KerasClassifier(
        model=model,
        loss="categorical_crossentropy",
        epochs=plan.epochs,
        callbacks=[
            *per_step,
            _epoch_starter(start, rows),
            _recorder(monitor, weights_of),
            *plan.callbacks,
            _keeper(plan, monitor, lambda model: state_of(model, weights_of(model))),
        ],
        verbose=0,
    )
    # What scikeras sees of the data are row numbers, so that it copies nothing, and one-hot
    # labels, which it leaves as they are, so that classes missing from these rows keep a column.
    hot = np.eye(plan.network.n_classes)[data.labels[data.rows]]
    interrupted = False
    try:
        wrapper.fit(data.rows[:, None], hot)
    except KeyboardInterrupt:
        interrupted = True
        warn_of_interrupt()
    finally:
        monitor.close()
    weights = monitor.best_weights or weights_of(model)
    return TrainingResult(weights, state_of(model, weights), monitor.history, interrupted)


def _finished(progress: Progress) -> TrainingResult:
    """What came out of a training that had ended."""
    state = progress.state
    weights = progress.best_weights or state.average or state.weights
    state = replace(state, average=weights) if state.average else replace(state, weights=weights)
    return TrainingResult(weights, state, progress.history)


def _ordered_rows(plan: TrainingPlan, data: TrainingData, start: TrainingState) -> Any:
    """The batches of an epoch as a Keras dataset in our order: Keras's own is global state's."""
    import keras

    class OrderedRows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.visit(0)

        def visit(self, epoch: int) -> None:
            """Turn to an epoch of this call."""
            self.order = row_order(data.rows, start.seeds.order, start.epoch + epoch)
            self.first_step = start.step + epoch * len(self)

        def __len__(self) -> int:
            return -(-len(data.rows) // plan.batch_size)

        def __getitem__(self, batch: int) -> tuple[NDArray[Any], ...]:
            begin = batch * plan.batch_size
            rows = self.order[begin : begin + plan.batch_size]
            dtype = plan.network.dtype
            hot = np.eye(plan.network.n_classes, dtype=dtype)[data.labels[rows]]
            x = _distorted(plan, start, np.asarray(data.X[rows], dtype), self.first_step + batch)
            if data.sample_weight is None:
                return x, hot
            return x, hot, data.sample_weight[rows].astype(dtype)

    return OrderedRows()


def _make_model(plan: TrainingPlan, current: TrainingState, rows: Any) -> Any:
    """A compiled Keras model that trains on these rows, whatever it is given."""
    import keras

    class OrderedSequential(keras.Sequential):
        def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
            kwargs = {name: kwargs[name] for name in ("epochs", "callbacks", "verbose")}
            begun = 0 if plan.progress is None else len(plan.progress.history["loss"])
            return super().fit(rows, shuffle=False, initial_epoch=begun, **kwargs)

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            # Added here, as Keras fails to add a regularizer's float64 to its float32 loss. The
            # gradients keep their precision, whatever dtype the loss is shown in.
            loss = super().compute_loss(*args, **kwargs)
            if not plan.network.l2:
                return loss
            kernels = [layer.kernel for layer in self.layers if hasattr(layer, "kernel")]
            squares = sum(keras.ops.sum(keras.ops.square(kernel)) for kernel in kernels)
            return loss + keras.ops.cast(plan.network.l2 * squares, loss.dtype)

    spec = replace(plan.network, l2=0.0)
    network = build_network(spec, current.weights, seed=current.seeds.dropout)
    inputs = keras.Input((plan.network.n_features,), dtype=plan.network.dtype)
    model = OrderedSequential([inputs, *network.layers])
    model.compile(
        optimizer=make_keras_optimizer(plan.optimizer, plan.learning_rate),
        loss=keras.losses.CategoricalCrossentropy(
            label_smoothing=plan.label_smoothing,
            # Weights divided by their sum: rows of weight two count as two rows, exactly.
            reduction="mean_with_sample_weight",
            dtype=plan.network.dtype,
        ),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    # The same rule with other options, such as a momentum, keeps another number of arrays.
    variables, values = model.optimizer.variables, current.optimizer_state
    same_rule = (current.engine, current.rule) == ("keras", type(model.optimizer).__name__)
    if same_rule and len(values) == len(variables):
        for variable, value in zip(variables, values, strict=True):
            # A new call begins with the learning rate that it is given, not with the last one.
            if variable.name != "learning_rate" or plan.progress is not None:
                variable.assign(value)
    return model


def _distorted(
    plan: TrainingPlan, start: TrainingState, x: NDArray[Any], step: int
) -> NDArray[Any]:
    """The images that the compiled engine would train on at this step."""
    if plan.distortion is None or plan.image_shape is None:
        return x
    dtype = plan.network.dtype
    values = distortion_values([plan.distortion], plan.image_shape, dtype)
    key = step_keys(start.seeds.augmentation, step, 1, 1)[0]
    return distort(xp, x[None], key, values, plan.image_shape, len(x), dtype)[0]


def _per_step(
    plan: TrainingPlan, data: TrainingData, start: TrainingState, current: TrainingState
) -> list[Any]:
    """A callback that sets each step's learning rate and averages the weights, where asked for."""
    if plan.schedule is None and plan.averaging is None:
        return []
    import keras

    n_steps = plan.epochs * -(-len(data.rows) // plan.batch_size)

    class PerStep(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            self.step = current.step - start.step
            self.average = [w.copy() for w in current.average or current.weights]
            # Of an optimizer that has taken no step: a step leaves its own rate behind.
            unused = make_keras_optimizer(plan.optimizer, plan.learning_rate)
            rate = float(unused.learning_rate)
            self.rates = schedule_rates(plan.schedule, rate, start.step, n_steps)

        def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if plan.schedule is not None:
                self.model.optimizer.learning_rate = self.rates[self.step]

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if plan.averaging is not None:
                share = averaging_shares(plan.averaging, start.step + self.step, 1)
                for average, new in zip(self.average, self.model.get_weights(), strict=True):
                    average += (new - average) * np.asarray(share, average.dtype)
            self.step += 1

    return [PerStep()]


def _epoch_starter(start: TrainingState, rows: Any) -> Any:
    """A callback that makes each epoch's order and dropout a function of seed and epoch alone.

    So a training that goes on does what it would have done without the break.
    """
    import keras

    class EpochStarter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            rows.visit(epoch)
            layers = [layer for layer in self.model.layers if hasattr(layer, "seed_generator")]
            keys = step_keys(start.seeds.dropout, start.epoch + epoch, 1, len(layers))[0]
            for layer, key in zip(layers, keys, strict=True):
                layer.seed_generator.state.assign(key)

    return EpochStarter()


def _recorder(monitor: Monitor, weights_of: Callable[[Any], Weights]) -> Any:
    """Make the monitor a Keras callback, before the user's, so that they read what it measures."""
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            monitor.begin_epoch()

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            weights = weights_of(self.model)
            logs |= monitor.measure(weights)
            seen = {name: logs[name] for name in _COLUMNS if name in logs}
            if monitor.end_epoch(seen, weights):
                self.model.stop_training = True

    return Recorder()


def _keeper(plan: TrainingPlan, monitor: Monitor, state_of: Callable[[Any], TrainingState]) -> Any:
    """A callback that keeps the progress, after all others, as they may change the weights."""
    import keras

    class Keeper(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if plan.keep_progress is not None:
                finished = self.model.stop_training or monitor.n_epochs >= plan.epochs
                monitor.keep(state_of(self.model), 1.0, finished=finished)

    return Keeper()
