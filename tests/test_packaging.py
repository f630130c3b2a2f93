"""What the project declares to others agrees with what it is: requirements, versions, workflows."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

import sk_mnist_mlp

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "sk_mnist_mlp"
FILES = sorted(PACKAGE.rglob("*.py"))
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))

DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}
"""Where a module's name is not that of the distribution it comes with."""

FOR_DEVELOPERS = {"bench", "contract", "dev", "docs", "package", "test"}
"""Extras that no user of the package installs."""

IMPORTERS = {"import_module", "require"}
"""Functions that import what their first argument names."""


def imported_by(path):
    """Return the distributions outside the standard library that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                modules |= {alias.name for alias in names}
            case ast.ImportFrom(module=module):
                modules.add(module)
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name),
                args=[ast.Constant(value=str(module)), *_],
            ) if name in IMPORTERS:
                modules.add(module)
    tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
    return {DISTRIBUTIONS.get(name, name) for name in tops - {"sk_mnist_mlp"}}


def names_of(requirements):
    """Return the names of the distributions that requirements ask for."""
    return {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements} - {"sk_mnist_mlp"}


NEEDED = names_of(METADATA["dependencies"])
OPTIONAL = {
    name
    for extra, requirements in METADATA["optional-dependencies"].items()
    if extra not in FOR_DEVELOPERS
    for name in names_of(requirements)
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_import_is_declared(path):
    """What a file imports is a dependency in pyproject.toml, or comes with an extra for users."""
    assert imported_by(path) <= NEEDED | OPTIONAL


def test_every_dependency_is_imported():
    """Nothing is installed for every user that the package does not import."""
    assert set().union(*map(imported_by, FILES)) >= NEEDED


def test_every_requirement_has_a_lower_bound():
    """Each requirement says the oldest version that will do, so that none too old is taken."""
    everything = [METADATA["dependencies"], *METADATA["optional-dependencies"].values()]
    for requirement in (requirement for group in everything for requirement in group):
        assert requirement.startswith("sk_mnist_mlp") or ">=" in requirement


# ----------------------------------------------------------------------------------------------
# Versions


def test_the_supported_pythons_are_told_alike():
    """pyproject.toml, the Makefile, the README and the workflow of tests name the same Pythons."""
    classifiers = re.findall(r"Python :: (3\.\d+)", " ".join(METADATA["classifiers"]))
    in_makefile = re.findall(r"(3\.\d+)\.%", MAKEFILE)
    tests = (PROJECT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    (in_workflow,) = re.findall(r"python: \[(.+?)\]\n +#", tests)
    assert classifiers == in_makefile == re.findall(r"3\.\d+", in_workflow)
    assert METADATA["requires-python"] == f">={classifiers[0]}"
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert f"Python {classifiers[0]}–{classifiers[-1]}" in readme


def test_the_oldest_scikit_learn_is_told_alike():
    """The contract runs on the oldest scikit-learn that pyproject.toml allows."""
    (oldest,) = re.findall(r"^OLDEST_SKLEARN \?= (.+)$", MAKEFILE, re.M)
    assert f"scikit-learn>={oldest}" in METADATA["dependencies"]
    assert re.findall(r"^SKLEARN_VERSIONS \?= (\S+)", MAKEFILE, re.M) == [oldest]


def test_the_citation_names_this_version():
    """CITATION.cff names the version and the licence of the package."""
    citation = (PROJECT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {sk_mnist_mlp.__version__}\n" in citation
    assert f"\nlicense: {METADATA['license']}\n" in citation


# ----------------------------------------------------------------------------------------------
# Workflows

COMING = {"test-lean"}
"""Targets that a workflow calls already, and that come with what they test."""


def targets_called(text):
    """Return the make targets that a workflow calls, its matrix resolved."""
    commands = re.sub(r"^ *#.*$", "", text, flags=re.M)
    called = set(re.findall(r"\bmake ([a-z-]+)", commands))
    for listed in re.findall(r"^ +target: \[(.+)\]$", text, re.M):
        called |= set(listed.split(", "))
    return called


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_make_targets_that_exist(workflow):
    """What runs on the hosting runs here too, by the same word."""
    called = targets_called(workflow.read_text("utf-8"))
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))
    assert called
    assert called <= targets | COMING
    assert not COMING & targets, "it exists now: take it out of COMING, and continue-on-error away"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_bounded(workflow):
    """Every job has a limit of time, may only read by default, and every action a major version."""
    text = workflow.read_text("utf-8")
    assert text.count("timeout-minutes:") == text.count("runs-on:")
    assert "\npermissions:\n  contents: read\n" in text
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+)", action)
