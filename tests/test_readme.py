"""The documents say what is so."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import sk_mnist_mlp
from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp.cli import main

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")
DOCUMENTS = [
    PROJECT / "README.md",
    PROJECT / "CHANGELOG.md",
    PROJECT / "CONTRIBUTING.md",
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


def test_first_commands():
    """The README's first two commands are make run and make test."""
    first = code_blocks("sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make run", "make test"]


@pytest.mark.timeout(600)
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
    from sk_mnist_mlp.cli import _parser

    lines = [line.split("#")[0].split() for line in section("The command").splitlines()]
    lines = [line[1:] for line in lines if line[:1] == ["sk-mnist-mlp"]]
    assert {line[0] for line in lines} == {
        "train", "search", "evaluate", "predict", "info", "export",
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
