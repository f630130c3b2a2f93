"""``save_model`` and ``load_model``: what goes in comes out, and nothing breaks the file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import sk_mnist_mlp
from sk_mnist_mlp import (
    ImageFlattener,
    MLPDigitClassifier,
    RandomDistortion,
    load_model,
    save_model,
)
from sk_mnist_mlp._network.spec import as_arrays
from sk_mnist_mlp._storage import write_tensors
from sk_mnist_mlp.exceptions import ModelFileError
from sk_mnist_mlp.persistence import FORMAT_NUMBER, read_manifest

DATA = pathlib.Path(__file__).parent / "data"
DIGITS = load_digits()
X, Y = (DIGITS.data[:300] / 16).astype(np.float32), DIGITS.target[:300]
IMAGES = DIGITS.images[:300].astype(np.uint8)


def small(**parameters):
    """A classifier that trains in milliseconds."""
    return MLPDigitClassifier(**{"hidden_units": 8, "epochs": 2, "random_state": 0} | parameters)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.mlp"


def round_trip(model, path):
    save_model(model, path)
    return load_model(path)


def assert_equal_state(one, two):
    """The two predict alike, and have the same attributes with the same contents."""
    assert vars(one).keys() == vars(two).keys()
    for name in ("classes_", "n_features_in_", "n_iter_", "engine_", "loss_curve_", "history_"):
        mine, theirs = getattr(one, name), getattr(two, name)
        np.testing.assert_equal(mine, theirs)
        assert type(mine) is type(theirs)
    layers = [as_arrays(model._fitted().layers) for model in (one, two)]
    for mine, theirs in zip(*layers, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


# ----------------------------------------------------------------------------------------------
# What goes in comes out


LABELS = {
    "integers": Y,
    "small unsigned integers": Y.astype(np.uint8),
    "booleans": Y > 4,
    "whole floats": Y.astype(np.float64),
    "strings": np.char.add("dígit ", Y.astype(str)),
    "objects": Y.astype(str).astype(object),
    "gaps": Y * 1000 - 7,
    "numbers beyond floats": np.array([2**53, 2**53 + 1, 2**64 - 1], np.uint64)[Y % 3],
    "small numbers": np.array([-128, 0, 127], np.int8)[Y % 3],
    "long numbers": np.array([-(2**63), 0, 2**63 - 1])[Y % 3],
    "half floats": np.array([-2, 0, 2048], np.float16)[Y % 3],
    "large floats": np.array([-(2.0**62), 0, 1])[Y % 3],
    "text with zeros": np.array(["a", "b\0c", "ç 7"], object)[Y % 3],
    "wider text": np.array(["a", "b", "c"], "U20")[Y % 3],
    "half a character": np.array(["a", "b", "\ud800"], object)[Y % 3],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_loaded_classifier_predicts_bit_for_bit_the_same(labels, path):
    """Labels of every kind and probabilities survive to the last bit."""
    model = small().fit(X, labels)
    loaded = round_trip(model, path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert_equal_state(model, loaded)


@pytest.mark.parametrize("unit", ["datetime64[ns]", "datetime64[D]", "timedelta64[s]"])
def test_labels_that_a_file_cannot_hold_are_refused(unit, path):
    """Labels that would come back as something else are refused before a file is touched."""
    path.write_text("mine")
    with pytest.raises(ValueError) as caught:
        save_model(small().fit(X, (Y % 3).astype(unit)), path)
    assert str(caught.value) == (
        "save_model: expected parameters of plain values, which a file can hold without code, got "
        f"labels of {unit} in classes_. Set another value first, or use joblib.dump."
    )
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_units": (16, 8, 4), "activation": "tanh", "dtype": "float64"},
        {"hidden_units": [5], "early_stopping": True, "l2": 1e-3, "label_smoothing": 0.1},
        {"hidden_units": np.array([7, 6]), "class_weight": {3: 2.5, 4: 0.5}, "learning_rate": 0.01},
        {"dropout": np.float64(0.2), "batch_size": np.int64(32), "optimizer": "rmsprop"},
        {"learning_rate_schedule": "cosine"},
    ],
)
def test_parameters_survive(parameters, path):
    """Every parameter comes back equal: tuples as tuples, dicts with their own keys."""
    model = small(**parameters).fit(X, Y)
    loaded = round_trip(model, path)
    for name, value in model.get_params().items():
        np.testing.assert_equal(loaded.get_params()[name], value)
    assert type(loaded.hidden_units) is type(model.hidden_units)
    assert_equal_state(model, loaded)


def test_a_distortion_survives(path):
    """Augmentation comes back as its class, and goes on distorting."""
    distortion = RandomDistortion(rotation=3, translation=1, random_state=7)
    model = small(augmentation=distortion, warm_start=True).fit(X, Y)
    loaded = round_trip(model, path)
    assert isinstance(loaded.augmentation, RandomDistortion)
    assert loaded.augmentation.get_params() == distortion.get_params()
    for each in (model, loaded):
        each.fit(X, Y)
    assert_equal_state(model, loaded)


def test_a_random_state_goes_on_where_it_stood(path):
    """A RandomState among the parameters draws after loading what it would have drawn."""
    model = small(random_state=np.random.RandomState(3)).fit(X, Y)
    loaded = round_trip(model, path)
    np.testing.assert_array_equal(
        loaded.fit(X, Y).predict_proba(X), model.fit(X, Y).predict_proba(X)
    )


@pytest.mark.parametrize("container", [None, "pandas"])
def test_a_pipeline_survives(container, path):
    """A Pipeline keeps its steps' names, its images' shape and dtype, and what set_output asked."""
    pytest.importorskip("pandas")
    flatten = ImageFlattener(scale=16)
    if container:
        flatten.set_output(transform=container)
    model = Pipeline([("flach", flatten), ("netz", small())]).fit(IMAGES, Y)
    loaded = round_trip(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn warns where names of columns get lost
        np.testing.assert_array_equal(loaded.predict_proba(IMAGES), model.predict_proba(IMAGES))
    assert [name for name, _ in loaded.steps] == ["flach", "netz"]
    assert loaded[0].image_shape_ == (8, 8)
    assert loaded[0].image_dtype_ == np.uint8
    assert_equal_state(model[-1], loaded[-1])


def test_column_names_survive(path):
    """Names of columns are kept, and other names refused afterwards, as before."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"Spalte {i}" for i in range(64)])
    loaded = round_trip(small().fit(frame, Y), path)
    assert loaded.feature_names_in_.tolist() == list(frame.columns)
    assert loaded.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.add_prefix("x"))


