"""The command `sk-mnist-mlp`: its manners, whatever the command."""

import importlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import sk_mnist_mlp
from sk_mnist_mlp.cli import main
from sk_mnist_mlp.datasets import load_mnist

COMMANDS = ["train", "search", "evaluate", "predict", "draw", "report", "info", "export"]


@pytest.fixture(scope="module")
def model_file(data, tmp_path_factory):
    """A small model that the command trained."""
    path = str(tmp_path_factory.mktemp("model") / "small.skmlp")
    assert (
        main(["train", "--data", data, "--epochs", "3", "--hidden-units", "32", "--output", path])
        == 0
    )
    return path


def start(*arguments, **options):
    """Run the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sk_mnist_mlp", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# ----------------------------------------------------------------------------------------------
# Help and version


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    """Every command explains itself, with the defaults that are values and without None."""
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: sk-mnist-mlp {command} ")
    assert "None" not in text
    assert "SUPPRESS" not in text


def test_help_names_every_command(capsys):
    """The command's own help lists all commands."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {command} ", text, re.MULTILINE) for command in COMMANDS)


def test_version(capsys):
    """--version prints the package's version."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sk_mnist_mlp {sk_mnist_mlp.__version__}\n"


def test_help_imports_next_to_nothing():
    """Asking for help imports neither scikit-learn nor TensorFlow."""
    code = (
        "import sys; from sk_mnist_mlp.cli import main; main(['train', '--help']); "
        "print(sorted({'sklearn', 'tensorflow', 'keras', 'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_using_a_model_needs_no_tensorflow(model_file, data):
    """Describing a model, measuring it and predicting with it never import TensorFlow."""
    code = (
        "import sys; from sk_mnist_mlp.cli import main; "
        f"assert main(['info', {model_file!r}]) == 0; "
        f"assert main(['evaluate', {model_file!r}, '--data', {data!r}]) == 0; "
        "print(sorted({'tensorflow', 'keras', 'scikeras', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ----------------------------------------------------------------------------------------------
# Wrong calls: status 2, one line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "sk-mnist-mlp: the following arguments are required: COMMAND."),
        (
            ["train", "--dropout", "45"],
            "sk-mnist-mlp train: argument --dropout: expected a number in [0, 1), got '45'.",
        ),
        (
            ["train", "--dropout", "half"],
            "sk-mnist-mlp train: argument --dropout: expected a number in [0, 1), got 'half'.",
        ),
        (
            ["train", "--learning-rate", "0"],
            "sk-mnist-mlp train: argument --learning-rate: expected a number above 0, got '0'.",
        ),
        (
            ["train", "--learning-rate", "inf"],
            "sk-mnist-mlp train: argument --learning-rate: expected a number above 0, got 'inf'.",
        ),
        (
            ["train", "--l2", "-1"],
            "sk-mnist-mlp train: argument --l2: expected a number of 0 or more, got '-1'.",
        ),
        (
            ["train", "--epochs", "0"],
            "sk-mnist-mlp train: argument --epochs: expected a whole number of 1 or more, got '0'.",
        ),
        (
            ["train", "--batch-size", "1.5"],
            "sk-mnist-mlp train: argument --batch-size: expected a whole number of 1 or more, got "
            "'1.5'.",
        ),
        (
            ["train", "--seed", "-1"],
            "sk-mnist-mlp train: argument --seed: expected a whole number of 0 or more, got '-1'.",
        ),
        (
            ["train", "--seed", str(2**32)],
            "sk-mnist-mlp train: argument --seed: expected a whole number of 4294967295 or less, "
            "got '4294967296'.",
        ),
        (
            ["search", "--epochs", "9" * 30],
            "sk-mnist-mlp search: argument --epochs: expected a whole number of 2147483647 or "
            f"less, got '{'9' * 30}'.",
        ),
        (
            ["train", "--hidden-units", "256,0"],
            "sk-mnist-mlp train: argument --hidden-units: expected a width such as 256, or one "
            "width a layer such as 512,256, got '256,0'.",
        ),
        (
            ["search", "--n-jobs", "0"],
            "sk-mnist-mlp search: argument --n-jobs: expected a number of processes, or -1 for one "
            "a core, got '0'.",
        ),
        (
            ["search", "--cv", "1"],
            "sk-mnist-mlp search: argument --cv: expected a whole number of 2 or more, got '1'.",
        ),
        (
            ["evaluate"],
            "sk-mnist-mlp evaluate: the following arguments are required: FILE.",
        ),
        (
            ["predict", "model.skmlp"],
            "sk-mnist-mlp predict: the following arguments are required: IMAGE.",
        ),
        (
            ["export", "model.skmlp"],
            "sk-mnist-mlp export: the following arguments are required: --format.",
        ),
        (
            # Options may not be shortened: a new one would make the short form ambiguous.
            ["train", "--drop", "0.5"],
            "sk-mnist-mlp train: unrecognized arguments: --drop 0.5. Did you mean --dropout?",
        ),
    ],
)
def test_wrong_calls(arguments, line, capsys):
    """A wrong call ends with status 2 and one line that says what was expected."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    program = line.split(":")[0]
    assert captured.err == f"{line} See '{program} --help'.\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        ("train --epoch 2", "unrecognized arguments: --epoch 2. Did you mean --epochs?"),
        ("train --epoch=2", "unrecognized arguments: --epoch=2. Did you mean --epochs?"),
        ("train -epochs 2", "unrecognized arguments: -epochs 2. Did you mean --epochs?"),
        ("train --LEARNING_RATE 1", "arguments: --LEARNING_RATE 1. Did you mean --learning-rate?"),
        ("search --drop-out 0.1 0.2", "arguments: --drop-out 0.1. Did you mean --dropout?"),
        # What is misspelt matters more than what is missing because of it.
        ("export m --fromat onnx", "unrecognized arguments: --fromat onnx. Did you mean --format?"),
        ("predict --jsn", "unrecognized arguments: --jsn. Did you mean --json?"),
        ("info --weird m", "unrecognized arguments: --weird m."),
        ("info m more", "unrecognized arguments: more."),
        ("export m --format onyx", "'safetensors'). Did you mean onnx?"),
        ("train --recipe acurate", "'best'). Did you mean accurate?"),
        ("trian", "'export'). Did you mean train?"),
        ("Predict a b", "'export'). Did you mean predict?"),
    ],
)
def test_did_you_mean(arguments, ending, capsys):
    """A misspelt option, value or command is told with the right one and the right help."""
    assert main(arguments.split()) == 2
    captured = capsys.readouterr()
    line, tail = captured.err.rsplit(" See ", 1)
    assert line.endswith(ending)
    command = arguments.split()[0]
    command = {"trian": "train", "Predict": "predict"}.get(command, command)
    assert tail == f"'sk-mnist-mlp {command} --help'.\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["prain"], ["export", "m.skmlp", "--format", "pickle"]])
