"""``checkpoint=``: a fit that was killed goes on, and ends where it would have ended."""

from __future__ import annotations

import errno
import functools
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sk_mnist_mlp import load_model, save_model
from sk_mnist_mlp._training.checkpoint import CheckpointFile
from sk_mnist_mlp.exceptions import InvalidParameterError, ModelFileError
from small_fits import digits, small_classifier

X, Y = digits(400, dtype=np.float32)
small = functools.partial(small_classifier, epochs=6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "digits.checkpoint"


class Killed(BaseException):
    """What stands for the end of the process."""


@pytest.fixture
def killed_after(monkeypatch):
    """Fit, and be stopped right after some epochs have been kept."""

    def killed_after(n_epochs, model, *data, **weights):
        keep, kept = CheckpointFile._keep, []

        def keep_some(self, checkpoint, *, identity):
            keep(self, checkpoint, identity=identity)
            kept.append(checkpoint)
            if len(kept) == n_epochs:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(CheckpointFile, "_keep", keep_some)
            with pytest.raises(Killed):
                model.fit(*data, **weights)

    return killed_after


def assert_same_end(one, two):
    """The two fits ended with the same weights, state and history, to the last bit."""
    np.testing.assert_equal(one.history_, two.history_)
    assert (one.n_iter_, one.engine_) == (two.n_iter_, two.engine_)
    assert (one._state.step, one._state.epoch) == (two._state.step, two._state.epoch)
    for name in ("coefs_", "intercepts_"):
        for mine, theirs in zip(getattr(one, name), getattr(two, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(one._state.moments, two._state.moments, strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ----------------------------------------------------------------------------------------------
# The same end


KINDS = {
    "default": {},
    "early stopping": {
        "early_stopping": True,
        "n_iter_no_change": 2,
        "epochs": 20,
        "learning_rate": 0.03,
    },
    "with a schedule": {"learning_rate_schedule": "one_cycle"},
    "float64, sgd, l2": {"dtype": "float64", "optimizer": "sgd", "l2": 1e-3},
}


@pytest.mark.parametrize("engine", ["numpy", "keras"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_fit_killed_twice_ends_where_it_would_have_ended(kind, engine, path, killed_after):
    """After any epoch, in both engines, a fit goes on to the same bits, history included."""
    parameters = {"engine": engine} | kind
    whole = small(**parameters).fit(X, Y)
    killed_after(2, small(checkpoint=path, **parameters), X, Y)
    killed_after(1, small(checkpoint=path, **parameters), X, Y)
    resumed = small(checkpoint=path, **parameters).fit(X, Y)
    assert_same_end(resumed, whole)
    again = small(checkpoint=path, **parameters).fit(X, Y)
    assert_same_end(again, whole)


def _keras_callbacks():
    import keras

    known = keras.callbacks
    return {
        "restored": lambda: {
            "callbacks": known.EarlyStopping(
                "loss", patience=0, mode="max", restore_best_weights=True
            )
        },
        "averaged by the optimizer": lambda: {
            "optimizer": keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
        },
        "swapped": lambda: {
            "optimizer": keras.optimizers.Adam(0.01, use_ema=True),
            "callbacks": known.SwapEMAWeights(swap_on_epoch=True),
            "early_stopping": True,
        },
        "set at the end": lambda: {
            "callbacks": known.LambdaCallback(on_train_end=lambda logs: None)
        },
        "accumulated": lambda: {
            "optimizer": keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
            "learning_rate_schedule": "cosine",
        },
        "diverged": lambda: {"optimizer": keras.optimizers.SGD(1e20)},
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("kind", list(_keras_callbacks()))
def test_a_finished_checkpoint_holds_what_the_fit_returned(kind, engine, path):
    """A fit that finds its finished checkpoint returns the very model that the first one did."""
    make = _keras_callbacks()[kind]
    first = small(engine=engine, checkpoint=path, **make()).fit(X, Y)
    assert_same_end(small(engine=engine, checkpoint=path, **make()).fit(X, Y), first)


@pytest.mark.parametrize("n_epochs", [1, 2, 4])
def test_accumulated_gradients_go_on_to_the_same_bits(n_epochs, path, killed_after):
    """Where an optimizer counts updates, batches are still what schedule and order go by."""
    parameters = _keras_callbacks()["accumulated"]
    whole = small(**parameters()).fit(X, Y)
    killed_after(n_epochs, small(checkpoint=path, **parameters()), X, Y)
    assert_same_end(small(checkpoint=path, **parameters()).fit(X, Y), whole)


def test_an_optimizers_number_makes_no_other_fit(path, killed_after):
    """Keras numbers its optimizers' names in a process; the settings alone count."""
    import keras

    class Own(keras.optimizers.SGD):
        pass

    for make in (lambda: keras.optimizers.SGD(0.1), lambda: Own(0.1)):
        whole = small(optimizer=make()).fit(X, Y)
        killed_after(2, small(optimizer=make(), checkpoint=path), X, Y)
        assert_same_end(small(optimizer=make(), checkpoint=path).fit(X, Y), whole)
        path.unlink()


def test_the_compiled_program_goes_on_to_the_same_bits(path, killed_after):
    """Also where an XLA program trains, a fit goes on to the same bits."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((25_000, 256), np.float32), rng.integers(0, 10, 25_000)
    parameters = {"hidden_units": 512, "epochs": 6}
    whole = small(**parameters).fit(images, labels)
    killed_after(2, small(checkpoint=path, **parameters), images, labels)
    assert_same_end(small(checkpoint=path, **parameters).fit(images, labels), whole)


def test_a_fit_goes_on_under_another_start_of_the_same_parameters(path, killed_after):
    """The way the path is written, verbosity and equal numbers of other types do not count."""
    whole = small().fit(X, Y)
    killed_after(2, small(checkpoint=path), X, Y)
    other = small(checkpoint=str(path), verbose=0, dropout=np.float64(0.45), epochs=np.int64(6))
    assert_same_end(other.fit(X.copy(order="F"), Y.tolist()), whole)


def test_without_a_random_state_the_seeds_are_the_checkpoints(path, killed_after):
    """A fit whose seeds were drawn by chance goes on with them."""
    killed_after(2, small(checkpoint=path, random_state=None), X, Y)
    seeds = CheckpointFile(path, "test").seeds
    resumed = small(checkpoint=path, random_state=None).fit(X, Y)
    assert resumed._state.seeds == seeds
    assert len(resumed.loss_curve_) == 6


def test_a_warm_start_goes_on_from_its_own_checkpoint(path, killed_after):
    """A second fit of a warm start is kept too, and belongs to the weights that it began from."""
    whole = small(warm_start=True).fit(X, Y)
    first = small(warm_start=True).fit(X, Y).set_params(checkpoint=path)
    killed_after(2, first, X, Y)
    whole.fit(X, Y)
    assert_same_end(first.fit(X, Y), whole)
    with pytest.raises(ValueError, match=r"a fit with first weights=\w{16}, where this has"):
        first.fit(X, Y)


def test_callbacks_that_count_nothing_go_on_to_the_same_bits(path, killed_after):
    """What a callback made of the learning rate is kept."""
    import keras

    def rate(epoch, learning_rate):
        return learning_rate * 0.7

    def fresh(**parameters):
        return small(callbacks=[keras.callbacks.LearningRateScheduler(rate)], **parameters)

    whole = fresh().fit(X, Y)
    killed_after(3, fresh(checkpoint=path), X, Y)
    assert_same_end(fresh(checkpoint=path).fit(X, Y), whole)


def test_weighted_rows_and_classes_go_on_to_the_same_bits(path, killed_after):
    """Sample and class weights are part of the fit that goes on."""
    weights = np.linspace(0, 1, len(Y))
    parameters = {"class_weight": {3: 2.0}}
    whole = small(**parameters).fit(X, Y, sample_weight=weights)
    killed_after(2, small(checkpoint=path, **parameters), X, Y, sample_weight=weights)
    resumed = small(checkpoint=path, **parameters)
    assert_same_end(resumed.fit(X, Y, sample_weight=weights), whole)
    with pytest.raises(ValueError, match="sample_weight="):
        small(checkpoint=path, **parameters).fit(X, Y)


def test_ctrl_c_in_an_epoch_loses_that_epoch_only(path, monkeypatch):
    """After Ctrl-C in the middle of the fourth epoch a fit goes on from the third."""
    from sk_mnist_mlp._training import loop as _compiled

    whole = small().fit(X, Y)
    run, calls = _compiled.numpy_block, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(*arguments)

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="interrupted"):
        patch.setattr(_compiled, "numpy_block", interrupted)
        small(checkpoint=path).fit(X, Y)
    assert_same_end(small(checkpoint=path).fit(X, Y), whole)


# ----------------------------------------------------------------------------------------------
# SIGKILL


def epochs_in(path):
    """Whole epochs behind a checkpoint."""
    return CheckpointFile(path, "test").n_epochs


KILLING = """
import os, pathlib, random, signal, sys, time
import numpy as np
from sklearn.datasets import load_digits
from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._training.checkpoint import CheckpointFile
X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
path = pathlib.Path(sys.argv[1])

def fit(**parameters):
    return MLPDigitClassifier(hidden_units=32, epochs=500, random_state=0, **parameters).fit(X, y)

whole = fit()
rng = random.Random(0)
epochs = [0]
while len(epochs) <= 50:
    child = os.fork()
    if not child:
        fit(checkpoint=path)
        os._exit(0)
    time.sleep(rng.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    n_epochs = CheckpointFile(path, "test").n_epochs
    if not n_epochs:
        continue
    epochs.append(n_epochs)
    assert epochs[-1] >= epochs[-2]
assert epochs[1] < epochs[-1], epochs
resumed = fit(checkpoint=path)
assert resumed.loss_curve_ == whole.loss_curve_
assert all((a == b).all() for a, b in zip(resumed.coefs_, whole.coefs_))
"""


def test_a_kill_at_50_random_moments_leaves_a_checkpoint_that_goes_on(path):
    """SIGKILL at 50 random moments: the file always loads, never goes back, and ends the same."""
    subprocess.run([sys.executable, "-c", KILLING, str(path)], check=True, timeout=600)


def test_a_killed_fit_of_keras_goes_on_in_another_process(path):
    """A process training through Keras is killed; this one goes on to the same bits."""
    data = path.with_name("data.npz")
    np.savez(data, X=X, y=Y)
    script = f"""
import numpy as np
from sk_mnist_mlp import MLPDigitClassifier
data = np.load({str(data)!r})
MLPDigitClassifier(
    hidden_units=8, epochs=60, random_state=0, engine="keras", checkpoint={str(path)!r}
).fit(data["X"], data["y"])
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 600
    while process.poll() is None and (not path.exists() or epochs_in(path) < 3):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert epochs_in(path) < 60
    process.send_signal(signal.SIGKILL)
    process.wait()
    parameters = {"engine": "keras", "epochs": 60}
    resumed = small(checkpoint=path, **parameters).fit(X, Y)
    assert_same_end(resumed, small(**parameters).fit(X, Y))


# ----------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize(
    ("parameters", "difference"),
    [
        ({"epochs": 7}, "epochs=6, where this has epochs=7"),
        ({"hidden_units": (8, 9)}, "hidden_units=8, where this has hidden_units=[8, 9]"),
        ({"optimizer": "sgd"}, "optimizer='adam', where this has optimizer='sgd'"),
        ({"engine": "keras"}, "engine='auto', where this has engine='keras'"),
        ({"class_weight": {1: 2}}, "class_weight=None, where this has class_weight={1: 2}"),
    ],
)
def test_other_parameters_are_refused_with_the_reason(parameters, difference, path):
    """A fit of other parameters is refused before it trains; file and estimator stay."""
    small(checkpoint=path).fit(X, Y)
    before = path.read_bytes()
    model = small(**parameters).fit(X, Y).set_params(checkpoint=path)
    state = dict(vars(model))
    with pytest.raises(ValueError) as caught:
        model.fit(X, Y)
    assert str(caught.value) == (
        f"MLPDigitClassifier: expected checkpoint={str(path)!r} to be of this fit, got one of a "
        f"fit with {difference}. Delete the file to start anew, or give another path."
    )
    assert path.read_bytes() == before
    assert vars(model) == state


def test_other_data_are_refused_with_the_reason(path):
    """One changed pixel, label or seed makes it another fit."""
    small(checkpoint=path).fit(X, Y)
    pixel, label = X.copy(), Y.copy()
    pixel[399, 63] += 1
    label[399] = (label[399] + 1) % 10
    digest = r"float32 of shape \(400, 64\) and digest \w{16}"
    for data, model, difference in [
        ((pixel, Y), small(), rf"X={digest}, where this has X={digest}"),
        ((X[:-1], Y[:-1]), small(), r"X=.*\(400, 64\).* where this has X=.*\(399, 64\)"),
        ((X.astype(np.float64), Y), small(), r"X=float32 .* where this has X=float64"),
        ((X, label), small(), r"y=int32 of shape \(400,\)"),
        ((X, Y.astype(str)), small(), r"classes=int64 \[0, .* where this has classes=<U21 \['0'"),
        ((X, Y), small(random_state=1), r"random_state=the seeds \(\d+, .* where this has"),
    ]:
        with pytest.raises(ValueError, match=difference) as caught:
            model.set_params(checkpoint=path).fit(*data)
        assert re.search(r"to be of this fit, got one of a fit with ", str(caught.value))


def test_a_callback_of_another_class_makes_it_another_fit(path):
    """Callbacks count by their classes."""
    import keras

    small(checkpoint=path).fit(X, Y)
    stop = keras.callbacks.EarlyStopping("loss")
    with pytest.raises(ValueError, match=r"callbacks=, where this has callbacks=EarlyStopping\. "):
        small(checkpoint=path, callbacks=stop).fit(X, Y)


def test_what_is_no_checkpoint_is_refused_and_kept(path):
    """Model files, other files and damaged checkpoints are refused and not overwritten."""
    model = small().fit(X, Y)
    save_model(model, path)
    kept = [path.read_bytes(), b"my diary"]
    small(checkpoint=path.with_name("sound")).fit(X, Y)
    sound = path.with_name("sound").read_bytes()
    kept += [sound[:n] for n in range(0, len(sound), 997)]
    kept += [sound[:2000] + bytes([sound[2000] ^ 1]) + sound[2001:]]
    for contents in kept:
        path.write_bytes(contents)
        with pytest.raises(ModelFileError, match=r"^MLPDigitClassifier: expected .*\.$"):
            small(checkpoint=path).fit(X, Y)
        assert path.read_bytes() == contents


def test_a_path_that_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch):
    """A missing folder, a folder or a closed folder is an OSError before the first epoch."""
    monkeypatch.setattr("sk_mnist_mlp._estimators.classifier.train", None)
    with pytest.raises(FileNotFoundError, match="MLPDigitClassifier: expected a folder to write"):
        small(checkpoint=tmp_path / "no" / "file").fit(X, Y)
    with pytest.raises(IsADirectoryError, match="MLPDigitClassifier: expected a file's path"):
        small(checkpoint=tmp_path).fit(X, Y)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="expected a folder that may be written to"):
        small(checkpoint=tmp_path / "file").fit(X, Y)


@pytest.mark.parametrize("value", [7, "", b"bytes", True])
def test_what_is_no_path_is_refused(value):
    """Anything but a path or None is an InvalidParameterError."""
    with pytest.raises(InvalidParameterError) as caught:
        small(checkpoint=value).fit(X, Y)
    assert str(caught.value) == (
        "The 'checkpoint' parameter of MLPDigitClassifier must be None or a file's path. Got "
        f"{value!r} instead."
    )


# ----------------------------------------------------------------------------------------------
# What it leaves alone


def test_a_full_disk_does_not_end_the_training(path, monkeypatch):
    """If keeping fails, a warning says so, training goes on, and the older checkpoint stays."""
    whole = small().fit(X, Y)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.warns(UserWarning) as caught:
        patch.setattr("os.fsync", full)
        model = small(checkpoint=path).fit(X, Y)
    assert_same_end(model, whole)
    assert str(caught[0].message) == (
        f"MLPDigitClassifier: expected to keep the training at {str(path)!r}, got [Errno 28] No "
        "space left on device; training goes on, and an older checkpoint stays. Make room there."
    )
    assert list(path.parent.iterdir()) == []


def test_partial_fit_takes_no_part(path):
    """``partial_fit`` neither writes nor reads a checkpoint."""
    small(checkpoint=path).partial_fit(X, Y, classes=np.unique(Y))
    assert not path.exists()


def test_a_model_file_leaves_the_path_behind(path, tmp_path):
    """A model that somebody loads does not write where its maker kept a checkpoint."""
    model = small(checkpoint=path).fit(X, Y)
    save_model(model, tmp_path / "model.mlp")
    assert load_model(tmp_path / "model.mlp").checkpoint is None
    assert model.checkpoint == path


def test_the_default_keeps_nothing(tmp_path, monkeypatch):
    """Without a path nothing is written."""
    monkeypatch.chdir(tmp_path)
    small().fit(X, Y)
    assert list(pathlib.Path(tmp_path).iterdir()) == []
