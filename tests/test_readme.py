"""The documents say what is so."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from PIL import Image

import sk_mnist_mlp
from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._extras import REQUIREMENTS, how_to_install
from sk_mnist_mlp.cli import main
from sk_mnist_mlp.datasets import load_mnist

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")
DOCUMENTS = [
    PROJECT / "README.md",
    PROJECT / "CHANGELOG.md",
    PROJECT / "CODE_OF_CONDUCT.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "SECURITY.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
MODULES = [
    "sk_mnist_mlp",
    "sk_mnist_mlp.datasets",
    "sk_mnist_mlp.inspection",
    "sk_mnist_mlp.export",
    "sk_mnist_mlp.exceptions",
]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


def code_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def command_lines():
    """The arguments of every command line."""
    lines = [line.split("#")[0].split() for line in section("The command").splitlines()]
    return [line[1:] for line in lines if line[:1] == ["sk-mnist-mlp"]]


def test_first_commands():
    """The README's first two commands are make run and make test."""
    first = code_blocks("sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make run", "make test"]


def test_example(capsys):
    """The README's example, ten lines and an empty one, runs as it stands and learns digits."""
    (example,) = code_blocks("python")
    assert len(example.splitlines()) <= 11
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    out = capsys.readouterr().out
    accuracy = float(re.search(r"^test accuracy (0\.\d+)$", out, re.M)[1])
    assert accuracy >= 0.98
    assert names["search"].best_score_ >= 0.9
    assert f"best of the grid {names['search'].best_params_} " in out


def test_parameters():
    """The README's table names parameters of the classifier, with their defaults."""
    defaults = MLPDigitClassifier().get_params()
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", section("Parameters you will touch"), re.M)
    assert len(rows) >= 8
    for name, default in rows:
        assert repr(defaults[name]) == default


def test_command_lines(capsys):
    """Every command line of the README is one that the command understands."""
    from sk_mnist_mlp.cli.program import _parser

    lines = command_lines()
    assert {line[0] for line in lines} == {
        "train", "search", "evaluate", "predict", "draw", "report", "info", "export",
    }  # fmt: skip
    for line in lines:
        assert _parser().parse_args(line).command == line[0]


def test_exit_statuses(tmp_path, capsys):
    """The statuses that the README promises are those that the command gives."""
    assert main(["info", str(tmp_path / "none")]) == 1
    assert main(["info"]) == 2
    assert main(["info", "--help"]) == 0
    assert "130 when interrupted" in " ".join(section("The command").split())


def test_comparison_is_generated():
    """The comparison stands between the marks, and is what the benchmarks' results give."""
    begin, end = "<!-- benchmarks:begin -->\n", "<!-- benchmarks:end -->"
    assert README.count(begin) == README.count(end) == 1
    folder = str(PROJECT / "examples" / "benchmarks")
    sys.path.insert(0, folder)
    try:
        render = importlib.import_module("render_readme").render
    finally:
        sys.path.remove(folder)
    assert README.split(begin)[1].split(end)[0].strip() == render().strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links(document):
    """Every link to a file of the project leads to one, and to an anchor where it names one."""
    text = document.read_text("utf-8")
    for target in LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        assert file.exists(), target
        if anchor:
            page = file.read_text("utf-8")
            headings = re.findall(r"^#+ (.+)$", page, re.M)
            slugs = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
            assert f'<a id="{anchor}"></a>' in page or anchor in slugs, target


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module):
    """docs/api.md has an anchor for each public name, and its signature's parameters."""
    page = (PROJECT / "docs" / "api.md").read_text("utf-8")
    home = importlib.import_module(module)
    for name in home.__all__:
        path = f"{home.__name__}.{name}"
        assert f'<a id="{path}"></a>' in page, f"{path} is missing: make docs"
        entry = page.split(f'<a id="{path}"></a>')[1].split('<a id="')[0]
        value = getattr(home, name)
        if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
            continue
        for parameter in inspect.signature(value).parameters:
            assert re.search(rf"\b{parameter}\b", entry), (
                f"{path}: {parameter} is missing: make docs"
            )


