"""What may import what, read off the syntax trees."""

import ast
import functools
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sk_mnist_mlp"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]

# From the bottom up: what stands in a row never leads to what stands in a row below it, be it by
# way of others. Files without a row are bounded by those that import them.
ROWS = [
    {"exceptions", "_compat", "_activations", "_arrays"},
    {"datasets", "_validation", "_network", "_inference", "_labels", "_sample_weight"},
    {"training"},
    {"_classifier", "_flatten"},
    {"model_selection", "inspection", "persistence", "export"},
    {"cli", "__main__"},
]
# scikit-learn stands on SciPy and joblib, so they are there with it.
EAGER = {"sk_mnist_mlp", "numpy", "sklearn", "scipy", "joblib", *sys.stdlib_module_names}


@functools.cache
def imports_of(path):
    """Return what a file imports: (module, names, lazily) of each import that ever runs."""
    found = []
    for node, lazy in running_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, (), lazy) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            found.append((node.module, tuple(alias.name for alias in node.names), lazy))
    return found


def running_nodes(node, lazy=False):
    """Yield each node that is not there for type checkers alone, and whether a call runs it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from running_nodes(ast.Module(child.orelse, []), lazy)
            continue
        yield child, lazy
        yield from running_nodes(child, lazy or isinstance(child, ast.FunctionDef | ast.Lambda))


def file_of(module):
    """Return the file of one of the package's modules, or None where it is none."""
    parts = module.split(".")[1:]
    for path in (
        PACKAGE.joinpath(*parts, "__init__.py"),
        PACKAGE.joinpath(*parts).with_suffix(".py"),
    ):
        if path.is_file():
            return path
    return None


@functools.cache
def own_imports_of(path):
    """Return the package's files that a file imports, at once or lazily."""
    own = set()
    for module, names, _ in imports_of(path):
        if module.split(".")[0] == "sk_mnist_mlp":
            files = [file_of(f"{module}.{name}") for name in names] or [None]
            own |= {file or file_of(module) for file in files}
    return own - {path, None}


def reached_from(path):
    """Return all of the package's files that importing and using a file may load."""
    reached, waiting = set(), [path]
    while waiting:
        new = own_imports_of(waiting.pop()) - reached
        reached |= new
        waiting += new
    return reached


def row_of(path):
    """Return the number of a file's row, or None where it has none."""
    first = path.relative_to(PACKAGE).with_suffix("").parts[0]
    return next((number for number, row in enumerate(ROWS) if first in row), None)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_down(path):
    """A file leads to nothing in a higher row, directly or by way of others."""
    own = row_of(path)
    rows = {other: row_of(other) for other in reached_from(path)}
    above = [other.name for other, row in rows.items() if None not in (own, row) and row > own]
    assert above == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_never_go_round(path):
    """No file leads back to itself, so each can be read knowing only what it imports."""
    is_front = path == PACKAGE / "__init__.py"  # its names are lazy and its users are outside
    assert is_front or path not in reached_from(path)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_heavy_and_optional_packages_are_imported_when_needed(path):
    """TensorFlow, Keras, scikeras, matplotlib and all that is optional stay inside functions."""
    eager = {module.split(".")[0] for module, _, lazy in imports_of(path) if not lazy}
    assert eager <= EAGER


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_only_one_file_touches_private_scikit_learn(path):
    """Private names of scikit-learn, and those that only some versions have, are in _compat.py."""
    touched = [
        f"{module}.{name}"
        for module, names, _ in imports_of(path)
        for name in names or ("",)
        if module.split(".")[0] == "sklearn"
    ]
    private = [name for name in touched if "._" in name or name.startswith("sklearn.callback")]
    assert path.name == "_compat.py" or private == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_scikeras_is_held_in_one_place(path):
    """Only the reference engine imports scikeras, and the export to its class."""
    users = {module for module, _, _ in imports_of(path) if module.split(".")[0] == "scikeras"}
    name = path.relative_to(PACKAGE).as_posix()
    assert not users or name == "training/_scikeras.py" or name.startswith("export")


def test_no_file_is_a_drawer():
    """No file is named for being of use."""
    assert not {"utils.py", "helpers.py", "misc.py", "common.py"} & {path.name for path in FILES}
