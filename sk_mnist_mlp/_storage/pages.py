"""Pages in one file: parts kept as files of their own, put into one page when it is written."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import re
import string

__all__ = ["check_line", "read_page_part", "render_page"]


def check_line(who: str, name: str, value: object) -> None:
    """Refuse what is no line of text by a TypeError or ValueError; None passes."""
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"{who}: expected {name} to be text, got {type(value).__name__}. Pass str({name})."
        )
    if value is not None and not value.isprintable():
        raise ValueError(
            f"{who}: expected {name} to be one line of printable text, got {value!r}. Take out "
            "line breaks and control characters."
        )


def read_page_part(package: str, name: str) -> str:
    """A file of a page without comments and indentation, which make a quarter of it."""
    file = importlib.resources.files(package).joinpath(*name.split("/"))
    text = re.sub(r"^\s*(/\*.*?\*/|//[^\n]*)\n", "", file.read_text("utf-8"), flags=re.S | re.M)
    if name.endswith(".css"):
        text = re.sub(r"\s*([{};,])\s*", r"\1", text)
    return re.sub(r"\n\s+", "\n", text).strip()


def render_page(
    package: str, *, page: str, style: str, title: str, script: str = "", **parts: str
) -> str:
    """Fill in a page of a package; its style sheet begins with the look that all pages share.

    The security policy of a page knows its style and script by their hashes. The title is escaped;
    the other parts are markup or data already.
    """
    style = read_page_part("sk_mnist_mlp._storage", "look.css") + read_page_part(package, style)
    return string.Template(read_page_part(package, page)).substitute(
        title=html.escape(title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        **parts,
    )


def _hash(text: str) -> str:
    """What a page's security policy knows a script or style sheet by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
