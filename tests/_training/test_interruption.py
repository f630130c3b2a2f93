"""Ctrl-C ends a fit, not the user's patience: what was learnt so far is kept."""

import functools
import signal
import threading
import time

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from small_fits import digits, small_classifier

X, y = digits(150, n_classes=3)
small = functools.partial(small_classifier, epochs=5, batch_size=32, learning_rate=0.01)

WARNING = (
    "MLPDigitClassifier: expected to train to the last epoch, got interrupted; what was learnt so "
    "far is kept. Call fit again with warm_start=True to resume."
)


class PressKeys(keras.callbacks.Callback):
    """Presses Ctrl-C at the end of an epoch, counted from 1."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Press the keys."""
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_what_was_learnt_is_kept_with_a_warning(engine):
    """Interrupted after two epochs, the classifier is as if it had been asked for two."""
    model = small(engine=engine, callbacks=[PressKeys(2)])
    with pytest.warns(UserWarning) as caught:
        assert model.fit(X, y) is model
    assert [str(warning.message) for warning in caught] == [WARNING]
    two = small(engine=engine, epochs=2).fit(X, y)
    for array, same in zip(model.coefs_, two.coefs_, strict=True):
        assert_array_equal(array, same)
    assert (model.n_iter_, model.history_) == (2, two.history_)
    assert_array_equal(model.predict(X), two.predict(X))


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_warm_start_goes_on_after_an_interruption(engine):
    """Going on after Ctrl-C ends where the whole training would have ended."""
    model = small(engine=engine, callbacks=[PressKeys(2)], warm_start=True)
    with pytest.warns(UserWarning, match="got interrupted"):
        model.fit(X, y)
    model.set_params(callbacks=None, epochs=3).fit(X, y)
    assert_array_equal(model.coefs_[0], small(engine=engine).fit(X, y).coefs_[0])
    assert model.n_iter_ == 5


def test_an_interrupted_early_stopping_keeps_the_best_epoch():
    """With early stopping, what is kept is the best epoch so far."""
    model = small(early_stopping=True, learning_rate=0.2, callbacks=[PressKeys(4)])
    with pytest.warns(UserWarning, match="got interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == len(model.history_["val_accuracy"]) == 4
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_ctrl_c_from_the_keyboard(engine):
    """A real signal, at any moment of a long training, ends it soon and keeps what there is."""
    started = threading.Event()

    class Start(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            started.set()

    def press():
        started.wait(600)
        time.sleep(0.2)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    model = small(engine=engine, epochs=10**6, callbacks=[Start()])
    began = time.monotonic()
    with pytest.warns(UserWarning) as caught:
        model.fit(X, y)
    thread.join()
    assert WARNING in [str(warning.message) for warning in caught]
    assert time.monotonic() - began < 300
    assert 1 <= model.n_iter_ == len(model.loss_curve_) < 10**6
    assert model.predict(X).shape == (150,)


def test_ctrl_c_before_training_changes_nothing(monkeypatch):
    """An interruption while the data are checked comes through and leaves the classifier alone."""

    def press(*arguments):
        raise KeyboardInterrupt

    model = small().fit(X, y)
    before = model.predict_proba(X)
    monkeypatch.setattr("sk_mnist_mlp._estimators.classifier.check_labels", press)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :5], y == 1)
    monkeypatch.undo()
    assert_array_equal(model.predict_proba(X), before)
    assert model.n_features_in_ == 64