def test_html_view_links_to_its_entry():
    """The HTML view of an estimator links to the entry of its class in docs/api.md."""
    page = (PROJECT / "docs" / "api.md").read_text("utf-8")
    for name in ("MLPDigitClassifier", "ImageFlattener"):
        html = getattr(sk_mnist_mlp, name)()._repr_html_()
        address, anchor = re.search(r'href="([^"#]+)#([^"]+)"', html).groups()
        assert address.endswith("/api.html")
        assert f'<a id="{anchor}"></a>' in page


# ----------------------------------------------------------------------------------------------
# What is installed


PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]


def requirements_of(*extras):
    """What the project needs with these extras, as in pyproject.toml, extras resolved."""
    found = set(PYPROJECT["dependencies"])
    for extra in extras:
        for requirement in PYPROJECT["optional-dependencies"][extra]:
            inner = re.fullmatch(r"sk_mnist_mlp\[(.+)\]", requirement)
            found |= requirements_of(*inner[1].split(",")) if inner else {requirement}
    return found


def test_advice_to_install_is_that_of_pyproject():
    """What an error tells to install is what pyproject.toml asks for, the same version and all."""
    assert set(REQUIREMENTS.values()) <= requirements_of(*PYPROJECT["optional-dependencies"])


def test_advice_to_install_works_as_printed(tmp_path):
    """The advice runs in a shell, in the interpreter that printed it, with the named package."""
    pip = how_to_install("onnx").removeprefix("Install it: ")
    done = subprocess.run(
        f"{pip} --no-index --no-deps", shell=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert f"Requirement already satisfied: onnx>=1.16 in {sysconfig.get_path('purelib')}" in (
        done.stdout
    )


def test_advice_to_install_without_pip(monkeypatch):
    """Where the interpreter has no pip, as in environments of uv, the advice brings it in first."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/a path/python")
    assert how_to_install("onnx") == (
        "Install it: '/a path/python' -m ensurepip && '/a path/python' -m pip install "
        '"onnx>=1.16"'
    )


def test_one_function_tells_what_to_install():
    """No other file of the package says how to install something, and no document from afar."""
    for path in (PROJECT / "sk_mnist_mlp").rglob("*.py"):
        assert path.name == "_extras.py" or "pip install" not in path.read_text("utf-8"), path
    for path in [*DOCUMENTS, *(PROJECT / "examples").rglob("*.py")]:
        assert not re.search("pip install .?sk_mnist_mlp", path.read_text("utf-8")), path


def test_commands_work_after_make_run(tmp_path):
    """Every command line of the README runs with no more packages than make run installs."""
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    (extra,) = re.findall(r"^run: \$\(VENV\)/(\w+)\.installed ", makefile, re.M)
    installed = {name_of(requirement) for requirement in requirements_of(extra)}
    optional = requirements_of(*PYPROJECT["optional-dependencies"])
    hidden = sorted(
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if {name.lower().replace("_", "-") for name in distributions}
        & {name_of(requirement) for requirement in optional} - needed_by(installed)
    )
    assert {"pandas", "polars", "optuna"} <= set(hidden)
    for name in ("photo.png", "drawing.png", "number.png"):
        Image.fromarray(load_mnist(return_splits=True)[1][0]).save(tmp_path / name)
    script = tmp_path / "command.py"
    script.write_text(
        f"import sys\n"
        f"class Hidden:\n"
        f"    def find_spec(self, name, *rest):\n"
        f"        if name.split('.')[0] in {hidden}:\n"
        f"            raise ModuleNotFoundError(name)\n"
        f"sys.meta_path.insert(0, Hidden())\n"
        f"from sk_mnist_mlp.cli import main\n"
        f"if __name__ == '__main__':\n"
        f"    sys.exit(main())\n"
    )
    fewer = {"train": "--epochs 1", "search": "--epochs 1 --subset 600 --n-jobs 1"}
    no_window = {
        "BROWSER": f"{Path(sys.executable).as_posix()} -c pass %s",
        "TMPDIR": str(tmp_path),
    }
    for line in command_lines():
        arguments = [*line, *fewer.get(line[0], "").split()]
        for variant in [arguments] if line[0] != "export" else every_format(arguments):
            done = subprocess.run(
                [sys.executable, str(script), *variant],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PROJECT)} | no_window,
            )
            assert (done.returncode, done.stderr) == (0, ""), variant
            assert "Install it" not in done.stdout


def every_format(arguments):
    """The README names one format, and the others in a remark."""
    for name in ("onnx", "html", "keras", "safetensors"):
        yield [name if argument == "onnx" else argument for argument in arguments]


def name_of(requirement):
    """The name of a distribution as package registries spell it."""
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def needed_by(names):
    """Names of distributions with all that they need in turn."""
    reached, waiting = set(), set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # needed elsewhere only, and not here
            continue
        waiting |= {name_of(r) for r in requirements if "extra ==" not in r} - reached
    return reached


# ----------------------------------------------------------------------------------------------
# The Makefile's interpreter


@pytest.fixture
def checkout(tmp_path):
    """A bare checkout, and a folder of interpreters to put on the path."""
    if shutil.which("make") is None:
        pytest.skip("without make")
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "test", "mkdir", "touch", "rm"):
        if path := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(path)
    return tmp_path


def interpreter(folder, name, answer):
    """A program that says to be a Python of some version, and can do nothing else."""
    (folder / "bin" / name).write_text(f'#!/bin/sh\n[ "$1" = -c ] && {answer}\n')
    (folder / "bin" / name).chmod(0o755)


def make(folder, *arguments):
    path = str(folder / "bin")
    program = shutil.which("make")
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, env={"PATH": path}
    )


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("python3.9", "Python 3.9.18"),
        ("python3.15", "Python 3.15.0"),
        ("python2", "Python 2.7.18"),
        ("python3.12", "no Python"),  # there is none of that name
        ("broken", "no Python"),
        ("echoing", "no Python"),
        ("", "no Python"),
        ("/a b/python", "no Python"),
    ],
)
@pytest.mark.parametrize("others", [[], ["python3.13", "python3.11"]])
def test_unfit_interpreter(checkout, typed, found, others):
    """A wrong interpreter is one line, status 2, and advice that is not what was typed."""
    interpreter(checkout, "python3.9", "echo 3.9.18")
    interpreter(checkout, "python3.15", "echo 3.15.0")
    interpreter(checkout, "python2", "echo 2.7.18")
    interpreter(checkout, "broken", "{ echo dreadful >&2; exit 3; }")
    interpreter(checkout, "echoing", 'echo "$@"')
    for name in others:
        interpreter(checkout, name, f"echo {name[6:]}.1")
    done = make(checkout, "run", f"PYTHON={typed}")
    advice = (
        "Name one that is here: make run PYTHON=python3.13."
        if others
        else "Install Python 3.12 from https://www.python.org/downloads and name it: make run "
        "PYTHON=PATH."
    )
    assert re.fullmatch(
        rf"Makefile:\d+: \*\*\* expected Python 3\.11 to 3\.14, got {re.escape(found)} by the name "
        rf"'{re.escape(typed)}'\. {re.escape(advice)}  Stop\.\n",
        done.stderr,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert not (checkout / ".venv").exists()


def test_half_made_environment_is_removed(checkout):
    """An environment whose making failed does not count as made by the next call."""
    fails = "{ mkdir -p .venv/bin; >.venv/bin/python; exit 1; }"
    interpreter(checkout, "python3", f"echo 3.12.1 || {fails}")
    done = make(checkout, "run")
    assert done.returncode == 2
    assert not (checkout / ".venv").exists()