def test_wrong_choices(arguments, capsys):
    """An unknown command or format ends with status 2 and one line (Python words it)."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "invalid choice" in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", ["train", "draw", "report", "export"])
def test_output_is_checked_before_any_work(command, model_file, tmp_path, capsys):
    """A file that could not be written is refused before a model is read or trained."""
    # A folder that is named as a report is.
    missing, folder = str(tmp_path / "none" / "m.html"), str(tmp_path / "m.html")
    (tmp_path / "m.html").mkdir()
    begin = {"train": [], "draw": [model_file], "report": [model_file]}
    begin["export"] = [model_file, "--format", "onnx"]
    assert main([command, *begin[command], "--output", missing]) == 2
    assert main([command, *begin[command], "--output", folder]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f"sk-mnist-mlp {command}: --output: expected a folder to write into, got none. Make it "
        f"first: {str(tmp_path / 'none')!r}.",
        f"sk-mnist-mlp {command}: --output: expected a file's path, got a folder. Add a name to "
        f"it: {folder!r}.",
    ]
    assert captured.out == ""


# ----------------------------------------------------------------------------------------------
# What cannot be done: status 1, one line


@pytest.mark.parametrize("command", ["evaluate", "info", "predict", "draw", "report", "export"])
def test_bad_model_files(command, tmp_path, capsys):
    """A model file that is missing or something else ends with status 1 and one line."""
    rest = {"predict": ["digit.png"], "export": ["--format", "keras"]}.get(command, [])
    foreign = tmp_path / "foreign.skmlp"
    foreign.write_text("seven")
    for file in (tmp_path / "none.skmlp", foreign, tmp_path):
        assert main([command, str(file), *rest]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"sk-mnist-mlp {command}: ")
        assert str(file) in error
        assert error.count("\n") == 1
        assert error.endswith(".\n")


@pytest.mark.parametrize(
    "first", [b"seven", b"\xff\xd8\xff\xe0 \x01\x02\x03", b"%PDF-1.7 \xff" * 90]
)
@pytest.mark.parametrize("command", ["evaluate", "info", "predict", "draw", "report", "export"])
def test_no_bytes_of_what_is_no_model(command, first, tmp_path, capsys):
    """A file that is no model is called what it is, and its bytes are not shown."""
    rest = {"predict": ["digit.png"], "export": ["--format", "keras"]}.get(command, [])
    foreign = tmp_path / "foreign"
    foreign.write_bytes(first)
    assert main([command, str(foreign), *rest]) in (1, 2)
    error = capsys.readouterr().err
    kind = "a picture (JPEG)" if first.startswith(b"\xff") else "something else"
    assert error.startswith(
        f"sk-mnist-mlp {command}: expected '{foreign}' to be a model, got {kind}. "
    )
    assert "\\x" not in error


@pytest.mark.parametrize("command", ["train", "search"])
def test_bad_data(command, tmp_path, capsys):
    """Data that are missing end with status 1 and one line, before anything is written."""
    output = tmp_path / "out"
    rest = ["--dropout", "0.2"] if command == "search" else []
    assert main([command, "--data", str(tmp_path), "--output", str(output), *rest]) == 1
    error = capsys.readouterr().err
    assert error == (
        f"sk-mnist-mlp {command}: load_mnist: expected a folder with a file "
        "train-images-idx3-ubyte or train-images.idx3-ubyte, plain or with .gz behind, got one "
        f"without. Put it there, or give the path of Keras's mnist.npz: '{tmp_path}'.\n"
    )
    assert not output.exists()


def test_no_traceback(tmp_path):
    """As a process of its own the command ends with that status and no traceback."""
    done = start("info", str(tmp_path / "none.skmlp"))
    out, error = done.communicate()
    assert (done.returncode, out) == (1, "")
    assert error == (
        f"sk-mnist-mlp info: expected to use '{tmp_path}/none.skmlp', got: No such file or "
        "directory. Check the path and its permissions.\n"
    ) or error.startswith("sk-mnist-mlp info: ")
    assert "Traceback" not in error


# ----------------------------------------------------------------------------------------------
# Output that nobody reads, letters that nobody can show


def invocations(model_file, data, folder):
    """One call of each command, and of the help, with the file that it must write."""
    few = ["--data", data, "--epochs", "1", "--hidden-units", "8"]
    return {
        "help": (["train", "--help"], None),
        "version": (["--version"], None),
        "train": (["train", *few, "--output", "m.skmlp"], "m.skmlp"),
        "search": (["search", *few, "--cv", "2", "--output", "out"], "out/model.skmlp"),
        "evaluate": (["evaluate", model_file, "--data", data], None),
        "info": (["info", model_file], None),
        "predict": (["predict", model_file, "x.npy"], None),
        "draw": (["draw", model_file, "--output", "m.html"], "m.html"),
        "report": (["report", model_file, "--data", data, "--output", "m.md"], "m.md"),
        "export": (["export", model_file, "--format", "keras", "--output", "m.keras"], "m.keras"),
    }


EVERYTHING = ["help", "version", *COMMANDS]


@pytest.fixture
def invocation(request, model_file, data, tmp_path, monkeypatch):
    """One of them, with what it reads in place, and a browser that shows nothing."""
    monkeypatch.setenv("BROWSER", f"{Path(sys.executable).as_posix()} -c pass %s")
    np.save(tmp_path / "x.npy", np.zeros((3, 28, 28), np.uint8))
    arguments, written = invocations(model_file, data, tmp_path)[request.param]
    return arguments, written and tmp_path / written


@pytest.mark.parametrize("invocation", EVERYTHING, indirect=True)
def test_reader_that_leaves(invocation, tmp_path):
    """When the reader of a pipe has gone, a command does its work, and ends without a word."""
    arguments, written = invocation
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "sk_mnist_mlp", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    assert written is None or written.exists()


@pytest.mark.skipif(os.name == "nt", reason="closes streams by a shell")
@pytest.mark.parametrize("invocation", EVERYTHING, indirect=True)
@pytest.mark.parametrize(
    ("redirection", "status"),
    [(">&-", 141), (">&- 2>&- <&-", 141), ("1</dev/null", 141), (">/dev/full", 1)],
)
def test_output_that_goes_nowhere(invocation, redirection, status, tmp_path):
    """With standard output closed or full, a command does its work, and ends in a line or none."""
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("without /dev/full")
    arguments, written = invocation
    command = shlex.join([sys.executable, "-m", "sk_mnist_mlp", *arguments])
    done = subprocess.run(
        ["sh", "-c", f"{command} {redirection}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    full = (
        "sk-mnist-mlp: expected standard output to take what is written, got: No space left on "
        "device. Send it somewhere else.\n"
    )
    assert (done.returncode, done.stderr) == (status, full if status == 1 else "")
    assert written is None or written.exists()


def test_streams_of_a_caller_that_are_none_or_closed(model_file, monkeypatch, capsys):
    """Called from Python without streams, or with closed ones, main returns and raises nothing."""
    closed = io.StringIO()
    closed.close()
    for out, err in ((None, None), (closed, closed)):
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert main(["info", model_file]) == 141
        assert main(["info", model_file + "x"]) == 1
        assert main(["inof"]) == 2
        assert (sys.stdout, sys.stderr) == (out, err)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_that_the_console_lacks(model_file, encoding, tmp_path):
    """A name of letters that the console's encoding lacks is shown by escapes; the rest follows."""
    digits = load_mnist(return_splits=True)[1]
    for name in ("семь.npy", "plain.npy"):
        np.save(tmp_path / name, digits[:1])
    names = ["нет.npy", "семь.npy", "plain.npy"]
    done = subprocess.run(
        [sys.executable, "-m", "sk_mnist_mlp", "predict", model_file, *names],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    lines = done.stdout.decode(encoding).splitlines()
    assert [line.split()[0] for line in lines] == [
        r"\u0441\u0435\u043c\u044c.npy[0]",
        "plain.npy[0]",
    ]
    assert done.stderr.decode(encoding).startswith(
        r"sk-mnist-mlp predict: expected to use '\u043d\u0435\u0442.npy', got: "
    )
    assert done.returncode == 1


# ----------------------------------------------------------------------------------------------
# train, evaluate, info


def test_train_tells_what_it_does(data, tmp_path, capsys):
    """Training prints shapes, layers, a line an epoch, accuracy and time, and writes the model."""
    output = tmp_path / "m.skmlp"
    options = ["--epochs", "2", "--hidden-units", "48,24", "--dropout", "0.1"]
    assert main(["train", "--data", data, "--output", str(output), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "X_train  (1000, 28, 28)   uint8" in lines
    assert "X_test   (200, 28, 28)    uint8" in lines
    assert f"{'Dense':24}{48:>8}{785 * 48:>12,}" in lines
    assert f"{'Dropout (0.1)':24}{24:>8}{0:>12}" in lines
    assert f"{'Total':32}{785 * 48 + 49 * 24 + 25 * 10:>12,}" in lines
    assert [line[:9] for line in lines if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    assert re.search(
        r"^Test accuracy   \d+\.\d\d% \(\d+ of 200 images wrong\)$", "\n".join(lines), re.M
    )
    assert re.search(r"^Time            \d+\.\d s in all$", "\n".join(lines), re.M)
    assert output.stat().st_size > 0


def test_train_is_the_estimator(data, tmp_path, capsys):
    """The command trains exactly what the estimator trains with the same parameters."""
    from sklearn.pipeline import make_pipeline

    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
    from sk_mnist_mlp.persistence import load_model

    output = tmp_path / "m.skmlp"
    options = ["--epochs", "2", "--hidden-units", "16,", "--dropout", "0.1", "--seed", "7"]
    options += ["--learning-rate", "0.01", "--batch-size", "50", "--l2", "0.001"]
    assert main(["train", "--data", data, "--output", str(output), *options]) == 0
    X, X_test, y, y_test = load_mnist(path=data, return_splits=True)
    classifier = MLPDigitClassifier(
        epochs=2, hidden_units=(16,), dropout=0.1, random_state=7, learning_rate=0.01,
        batch_size=50, l2=0.001,
    )  # fmt: skip
    twin = make_pipeline(ImageFlattener(), classifier).fit(X, y)
    loaded = load_model(output)
    np.testing.assert_array_equal(loaded.predict_proba(X_test), twin.predict_proba(X_test))
    assert f"Test accuracy   {twin.score(X_test, y_test):.2%} " in capsys.readouterr().out


def test_train_by_a_recipe(data, tmp_path, capsys):
    """--recipe takes the recipe's parameters, and options replace single ones of them."""
    from sk_mnist_mlp import RECIPES
    from sk_mnist_mlp.persistence import load_model

    for recipe, parameters in RECIPES.items():
        output = str(tmp_path / f"{recipe}.skmlp")
        options = ["--epochs", "1", "--recipe", recipe, "--output", output]
        assert main(["train", "--data", data, *options]) == 0
        kept = load_model(output)[-1].get_params()
        assert kept["epochs"] == 1
        for name in parameters.keys() - {"epochs", "augmentation"}:
            assert kept[name] == parameters[name]
        assert str(kept["augmentation"]) == str(parameters.get("augmentation"))
    assert main(["train", "--help"]) == 0
    assert "{" + ",".join(RECIPES) + "}" in capsys.readouterr().out


def test_train_that_diverges_writes_nothing(data, tmp_path, capsys):
    """A loss that is no number any more ends with status 1, and an older model stays."""
    output = tmp_path / "m.skmlp"
    output.write_text("older")
    rate = ["--learning-rate", "1e30", "--epochs", "3"]
    assert main(["train", "--data", data, "--output", str(output), *rate]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"sk-mnist-mlp train: expected a finite loss, got (nan|inf) in epoch \d\. Try a smaller "
        r"--learning-rate; no model is written\.",
        error,
    )
    assert output.read_text() == "older"


@pytest.mark.parametrize("name", ["out.npz", "hard.npz", "soft.npz"])
def test_train_spares_its_data(data, tmp_path, name, capsys):
    """The data to train on are never written over, by whatever name they are known."""
    own = tmp_path / "out.npz"
    own.write_bytes(Path(data).read_bytes())
    (tmp_path / "hard.npz").hardlink_to(own)
    (tmp_path / "soft.npz").symlink_to(own)
    before = own.read_bytes()
    output = str(tmp_path / name)
    assert main(["train", "--data", str(own), "--epochs", "1", "--output", output]) == 2
    assert capsys.readouterr().err == (
        f"sk-mnist-mlp train: expected --output to be another file than '{own}', which is read, "
        f"got '{output}', which is the same file. Choose another name: --output FILE.\n"
    )
    assert own.read_bytes() == before


def test_train_spares_a_folder_of_data(tmp_path, capsys):
    """Nor is one of the files of a folder of data, while a model beside them may be replaced."""
    write = {"images-idx3": np.zeros((20, 28, 28), np.uint8), "labels-idx1": np.arange(20) % 10}
    for part in ("train", "t10k"):
        for name, array in write.items():
            array = array.astype(np.uint8)
            sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
            header = bytes([0, 0, 8, array.ndim]) + sizes
            (tmp_path / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
    labels = str(tmp_path / "t10k-labels-idx1-ubyte")
    options = ["train", "--data", str(tmp_path), "--epochs", "1", "--hidden-units", "4"]
    assert main([*options, "--output", labels]) == 2
    assert labels in capsys.readouterr().err
    model = str(tmp_path / "m.skmlp")
    assert main([*options, "--output", model]) == main([*options, "--output", model]) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_train_that_is_told_to_end(data, tmp_path, name):
    """SIGTERM and SIGHUP are heard as Ctrl-C is: what was learnt is kept, and the status tells."""
    output = tmp_path / "m.skmlp"
    options = ["--epochs", "5000", "--hidden-units", "8", "--output", str(output)]
    process = start("train", "--data", data, *options)
    for line in process.stdout:
        if line.startswith("Epoch    3/5000"):
            break
    number = getattr(signal, name)
    process.send_signal(number)
    process.send_signal(number)  # as timeout does, once to the process and once to its group
    _, error = process.communicate(timeout=600)
    assert process.returncode == 128 + number
    assert error.startswith("sk-mnist-mlp train: interrupted after ")
    assert (tmp_path / "m.interrupted.skmlp").exists()


def test_interrupted_train_keeps_what_it_learnt(data, tmp_path):
    """Ctrl-C keeps the epochs done so far beside an older model, and ends with status 130."""
    from sk_mnist_mlp.persistence import load_model

    output = tmp_path / "m.skmlp"
    output.write_text("older")
    # Little enough arithmetic for NumPy, so that it starts at once; enough for half a minute.
    options = ["--epochs", "5000", "--hidden-units", "8", "--output", str(output)]
    process = start("train", "--data", data, *options, start_new_session=True)
    for line in process.stdout:
        if line.startswith("Epoch    3/5000"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode in (130, -signal.SIGINT)
    kept = tmp_path / "m.interrupted.skmlp"
    found = re.fullmatch(
        r"sk-mnist-mlp train: interrupted after (\d+) of 5000 epochs; the model so far is in "
        rf"'{kept}'\. With --checkpoint FILE, 'train' can be resumed\.\n",
        error,
    )
    assert found, error
    assert load_model(kept)[-1].n_iter_ == int(found[1]) >= 3
    assert output.read_text() == "older"


def test_the_same_command_resumes_from_a_checkpoint(data, tmp_path):
    """After Ctrl-C, train with --checkpoint ends where it would have ended without it."""
    from sk_mnist_mlp.persistence import load_model

    options = ["train", "--data", data, "--epochs", "1000", "--hidden-units", "8"]
    kept = [*options, "--checkpoint", str(tmp_path / "c"), "--output", str(tmp_path / "m.skmlp")]
    process = start(*kept, start_new_session=True)
    for line in process.stdout:
        if line.startswith("Epoch    3/1000"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert error.endswith(" The same command resumes the training.\n")
    assert main(kept) == 0
    assert main([*options, "--output", str(tmp_path / "whole.skmlp")]) == 0
    one, two = (load_model(tmp_path / name)[-1] for name in ("m.skmlp", "whole.skmlp"))
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])
    assert one.history_ == two.history_


@pytest.mark.parametrize("name", ["m.skmlp", "m.interrupted.skmlp", "digits.npz"])
def test_a_checkpoint_replaces_nothing_else(name, data, tmp_path, capsys):
    """Neither the model nor what is read may be the checkpoint."""
    path = data if name == "digits.npz" else str(tmp_path / name)
    options = ["--output", str(tmp_path / "m.skmlp"), "--checkpoint", path]
    assert main(["train", "--data", data, *options]) == 2
    assert "expected --checkpoint to be another file than" in capsys.readouterr().err


def test_figures_as_json(model_file, data, capsys):
    """Evaluate and info give one JSON object with what their lines say."""
    from sk_mnist_mlp.persistence import load_model

    model = load_model(model_file)
    _, X, _, y = load_mnist(path=data, return_splits=True)
    assert main(["evaluate", model_file, "--data", data, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accuracy"] == model.score(X, y)
    assert told["n_images"] == len(y)
    assert set(told["classes"]) == set(map(str, range(10)))
    assert main(["info", model_file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"] == [784, 32, 32, 10]
    assert told["n_weights"] == 26506
    assert told["history"]["loss"] == model[-1].loss_


def test_evaluate_tells_the_truth(model_file, data, capsys):
    """Evaluating prints the accuracy and log loss that scikit-learn computes."""
    from sklearn.metrics import log_loss

    from sk_mnist_mlp.persistence import load_model

    assert main(["evaluate", model_file, "--data", data]) == 0
    out = capsys.readouterr().out
    model = load_model(model_file)
    _, X, _, y = load_mnist(path=data, return_splits=True)
    assert f"Test accuracy   {model.score(X, y):.2%} " in out
    assert f"Log loss        {log_loss(y, model.predict_proba(X)):.4f}\n" in out


def test_evaluate_refuses_unknown_labels(model_file, tmp_path, capsys):
    """Test labels that the model never saw end with one line."""
    images = np.zeros((20, 28, 28), np.uint8)
    labels = np.arange(20)
    np.savez(tmp_path / "more.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert main(["evaluate", model_file, "--data", str(tmp_path / "more.npz")]) == 1
    assert capsys.readouterr().err == (
        "sk-mnist-mlp evaluate: expected labels that the model knows, [0, 1, 2, 3, 4, 5, 6, 7, 8, "
        "9], got [10, 11, 12, 13, 14, 15, 16, 17, 18, 19] too. Give the data that it was trained "
        "for: --data PATH.\n"
    )


def test_evaluate_a_bare_classifier(data, tmp_path, capsys):
    """A classifier saved without a flattener is given flat images."""
    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
    from sk_mnist_mlp.persistence import save_model

    X, X_test, y, y_test = load_mnist(path=data, return_splits=True)
    flat = ImageFlattener().fit_transform(X)
    model = MLPDigitClassifier(hidden_units=16, epochs=3, random_state=0).fit(flat, y)
    save_model(model, tmp_path / "bare.skmlp")
    assert main(["evaluate", str(tmp_path / "bare.skmlp"), "--data", data]) == 0
    score = model.score(ImageFlattener().fit_transform(X_test), y_test)
    assert f"Test accuracy   {score:.2%} " in capsys.readouterr().out


def test_images_of_another_size(tmp_path, data, capsys):
    """A model of other images than these is refused in one line."""
    from sk_mnist_mlp import MLPDigitClassifier
    from sk_mnist_mlp.persistence import save_model

    model = MLPDigitClassifier(hidden_units=4, epochs=1).fit(np.eye(64)[:20], np.arange(20) % 10)
    save_model(model, tmp_path / "small.skmlp")
    assert main(["evaluate", str(tmp_path / "small.skmlp"), "--data", data]) == 1
    assert capsys.readouterr().err == (
        "sk-mnist-mlp evaluate: expected images of 64 pixels as the model was trained on, got 784 "
        "(28x28). Use a model trained on images of that size.\n"
    )


def test_info_describes_the_model(model_file, capsys):
    """Describing a model names its format, layers, classes, training and changed parameters."""
    assert main(["info", model_file]) == 0
    facts = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert re.fullmatch(rf"{re.escape(model_file)} \(\d+ kB\), format \d+", facts["File"])
    assert facts["Model"] == "ImageFlattener -> MLPDigitClassifier"
    assert facts["Layers"] == "784 -> 32 -> 32 -> 10 (26,506 weights)"
    assert facts["Classes"] == "0 1 2 3 4 5 6 7 8 9"
    assert facts["Trained"].startswith("3 epochs by engine 'numpy'; at the end loss ")
    assert facts["Parameters"] == "epochs=3, hidden_units=32, random_state=0, verbose=2"


# ----------------------------------------------------------------------------------------------
# As a program


def test_installed_command():
    """What pyproject.toml installs as sk-mnist-mlp is this command."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, function = project["project"]["scripts"]["sk-mnist-mlp"].split(":")
    assert getattr(importlib.import_module(module), function) is main


def test_warnings_are_one_line(capsys):
    """A warning is one line too, without file names and source lines."""
    import warnings

    from sk_mnist_mlp.cli import program as cli

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = cli._show_warning
        warnings.warn("something\n   to know", stacklevel=1)
    assert capsys.readouterr().err == "sk-mnist-mlp: warning: something to know\n"
