"""What a user sees of a running fit: in a terminal, in a log file."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import warnings

import numpy as np
import pyte
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sk_mnist_mlp import MLPDigitClassifier

SETUP = """
from sklearn.datasets import load_digits
from sk_mnist_mlp import MLPDigitClassifier
X, y = load_digits(return_X_y=True)
X = X / 16
def fit(**parameters):
    defaults = {"hidden_units": 64, "epochs": 12, "random_state": 0}
    return MLPDigitClassifier(**defaults | parameters).fit(X, y)
"""
LINE = r"Epoch +\d+/\d+  loss \d\.\d{4}  accuracy \d\.\d{4}  \d+\.\d\d s"


def watch(code, columns=80):
    """Run Python code in a terminal; return what its screen showed, moment by moment."""
    process, screen_end = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-c", SETUP + textwrap.dedent(code)])
    screen = pyte.Screen(columns, 40)
    stream = pyte.ByteStream(screen)
    moments = []
    while chunk := _read(screen_end):
        stream.feed(chunk)
        moments.append([line.rstrip() for line in screen.display if line.strip()])
    os.close(screen_end)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, moments[-1]
    return moments


def _read(screen_end):
    try:
        return os.read(screen_end, 1 << 16)
    except OSError:  # the terminal is closed
        return b""


def log(code):
    """Run Python code with its output going to a pipe; return what it wrote."""
    run = subprocess.run(
        [sys.executable, "-c", SETUP + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return run.stdout, run.stderr


@pytest.mark.parametrize("verbose", [1, 2, 10, True])
def test_a_log_gets_one_line_per_epoch(verbose):
    """Where nobody watches, any verbosity is a line with loss, accuracy and time, and no more."""
    out, err = log(f"fit(verbose={verbose}, epochs=10)")
    lines = out.splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(LINE, line) for line in lines)
    assert lines[0].startswith("Epoch  1/10")
    assert err == ""


def test_a_line_names_the_held_out_rows():
    """With early stopping a line also tells loss and accuracy on the held-out rows."""
    out, _ = log("fit(verbose=1, epochs=2, early_stopping=True)")
    figures = r"validation loss \d\.\d{4}  validation accuracy \d\.\d{4}"
    assert len(re.findall(figures, out)) == 2


@pytest.mark.parametrize("verbose", [2, 10])
def test_verbose_2_is_one_line_per_epoch_in_a_terminal_too(verbose):
    """As in Keras, 2 asks for lines; people write 10 for as much as there is."""
    last = watch(f"fit(verbose={verbose}, epochs=3)")[-1]
    assert len(last) == 3
    assert all(re.fullmatch(LINE, line) for line in last)


def test_verbose_0_shows_nothing():
    """Silence is the default, in a terminal too."""
    assert watch("fit()") in ([], [[]])


@pytest.mark.parametrize("columns", [80, 120])
def test_verbose_1_is_one_live_bar(columns):
    """The terminal shows a single line that grows, with epoch, loss and accuracy, and stays."""
    moments = watch("fit(verbose=1, epochs=200)", columns)
    assert all(len(moment) <= 1 for moment in moments)
    epochs = [
        int(match[1])
        for moment in moments
        for line in moment
        if (match := re.match(r"Epoch +(\d+)/200 ", line))
    ]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > 2
    (last,) = moments[-1]
    assert re.fullmatch(
        r"Epoch 200/200 ━+ loss \d\.\d{4}  accuracy \d\.\d{4} +\d\d:\d\d", last.strip()
    )


def test_a_bar_that_stops_early_ends_where_it_stopped():
    """After early stopping the bar counts the epochs done, and names the held-out accuracy."""
    (last,) = watch("fit(verbose=1, epochs=500, early_stopping=True, n_iter_no_change=2)")[-1]
    match = re.match(r"Epoch +(\d+)/(\d+) .* held out \d\.\d{4}", last)
    assert match
    assert match[1] == match[2] != "500"


def test_a_bar_is_closed_by_an_error():
    """An error in the middle of a fit leaves a terminal that works, with the error below."""
    last = watch("""
        import keras
        class Failing(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 3:
                    raise RuntimeError("enough")
        try:
            fit(verbose=1, callbacks=[Failing()])
        except RuntimeError as error:
            print("caught", error)
        fit(verbose=2, epochs=1)
    """)[-1]
    bars = [line for line in last if "━" in line]
    assert len(bars) == 1
    assert last[-2] == "caught enough"
    assert re.fullmatch(LINE, last[-1])


def test_two_bars_at_once_do_not_fail():
    """Fits in two threads both finish, whatever their displays can do at once."""
    last = watch("""
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            models = list(pool.map(lambda seed: fit(verbose=1, random_state=seed), range(2)))
        print("fitted", [model.n_iter_ for model in models])
    """)[-1]
    assert last[-1] == "fitted [12, 12]"


def test_the_keras_engine_shows_the_same():
    """Progress looks the same whichever engine trains."""
    out, _ = log("fit(verbose=1, epochs=2, engine='keras')")
    assert [bool(re.fullmatch(LINE, line)) for line in out.splitlines()] == [True, True]


def test_a_loss_that_is_not_finite_is_one_warning():
    """A fit that diverges says so once, naming the epoch and what to try, and stops there."""
    X, y = load_digits(return_X_y=True)
    model = MLPDigitClassifier(
        hidden_units=16, optimizer="sgd", learning_rate=1e30, epochs=5, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X / 16, y)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert str(caught[0].message) == (
        "MLPDigitClassifier: expected a finite loss, got nan in epoch 1; training stops there. "
        "Try a smaller learning_rate, or scale X to about [0, 1]."
    )
    assert model.n_iter_ == 1
    assert np.isnan(model.loss_curve_).all()


@pytest.mark.parametrize(
    "code",
    [
        "fit(engine='xla', epochs=1)",
        "fit(engine='keras', epochs=1)",
        "fit(optimizer='lion', epochs=1)",
        "fit(epochs=1).model_",
    ],
)
def test_tensorflow_does_not_greet(code):
    """What TensorFlow says on standard error when it starts looks like errors, and is left out."""
    assert log(code) == ("", "")


def test_what_else_is_written_to_standard_error_is_shown():
    """Python's own words come at once, and those of C libraries once TensorFlow has started."""
    _, err = log("""
        import os
        from sk_mnist_mlp._training import tensorflow_start
        with tensorflow_start._standard_error_aside():
            os.write(2, b"E0000 00:00:1.2 3 a.cc:1] failed call to cuInit: no device\\n")
            os.write(2, b"a library is worried\\n")
            print("a warning", file=__import__("sys").stderr)
    """)
    assert err.splitlines() == ["a warning", "a library is worried"]
