"""The reference engine: Keras's own ``Model.fit``, held through scikeras' ``KerasClassifier``.

It takes what only Keras's loop can do (callbacks that act on batches, any optimizer) and is the
oracle of our own engines. This is the only file that imports scikeras, which patches Keras's
pickling when imported, and seeds global generators when it is given a ``random_state``: so it is
given none, and the seeds go to the layers and to the row order instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import NumpyNamespace as xp
from sk_mnist_mlp._network import as_layers, build_network, step_keys
from sk_mnist_mlp._training.distortions import distort, distortion_values
from sk_mnist_mlp._training.epochs import Run, fitted_before, warn_of_interrupt
from sk_mnist_mlp._training.keras_callbacks import compile_model
from sk_mnist_mlp._training.observers import EpochObserver, Training
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.schedules import relative_rates
from sk_mnist_mlp._training.shuffling import row_order
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = ["train_with_keras"]


def train_with_keras(job: Job) -> FittedNetwork:
    """Train one network by ``keras.Model.fit``."""
    finished = fitted_before(job, "keras")
    if finished is not None:
        return finished
    start_tensorflow()
    from scikeras.wrappers import KerasClassifier

    run = Run(job, "keras")
    rows = _ordered_rows(run)
    model = _make_model(job, run, rows)
    run.observers.append(_TestHooks(job, model))
    wrapper = KerasClassifier(
        model=model,
        loss="categorical_crossentropy",
        epochs=job.plan.epochs,
        callbacks=[
            _epoch_starter(run, rows),
            _first(run),
            *job.hooks.callbacks,
            *_rate_setter(run),
            _last(run),
        ],
        verbose=0,
    )
    # What scikeras sees of the data are row numbers, so that it copies nothing, and one-hot
    # labels, which it leaves as they are, so that classes missing from these rows keep a column.
    hot = np.eye(job.plan.network.n_classes)[job.data.labels[job.data.rows]]
    try:
        wrapper.fit(job.data.rows[:, None], hot)
    except KeyboardInterrupt:
        run.interrupted = True
        warn_of_interrupt(job.hooks.who)
    finally:
        run.close()
    _look(run, model)
    run.end()
    return run.fitted()


def _look(run: Run, model: Any) -> None:
    """Let the run know where Keras's model stands."""
    run.layers = as_layers(model.get_weights())
    run.state = replace(
        run.state,
        rule=_rule_name(model.optimizer),
        moments=tuple(np.asarray(variable) for variable in model.optimizer.variables),
        updates=int(model.optimizer.iterations),
    )


def _rule_name(optimizer: Any) -> str:
    return f"keras.{type(optimizer).__name__}"


def _ordered_rows(run: Run) -> Any:
    """The batches of an epoch as a Keras dataset in our order: Keras's own is global state's."""
    import keras

    plan, data = run.plan, run.data

    class OrderedRows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.visit(0)

        def visit(self, epoch: int) -> None:
            """Turn to an epoch of this call."""
            self.order = row_order(data.rows, run.start.seeds.order, run.start.epoch + epoch)
            self.first_step = run.start.step + epoch * len(self)

        def __len__(self) -> int:
            return plan.n_steps(len(data.rows))

        def __getitem__(self, batch: int) -> tuple[NDArray[Any], ...]:
            begin = batch * plan.batch_size
            rows = self.order[begin : begin + plan.batch_size]
            dtype = plan.network.dtype
            hot = np.eye(plan.network.n_classes, dtype=dtype)[data.labels[rows]]
            x = _distorted(run, np.asarray(data.X[rows], dtype), self.first_step + batch)
            if data.sample_weight is None:
                return x, hot
            return x, hot, data.sample_weight[rows].astype(dtype)

    return OrderedRows()


def _distorted(run: Run, x: NDArray[Any], step: int) -> NDArray[Any]:
    """The images that our own engines would train on at this step."""
    distortion, shape, dtype = run.plan.distortion, run.plan.image_shape, run.plan.network.dtype
    if distortion is None or shape is None:
        return x
    values = distortion_values([distortion], shape, dtype)
    key = step_keys(run.start.seeds.augmentation, step, 1, 1)[0]
    return distort(xp, x[None], key, values, shape, len(x), dtype)[0]


