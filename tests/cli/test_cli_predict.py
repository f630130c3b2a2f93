"""`sk-mnist-mlp predict` and `export`: a kept model at work."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sk_mnist_mlp._network import SURE
from sk_mnist_mlp.cli import main
from sk_mnist_mlp.datasets import load_mnist
from sk_mnist_mlp.persistence import load_model


@pytest.fixture(scope="module")
def test_digits():
    """MNIST's first two hundred test images and their labels."""
    _, X_test, _, y_test = load_mnist(return_splits=True)
    return X_test[:200], y_test[:200]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A model that knows most digits, trained by the command."""
    folder = tmp_path_factory.mktemp("model")
    X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    data = folder / "mnist.npz"
    np.savez(data, x_train=X_train[:12000], y_train=y_train[:12000], x_test=X_test, y_test=y_test)
    path = str(folder / "model.skmlp")
    options = ["--epochs", "5", "--hidden-units", "128", "--dropout", "0.1"]
    assert main(["train", "--data", str(data), "--output", path, *options]) == 0
    return path


def write_idx(array, path):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.tobytes())
    return path


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


# ----------------------------------------------------------------------------------------------
# Pictures


@pytest.mark.parametrize("dark_on_light", [False, True])
def test_pictures_of_any_size(model_file, test_digits, tmp_path, dark_on_light, capsys):
    """Digits drawn large, off the middle, dark or light, are named as well as MNIST's own."""
    images, labels = test_digits
    rng = np.random.default_rng(0)
    paths = []
    for i, image in enumerate(images):
        size = 28 * int(rng.integers(2, 9))
        canvas = Image.new("L", (size + 80, size + 60), 0)
        drawn = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
        canvas.paste(drawn, (int(rng.integers(80)), int(rng.integers(60))))
        if dark_on_light:
            canvas = canvas.point(lambda level: 240 - level * 0.8)
        paths.append(str(tmp_path / f"{i}.png"))
        canvas.save(paths[-1])
    assert main(["predict", model_file, "--json", *paths]) == 0
    answers = objects(capsys.readouterr().out)
    assert [answer["file"] for answer in answers] == paths
    accuracy = np.mean([a["label"] == label for a, label in zip(answers, labels, strict=True)])
    assert accuracy >= load_model(model_file).score(images, labels) - 0.02


def test_text_for_people(model_file, test_digits, tmp_path, capsys):
    """For people a line names the file, the digit and the runner-up with their probabilities."""
    path = str(tmp_path / "digit.png")
    Image.fromarray(test_digits[0][0]).save(path)
    assert main(["predict", model_file, path]) == 0
    name, label, probability, word, second, rest = capsys.readouterr().out.split()
    assert (name, label, word) == (path, str(test_digits[1][0]), "or")
    assert second != label
    assert 0.9 < float(probability.rstrip("%")) / 100 <= 1
    assert 0 <= float(rest.rstrip("%")) <= 100 - float(probability.rstrip("%")) + 0.01


def test_many_digits_of_a_picture(model_file, test_digits, tmp_path, capsys):
    """With --many each digit of a picture has its line, from left to right; arrays stay as is."""
    images, labels = test_digits
    path = str(tmp_path / "number.png")
    Image.fromarray(np.hstack(images[:5])).save(path)
    np.save(tmp_path / "x.npy", images[:2])
    arguments = ["predict", model_file, "--many", path, str(tmp_path / "x.npy")]
    assert main([*arguments, "--json"]) == 0
    answers = objects(capsys.readouterr().out)
    assert [answer["index"] for answer in answers] == [0, 1, 2, 3, 4, 0, 1]
    assert [a["label"] for a in answers] == [*labels[:5].tolist(), *labels[:2].tolist()]
    assert [answer["shapes"] for answer in answers] == [1] * 7
    assert all(answer["sure"] == (answer["probability"] >= SURE) for answer in answers)
    assert main(arguments) == 0
    first, *_ = lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert first.split()[:2] == [f"{path}[0]", str(labels[0])]
    assert f"  or {answers[0]['runner_up']:>4} " in first