def test_requests_for_metadata_survive(path):
    """What ``set_fit_request`` and its like asked for is asked for after loading too."""
    with config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True, X_val="held_out", y_val=False)
        model.set_partial_fit_request(classes=True).set_score_request(sample_weight="w")
        model.fit(X, Y)
        routing = round_trip(model, path).get_metadata_routing()
        before = model.get_metadata_routing()
        for method in ("fit", "partial_fit", "score"):
            assert getattr(routing, method).requests == getattr(before, method).requests
        assert routing.fit.requests["X_val"] == "held_out"


# ----------------------------------------------------------------------------------------------
# Going on


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_partial_fit_goes_on_with_the_moments(engine, path):
    """Partial fits after loading end, to the last bit, where they would have without a file."""
    model = small(engine=engine).partial_fit(X, Y, classes=np.unique(Y)).partial_fit(X, Y)
    loaded = round_trip(model, path)
    for each in (model, loaded):
        each.partial_fit(X, Y).partial_fit(X, Y)
    assert_equal_state(model, loaded)


def test_warm_start_goes_on_with_the_moments(path):
    """A warm start after loading ends, to the last bit, where it would have without a file."""
    model = small(warm_start=True, early_stopping=True).fit(X, Y)
    loaded = round_trip(model, path)
    for each in (model, loaded):
        each.fit(X, Y)
    assert_equal_state(model, loaded)
    assert loaded.n_iter_ == 4


def test_without_warm_start_no_moments_are_kept(path):
    """The optimizer's state makes a file larger only where a later call goes on from it."""
    save_model(small().fit(X, Y), path)
    assert not any("moments" in name for name in load_file(path))
    save_model(small(warm_start=True).fit(X, Y), path)
    assert any("moments" in name for name in load_file(path))


