"""Keras callbacks as users write them, run between the epochs of the compiled engine."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from sk_mnist_mlp import MLPDigitClassifier
from small_fits import digits

X, Y = digits(600, dtype=np.float32)


def fit(callbacks, **parameters):
    """A short fit in the compiled engine."""
    defaults = {"hidden_units": 32, "epochs": 4, "random_state": 0, "engine": "numpy"}
    return MLPDigitClassifier(**(defaults | parameters), callbacks=callbacks).fit(X, Y)


def test_hooks_come_in_kerass_order():
    """Hooks are called as Model.fit calls them, with the epoch's logs."""
    import keras

    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            seen.append(("epoch", epoch))

        def on_epoch_end(self, epoch, logs=None):
            seen.append(("end", epoch, sorted(logs)))

        def on_train_end(self, logs=None):
            seen.append("end")

    fit([Recorder()], epochs=2, early_stopping=True)
    logs = ["accuracy", "loss", "val_accuracy", "val_loss"]
    expected = ["begin", ("epoch", 0), ("end", 0, logs), ("epoch", 1), ("end", 1, logs), "end"]
    assert seen == expected


def test_callback_sees_the_epochs_weights_and_parameters():
    """A callback's model predicts as the network does after that epoch; params name the epochs."""
    import keras

    outputs, params = [], []

    class Watcher(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            outputs.append(np.asarray(self.model(X[:5])))
            params.append(self.params["epochs"])

    model = fit([Watcher()], epochs=3)
    np.testing.assert_allclose(outputs[-1], model.predict_proba(X[:5]), atol=1e-5)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4
    assert params == [3, 3, 3]


def test_stop_training_stops():
    """A callback that sets stop_training ends the fit after that epoch."""
    import keras

    class Stopper(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert fit([Stopper()], epochs=9).n_iter_ == 2


def test_early_stopping_restores_best_weights():
    """keras.callbacks.EarlyStopping stops, and restores the weights of the best epoch."""
    import keras

    stopper = keras.callbacks.EarlyStopping(
        "loss", patience=0, mode="max", restore_best_weights=True
    )
    best = fit([], epochs=1)
    model = fit([stopper], epochs=6)
    assert model.n_iter_ == 2
    for ours, expected in zip(model.coefs_, best.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_model_checkpoint_writes_a_loadable_model(tmp_path):
    """ModelCheckpoint writes each epoch's model, which Keras loads to the same predictions."""
    import keras

    path = tmp_path / "{epoch}.keras"
    model = fit([keras.callbacks.ModelCheckpoint(str(path))], epochs=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.keras", "2.keras"]
    loaded = keras.models.load_model(tmp_path / "2.keras")
    np.testing.assert_allclose(loaded(X[:9]), model.predict_proba(X[:9]), atol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1e-6])
def test_reduce_lr_on_plateau_changes_the_rate(factor):
    """ReduceLROnPlateau lowers the rate that later epochs train with."""
    import keras

    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=factor, patience=0, mode="max", min_lr=0.0, cooldown=0
    )
    plain, reduced = fit([]), fit([plateau])
    assert plain.loss_curve_[0] == reduced.loss_curve_[0]
    assert plain.loss_curve_[-1] < reduced.loss_curve_[-1]


def test_csv_logger_writes_a_row_an_epoch(tmp_path):
    """CSVLogger writes the history that the estimator keeps."""
    import keras

    path = tmp_path / "log.csv"
    model = fit([keras.callbacks.CSVLogger(str(path))])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    np.testing.assert_allclose(losses, model.loss_curve_)


def test_tensorboard_writes_events(tmp_path):
    """TensorBoard, logging by epoch, runs in the compiled engine and writes event files."""
    import keras

    model = fit([keras.callbacks.TensorBoard(str(tmp_path))])
    assert model.engine_ == "numpy"
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_lambda_callback_runs():
    """LambdaCallback with epoch hooks runs in the compiled engine."""
    import keras

    losses = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda e, logs: losses.append(logs["loss"])
    )
    model = fit([callback])
    assert losses == model.loss_curve_


def make_batch_counter():
    """Callbacks that act on batches."""
    import keras

    class Counter(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            counted.append(batch)

    counted = []
    by_lambda = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: counted.append(b))
    return [Counter(), by_lambda], counted


@pytest.mark.parametrize("index", [0, 1], ids=["method", "lambda"])
def test_batch_hooks_choose_kerass_loop(index):
    """A callback with batch hooks is run by Keras's own loop, and engine_ says so."""
    callbacks, counted = make_batch_counter()
    model = fit([callbacks[index]], engine="auto", epochs=1)
    assert model.engine_ == "keras"
    assert counted == list(range(5))


def test_learning_rate_scheduler_sets_the_rate():
    """LearningRateScheduler, called as each epoch begins, sets that epoch's rate."""
    import keras

    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0 if epoch else rate)
    stopped, plain = fit([scheduler], epochs=3), fit([], epochs=1)
    for ours, expected in zip(stopped.coefs_, plain.coefs_, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_raising_callback_ends_the_fit_and_leaves_the_estimator():
    """An exception in a callback comes out of fit, and the estimator stays unfitted."""
    import keras

    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("no more")

    model = MLPDigitClassifier(hidden_units=8, epochs=2, callbacks=[Broken()])
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("engine", ["numpy", "xla", "keras"])
def test_a_function_is_called_after_each_epoch_and_may_stop(engine):
    """It is told the epoch from 0 and the logs, beside Keras's callbacks; a true answer stops."""
    import keras

    told = []

    def stop_at_two(epoch, logs):
        told.append((epoch, logs))
        return epoch == 2

    keras_too = keras.callbacks.TerminateOnNaN()
    model = fit([stop_at_two, keras_too], engine=engine, epochs=9, early_stopping=True)
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    assert model.n_iter_ == 3
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [logs[name] for _, logs in told] == model.history_[name]


def test_a_function_needs_no_keras():
    """A fit in NumPy with a function as its callback imports neither Keras nor TensorFlow."""
    code = (
        "import sys, numpy as np; from sk_mnist_mlp import MLPDigitClassifier as M;"
        "M(epochs=2, hidden_units=4, engine='numpy', callbacks=lambda epoch, logs: None)"
        ".fit(np.eye(4), [0, 1, 0, 1]); assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_an_error_in_a_function_comes_through():
    """What a function raises ends the fit, and the estimator stays as it was."""

    def fail(epoch, logs):
        raise RuntimeError("mine")

    model = fit(None)
    before = model.coefs_[0].copy()
    with pytest.raises(RuntimeError, match="mine"):
        model.set_params(callbacks=fail).fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], before)