def test_many_says_what_is_doubtful(model_file, test_digits, tmp_path, capsys):
    """Of digits above one another, which count as one, the line says that they are two shapes."""
    lines = [np.hstack(test_digits[0][:2]), np.hstack(test_digits[0][2:4])]
    Image.fromarray(np.vstack(lines)).save(tmp_path / "two_lines.png")
    assert main(["predict", model_file, "--many", str(tmp_path / "two_lines.png")]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert re.search(r"unsure: \d separate shapes(,|$)", line)


def test_unsure_of_what_is_no_digit(model_file, test_digits, tmp_path, capsys):
    """Noise, two digits and nothing are never answered as if sure, and the line says why."""
    rng = np.random.default_rng(0)
    pictures = {
        "two": np.hstack(test_digits[0][:2]),
        "three": np.hstack(test_digits[0][:3]),
        "noise": 255 * (rng.random((100, 100)) < 0.5),
        "salt": 255 * (rng.random((100, 100)) < 0.05),
        "blot": np.pad(np.full((40, 40), 255), 20),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / f"{name}.png") for name in pictures]
    assert main(["predict", model_file, *paths]) == 0
    two, three, noise, salt, blot = capsys.readouterr().out.splitlines()
    assert "  unsure: 2 separate shapes; give one digit a picture, or --many" in two
    assert "  unsure: 3 separate shapes; give one digit a picture, or --many" in three
    assert "  unsure: no strokes, but noise or a blot" in noise
    assert re.search(r"  unsure: (\d+ separate shapes|no strokes)", salt)
    assert "  unsure: no strokes, but noise or a blot" in blot
    assert main(["predict", model_file, "--json", *paths]) == 0
    answers = objects(capsys.readouterr().out)
    assert not any(answer["sure"] for answer in answers)
    assert [answer["shapes"] for answer in answers[:2]] == [2, 3]

    # Of an array each image has its line, so an empty one has it too; a picture is refused.
    np.save(tmp_path / "x.npy", np.stack([np.zeros((28, 28), np.uint8), test_digits[0][0]]))
    Image.new("L", (50, 50), 200).save(tmp_path / "empty.png")
    assert main(["predict", model_file, str(tmp_path / "x.npy"), str(tmp_path / "empty.png")]) == 1
    captured = capsys.readouterr()
    empty, digit = captured.out.splitlines()
    assert "  unsure: the picture is empty" in empty
    assert "  unsure" not in digit
    assert "the picture is empty" in captured.err


def test_sure_answers_are_better(model_file, tmp_path, capsys):
    """Most of MNIST's test images are answered surely, and those far more often rightly."""
    _, X, _, y = load_mnist(return_splits=True)
    np.save(tmp_path / "x.npy", X[:3000])
    assert main(["predict", model_file, "--json", str(tmp_path / "x.npy")]) == 0
    answers = objects(capsys.readouterr().out)
    sure = np.array([answer["sure"] for answer in answers])
    right = np.array([answer["label"] for answer in answers]) == y[:3000]
    assert sure.mean() > 0.7  # of this small model; 96.6 % of the tutorial's
    assert right[sure].mean() > 0.97
    assert right[~sure].mean() < 0.9
    best = [sorted(a["probabilities"], key=a["probabilities"].get)[-2:] for a in answers]
    assert [[str(a["runner_up"]), str(a["label"])] for a in answers] == best
    below = np.array([answer["probability"] < 0.9 for answer in answers])
    assert (~sure & ~below).mean() < 0.005
    assert not (sure & below).any()


def test_the_limit_is_told(capsys):
    """The probability below which an answer is unsure stands in the help and in the README."""
    assert main(["predict", "--help"]) == 0
    assert f"below {SURE:.0%}" in " ".join(capsys.readouterr().out.split())
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert f"below {SURE:.0%}" in " ".join(readme.replace(" %", "%").split())


