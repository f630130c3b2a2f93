"""What the classifier shares with Keras: its model, its callbacks, its optimizers, its engine."""

import copy
import functools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._network.activations import ACTIVATIONS
from small_fits import digits, small_classifier

X, y = digits(150, n_classes=3)
small = functools.partial(small_classifier, epochs=3, batch_size=32, learning_rate=0.01)


def weights_of(model):
    """Return a model's weights as one flat array."""
    return np.concatenate([a.ravel() for a in [*model.coefs_, *model.intercepts_]])


# ----------------------------------------------------------------------------------------------
# The model


def test_model_is_the_tutorial_s():
    """``model_`` is a Keras model with the tutorial's eight layers and 269,322 parameters."""
    rng = np.random.default_rng(0)
    model = MLPDigitClassifier(epochs=1).fit(rng.random((20, 784)), np.arange(20) % 10).model_
    assert type(model) is keras.Sequential
    lines = []
    model.summary(print_fn=lines.append, line_length=100)
    text = "\n".join(lines)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == [*["Dense", "Activation", "Dropout"] * 2, "Dense", "Activation"]
    assert all(f"({kind})" in text for kind in kinds)
    assert "Total params: 269,322 " in text
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.45, 0.45]
    assert model.layers[-1].activation is keras.activations.softmax
    assert model.count_params() == 269_322


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_model_predicts_the_same(activation, dtype):
    """``model_`` gives the same probabilities within 1e-5, for every activation and dtype."""
    model = small(activation=activation, dtype=dtype, hidden_units=(9, 7, 5), epochs=1).fit(X, y)
    probabilities = np.asarray(model.model_(X))
    assert probabilities.dtype == dtype
    assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


def test_model_follows_the_weights():
    """``model_`` is built once, and anew after the next fit."""
    model = small(warm_start=True).fit(X, y)
    first = model.model_
    assert model.model_ is first
    second = model.fit(X, y).model_
    assert second is not first
    assert_array_equal(second.get_weights()[0], model.coefs_[0])


def test_model_is_the_user_s_own():
    """Training ``model_`` on, the Keras way, changes no answer of the classifier."""
    model = small(dropout=0, l2=0.001).fit(X, y)
    before = model.predict_proba(X)
    network = model.model_
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(X, y, epochs=1, verbose=0)
    assert_array_equal(model.predict_proba(X), before)
    assert not np.array_equal(network.get_weights()[0], model.coefs_[0])


# ----------------------------------------------------------------------------------------------
# Engines


class BatchCounter(keras.callbacks.Callback):
    """Counts batches, which only Keras's own loop has."""

    def on_train_batch_end(self, batch, logs=None):
        """Count one."""
        self.n_batches = batch + 1


@pytest.mark.parametrize(
    ("parameters", "engine"),
    [
        ({}, "numpy"),
        ({"engine": "numpy"}, "numpy"),
        ({"engine": "keras"}, "keras"),
        ({"optimizer": "AdamW"}, "numpy"),
        ({"optimizer": "adagrad"}, "keras"),
        ({"optimizer": "lion"}, "keras"),
        ({"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)}, "numpy"),
        ({"optimizer": keras.optimizers.RMSprop(0.01, centered=True)}, "numpy"),
        ({"optimizer": keras.optimizers.Adam(amsgrad=True)}, "keras"),
        ({"optimizer": keras.optimizers.Adam(clipnorm=1.0)}, "keras"),
        ({"callbacks": [keras.callbacks.TerminateOnNaN()]}, "numpy"),
        ({"callbacks": [BatchCounter()]}, "keras"),
        ({"callbacks": keras.callbacks.History()}, "numpy"),
        ({"callbacks": [keras.callbacks.EarlyStopping("loss")]}, "numpy"),
    ],
)
def test_auto_says_which_engine_trained(parameters, engine):
    """The fast engine trains what it can, Keras's loop the rest, and ``engine_`` says which."""
    model = small(epochs=1, **parameters).fit(X, y)
    assert model.engine_ == engine
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"l2": 0.01, "label_smoothing": 0.1, "class_weight": "balanced"},
        {"early_stopping": True, "validation_fraction": 0.3, "activation": "tanh"},
        {"optimizer": keras.optimizers.SGD(2**-5, momentum=0.5), "hidden_units": (9, 7, 5)},
    ],
)
def test_both_engines_learn_the_same(options):
    """Without dropout both engines go through the same losses to the same weights."""
    rate = 2**-7  # exact in single precision, in which Keras keeps it
    both = [
        small(dropout=0, dtype="float64", learning_rate=rate, engine=engine, **options)
        .fit(X, y, sample_weight=np.linspace(0, 1, 150))
        for engine in ("numpy", "keras")
    ]  # fmt: skip
    assert_allclose(weights_of(both[0]), weights_of(both[1]), rtol=0, atol=2e-6)
    assert both[0].history_.keys() == both[1].history_.keys()
    for name, column in both[0].history_.items():
        assert_allclose(column, both[1].history_[name], rtol=0, atol=1e-5)


def test_both_engines_drop_the_same_share():
    """With dropout the engines draw other units but learn as much."""
    losses = [
        small(engine=engine, epochs=9).fit(X, y).loss_curve_[-1] for engine in ("numpy", "keras")
    ]
    without = small(dropout=0, epochs=9).fit(X, y).loss_curve_[-1]
    assert losses[0] == pytest.approx(losses[1], rel=0.5)
    assert min(losses) > 1.5 * without


