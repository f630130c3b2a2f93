"""HTML: a model as a page to draw on, in one file that needs no network, library or server."""

from __future__ import annotations

import base64
import json
import math
import os
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._estimators import ScoredAnswers, model_facts
from sk_mnist_mlp._network import SURE, Layers
from sk_mnist_mlp._storage import check_line, check_place, read_page_part, render_page, replacing
from sk_mnist_mlp.export.pixel_network import PixelNetwork, encode_layers, pixel_network

__all__ = ["to_html"]

_WHO = "to_html"
_PACKAGE = "sk_mnist_mlp.export"
_SCRIPTS = (
    *("elements", "network", "preparation", "shapes", "drawing", "pictures", "panels", "page"),
)
_PICTURES = 280 * 28 * 28
"""Pixels of the pictures behind the confusion matrix, which take about 55 kB."""
_N_SAMPLES = 10
_CALIBRATION_ROWS = 10_000
"""Rows that the 8-bit rounding looks at, at most."""


def to_html(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    precision: str = "float16",
    title: str | None = None,
) -> None:
    """Write a page on which people draw digits and watch the network read them.

    The page prepares a drawing as MNIST's makers did, and shows what the network sees, the
    probability of each class, the hidden units and the pixels that mattered. It is one file that
    works without a network, a library or a server. An older file is replaced whole.

    Parameters
    ----------
    estimator : MLPDigitClassifier or Pipeline
        Fitted on square images of one channel. A pipeline may have an
        :class:`~sk_mnist_mlp.ImageFlattener` and scalers before the classifier. Of a bare
        classifier 1 is taken for full ink, or the largest value in ``X`` where that is more.
    path : str or os.PathLike
        Path of the file, such as ``"digits.html"``.
    X : array-like of shape (n_samples, ...) or None, default=None
        Images to test the model on, as it reads them. The page then shows accuracy, confusion
        matrix and calibration, and about 280 of the pictures, mistakes before others.
    y : array-like of shape (n_samples,) or None, default=None
        Their labels.
    precision : {"float16", "int8"}, default="float16"
        Of the weights in the page. 269,322 weights make a page of about 640 kB, or of 370 kB with
        ``"int8"``, which is refused where it changes the answer to an image of ``X``, or of
        MNIST's test images where ``X`` is None.
    title : str or None, default=None
        Heading of the page.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else, has a step that the page does not know, or is not
        fitted.
    ValueError
        If its images are not square, if ``X`` and ``y`` do not fit it, if ``precision`` is unknown,
        or if ``"int8"`` changes answers.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import to_html
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X[:1000] / 16, y[:1000])
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "digits.html")
    ...     to_html(model, path, X=X[1000:] / 16, y=y[1000:])
    ...     path.read_text("utf-8").splitlines()[0]
    '<!doctype html>'
    """
    # Everything is checked before anything is computed.
    if precision not in ("float16", "int8"):
        raise ValueError(
            f"{_WHO}: expected precision to be 'float16' or 'int8', got {precision!r}. Leave it "
            "out for 'float16'."
        )
    check_line(_WHO, "title", title)
    if (X is None) != (y is None):
        given, missing = ("X", "y") if y is None else ("y", "X")
        raise ValueError(
            f"{_WHO}: expected X and y together, got {given} alone. Pass {missing} too."
        )
    check_place(path, who=_WHO)
    network = pixel_network(_WHO, estimator, X)
    classifier = estimator[-1] if hasattr(estimator, "steps") else estimator
    tested = None if X is None else _Tested(network, estimator, classifier.classes_, X, y)

    # What the page knows.
    data, layers = _encode(network, precision, tested)
    facts = model_facts(estimator)
    facts["Weights"] += f", kept here as {precision}"
    model = {
        "classes": [str(label) for label in classifier.classes_.tolist()],
        "side": network.side,
        "activation": network.activation,
        "widths": [len(layers[0].kernel), *(len(layer.bias) for layer in layers)],
        "precision": precision,
        "sure": SURE,
        "weights": _packed(data),
        "samples": _embedded_samples() if tested is None else tested.samples(),
        "scores": None if tested is None else tested.scores(),
        "facts": list(facts.items()),
        "history": {
            name: [value if math.isfinite(value) else None for value in values]
            for name, values in classifier.history_.items()
        },
    }
    page = _render(title or "Draw a digit", model)
    with replacing(path, who=_WHO) as file:
        file.write(page.encode("utf-8"))