def test_flat_rows(test_digits, tmp_path, capsys):
    """Rows of pixels are answered without a word on shapes, which they do not tell."""
    from sk_mnist_mlp import MLPDigitClassifier
    from sk_mnist_mlp.persistence import save_model

    rows = test_digits[0][:20].reshape(20, 784) / 255
    model = MLPDigitClassifier(hidden_units=4, epochs=1, random_state=0)
    save_model(model.fit(rows, np.arange(20) % 2), tmp_path / "two.skmlp")
    np.save(tmp_path / "x.npy", rows[:1])
    assert main(["predict", str(tmp_path / "two.skmlp"), "--json", str(tmp_path / "x.npy")]) == 0
    (answer,) = objects(capsys.readouterr().out)
    assert answer["shapes"] is None
    assert {answer["label"], answer["runner_up"]} == {0, 1}
    assert answer["sure"] == (answer["probability"] >= 0.9)


# ----------------------------------------------------------------------------------------------
# Arrays


@pytest.mark.parametrize("kind", ["idx", "idx.gz", "npy", "npy flat", "npy channel", "npy float"])
def test_arrays_are_taken_as_they_are(model_file, test_digits, tmp_path, kind, capsys):
    """IDX and .npy files of images give what the model says of those very images."""
    import gzip

    images = test_digits[0][:50]
    path = tmp_path / kind.replace(" ", ".")
    if kind == "idx":
        write_idx(images, path)
    elif kind == "idx.gz":
        path.write_bytes(gzip.compress(write_idx(images, tmp_path / "x").read_bytes()))
    else:
        forms = {
            "npy": images,
            "npy flat": images.reshape(50, 784),
            "npy channel": images[..., None],
            "npy float": images / np.float32(255),
        }
        with open(path, "wb") as file:
            np.save(file, forms[kind])
    assert main(["predict", model_file, "--json", str(path)]) == 0
    answers = objects(capsys.readouterr().out)
    model = load_model(model_file)
    assert [answer["index"] for answer in answers] == list(range(50))
    assert [answer["label"] for answer in answers] == model.predict(images).tolist()
    probabilities = [list(answer["probabilities"].values()) for answer in answers]
    np.testing.assert_allclose(probabilities, model.predict_proba(images), atol=1e-6)
    assert all(
        answer["probability"] == max(p) for answer, p in zip(answers, probabilities, strict=True)
    )


def test_one_image_as_array(model_file, test_digits, tmp_path, capsys):
    """An array of one image without an axis for many is one image."""
    np.save(tmp_path / "one.npy", test_digits[0][0])
    assert main(["predict", model_file, str(tmp_path / "one.npy")]) == 0
    assert capsys.readouterr().out.split()[:2] == [
        f"{tmp_path / 'one.npy'}[0]",
        str(test_digits[1][0]),
    ]


def test_no_images(model_file, tmp_path, capsys):
    """An array of no images is no error, and no line."""
    np.save(tmp_path / "none.npy", np.zeros((0, 28, 28), np.uint8))
    assert main(["predict", model_file, str(tmp_path / "none.npy")]) == 0
    assert capsys.readouterr() == ("", "")


def test_labels_of_any_kind(test_digits, tmp_path, capsys):
    """A model of words answers in words."""
    from sk_mnist_mlp import MLPDigitClassifier
    from sk_mnist_mlp.persistence import save_model

    images, labels = test_digits
    words = np.where(labels % 2, "odd", "even")
    flat = images.reshape(200, 784) / 255
    model = MLPDigitClassifier(hidden_units=16, epochs=5, random_state=0).fit(flat, words)
    save_model(model, tmp_path / "parity.skmlp")
    np.save(tmp_path / "x.npy", images[:3])
    assert main(["predict", str(tmp_path / "parity.skmlp"), "--json", str(tmp_path / "x.npy")]) == 0
    answers = objects(capsys.readouterr().out)
    assert [answer["label"] for answer in answers] == model.predict(flat[:3]).tolist()
    assert list(answers[0]["probabilities"]) == ["even", "odd"]


# ----------------------------------------------------------------------------------------------
# Files that cannot be read


