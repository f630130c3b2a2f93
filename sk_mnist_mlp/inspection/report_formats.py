"""A report's parts as HTML and as Markdown; names and titles are text in both."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from sk_mnist_mlp._estimators import CalibrationBin
from sk_mnist_mlp._storage import render_page

__all__ = [
    "FORMATS",
    "CalibrationChart",
    "Code",
    "Figures",
    "Pictures",
    "Section",
    "Table",
    "Text",
]

_PACKAGE = "sk_mnist_mlp.inspection"
_PIXELS = 112
"""Of the longer side of a picture, at least."""


class Part(Protocol):
    """Something that stands in a section."""

    def html(self) -> str:
        """As HTML."""

    def markdown(self) -> str:
        """As Markdown."""


class Section:
    """A heading and what stands under it."""

    def __init__(self, heading: str, *parts: Part) -> None:
        self.heading = heading
        self.parts = parts

    def html(self) -> str:
        """A card of the page."""
        name = self.heading.lower().replace(" ", "-")
        parts = "\n".join(part.html() for part in self.parts)
        return (
            f'<section class="card {name}" aria-labelledby="{name}">\n'
            f'<h2 id="{name}">{_escaped(self.heading)}</h2>\n{parts}\n</section>'
        )

    def markdown(self) -> str:
        """A heading and paragraphs."""
        return "\n\n".join([f"## {self.heading}", *(part.markdown() for part in self.parts)])


class Text(NamedTuple):
    """A paragraph."""

    text: str

    def html(self) -> str:
        """A paragraph."""
        return f"<p>{_escaped(self.text)}</p>"

    def markdown(self) -> str:
        """A paragraph."""
        return _plain(self.text)


class Code(NamedTuple):
    """Lines to copy."""

    language: str
    lines: str

    def html(self) -> str:
        """Preformatted text."""
        return f"<pre><code>{_escaped(self.lines)}</code></pre>"

    def markdown(self) -> str:
        """A fenced block."""
        return f"```{self.language}\n{self.lines}\n```"


class Figures:
    """A few numbers that count, each with its name and a remark."""

    def __init__(self, *rows: tuple[str, str, str]) -> None:
        self.rows = rows

    def html(self) -> str:
        """Large numbers side by side."""
        rows = [
            f"<div><dt>{_escaped(name)}</dt><dd><strong>{_escaped(value)}</strong> "
            f"<span>{_escaped(remark)}</span></dd></div>"
            for value, name, remark in self.rows
        ]
        return f'<dl class="figures">{"".join(rows)}</dl>'

    def markdown(self) -> str:
        """A list."""
        return "\n".join(
            f"- **{_plain(value)}** {_plain(name)} ({_plain(remark)})"
            for value, name, remark in self.rows
        )


@dataclass
class Table:
    """Rows under a head; one of empty names is not shown."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: bool = False

    def html(self) -> str:
        """A table whose rows are named by their first cells."""
        head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in self.head)
        rows = "\n".join(
            f'<tr><th scope="row">{_escaped(first)}</th>'
            + "".join(f"<td>{_escaped(cell)}</td>" for cell in cells)
            + "</tr>"
            for first, *cells in self.rows
        )
        thead = f"<thead><tr>{head}</tr></thead>" if any(self.head) else ""
        kind = "numbers" if self.numeric else "facts"
        return (
            f'<div class="scroll"><table class="{kind}">{thead}<tbody>{rows}</tbody></table></div>'
        )

    def markdown(self) -> str:
        """A table."""
        rule = ["---:" if self.numeric and i else "---" for i in range(len(self.head))]
        rows = [map(_plain, self.head), rule, *(map(_plain, row) for row in self.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


class CalibrationChart(NamedTuple):
    """The calibration curve; bars under it say how many answers each point stands for."""

    bins: Sequence[CalibrationBin]

    def html(self) -> str:
        """A drawing; its numbers stand in the table beside it."""
        left, size, top = 66, 300, 14
        bottom, most = top + size, max(bin.n for bin in self.bins)

        def at(x: float, y: float) -> tuple[float, float]:
            return left + size * x, bottom - size * y

        lines = []
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            (x, y), name = at(share, share), f"{100 * share:.0f} %"
            lines.append(
                f'<path class="grid" d="M{left} {y:g}h{size}M{x:g} {top}v{size}"/>'
                f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{name}</text>'
                f'<text x="{x:g}" y="{bottom + 18}" text-anchor="middle">{name}</text>'
            )
        for bin in self.bins:
            height = 0.22 * size * bin.n / most
            x, _ = at(min(int(10 * bin.probability), 9) / 10, 0)
            lines.append(
                f'<rect x="{x + 2:g}" y="{bottom - height:.1f}" width="{size / 10 - 4:g}" '
                f'height="{height:.1f}"/>'
            )
        points = [at(bin.probability, bin.accuracy) for bin in self.bins]
        curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>' for x, y in points)
        (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
        return (
            f'<figure><svg class="diagram" viewBox="0 0 388 362" role="img" '
            f'aria-label="Calibration curve: accuracy over probability; numbers in the table">'
            f'{"".join(lines)}<polyline class="ideal" points="{x0:g},{y0:g} {x1:g},{y1:g}"/>'
            f'<polyline points="{curve}"/>{dots}'
            f'<text x="{left + size / 2:g}" y="{bottom + 40}" text-anchor="middle">'
            "probability of the answer</text>"
            f'<text transform="translate(12 {top + size / 2:g}) rotate(-90)" text-anchor="middle">'
            "share that is right</text></svg>"
            "<figcaption>Bars: how many answers have this probability.</figcaption></figure>"
        )

    def markdown(self) -> str:
        """Nothing that the table does not say."""
        return "The curve is in the HTML report; its numbers:"


@dataclass
class Pictures:
    """Images of bytes, (n, height, width) or with channels; of each what it is, and a remark."""

    images: NDArray[Any]
    captions: Sequence[tuple[str, str]]

    def html(self) -> str:
        """Figures side by side."""
        kind = "grey" if self.images.ndim == 3 else "colour"
        figures = [
            f'<figure><img class="{kind}" src="{_data_uri(image)}" alt="{_escaped(name)}">'
            f"<figcaption><b>{_escaped(name)}</b><br>{_escaped(remark)}</figcaption></figure>"
            for image, (name, remark) in zip(self.images, self.captions, strict=True)
        ]
        return f'<div class="pictures">{"".join(figures)}</div>'

    def markdown(self) -> str:
        """A table, a picture in each row."""
        rows = [
            f"| ![{_plain(name)}]({_data_uri(image)}) | {_plain(name)} | {_plain(remark)} |"
            for image, (name, remark) in zip(self.images, self.captions, strict=True)
        ]
        return "\n".join(["| Image | Mistake | Probability |", "|---|---|---:|", *rows])


def _data_uri(image: NDArray[Any]) -> str:
    """A picture in the page itself, its pixels enlarged by a whole number, so that they are seen.

    Grey is inverted, as ink on paper.
    """
    from PIL import Image

    factor = max(1, round(_PIXELS / max(image.shape[:2])))
    large = (255 - image if image.ndim == 2 else image).repeat(factor, 0).repeat(factor, 1)
    file = io.BytesIO()
    Image.fromarray(large[..., :3] if large.ndim == 3 else large).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _escaped(text: str) -> str:
    return html.escape(text)


def _plain(text: str) -> str:
    """Text for Markdown: no character of it is markup, and it stays in its line."""
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text)


def _as_html(title: str, sections: Sequence[Section]) -> str:
    return render_page(
        _PACKAGE,
        page="report_page/report.html",
        style="report_page/report.css",
        title=title,
        sections="\n".join(section.html() for section in sections),
    )


def _as_markdown(title: str, sections: Sequence[Section]) -> str:
    texts = [f"# {_plain(title)}", *(section.markdown() for section in sections)]
    return "\n\n".join(texts) + "\n"


FORMATS: dict[str, Callable[[str, Sequence[Section]], str]] = {
    ".html": _as_html,
    ".md": _as_markdown,
}
"""A report as text, by the ending of its file."""