def test_the_compiled_engine_refuses_what_only_keras_can():
    """Asked for by name, the fast engine says what it cannot train."""
    with pytest.raises(ValueError) as caught:
        small(engine="numpy", optimizer="lion").fit(X, y)
    assert str(caught.value) == (
        "MLPDigitClassifier: expected what engine='numpy' can train, got optimizer='lion'. "
        "Use engine='auto' or engine='keras'."
    )
    with pytest.raises(ValueError) as caught:
        small(engine="numpy", callbacks=[BatchCounter()]).fit(X, y)
    assert str(caught.value) == (
        "MLPDigitClassifier: expected what engine='numpy' can train, got BatchCounter, a "
        "callback that acts on batches. Use engine='auto' or engine='keras'."
    )


# ----------------------------------------------------------------------------------------------
# Callbacks and optimizers


class Diary(keras.callbacks.Callback):
    """Writes down what it is told, in a list that its copies share."""

    def __init__(self):
        super().__init__()
        self.pages = []
        self.calls = 0

    def on_train_begin(self, logs=None):
        """Begin."""
        self.pages.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        """Begin an epoch."""
        self.calls += 1
        self.pages.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        """End an epoch."""
        self.pages.append((epoch, sorted(logs), self.model.get_weights()[0]))

    def on_train_end(self, logs=None):
        """End."""
        self.pages.append("end")


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_callbacks_see_the_training_and_are_not_changed(engine):
    """Callbacks run on copies: what they hear is whole, what the user holds is as it was."""
    diary = Diary()
    before = dict(vars(diary))
    model = small(engine=engine, early_stopping=True, callbacks=[diary], epochs=2)
    model.fit(X, y)
    heard = [page if isinstance(page, str) else page[:2] for page in diary.pages]
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert heard == ["begin", "epoch 0", (0, names), "epoch 1", (1, names), "end"]
    assert dict(vars(diary)) == before
    assert diary.calls == 0
    assert model.callbacks[0] is diary
    last = [page[2] for page in diary.pages if isinstance(page, tuple)][-1]
    assert last.shape == model.coefs_[0].shape


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_callback_can_stop_slow_down_and_change_weights(engine):
    """What a callback does to its model reaches the training."""

    class Meddler(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])
                self.model.optimizer.learning_rate = 1e-9
            self.model.stop_training = epoch == 2

    model = small(engine=engine, callbacks=Meddler(), epochs=9).fit(X, y)
    assert model.n_iter_ == 3
    assert np.abs(weights_of(model)).max() < 1e-6
    assert model.loss_curve_[2] == pytest.approx(np.log(3), rel=1e-4)


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_failing_callback_leaves_the_classifier_as_it_was(engine):
    """An error from a callback comes through, and nothing of the broken fit stays."""

    class Breaker(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("the disk is full")

    model = small().fit(X, y)
    before = {name: copy.copy(value) for name, value in vars(model).items()}
    model.set_params(callbacks=[Breaker()], engine=engine)
    with pytest.raises(RuntimeError, match=r"^the disk is full$"):
        model.fit(X, np.array(list("abc"))[y])
    after = {**vars(model), "callbacks": None, "engine": "auto"}
    assert after.keys() == before.keys()
    assert_array_equal(model.classes_, [0, 1, 2])
    assert (after["history_"], after["n_iter_"]) == (before["history_"], before["n_iter_"])
    assert after["coefs_"] is before["coefs_"] or all(
        map(np.array_equal, after["coefs_"], before["coefs_"])
    )


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_an_optimizer_instance_is_never_changed(engine):
    """An instance is read for its settings; fits neither build it nor count its steps."""
    optimizer = keras.optimizers.Adam(0.01)
    config = optimizer.get_config()
    model = small(engine=engine, optimizer=optimizer).fit(X, y)
    assert model.optimizer is optimizer
    assert (optimizer.get_config(), optimizer.built) == (config, False)
    assert int(optimizer.iterations) == 0
    named = small(engine=engine, optimizer="adam", learning_rate=0.01).fit(X, y)
    assert_allclose(weights_of(model), weights_of(named), rtol=0, atol=1e-6)


def test_an_optimizer_brings_its_own_learning_rate():
    """``learning_rate`` is for optimizers given by name."""
    instance = keras.optimizers.SGD(0.05)
    model = small(optimizer=instance, learning_rate=123.0).fit(X, y)
    named = small(optimizer="sgd", learning_rate=0.05).fit(X, y)
    assert_allclose(weights_of(model), weights_of(named), rtol=0, atol=1e-6)


def test_a_learning_rate_schedule_of_keras_is_followed():
    """An optimizer with a schedule trains in Keras's loop, by its schedule."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.1, 0.0])
    model = small(optimizer=keras.optimizers.SGD(schedule), epochs=1, warm_start=True)
    after_each_epoch = [weights_of(model.fit(X, y)) for _ in range(3)]
    assert model.engine_ == "keras"
    assert not np.array_equal(after_each_epoch[0], after_each_epoch[1])  # its first step moved
    assert_array_equal(after_each_epoch[1], after_each_epoch[2])