def test_bad_files_are_told_and_left_out(model_file, test_digits, tmp_path, capsys):
    """Each bad file is one line on standard error; the good ones are answered; status 1."""
    good = str(tmp_path / "good.png")
    Image.fromarray(test_digits[0][0]).save(good)
    bad = {name: str(tmp_path / name) for name in ("none.png", "text.png", "labels", "obj.npy")}
    (tmp_path / "text.png").write_text("seven")
    write_idx(np.arange(10, dtype=np.uint8), tmp_path / "labels")
    np.save(bad["obj.npy"], np.array([{}, []], dtype=object), allow_pickle=True)
    small = str(tmp_path / "small.npy")
    np.save(small, np.zeros((3, 8, 8), np.uint8))
    lying = tmp_path / "lying.npy"
    np.save(lying, np.zeros((1, 28, 28), np.uint8))
    lying.write_bytes(
        lying.read_bytes().replace(b"(1, 28", b"(9000000, 28").replace(b" " * 6, b"", 1)
    )
    assert main(["predict", model_file, *bad.values(), small, str(lying), str(tmp_path), good]) == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert captured.out.split()[:2] == [good, str(test_digits[1][0])]
    assert len(errors) == 7
    assert all(line.startswith("sk-mnist-mlp predict: ") for line in errors)
    assert errors[0] == (
        f"sk-mnist-mlp predict: expected to use '{bad['none.png']}', got: No such file or "
        "directory. Check the path and its permissions."
    )
    assert errors[2] == (
        f"sk-mnist-mlp predict: expected '{bad['labels']}' to hold images of shape (n, height, "
        "width), got uint8 of shape (10,). Give the file of the images, not of the labels."
    )
    assert f"expected '{bad['obj.npy']}' to be a sound .npy file of numbers, got" in errors[3]
    assert errors[4] == (
        "sk-mnist-mlp predict: expected images of 784 pixels as the model was trained on, got 64 "
        "(8x8). Use a model trained on images of that size."
    )
    assert f"expected '{lying}' to be a sound .npy file of numbers, got" in errors[5]


def test_damaged_arrays(model_file, tmp_path, capsys):
    """A .npy file cut off anywhere or with bits flipped ends in answers or in one line each."""
    np.save(tmp_path / "x.npy", np.arange(784, dtype=np.uint8).reshape(1, 28, 28))
    whole = (tmp_path / "x.npy").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.npy"
    cases = [whole[:n] for n in range(0, len(whole), 7)]
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(128)] ^= 1 << rng.integers(8)
        cases.append(bytes(damaged))
    for contents in cases:
        path.write_bytes(contents)
        status = main(["predict", model_file, str(path)])
        error = capsys.readouterr().err
        assert (status, error.count("\n")) in [(0, 0), (1, 1)], error


