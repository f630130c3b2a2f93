"""What the documentation says of names, defaults and attributes is what the code has."""

import ast
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest

import sk_mnist_mlp
from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier


def public_modules():
    """Return every module of the package that users may import."""
    found = [sk_mnist_mlp]
    for info in pkgutil.iter_modules(sk_mnist_mlp.__path__, "sk_mnist_mlp."):
        if not info.name.rpartition(".")[2].startswith("_") and "training" not in info.name:
            found.append(importlib.import_module(info.name))
    return found


def public_objects():
    """Return every public class and function, by its dotted name."""
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in public_modules()
        for name in getattr(module, "__all__", ())
        if callable(getattr(module, name))
    }


def documented_callables():
    """Return whatever has parameters: public functions, classes and their public methods."""
    found = {}
    for path, value in public_objects().items():
        found[path] = value
        if inspect.isclass(value) and not issubclass(value, Exception):
            for name, member in vars(value).items():
                function = getattr(member, "__func__", member)
                if not name.startswith("_") and inspect.isfunction(function):
                    found[f"{path}.{name}"] = function
    return found


OBJECTS = public_objects()
CALLABLES = documented_callables()


def sections(value):
    """Return the sections of a numpydoc docstring, by title."""
    text = inspect.getdoc(value) or ""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section):
    """Return the entries of a section: names to what stands after the colon."""
    lines = section.replace("\\\n", " ").splitlines()
    heads = [line for line in lines if line and not line.startswith(" ")]
    pairs = [re.split(r"\s+:\s+|\s*:$", head, maxsplit=1) for head in heads]
    return {
        name.lstrip("*"): " ".join(rest[0].split()) if rest else ""
        for names, *rest in pairs
        for name in names.split(", ")
    }


def parameters(value):
    """Return a callable's parameters by name, without ``self``."""
    signature = inspect.signature(value)
    return {name: p for name, p in signature.parameters.items() if name not in ("self", "cls")}


@pytest.mark.parametrize("path", CALLABLES)
def test_parameters_are_documented(path):
    """The documented parameters are the signature's, in its order."""
    value = CALLABLES[path]
    if inspect.isclass(value) and issubclass(value, Exception):
        assert "Parameters" not in sections(value)
        return
    documented = entries(sections(value).get("Parameters", ""))
    assert list(documented) == list(parameters(value))


@pytest.mark.parametrize("path", CALLABLES)
def test_documented_defaults_are_the_real_ones(path):
    """Where a parameter has a default, the documentation says which, and only there."""
    value = CALLABLES[path]
    documented = entries(sections(value).get("Parameters", ""))
    for name, kind in documented.items():
        default = parameters(value)[name].default
        said = re.search(r"default=(.+)$", kind)
        assert (said is not None) == (default is not inspect.Parameter.empty), name
        if said is not None:
            assert is_said(said[1], default), f"{name}: default={said[1]} is {default!r}"


def is_said(text, default):
    """Whether a documented default is this one: as a literal, or by its name."""
    try:
        said = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text == getattr(default, "__name__", repr(default))
    return (type(said), said) == (type(default), default)


@pytest.mark.parametrize("path", OBJECTS)
def test_every_public_object_has_an_example(path):
    """An example uses each public class and function, its own or that of its inverse."""
    found = sections(OBJECTS[path])
    home, _, name = path.rpartition(".")
    if "Examples" not in found:
        (other,) = [
            other for other, said in entries(found["See Also"]).items() if "an example" in said
        ]
        found = sections(OBJECTS[f"{home}.{other}"])
    assert re.search(rf">>> .*(\n\.\.\. .*)*{name}", found["Examples"])


@pytest.mark.parametrize("path", CALLABLES)
def test_what_comes_back_is_documented(path):
    """A function that returns something says what, and each section has a text."""
    value = CALLABLES[path]
    found = sections(value)
    assert all(text.strip() for text in found.values())
    if not inspect.isclass(value) and inspect.signature(value).return_annotation != "None":
        assert "Returns" in found


@pytest.mark.parametrize("path", CALLABLES)
def test_summaries_are_one_sentence(path):
    """A docstring begins with one line that ends with a full stop."""
    first = (inspect.getdoc(CALLABLES[path]) or "").split("\n\n")[0]
    assert first.endswith(".")
    assert "\n" not in first


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [(MLPDigitClassifier(hidden_units=2, epochs=1), (6, 4)), (ImageFlattener(), (6, 2, 2))],
)
def test_attributes_are_documented(estimator, rows):
    """The documented attributes are those that a fit leaves, and no others."""
    pandas = pytest.importorskip("pandas")
    documented = set(entries(sections(type(estimator))["Attributes"]))
    table = pandas.DataFrame(np.random.default_rng(0).random((6, 4))).rename(columns=str)
    estimator.fit(np.random.default_rng(0).random(rows), [0, 1] * 3)
    left = {name for name in vars(estimator) if name.endswith("_") and name[0] != "_"}
    estimator.fit(table, [0, 1] * 3)
    left |= {name for name in vars(estimator) if name.endswith("_") and name[0] != "_"}
    properties = {
        name
        for name, member in inspect.getmembers(type(estimator), inspect.isdatadescriptor)
        if name.endswith("_") and name[0] != "_"
    }
    assert left | properties == documented


def test_every_module_says_what_it_is():
    """Each public module begins with a sentence about itself."""
    for module in public_modules():
        assert inspect.getdoc(module).split("\n")[0].endswith("."), module.__name__