def test_an_optimizer_instance_survives_and_keras_is_imported_only_when_asked_for(path):
    """An optimizer with a schedule comes back as itself, and predicting does not need it."""
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100, alpha=0.1)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)
    save_model(small(optimizer=optimizer).fit(X, Y), path)
    script = f"""
import sys
import numpy as np
from sk_mnist_mlp import load_model, save_model
model = load_model({str(path)!r})
model.predict(np.zeros((1, 64)))
save_model(model, {str(path)!r})
assert "keras" not in sys.modules and "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)
    loaded = load_model(path)
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    assert loaded.optimizer is loaded.optimizer
    assert loaded.optimizer.get_config() == optimizer.get_config()
    assert loaded.get_params()["optimizer"] is loaded.optimizer
    assert round_trip(loaded, path).set_params(optimizer="sgd").optimizer == "sgd"


# ----------------------------------------------------------------------------------------------
# The file itself


def test_a_default_model_takes_its_weights_and_20_kilobytes_at_most(path):
    """A file of a default model is at most its 269,322 float32 weights and 20 kB."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8), np.arange(40) % 10
    model = make_pipeline(ImageFlattener(), MLPDigitClassifier(random_state=0)).fit(images, labels)
    save_model(model, path)
    assert path.stat().st_size <= 4 * 269_322 + 20_000


def test_equal_models_make_equal_files(path, tmp_path):
    """Nothing of the moment of writing goes into a file."""
    model = small().fit(X, Y)
    save_model(model, path)
    save_model(load_model(path), tmp_path / "again.mlp")
    assert path.read_bytes() == (tmp_path / "again.mlp").read_bytes()


def test_a_file_is_plain_safetensors(path):
    """The safetensors library reads the same weights, classes and activation as this package."""
    model = small().fit(X, Y)
    save_model(model, path)
    with safe_open(path, "numpy") as file:
        manifest = json.loads(file.metadata()["sk_mnist_mlp"])
        np.testing.assert_array_equal(file.get_tensor("coefs_0"), model.coefs_[0])
        np.testing.assert_array_equal(file.get_tensor("intercepts_2"), model.intercepts_[2])
        assert len(file.keys()) == 6
    assert manifest == read_manifest(path)
    assert manifest["format"] == 1
    assert manifest["written_by"]["sk_mnist_mlp"] == sk_mnist_mlp.__version__
    assert manifest["model"]["classes"]["values"] == model.classes_.tolist()
    assert manifest["model"]["network"]["activation"] == "relu"


