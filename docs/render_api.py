"""Write ``docs/api.md`` from the docstrings of the public names.

    python docs/render_api.py

Each name has an anchor, to which the HTML view of an estimator links.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "api.md"
MODULES = (
    "sk_mnist_mlp",
    "sk_mnist_mlp.datasets",
    "sk_mnist_mlp.inspection",
    "sk_mnist_mlp.model_selection",
    "sk_mnist_mlp.export",
    "sk_mnist_mlp.exceptions",
)
_SECTION = re.compile(r"\n\n([A-Z][A-Za-z ]+)\n-+\n")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|term):`~?([^`]+)`")


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    print("Written: docs/api.md")


def render() -> str:
    """Return the page: a list of all names, then each of them."""
    modules = [module for module in map(_import, MODULES) if module is not None]
    lines = ["# Public names", "", "Written from the docstrings by `make docs`.", ""]
    for module in modules:
        lines += [f"- [`{module.__name__}`](#{module.__name__}): {_summary(module)}"]
    for module in modules:
        lines += ["", f'<a id="{module.__name__}"></a>', "", f"## `{module.__name__}`"]
        for name in module.__all__:
            lines += ["", *_entry(f"{module.__name__}.{name}", getattr(module, name))]
    return "\n".join(lines) + "\n"


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _entry(path: str, value: Any) -> list[str]:
    """One public name: anchor, heading, signature, what it does, parameters and methods."""
    name = path.rsplit(".", 1)[1]
    lines = [f'<a id="{path}"></a>', "", f"### `{name}`", ""]
    if not callable(value):
        return [*lines, f"A {type(value).__name__} of {', '.join(map(repr, value))}."]
    if not (isinstance(value, type) and issubclass(value, BaseException)):
        lines += ["```python", _signature(name, value), "```", ""]
    sections = _sections(value)
    lines += [_markdown(sections[""])]
    for title in ("Parameters", "Returns", "Yields", "Raises", "Attributes"):
        if title in sections:
            lines += ["", f"**{title}**", "", *_fields(sections[title])]
    if isinstance(value, type) and not issubclass(value, BaseException):
        lines += _methods(value)
    if "Examples" in sections:
        lines += ["", "```pycon", sections["Examples"].strip(), "```"]
    return lines


def _methods(cls: type) -> list[str]:
    own = inspect.getmodule(cls)
    rows = []
    for name, method in inspect.getmembers(cls, callable):
        # What scikit-learn's bases bring is described there.
        if name.startswith("_") or not _is_from(method, own):
            continue
        rows.append(f"- `{_signature(name, method, drop_self=True)}`: {_summary(method)}")
    return ["", "**Methods**", "", *rows] if rows else []


def _is_from(method: Any, module: Any) -> bool:
    package = module.__name__.split(".")[0]
    return (inspect.getdoc(method) or "") != "" and method.__module__.startswith(package)


def _signature(name: str, value: Any, *, drop_self: bool = False) -> str:
    signature = inspect.signature(value)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if not (drop_self and parameter.name == "self")
    ]
    text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    return f"{name}{text}"


def _sections(value: Any) -> dict[str, str]:
    """The docstring by its sections; what stands before the first is under the empty name."""
    parts = _SECTION.split("\n" + (inspect.getdoc(value) or ""))
    return {"": parts[0].strip(), **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _summary(value: Any) -> str:
    return _markdown((inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " "))


def _fields(section: str) -> list[str]:
    """A section of ``name : type`` lines with indented descriptions, as a list."""
    rows: list[str] = []
    for line in section.strip("\n").split("\n"):
        if line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            rows.append(f"- `{name}`" + (f" ({_markdown(kind)})" if kind else "") + ":")
        elif line.strip().startswith("* "):
            rows.append("  - " + _markdown(line.strip()[2:]))
        elif line.strip() and rows:
            rows[-1] += " " + _markdown(line.strip())
    return [row.removesuffix(":") for row in rows]


def _markdown(text: str) -> str:
    text = _ROLE.sub(lambda match: f"`{match[1].rsplit('.', 1)[-1]}`", text)
    return re.sub(" {2,}", " ", text.replace("``", "`"))


if __name__ == "__main__":
    main()