def _render(title: str, model: dict[str, Any]) -> str:
    """Fill in the page; nothing of the model or title is read as markup or script."""
    text = json.dumps(model, allow_nan=False, separators=(",", ":"))
    return render_page(
        _PACKAGE,
        page="page/page.html",
        style="page/page.css",
        title=title,
        script="\n".join(read_page_part(_PACKAGE, f"page/{name}.js") for name in _SCRIPTS),
        model=text.replace("<", "\\u003c"),
    )


def _packed(data: bytes) -> str:
    """Bytes as compressed text, of characters that mean nothing to HTML."""
    return base64.b85encode(zlib.compress(data, 9)).decode().replace("<", ",")


def _encode(network: PixelNetwork, precision: str, tested: _Tested | None) -> tuple[bytes, Layers]:
    if precision == "float16":
        return encode_layers(network.layers, network.activation, precision, None)
    if tested is not None:
        seen, pixels = "X", tested.pixels
    elif network.side == 28:
        from sk_mnist_mlp.datasets import load_mnist

        seen = "MNIST's test images"
        pixels = load_mnist(return_splits=True)[1].reshape(-1, 784) / 255.0
    else:
        raise ValueError(
            f"{_WHO}: expected X and y to check precision='int8' with, got none, and images of "
            f"{network.side} by {network.side} pixels, which MNIST's cannot stand in for. Pass X "
            "and y, or use precision='float16'."
        )
    data, layers = encode_layers(
        network.layers, network.activation, precision, pixels[:_CALIBRATION_ROWS]
    )
    before, after = (network.labels(pixels, kind) for kind in (network.layers, layers))
    n_changed = int((before != after).sum())
    if n_changed:
        raise ValueError(
            f"{_WHO}: expected the same answers with precision='int8', got other ones for "
            f"{n_changed} of {len(pixels)} images ({seen}). Use precision='float16'."
        )
    return data, layers


class _Tested(ScoredAnswers):
    """A model's answers to images whose labels are known, with the images' pixels."""

    def __init__(
        self, network: PixelNetwork, model: Any, classes: NDArray[Any], X: Any, y: Any
    ) -> None:
        super().__init__(_WHO, model, classes, X, y)
        self.side = network.side
        self.pixels = network.pixels(X)

    def scores(self) -> dict[str, Any]:
        """What the page tells of them."""
        chosen = self._pictures()
        return {
            "n": len(self.truth),
            "accuracy": self.accuracy(),
            "interval": self.interval(),
            "confusion": self.confusion().tolist(),
            "calibration": [bin._asdict() for bin in self.calibration()],
            "calibration_error": self.calibration_error(),
            "pictures": {
                "row": chosen.tolist(),
                "truth": self.truth[chosen].tolist(),
                "answer": self.answer[chosen].tolist(),
                "probability": self.probability[chosen].round(4).tolist(),
                "pixels": self._packed_pixels(chosen),
            },
        }

    def samples(self) -> dict[str, Any]:
        """One picture of each class, none of the easiest and none of the hardest."""
        chosen = []
        for number in range(min(len(self.classes), _N_SAMPLES)):
            (rows,) = np.nonzero(self.is_right & (self.truth == number))
            if len(rows):
                chosen.append(rows[np.argsort(self.probability[rows])[len(rows) // 2]])
        rows = np.array(chosen, int)
        return {
            "side": self.side,
            "labels": [str(label) for label in self.classes[self.truth[rows]].tolist()],
            "pixels": self._packed_pixels(rows),
        }

    def _pictures(self) -> NDArray[np.intp]:
        """Rows to show: a round of mistakes, one a cell, the surest first, a round of the others.

        Of right answers the least sure come first.
        """
        cells = self.truth * len(self.classes) + self.answer
        order = np.argsort(np.where(self.is_right, self.probability, -self.probability))
        ranks = np.empty(len(cells), int)
        for cell in np.unique(cells):
            rows = order[cells[order] == cell]
            ranks[rows] = np.arange(len(rows))
        rounds = np.lexsort((self.is_right, ranks))
        chosen = rounds[: max(1, _PICTURES // self.side**2)]
        return order[np.isin(order, chosen)]

    def _packed_pixels(self, rows: NDArray[np.intp]) -> str:
        return _packed(np.rint(self.pixels[rows] * 255.0).astype(np.uint8).tobytes())


def _embedded_samples() -> dict[str, Any]:
    """The second of each digit among MNIST's test images, where none are given."""
    from sk_mnist_mlp.datasets import load_mnist

    _, images, _, labels = load_mnist(return_splits=True)
    chosen = [np.flatnonzero(labels == digit)[1] for digit in range(10)]
    return {
        "side": 28,
        "labels": [str(digit) for digit in range(10)],
        "pixels": _packed(images[chosen].tobytes()),
    }
