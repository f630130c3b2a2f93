"""Keras's callbacks and optimizers mean the same in every engine, or a warning says otherwise."""

import functools
import warnings

import keras
import numpy as np
import pytest
from sklearn.base import clone

from sk_mnist_mlp import load_model, save_model
from sk_mnist_mlp.exceptions import InvalidParameterError
from small_fits import digits, small_classifier

X, Y = digits(300, dtype=np.float32)
small = functools.partial(
    small_classifier, hidden_units=12, epochs=4, batch_size=64, learning_rate=0.01, dropout=0.0
)
ENGINES = ["numpy", "xla", "keras"]


def weights_of(model):
    """All weights as one flat array."""
    return np.concatenate([a.ravel() for a in [*model.coefs_, *model.intercepts_]])


# ----------------------------------------------------------------------------------------------
# Every class that Keras has


KNOWN = keras.callbacks
DOCUMENTED = {
    "BackupAndRestore": lambda folder: KNOWN.BackupAndRestore(folder / "backup"),
    "CSVLogger": lambda folder: KNOWN.CSVLogger(folder / "log.csv"),
    "Callback": lambda folder: KNOWN.Callback(),
    "EarlyStopping": lambda folder: KNOWN.EarlyStopping("loss", patience=3),
    "EarlyStopping of accuracy": lambda folder: KNOWN.EarlyStopping("accuracy"),
    "EarlyStopping of val_accuracy": lambda folder: KNOWN.EarlyStopping(
        "val_accuracy", patience=1, restore_best_weights=True
    ),
    "History": lambda folder: KNOWN.History(),
    "LambdaCallback": lambda folder: KNOWN.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs["loss"], on_train_end=lambda logs: None
    ),
    "LearningRateScheduler": lambda folder: KNOWN.LearningRateScheduler(
        lambda epoch, rate: rate if epoch < 2 else rate * 0.5
    ),
    "ModelCheckpoint": lambda folder: KNOWN.ModelCheckpoint(
        folder / "best.keras", monitor="val_accuracy", save_best_only=True
    ),
    "ModelCheckpoint of weights": lambda folder: KNOWN.ModelCheckpoint(
        folder / "{epoch:02d}-{val_loss:.2f}.weights.h5", save_weights_only=True
    ),
    "ProgbarLogger": lambda folder: KNOWN.ProgbarLogger(),
    "ReduceLROnPlateau": lambda folder: KNOWN.ReduceLROnPlateau(
        "val_accuracy", factor=0.2, patience=1, min_lr=0.001
    ),
    "RemoteMonitor": lambda folder: KNOWN.RemoteMonitor(root="http://127.0.0.1:9"),
    "SwapEMAWeights": lambda folder: KNOWN.SwapEMAWeights(swap_on_epoch=True),
    "TensorBoard": lambda folder: KNOWN.TensorBoard(folder / "logs"),
    "TerminateOnNaN": lambda folder: KNOWN.TerminateOnNaN(),
}
ON_BATCHES = ("BackupAndRestore", "ProgbarLogger")


@pytest.mark.parametrize("engine", ["auto", "xla", "keras"])
@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_callback_of_keras_runs_as_documented(name, engine, tmp_path):
    """In its documented form each class runs in every engine that can run it, without a warning."""
    parameters = {"early_stopping": True, "engine": engine}
    if name == "SwapEMAWeights":
        parameters["optimizer"] = keras.optimizers.Adam(use_ema=True)
        parameters["engine"] = "keras" if engine == "xla" else engine
    if name in ON_BATCHES:
        parameters["engine"] = "keras"
    model = small(callbacks=[DOCUMENTED[name](tmp_path)], **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="keras|google", category=Warning)
        warnings.filterwarnings("ignore", "Could not reach RemoteMonitor|np.object")
        model.fit(X, Y)
    assert np.isfinite(model.loss_curve_).all()
    assert np.isfinite(weights_of(model)).all()