def test_swapped_arguments(model_file, test_digits, tmp_path, monkeypatch, capsys):
    """A picture in the model's place is called one, with the command as it should be."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(test_digits[0][0]).save("photo.jpg")
    Image.fromarray(test_digits[0][0]).save("photo.png")
    np.save("x.npy", test_digits[0][:1])
    kinds = {"photo.jpg": "a picture (JPEG)", "photo.png": "a picture (PNG)"}
    kinds["x.npy"] = "an array (.npy)"
    for name, kind in kinds.items():
        assert main(["predict", name, model_file]) == 2
        assert capsys.readouterr() == (
            "",
            f"sk-mnist-mlp predict: expected '{name}' to be a model, got {kind}. The model comes "
            f"first: sk-mnist-mlp predict {model_file} {name}\n",
        )


# ----------------------------------------------------------------------------------------------
# export


def test_export_onnx(model_file, test_digits, tmp_path, capsys):
    """The ONNX file names the same digits from the same images."""
    import onnxruntime

    output = str(tmp_path / "model.onnx")
    assert main(["export", model_file, "--format", "onnx", "--output", output]) == 0
    assert capsys.readouterr().out.startswith(f"Exported        {output} (")
    session = onnxruntime.InferenceSession(output)
    images = test_digits[0]
    labels = session.run(None, {session.get_inputs()[0].name: images})[0]
    np.testing.assert_array_equal(labels, load_model(model_file).predict(images))


def test_export_keras(model_file, test_digits, tmp_path):
    """The Keras file, beside the model by default, is a network of equal predictions."""
    import keras

    copy = tmp_path / "model.skmlp"
    copy.write_bytes(Path(model_file).read_bytes())
    assert main(["export", str(copy), "--format", "keras"]) == 0
    network = keras.saving.load_model(tmp_path / "model.keras")
    images = test_digits[0]
    probabilities = network.predict(images.reshape(len(images), 784) / np.float32(255), verbose=0)
    np.testing.assert_allclose(
        probabilities, load_model(model_file).predict_proba(images), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["onnx", "keras", "safetensors"])
@pytest.mark.parametrize("output", [None, "same", "dotted", "soft", "hard"])
def test_export_spares_its_model(model_file, tmp_path, monkeypatch, kind, output, capsys):
    """A model is never written over by its own export, by whatever name it is known."""
    monkeypatch.chdir(tmp_path)
    name = f"digits.{kind}"
    Path(name).write_bytes(Path(model_file).read_bytes())
    Path(f"soft.{kind}").symlink_to(name)
    Path(f"hard.{kind}").hardlink_to(name)
    Path("folder").mkdir()
    names = {"same": name, "dotted": f"folder/../{name}"}
    target = names.get(output, f"{output}.{kind}")
    rest = [] if output is None else ["--output", target]
    before = {path: path.stat() for path in tmp_path.iterdir()}
    assert main(["export", name, "--format", kind, *rest]) == 2
    assert capsys.readouterr().err == (
        f"sk-mnist-mlp export: expected --output to be another file than '{name}', which is read, "
        f"got '{target if output else name}', which is the same file. Choose another name: "
        "--output FILE.\n"
    )
    assert {path: path.stat() for path in tmp_path.iterdir()} == before
    load_model(name)


def test_export_spares_a_model_whose_letters_case_differs(model_file, tmp_path, monkeypatch):
    """Where the system says that two spellings are one file, they are."""
    import os

    source, other = tmp_path / "Digits.onnx", tmp_path / "digits.ONNX"
    for path in (source, other):
        path.write_bytes(Path(model_file).read_bytes())
    samefile = os.path.samestat
    monkeypatch.setattr(os.path, "samestat", lambda a, b: True)
    assert samefile is not os.path.samestat
    assert main(["export", str(source), "--format", "onnx", "--output", str(other)]) == 2
    assert other.read_bytes() == Path(model_file).read_bytes()


@pytest.mark.parametrize("kind", ["onnx", "keras", "safetensors"])
def test_export_that_fails_leaves_the_older_file(model_file, tmp_path, monkeypatch, kind, capsys):
    """An export that cannot be finished leaves the older file, and nothing beside it."""
    import os

    output = tmp_path / f"m.{kind}"
    output.write_text("older")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert main(["export", model_file, "--format", kind, "--output", str(output)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]  # pytest has Keras's own warnings shown
    assert error == "sk-mnist-mlp export: No space left on device."
    assert output.read_text() == "older"
    assert list(tmp_path.iterdir()) == [output]


def test_export_keras_names(model_file, tmp_path, capsys):
    """A name by which Keras would not know its own file is refused before any work."""
    output = str(tmp_path / "model.bin")
    assert main(["export", model_file, "--format", "keras", "--output", output]) == 2
    assert capsys.readouterr().err == (
        "sk-mnist-mlp export: expected --output to end in .keras, by which Keras knows its files, "
        f"got '{output}'. Choose another name.\n"
    )


def test_export_safetensors(model_file, tmp_path):
    """The safetensors file is the model file: it holds the weights, and loads to the same model."""
    from safetensors.numpy import load_file

    output = tmp_path / "model.safetensors"
    assert main(["export", model_file, "--format", "safetensors", "--output", str(output)]) == 0
    classifier = load_model(model_file)[-1]
    np.testing.assert_array_equal(load_file(output)["coefs_0"], classifier.coefs_[0])
    assert output.read_bytes() == Path(model_file).read_bytes()


def test_export_without_the_package(model_file, tmp_path, monkeypatch, capsys):
    """Without the optional package one line says what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    output = tmp_path / "model.out"
    assert main(["export", model_file, "--format", "onnx", "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert error == (
        "sk-mnist-mlp export: to_onnx: expected the package onnx, got none. "
        f'Install it: {sys.executable} -m pip install "onnx>=1.16"\n'
    )
    assert not output.exists()
