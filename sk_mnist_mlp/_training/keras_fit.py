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
from sk_mnist_mlp._training.epochs import Run, warn_of_interrupt
from sk_mnist_mlp._training.keras_callbacks import compile_model, has_schedule, held_out_logs
from sk_mnist_mlp._training.plan import EpochObserver, Job, Training
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.shuffling import row_order
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = ["train_with_keras"]


def train_with_keras(job: Job) -> FittedNetwork:
    """Train one network by ``keras.Model.fit``."""
    run = Run(job, "keras")
    if run.finished:
        return run.fitted()
    start_tensorflow()
    from scikeras.wrappers import KerasClassifier

    rows = _ordered_rows(run)
    model = _make_model(run, rows)
    run.observers.append(_TestHooks(job, model))
    first, last = _make_callbacks(run, model, rows)
    wrapper = KerasClassifier(
        model=model,
        loss="categorical_crossentropy",
        epochs=job.plan.epochs,
        callbacks=[first, *job.hooks.callbacks, last],
        verbose=0,
    )
    # What scikeras sees of the data are row numbers, so that it copies nothing, and one-hot
    # labels, which it leaves as they are, so that classes missing from these rows keep a column.
    hot = np.eye(job.plan.network.n_classes)[job.data.labels[job.data.rows]]
    try:
        wrapper.fit(job.data.rows[:, None], hot)
    except KeyboardInterrupt:
        run.interrupted = True
        warn_of_interrupt(run.who)
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

    plan, data, dtype = run.plan, run.data, run.plan.network.dtype

    class OrderedRows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.visit(0)

        def visit(self, epoch: int) -> None:
            """Turn to an epoch of this call."""
            self.order = row_order(data.rows, run.start.seeds.order, run.start.epoch + epoch)
            self.first_step = epoch * run.n_steps

        def __len__(self) -> int:
            return run.n_steps

        def __getitem__(self, batch: int) -> tuple[NDArray[Any], ...]:
            begin = batch * plan.batch_size
            rows = self.order[begin : begin + plan.batch_size]
            hot = np.eye(plan.network.n_classes, dtype=dtype)[data.labels[rows]]
            step = run.start.step + self.first_step + batch
            x = _distorted(run, np.asarray(data.X[rows], dtype), step)
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


def _make_model(run: Run, rows: Any) -> Any:
    """A compiled ``keras.Sequential`` that trains on these rows, whatever it is given.

    Its methods are exchanged on the instance: a class of our own would end up in the files that
    ``ModelCheckpoint`` writes, and nobody could load them.
    """
    import keras

    plan = run.plan
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
    compile_model(plan, model)
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


def _make_callbacks(run: Run, model: Any, rows: Any) -> tuple[Any, Any]:
    """What is to be done before the user's callbacks, and after them."""
    import keras

    class First(keras.callbacks.Callback):
        """Tells the run first, so that the user's callbacks read what it measures."""

        def on_train_begin(self, logs: Any = None) -> None:
            run.begin()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            # Order and dropout are functions of seed and epoch alone, as if there were no break.
            rows.visit(epoch)
            layers = [layer for layer in model.layers if hasattr(layer, "seed_generator")]
            keys = step_keys(run.start.seeds.dropout, run.start.epoch + epoch, 1, len(layers))[0]
            for layer, key in zip(layers, keys, strict=True):
                layer.seed_generator.state.assign(key)
            run.begin_epoch()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            # Counted in batches: an optimizer that accumulates gradients counts its updates.
            step = run.start.step + (epoch + 1) * run.n_steps
            run.state = replace(run.state, step=step)
            _look(run, model)
            shown = logs if logs is not None else {}
            shown |= run.end_epoch(shown.get("loss", np.nan), shown.get("accuracy", np.nan))
            model.stop_training |= run.stopped

    class Last(keras.callbacks.Callback):
        """Keeps the checkpoint last, as the user's callbacks may change the weights."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if run.hooks.keep is not None:
                _look(run, model)
                run.learning_rate = _shown_rate(run, model.optimizer)
                run.stopped |= bool(model.stop_training)
                run.keep()

    class LastWithSchedule(Last):
        """Sets the rate of each step; between epochs callbacks see that which is multiplied."""

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.shown = float(model.optimizer.learning_rate)  # a batch hook may have set it
            model.optimizer.learning_rate = self.shown * run.rates[rows.first_step + batch]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            model.optimizer.learning_rate = self.shown

    return First(), Last() if run.plan.schedule is None else LastWithSchedule()


def _shown_rate(run: Run, optimizer: Any) -> float:
    """The learning rate of an optimizer, to the last digit where nobody has changed it."""
    if has_schedule(optimizer):
        return run.learning_rate
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
        for callback in self._callbacks:
            callback.on_test_end(held_out_logs(run))
        run.layers = as_layers(self._model.get_weights())