def test_the_list_above_is_whole():
    """No class of callbacks is missing above; Orbax's needs a package of its own."""
    classes = {
        name
        for name, value in vars(KNOWN).items()
        if isinstance(value, type) and issubclass(value, KNOWN.Callback)
    }
    assert classes - {name.split(" of ")[0] for name in DOCUMENTED} <= {
        "CallbackList",
        "OrbaxCheckpoint",
    }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_checkpoint_is_loaded_by_keras_alone(engine, dtype, tmp_path):
    """The file holds Keras's own classes only, and predicts as the classifier does."""
    path = tmp_path / "model.keras"
    callback = keras.callbacks.ModelCheckpoint(path)
    model = small(engine=engine, callbacks=callback, dtype=dtype, l2=1e-4).fit(X, Y)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is keras.Sequential
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict_proba(X), atol=1e-5)


# ----------------------------------------------------------------------------------------------
# What callbacks do counts


HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


class Meddler(keras.callbacks.Callback):
    """Scales the weights, sets the rate or asks to stop, in a hook and an epoch of its choice."""

    def __init__(self, hook, epoch, scale=1.0, rate=None, stop=False):
        super().__init__()
        self.hook, self.at, self.scale, self.rate, self.stop = hook, epoch, scale, rate, stop
        self.epoch = 0

    def on_train_begin(self, logs=None):
        self.meddle("on_train_begin", self.at)

    def on_epoch_begin(self, epoch, logs=None):
        self.meddle("on_epoch_begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.meddle("on_epoch_end", epoch)

    def on_train_end(self, logs=None):
        self.meddle("on_train_end", self.at)

    def meddle(self, hook, epoch):
        if (hook, epoch) != (self.hook, self.at):
            return
        self.model.set_weights([w * self.scale for w in self.model.get_weights()])
        if self.rate is not None:
            self.model.optimizer.learning_rate = self.rate
        if self.stop:
            self.model.stop_training = True


@pytest.mark.parametrize("engine", ["xla", "keras"])
@pytest.mark.parametrize("hook", HOOKS)
def test_weights_set_in_any_hook_count(hook, engine):
    """Weights that a callback sets are trained on, or kept, in every engine alike."""
    both = [
        small(engine=name, callbacks=Meddler(hook, 1, scale=0.5)).fit(X, Y)
        for name in ("numpy", engine)
    ]
    np.testing.assert_allclose(weights_of(both[0]), weights_of(both[1]), atol=2e-5)
    untouched = small(engine="numpy").fit(X, Y)
    assert np.abs(weights_of(both[0]) - weights_of(untouched)).max() > 1e-3


@pytest.mark.parametrize("seed", range(8))
def test_meddling_callbacks_mean_the_same_in_every_engine(seed):
    """Whatever callbacks set, with schedules and early stopping, NumPy and Keras agree."""
    rng = np.random.default_rng(seed)

    def make_callbacks():
        draw = np.random.default_rng([seed, 1])
        chosen = [
            Meddler(
                draw.choice(HOOKS),
                int(draw.integers(3)),
                scale=float(draw.choice([1.0, 0.7])),
                rate=draw.choice([None, 0.002, 0.02]),
                stop=False,
            )
            for _ in range(draw.integers(1, 4))
        ]
        if draw.random() < 0.5:
            chosen.append(KNOWN.LearningRateScheduler(lambda epoch, rate: rate * 0.8))
        if draw.random() < 0.5:
            chosen.append(
                KNOWN.EarlyStopping("loss", patience=1, restore_best_weights=True, mode="min")
            )
        return chosen

    parameters = {
        "learning_rate_schedule": rng.choice([None, "cosine", "one_cycle"]),
        "early_stopping": bool(rng.random() < 0.5),
        "n_iter_no_change": 3,
        "optimizer": str(rng.choice(["adam", "sgd", "adamw"])),
        "dtype": "float64",
    }
    both = [
        small(engine=engine, callbacks=make_callbacks(), **parameters).fit(X, Y)
        for engine in ("numpy", "keras")
    ]
    for name, column in both[0].history_.items():
        np.testing.assert_allclose(column, both[1].history_[name], atol=5e-4, err_msg=name)
    np.testing.assert_allclose(weights_of(both[0]), weights_of(both[1]), atol=5e-4)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_callbacks_see_what_keras_shows_them(engine):
    """The model counts its steps, has a history, and the parameters name steps and epochs."""
    seen = []

    class Watcher(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            steps = int(self.model.optimizer.iterations)
            seen.append((steps, dict(self.params), self.model.history is not None))

    small(engine=engine, callbacks=Watcher(), epochs=2).fit(X, Y)
    assert [steps for steps, _, _ in seen] == [5, 10]
    assert all((p["steps"], p["epochs"], has) == (5, 2, True) for _, p, has in seen)


CHANGES = {
    "dense.*trainable": lambda model: setattr(model.layers[0], "trainable", False),
    "optimizer.weight_decay": lambda model: setattr(model.optimizer, "weight_decay", 0.1),
    "dropout.*rate": lambda model: setattr(model.layers[2], "rate", 0.9),
    "optimizer": lambda model: setattr(model, "optimizer", keras.optimizers.SGD()),
    "optimizer.learning_rate to a schedule": lambda model: setattr(
        model.optimizer,
        "learning_rate",
        keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
    ),
    "optimizer.iterations": lambda model: model.optimizer.iterations.assign(77),
    "loss": lambda model: model.compile("adam", "mse"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_what_an_engine_cannot_follow_is_said_once(change, hook):
    """A callback that freezes a layer, say, gets one warning that names the change and the way."""

    class Changer(Meddler):
        def meddle(self, hook, epoch):
            if hook == self.hook:
                CHANGES[change](self.model)

    with pytest.warns(UserWarning, match=f"got one that changed .*{change}") as caught:
        small(callbacks=Changer(hook, 0)).fit(X, Y)
    assert len(caught) == 1
    assert "engine='numpy' leaves as it was. Set engine='keras'." in str(caught[0].message)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("hook", "n_epochs"), [("on_train_begin", 1), ("on_epoch_begin", 2)])
def test_a_stop_is_heard_in_any_hook(hook, n_epochs, engine):
    """Set before an epoch, ``stop_training`` ends the training with that epoch, which is ended."""
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model = small(engine=engine, callbacks=[Meddler(hook, 1, stop=True), watch], epochs=5)
    assert model.fit(X, Y).n_iter_ == len(seen) == n_epochs


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_of_zero_is_a_rate(engine):
    """``SGD(0.0)`` with a callback trains nothing, and a callback can set another rate."""
    optimizer = keras.optimizers.SGD(0.0)
    still = small(engine=engine, optimizer=optimizer, callbacks=keras.callbacks.History())
    moved = clone(still).set_params(callbacks=Meddler("on_epoch_begin", 1, rate=0.1))
    assert still.fit(X, Y).loss_curve_[0] == pytest.approx(still.loss_curve_[-1], rel=1e-5)
    assert moved.fit(X, Y).loss_curve_[-1] < still.loss_curve_[-1] - 0.01


def test_a_schedule_of_a_rate_of_zero_is_refused():
    """A schedule scales the optimizer's rate, so that one must be above zero."""
    model = small(optimizer=keras.optimizers.SGD(0.0), learning_rate_schedule="cosine")
    with pytest.raises(InvalidParameterError, match="expected an optimizer whose learning_rate is"):
        model.fit(X, Y)


# ----------------------------------------------------------------------------------------------
# Callbacks that act on batches


class OnBatches(keras.callbacks.Callback):
    """Acts on batches."""

    def on_train_batch_end(self, batch, logs=None):
        self.last = batch


class Idle(keras.callbacks.Callback):
    """Has batch hooks that do nothing."""

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_batch_end(self, batch, logs=None):
        """Do nothing."""


class MlflowCallback(keras.callbacks.Callback):
    """Has the options of ``mlflow.keras.MlflowCallback``."""

    __module__ = "mlflow.keras.callback"

    def __init__(self, log_every_epoch=True):
        super().__init__()
        self.log_every_epoch = log_every_epoch

    def on_train_batch_end(self, batch, logs=None):
        if not self.log_every_epoch:
            self.last = batch


@pytest.mark.parametrize(
    ("callback", "engine"),
    [
        (lambda: OnBatches(), "keras"),
        (lambda: Idle(), "numpy"),
        (lambda: MlflowCallback(), "numpy"),
        (lambda: MlflowCallback(log_every_epoch=False), "keras"),
        (lambda: keras.callbacks.TerminateOnNaN(), "numpy"),
        (lambda: keras.callbacks.ModelCheckpoint("x.keras", save_freq=3), "keras"),
    ],
)
def test_a_callback_that_decides_the_engine_is_named(callback, engine, tmp_path, monkeypatch):
    """``engine="auto"`` warns in one sentence where a callback makes Keras's own loop train."""
    monkeypatch.chdir(tmp_path)
    model = small(epochs=1, callbacks=callback())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert model.engine_ == engine
    told = [str(w.message) for w in caught if "acts on batches" in str(w.message)]
    assert len(told) == (engine == "keras")


# ----------------------------------------------------------------------------------------------
# Optimizers as they are


@pytest.mark.parametrize("names", [["bias"], ["kernel"], ["bias", "kernel"], ["nothing"]])
@pytest.mark.parametrize("way", ["as given", "clone", "pickle", "file", "copy"])
def test_what_is_not_decayed_is_remembered_everywhere(names, way, tmp_path):
    """``exclude_from_weight_decay`` counts in every engine, clone, pickle and file."""
    import copy
    import pickle

    def make():
        optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=names)
        return small(optimizer=optimizer, warm_start=True, epochs=2)

    def carried(model):
        if way == "clone":
            return clone(model)
        if way == "pickle":
            return pickle.loads(pickle.dumps(model))
        if way == "copy":
            return copy.deepcopy(model)
        if way == "file":
            save_model(model.fit(X, Y), tmp_path / "m")
            return clone(load_model(tmp_path / "m"))
        return model

    ours = carried(make()).set_params(engine="numpy").fit(X, Y)
    theirs = carried(make()).set_params(engine="keras").fit(X, Y)
    np.testing.assert_allclose(weights_of(ours), weights_of(theirs), atol=2e-4)
    plain = small(optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.5), epochs=2).fit(X, Y)
    differs = not np.allclose(weights_of(plain), weights_of(ours), atol=1e-5)
    assert differs == (names != ["nothing"])


def test_what_copies_cannot_carry_is_refused():
    """Variables of another model, and names on a class of one's own, are refused."""
    variable = keras.Variable(np.zeros(3))
    foreign = keras.optimizers.AdamW(0.01)
    foreign.exclude_from_weight_decay(var_list=[variable])

    class Own(keras.optimizers.AdamW):
        pass

    own = Own(0.01)
    own.exclude_from_weight_decay(var_names=["bias"])
    for optimizer in (foreign, own):
        with pytest.raises(InvalidParameterError, match="expected exclude_from_weight_decay with"):
            small(optimizer=optimizer).fit(X, Y)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_fresh_moments_begin_to_count_anew(engine):
    """A warm start from SGD to Adam corrects the bias of its first updates, as Keras does."""
    sgd = small(optimizer="sgd", epochs=3, warm_start=True, engine=engine).fit(X, Y)
    before = weights_of(sgd)
    sgd.set_params(optimizer="adam", epochs=1, batch_size=300).fit(X, Y)
    step = np.abs(weights_of(sgd) - before)
    assert step.max() == pytest.approx(0.01, rel=0.02)


def test_moments_left_out_of_a_pickle_count_anew():
    """A pickle without moments goes on with Adam's first step, not with its hundredth."""
    import pickle

    model = small(epochs=5).fit(X, Y)
    resumed = pickle.loads(pickle.dumps(model)).set_params(warm_start=True, epochs=1)
    before = weights_of(resumed)
    resumed.set_params(batch_size=300).fit(X, Y)
    assert np.abs(weights_of(resumed) - before).max() == pytest.approx(0.01, rel=0.02)
