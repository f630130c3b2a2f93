"""The classic tutorial, reproduced on the real MNIST."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.datasets import load_mnist

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """What the tutorial prints, and the folder of its pictures."""
    folder = tmp_path_factory.mktemp("images")
    command = [sys.executable, "-m", "examples.plot_tutorial", str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


def test_every_step_is_shown(tutorial):
    """The tutorial counts labels, flattens, shows eight layers, trains 20 epochs and evaluates."""
    out, _ = tutorial
    for fact in (
        "Train labels {0: 5923, 1: 6742, 2: 5958, 3: 6131, 4: 5842, 5: 5421, 6: 5918, 7: 6265, "
        "8: 5851, 9: 5949}",
        "Test labels  {0: 980, 1: 1135, 2: 1032, 3: 1010, 4: 982, 5: 892, 6: 958, 7: 1028, 8: 974, "
        "9: 1009}",
        "before: (60000, 28, 28) uint8, values 0 to 255",
        "after:  (60000, 784) float32, values 0 to 1",
        "Total params: 269,322 ",
    ):
        assert fact in out
    layers = re.findall(r"\((Dense|Activation|Dropout)\)", out)
    assert layers == ["Dense", "Activation", "Dropout"] * 2 + ["Dense", "Activation"]
    assert len(re.findall(r"^Epoch ", out, re.M)) == 20
    assert [int(step) for step in re.findall(r"^(\d)\. ", out, re.M)] == list(range(1, 8))


def test_pictures(tutorial):
    """Every picture that the tutorial names is there, of a size to be read."""
    out, folder = tutorial
    names = re.findall(r"^Picture: (\S+)$", out, re.M)
    assert sorted(names) == sorted(path.name for path in folder.iterdir())
    assert len(names) == 4
    for name in names:
        with Image.open(folder / name) as picture:
            assert min(picture.size) >= 300


def test_accuracy(tutorial):
    """Over three seeds the mean test accuracy after 20 epochs is 98.2 % or more."""
    X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    printed = re.search(r"^Test accuracy: (\d+\.\d+)%$", tutorial[0], re.M)
    accuracies = [float(printed[1]) / 100]  # of seed 0
    for seed in (1, 2):
        model = make_pipeline(ImageFlattener(), MLPDigitClassifier(random_state=seed))
        accuracies.append(model.fit(X_train, y_train).score(X_test, y_test))
    assert model[-1].n_iter_ == 20
    assert sum(coef.size for coef in (*model[-1].coefs_, *model[-1].intercepts_)) == 269_322
    assert np.mean(accuracies) >= 0.982, accuracies