def test_the_digest_is_of_the_file_with_zeros_in_its_place(path):
    """Anyone can check the digest as docs/files.md describes it."""
    save_model(small().fit(X, Y), path)
    digest = read_manifest(path)["sha256"]
    contents = path.read_bytes()
    assert contents.count(digest.encode()) == 1
    zeroed = contents.replace(digest.encode(), b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest() == digest


def test_safetensors_of_another_program_are_told_from_models(path):
    """A file that this package did not write is refused by the function that does read it."""
    save_file({"coefs_0": np.zeros((2, 3))}, path, {"activation": "relu"})
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(caught.value) == (
        f"load_model: expected {str(path)!r} to be a model file, got a safetensors file of another "
        "program. Make a model of its weights by sk_mnist_mlp.export.from_safetensors."
    )


def test_loading_and_predicting_in_a_fresh_process_imports_no_tensorflow(path):
    """Neither TensorFlow nor Keras is imported to load a pipeline and predict an image."""
    save_model(make_pipeline(ImageFlattener(scale=16), small()).fit(IMAGES, Y), path)
    script = f"""
import sys
import numpy as np
from sk_mnist_mlp import load_model
load_model({str(path)!r}).predict(np.zeros((1, 8, 8), np.uint8))
assert not {{"tensorflow", "keras", "scikeras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


@pytest.mark.parametrize("number", range(1, FORMAT_NUMBER + 1))
def test_files_of_earlier_formats_stay_readable(number):
    """A small file of each format number loads and gives the answers it gave when written."""
    model = load_model(DATA / f"model-format-{number}.mlp")
    expected = json.loads((DATA / f"model-format-{number}.json").read_text())
    images = np.array(expected["images"], np.uint8)
    assert model.predict(images).tolist() == expected["labels"]
    np.testing.assert_allclose(model.predict_proba(images), expected["probabilities"], rtol=1e-9)
    classifier = model[-1].partial_fit(model[0].transform(images), expected["labels"])
    assert classifier.n_iter_ == 4


def test_a_newer_format_is_refused_with_its_version(path):
    """A file of a format number still to come says which version wrote it and what to do."""
    manifest = {"kind": "model", "format": 99, "written_by": {"sk_mnist_mlp": "9.9"}, "model": {}}
    write_tensors(path, manifest, {}, who="a test")
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(caught.value) == (
        f"load_model: expected {str(path)!r} to be of format 1 or below, got format 99, written "
        "by sk_mnist_mlp 9.9. Upgrade sk_mnist_mlp to read it."
    )


# ----------------------------------------------------------------------------------------------
# What cannot be saved


def test_callbacks_stay_behind_with_a_warning(path):
    """Callbacks are code: a file leaves them out, says so, and the rest is kept."""
    import keras

    model = small(callbacks=[keras.callbacks.EarlyStopping("loss")]).fit(X, Y)
    with pytest.warns(UserWarning) as caught:
        save_model(model, path)
    assert str(caught[0].message) == (
        "save_model: expected parameters of plain values, got callbacks of EarlyStopping, which "
        "are code and stay behind. Set them again after loading, if you train on."
    )
    assert caught[0].filename == __file__
    assert load_model(path).callbacks is None
    assert len(model.callbacks) == 1


WANTED = (
    "save_model: expected an MLPDigitClassifier, or a Pipeline of ImageFlattener and "
    "MLPDigitClassifier, got "
)


class OwnClassifier(MLPDigitClassifier):
    """A class of the user's own."""


REFUSED = {
    "another estimator": (
        lambda: LogisticRegression().fit(X, Y),
        "LogisticRegression. Use joblib.dump for other estimators.",
    ),
    "a search": (
        lambda: GridSearchCV(small(), {"dropout": [0.1]}, cv=2).fit(X, Y),
        "GridSearchCV. Pass its best_estimator_.",
    ),
    "a class": (
        lambda: MLPDigitClassifier,
        "the class MLPDigitClassifier. Make an instance and fit it.",
    ),
    "a pipeline of others": (
        lambda: make_pipeline(ImageFlattener(), LogisticRegression()),
        "a Pipeline of ImageFlattener, LogisticRegression. Use joblib.dump for other estimators.",
    ),
    "a class of one's own": (
        lambda: OwnClassifier().fit(X, Y),
        "OwnClassifier. Use joblib.dump for classes of your own.",
    ),
    "nothing": (lambda: None, "NoneType. Use joblib.dump for other estimators."),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_model_is_refused(make, sentence, path):
    """Anything but the two kinds of model is a TypeError that says what to do, and no file."""
    with pytest.raises(TypeError) as caught:
        save_model(make(), path)
    assert str(caught.value) == WANTED + sentence
    assert not path.exists()


@pytest.mark.parametrize(
    "model",
    [MLPDigitClassifier(), make_pipeline(ImageFlattener(), MLPDigitClassifier())],
    ids=["classifier", "pipeline"],
)
def test_an_unfitted_model_is_refused(model, path):
    """An unfitted model is a NotFittedError, and no file."""
    with pytest.raises(NotFittedError, match=r"got one without fit\. Call fit first\.$"):
        save_model(model, path)
    assert not path.exists()


def test_a_parameter_that_is_code_is_refused(path):
    """An optimizer of the user's own class cannot be kept without code, and is refused by name."""
    import keras

    class OwnSGD(keras.optimizers.SGD):
        """A rule of the user's own."""

    model = small(optimizer=OwnSGD(0.1), engine="keras").fit(X, Y)
    with pytest.raises(ValueError) as caught:
        save_model(model, path)
    name = f"{__name__}.{OwnSGD.__qualname__}"
    assert str(caught.value) == (
        "save_model: expected parameters of plain values, which a file can hold without code, got "
        f"{name} in optimizer. Set another value first, or use joblib.dump."
    )
    assert not path.exists()


@pytest.mark.parametrize("name", ["coefs_1", "loss_curve_"])
def test_a_model_that_is_not_finite_is_refused(name, path):
    """A model whose training diverged is not written."""
    model = small().fit(X, Y)
    if name == "loss_curve_":
        model.loss_curve_[-1] = np.inf
    else:
        model.coefs_[1][0, 0] = np.nan
    with pytest.raises(ValueError) as caught:
        save_model(model, path)
    assert str(caught.value) == (
        f"save_model: expected finite weights and losses, got NaN or infinity in {name}. Fit "
        "again with a smaller learning_rate."
    )
    assert not path.exists()


# ----------------------------------------------------------------------------------------------
# Paths


def test_missing_files_and_folders_stay_what_python_calls_them(tmp_path):
    """No file, a folder in a file's place and no folder to write into are plain OSErrors."""
    model = small().fit(X, Y)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing.mlp")
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)
    with pytest.raises(IsADirectoryError, match="save_model: expected a file's path, got a folder"):
        save_model(model, tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a folder to write into, got none"):
        save_model(model, tmp_path / "no" / "model.mlp")


def test_pipes_and_devices_are_refused_and_left_alone(tmp_path):
    """A pipe neither blocks a reader nor is replaced by a writer."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ModelFileError, match="got a device or pipe"):
        load_model(pipe)
    with pytest.raises(OSError, match="got a device or pipe"):
        save_model(small().fit(X, Y), pipe)
    assert pipe.is_fifo()


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path):
    """Saving over a file keeps who may read it; through a link, what it points to is replaced."""
    target, link = tmp_path / "target.mlp", tmp_path / "link.mlp"
    model = small().fit(X, Y)
    save_model(model, target)
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    target.chmod(0o640)
    link.symlink_to(target)
    save_model(model.fit(X, Y), link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    load_model(target)


# ----------------------------------------------------------------------------------------------
# Accidents


def test_a_full_disk_leaves_the_old_file_whole(path, monkeypatch):
    """If the disk is full at any point of writing, the old file stays and nothing else does."""
    save_model(small().fit(X, Y), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("os.fsync", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(OSError, match="No space left"):
                save_model(small(random_state=1).fit(X, Y), path)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]


def run_script(script, *arguments, timeout=600):
    """Run Python code that imports no TensorFlow, so that it may fork."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT_HEAD + script, *map(str, arguments)],
        check=True,
        timeout=timeout,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


SCRIPT_HEAD = """
import os, pathlib, random, resource, signal, sys, time
import numpy as np
from sklearn.datasets import load_digits
from sk_mnist_mlp import MLPDigitClassifier, load_model, save_model
X, y = load_digits(return_X_y=True)
X = X[:100] / 16
path = pathlib.Path(sys.argv[1])
models = [MLPDigitClassifier(hidden_units=64, epochs=1, warm_start=True, random_state=seed)
          .fit(X, y[:100]) for seed in (0, 1)]
answers = [model.predict_proba(X[:5]) for model in models]

def is_whole():
    answer = load_model(path).predict_proba(X[:5])
    return any(np.array_equal(answer, known) for known in answers)
"""


def test_a_process_over_its_file_size_leaves_the_old_file_whole(path):
    """The system's own limit on file sizes, met while writing, leaves the old file and no other."""
    run_script(
        """
save_model(models[0], path)
before = path.read_bytes()
for limit in range(0, len(before) - 4096, 4096):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save_model(models[1], path)
    except OSError:
        pass
    else:
        raise AssertionError(limit)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]
""",
        path,
    )


def test_a_kill_while_saving_leaves_a_whole_file(path):
    """SIGKILL at 50 random moments of continuous saving: the file always loads."""
    printed = run_script(
        """
save_model(models[0], path)
rng = random.Random(0)
for _ in range(50):
    child = os.fork()
    if not child:
        while True:
            for model in models:
                save_model(model, path)
    time.sleep(rng.uniform(0.0, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert is_whole()
print(len(list(path.parent.glob(".sk_mnist_mlp-*.tmp"))))
""",
        path,
    )
    assert int(printed) > 0  # some were killed in the middle of writing


def test_two_processes_saving_to_one_path_leave_one_of_the_two_files(path):
    """Whoever reads while two processes save to one path finds one of the two files, whole."""
    run_script(
        """
save_model(models[0], path)
children = []
for model in models:
    children.append(os.fork())
    if not children[-1]:
        for _ in range(25):
            save_model(model, path)
        os._exit(0)
n_read = 0
while len(children) > 0:
    assert is_whole()
    n_read += 1
    done, status = os.waitpid(-1, os.WNOHANG)
    if done:
        assert status == 0
        children.remove(done)
assert n_read > 5 and os.listdir(path.parent) == [path.name]
""",
        path,
    )
