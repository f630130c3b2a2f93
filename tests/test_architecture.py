"""What may import what, read off the syntax trees."""

import ast
import functools
import re
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sk_mnist_mlp"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]

FLOORS = [
    {"exceptions", "_extras"},
    {"_network", "_storage", "datasets"},
    {"_training"},
    {"_estimators", "model_selection"},
    {"persistence"},
    {"inspection", "export"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
"""From the ground up; imports point down, or sideways without a circle."""

# scikit-learn stands on SciPy and joblib, so they are there with it.
EAGER = {"sk_mnist_mlp", "numpy", "safetensors", "sklearn", "scipy", "joblib"}
EAGER |= {*sys.stdlib_module_names}


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


def folder_of(path):
    """Return the name that stands for a file on its floor: its folder, or itself in the root."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor_of(path):
    """Return the number of a file's floor."""
    return next(number for number, floor in enumerate(FLOORS) if folder_of(path) in floor)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_down(path):
    """Every file has a floor, and imports nothing from a higher one, not even in a function."""
    above = [other for other in own_imports_of(path) if floor_of(other) > floor_of(path)]
    assert [other.name for other in above] == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_never_go_round(path):
    """No file leads back to itself, so each can be read knowing only what it imports."""
    assert path not in reached_from(path)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nobody_reaches_past_a_folders_front(path):
    """Across folders, names come from the folder itself, which exports what others may use."""
    past = [
        module
        for module, _, _ in imports_of(path)
        if module.count(".") > 1
        and module.startswith("sk_mnist_mlp.")
        and module.split(".")[1] != folder_of(path)
    ]
    assert past == []


@pytest.mark.parametrize("folder", sorted({p.parent for p in FILES} - {PACKAGE}))
def test_a_folder_says_what_may_stand_in_it(folder):
    """The front of a folder says so in a sentence, and exports only what it lists."""
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    assert len(ast.get_docstring(tree).split()) >= 8
    (listed,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(listed)


def test_the_root_is_small():
    """The root holds five files at most: everything else has a folder."""
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= 5


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_heavy_and_optional_packages_are_imported_when_needed(path):
    """TensorFlow, Keras, scikeras, matplotlib and all that is optional stay inside functions."""
    eager = {module.split(".")[0] for module, _, lazy in imports_of(path) if not lazy}
    assert eager <= EAGER


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_only_one_file_touches_private_scikit_learn(path):
    """Private names of scikit-learn, and those of some versions only, are in one file."""
    touched = [
        f"{module}.{name}"
        for module, names, _ in imports_of(path)
        for name in names or ("",)
        if module.split(".")[0] == "sklearn"
    ]
    private = [name for name in touched if "._" in name or name.startswith("sklearn.callback")]
    assert path.name == "sklearn_compat.py" or private == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_scikeras_is_held_in_one_place(path):
    """Only the reference engine imports scikeras, and the export to its class."""
    users = {module for module, _, _ in imports_of(path) if module.split(".")[0] == "scikeras"}
    name = path.relative_to(PACKAGE).as_posix()
    assert not users or name == "_training/keras_fit.py" or name.startswith("export")


def test_no_file_is_a_drawer():
    """No file is named for being of use."""
    assert not {"utils.py", "helpers.py", "misc.py", "common.py"} & {path.name for path in FILES}


def test_types_are_checked_for_the_python_that_runs():
    """No older Python is pinned for mypy, as which it could not read the stubs of a newer NumPy."""
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    assert settings["strict"] is True
    assert "python_version" not in settings


# ----------------------------------------------------------------------------------------------
# docs/design.md

DESIGN = (PACKAGE.parent / "docs" / "design.md").read_text("utf-8")


def floors_as_drawn():
    """Draw the floors from the top, each folder with the first sentence of its front."""
    lines = ["```text"]
    for floor in reversed(FLOORS):
        for name in sorted(floor):
            path = PACKAGE / name
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            words = ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("\n")[0]
            lines.append(f"{name:17}{words}")
        lines.append("─" * 80)
    return "\n".join([*lines[:-1], "```"])


def test_the_design_shows_these_floors():
    """The picture in docs/design.md is drawn from the code: copy it from this test's failure."""
    shown = DESIGN.split("<!-- floors:begin -->")[1].split("<!-- floors:end -->")[0].strip()
    assert shown == floors_as_drawn()


def design_table(heading):
    """Return the rows of a table in docs/design.md as first cell and names in backticks."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", DESIGN.split(heading)[1].split("##")[0], re.M)
    return {first: re.findall("`(.+?)`", rest) for first, rest in rows[1:]}


@pytest.mark.parametrize(
    ("what", "sample", "besides"),
    [
        ("an activation", "softsign", ()),
        ("an optimizer", "rmsprop", ()),
        ("an export format", "onnx", ("export/", "_extras")),
        ("a command", "evaluate", ("cli/evaluate.py",)),
    ],
)
def test_the_design_names_the_files_to_touch(what, sample, besides):
    """A name that was added before stands in the files that the table tells, and in no others."""
    files = design_table("## To add something")[what]
    assert 1 <= len(files) <= 3
    assert all((PACKAGE / file).exists() for file in files)
    word = re.compile(rf"[\"'`]\"?{sample}\b|import {sample}\b")
    touched = {
        name for name, path in zip(NAMES, FILES, strict=True) if word.search(path.read_text())
    }
    assert {name for name in touched if not name.startswith(besides)} <= set(files)


def test_the_way_of_the_data_has_these_stations():
    """Every station that docs/design.md names is defined in the file it names; eight at most."""
    way = DESIGN.split("## The way of X")[1].split("##")[0]
    stations = re.findall(r"^\d\. `([\w.]+)` \(`([\w/.]+)`\)", way, re.M)
    assert 1 <= len(stations) <= 8
    for name, file in stations:
        tree = ast.parse((PACKAGE / file).read_text("utf-8"))
        defined = {node.name for node in ast.walk(tree) if hasattr(node, "name")}
        assert set(name.split(".")) <= defined, file


# ----------------------------------------------------------------------------------------------
# The tests themselves


def test_time_limits_catch_hangs_alone():
    """No test can fail for a busy machine: every limit is of ten minutes or more."""
    for path in Path(__file__).parent.rglob("*.py"):
        text = path.read_text("utf-8")
        limits = [int(found) for found in re.findall(r"\btimeout=(\d+)\b(?!\.)", text)]
        assert all(limit >= 600 for limit in limits), path
        assert "mark.time" + "out" not in text, path
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["timeout"] >= 600


@pytest.mark.parametrize("folder", sorted({p.parent for p in FILES} - {PACKAGE}))
def test_the_tests_mirror_the_package(folder):
    """Every folder of the package has one of its name among the tests, or is tested by use."""
    if folder.name == "_storage":  # through model files and checkpoints
        return
    assert list((Path(__file__).parent / folder.name).glob("test_*.py")), folder.name
