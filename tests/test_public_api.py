"""The public names: exactly the promised ones, imported when asked for."""

import ast
import importlib.resources
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sk_mnist_mlp

PROMISED = [
    "ImageFlattener",
    "MLPDigitClassifier",
    "RECIPES",
    "RandomDistortion",
    "load_model",
    "make_digit_pipeline",
    "save_model",
]
HEAVY = {"keras", "matplotlib", "scikeras", "tensorflow"}


def loaded_by(code):
    """Return the top-level modules that a fresh process has loaded after running ``code``."""
    script = f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    root = Path(sk_mnist_mlp.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(done.stdout.split())


def test_exactly_the_promised_names_are_public():
    """The package offers what it promises and nothing else."""
    assert sorted(sk_mnist_mlp.__all__) == PROMISED
    public = [name for name in dir(sk_mnist_mlp) if not name.startswith("_")]
    modules = [name for name in public if inspect.ismodule(getattr(sk_mnist_mlp, name))]
    assert sorted({*public} - {*modules} - {"TYPE_CHECKING", "Any", "annotations"}) == PROMISED


@pytest.mark.parametrize("name", PROMISED)
def test_every_public_name_is_there(name):
    """Each name gives an object of that name, documented, the same one every time."""
    value = getattr(sk_mnist_mlp, name)
    if not isinstance(value, dict):  # plain data have neither a name nor a docstring
        assert value.__name__ == name
        assert inspect.getdoc(value)
    assert getattr(sk_mnist_mlp, name) is value


def test_star_import_brings_the_promised_names():
    """``from sk_mnist_mlp import *`` gives the public names and no others."""
    space = {}
    exec("from sk_mnist_mlp import *", space)
    assert sorted(space.keys() - {"__builtins__"}) == PROMISED


def test_an_unknown_name_is_an_attribute_error():
    """A name that is not public is refused as by any module."""
    with pytest.raises(AttributeError) as caught:
        sk_mnist_mlp.MLPClassifier  # noqa: B018
    assert str(caught.value) == "module 'sk_mnist_mlp' has no attribute 'MLPClassifier'"


def test_importing_the_package_imports_nothing_heavy():
    """The package alone brings not even NumPy; its names bring no TensorFlow and no plots."""
    assert not loaded_by("import sk_mnist_mlp") & {*HEAVY, "numpy", "sklearn"}
    assert not loaded_by("from sk_mnist_mlp import *") & HEAVY


def test_data_flattening_training_small_and_predicting_need_no_tensorflow(tmp_path):
    """Loading, flattening, fitting little data, pickling and predicting need no TensorFlow."""
    path = tmp_path / "model.pkl"
    fit = f"""
import pickle
from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.datasets import load_mnist
from sklearn.pipeline import make_pipeline
X, _, y, _ = load_mnist(return_splits=True)
model = make_pipeline(ImageFlattener(), MLPDigitClassifier(hidden_units=16, epochs=1))
model.fit(X[:500], y[:500]).predict(X[:5])
pickle.dump(model, open({str(path)!r}, "wb"))
"""
    assert not loaded_by(fit) & HEAVY
    predict = f"""
import pickle, numpy
pickle.load(open({str(path)!r}, "rb")).predict_proba(numpy.zeros((2, 28, 28), "uint8"))
"""
    assert not loaded_by(predict) & HEAVY


def test_type_checkers_find_the_types():
    """``py.typed`` is there, and the lazy names are spelled out for type checkers."""
    files = importlib.resources.files("sk_mnist_mlp")
    assert files.joinpath("py.typed").is_file()
    tree = ast.parse(files.joinpath("__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    spelled = [alias.name for node in block.body for alias in node.names]
    assert sorted(spelled) == PROMISED


def test_the_version_is_a_version():
    """The package says its version, as the metadata reads it."""
    assert [part.isdigit() for part in sk_mnist_mlp.__version__.split(".")] == [True] * 3