def _make_model(job: Job, run: Run, rows: Any) -> Any:
    """A compiled ``keras.Sequential`` that trains on these rows, whatever it is given.

    Its methods are exchanged on the instance: a class of our own would end up in the files that
    ``ModelCheckpoint`` writes, and nobody could load them.
    """
    import keras

    plan = job.plan
    # Keras cannot add a regularizer to a loss of another dtype; then the penalty is added below.
    mixes = plan.network.dtype != keras.config.floatx()
    penalty = plan.network.l2 if mixes else 0.0
    spec = replace(plan.network, l2=0.0) if penalty else plan.network
    model = build_network(spec, run.layers, seed=run.start.seeds.dropout)
    fit, compute_loss = model.fit, model.compute_loss

    def fit_rows(x: Any = None, y: Any = None, **options: Any) -> Any:
        options = {name: options[name] for name in ("epochs", "callbacks", "verbose")}
        begun = run.n_epochs if run.wants_more else plan.epochs
        return fit(rows, shuffle=False, initial_epoch=begun, **options)

    def compute_penalized_loss(*arguments: Any, **options: Any) -> Any:
        # The gradients keep their precision, whatever dtype the loss is shown in.
        loss = compute_loss(*arguments, **options)
        kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
        squares = sum(keras.ops.sum(keras.ops.square(kernel)) for kernel in kernels)
        return loss + keras.ops.cast(penalty * squares, loss.dtype)

    model.fit = fit_rows
    if penalty:
        model.compute_loss = compute_penalized_loss
    compile_model(job, model)
    # The same rule with other options, such as a momentum, keeps another number of arrays.
    variables, values = model.optimizer.variables, run.state.moments
    if run.state.rule == _rule_name(model.optimizer) and len(values) == len(variables):
        for variable, value in zip(variables, values, strict=True):
            # A new call begins with the learning rate that it is given, not with the last one.
            if variable.name != "learning_rate":
                variable.assign(value)
    if run.learning_rate != plan.learning_rate:
        model.optimizer.learning_rate = run.learning_rate  # what callbacks had made of it
    return model


# ----------------------------------------------------------------------------------------------
# Our own callbacks, around the user's


def _epoch_starter(run: Run, rows: Any) -> Any:
    """Make each epoch's order and dropout a function of seed and epoch alone.

    So a training that is resumed does what it would have done without the break.
    """
    import keras

    class EpochStarter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            rows.visit(epoch)
            layers = [layer for layer in self.model.layers if hasattr(layer, "seed_generator")]
            keys = step_keys(run.start.seeds.dropout, run.start.epoch + epoch, 1, len(layers))[0]
            for layer, key in zip(layers, keys, strict=True):
                layer.seed_generator.state.assign(key)

    return EpochStarter()


def _first(run: Run) -> Any:
    """Tell the run before the user's callbacks, so that they read what it measures."""
    import keras

    class First(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            run.begin()

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            run.begin_epoch()

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            run.state = replace(run.state, step=rows_behind(epoch))
            _look(run, self.model)
            shown = logs if logs is not None else {}
            shown |= run.end_epoch(shown.get("loss", np.nan), shown.get("accuracy", np.nan))
            self.model.stop_training |= run.stopped

    def rows_behind(epoch: int) -> int:
        # Counted in batches: an optimizer that accumulates gradients counts its updates.
        return run.start.step + (epoch + 1) * run.plan.n_steps(len(run.data.rows))

    return First()


def _rate_setter(run: Run) -> list[Any]:
    """Set each step's learning rate where there is a schedule, after the user's callbacks.

    Between epochs the optimizer shows the rate that the schedule multiplies, for callbacks to read
    and set, as in our own engines.
    """
    plan = run.plan
    if plan.schedule is None:
        return []
    import keras

    n_steps = plan.epochs * plan.n_steps(len(run.data.rows))
    factors = relative_rates(plan.schedule, plan.learning_rate, run.start.step, n_steps)

    class RateSetter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.first = epoch * plan.n_steps(len(run.data.rows))

        def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.shown = float(self.model.optimizer.learning_rate)  # a batch hook may have set it
            self.model.optimizer.learning_rate = self.shown * factors[self.first + batch]

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.model.optimizer.learning_rate = self.shown

    return [RateSetter()]


def _last(run: Run) -> Any:
    """Keep the checkpoint, after all others, as they may change the weights."""
    import keras

    class Last(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if run.hooks.keep is None:
                return
            _look(run, self.model)
            run.learning_rate = _shown_rate(run, self.model.optimizer)
            run.stopped |= bool(self.model.stop_training)
            run.keep()

    return Last()


def _shown_rate(run: Run, optimizer: Any) -> float:
    """The learning rate of an optimizer, to the last digit where nobody has changed it."""
    if isinstance(optimizer.get_config()["learning_rate"], dict):
        return run.learning_rate  # a schedule of the optimizer's own, which nobody can change
    rate = float(optimizer.learning_rate)
    return run.learning_rate if rate == np.float32(run.learning_rate) else rate


class _TestHooks(EpochObserver):
    """Call the user's hooks around the measurement of held-out rows, as ``Model.evaluate`` does."""

    def __init__(self, job: Job, model: Any) -> None:
        self._callbacks, self._model = job.hooks.callbacks, model

    def begin_validation(self, run: Training) -> None:
        for callback in self._callbacks:
            callback.on_test_begin()
        run.layers = as_layers(self._model.get_weights())

    def end_validation(self, run: Training) -> None:
        logs = {name: value for name, value in run.logs.items() if name.startswith("val_")}
        for callback in self._callbacks:
            callback.on_test_end(logs)
        run.layers = as_layers(self._model.get_weights())
