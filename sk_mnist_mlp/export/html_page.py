"""HTML: a model as a page to draw on, in one file that needs no network, library or server."""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import importlib.metadata
import importlib.resources
import json
import math
import os
import platform
import re
import string
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._estimators import check_labels, named
from sk_mnist_mlp._network import SURE, Layers
from sk_mnist_mlp._storage import check_place, replacing
from sk_mnist_mlp.export.pixel_network import PixelNetwork, encode_layers, pixel_network

__all__ = ["to_html"]

_WHO = "to_html"
_SCRIPTS = (
    *("elements", "network", "preparation", "shapes", "drawing", "pictures", "panels", "page"),
)
_PICTURES = 280 * 28 * 28
"""Pixels of the pictures behind the confusion matrix, which take about 55 kB."""
_N_BINS = 10
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
    if title is not None and not isinstance(title, str):
        raise TypeError(
            f"{_WHO}: expected title to be text, got {type(title).__name__}. Pass str(title)."
        )
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
    n_weights = sum(layer.kernel.size + layer.bias.size for layer in layers)
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
        "facts": _facts(classifier, precision, n_weights),
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
    script, style = "\n".join(_read(f"{name}.js") for name in _SCRIPTS), _read("page.css")
    text = json.dumps(model, allow_nan=False, separators=(",", ":"))
    return string.Template(_read("page.html")).substitute(
        title=html.escape(title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        model=text.replace("<", "\\u003c"),
    )


def _read(name: str) -> str:
    """A file of the page without comments and indentation, which make a quarter of it."""
    file = importlib.resources.files("sk_mnist_mlp.export").joinpath("page", name)
    text = re.sub(r"^\s*(/\*.*?\*/|//[^\n]*)\n", "", file.read_text("utf-8"), flags=re.S | re.M)
    if name.endswith(".css"):
        text = re.sub(r"\s*([{};,])\s*", r"\1", text)
    return re.sub(r"\n\s+", "\n", text).strip()


def _hash(text: str) -> str:
    """What the page's security policy knows a script or style sheet by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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


class _Tested:
    """A model's answers to images whose labels are known.

    Parameters
    ----------
    network : PixelNetwork
        What gives the images' pixels.
    model, X, y : as in to_html
    classes : ndarray of shape (n_classes,)
        The model's.
    """

    def __init__(
        self, network: PixelNetwork, model: Any, classes: NDArray[Any], X: Any, y: Any
    ) -> None:
        probabilities = model.predict_proba(X)
        with named(_WHO):
            labels = check_labels(y)
            if len(labels) != len(probabilities):
                raise ValueError(
                    f"expected a label for each of {len(probabilities)} rows, got {len(labels)}. "
                    "Pass X and y of the same rows."
                )
        unseen = [label for label in np.unique(labels).tolist() if label not in classes.tolist()]
        if unseen:
            raise ValueError(
                f"{_WHO}: expected y of the classes that the model knows, got the label "
                f"{unseen[0]!r}. Leave its rows out."
            )
        self.classes = classes
        self.side = network.side
        self.pixels = network.pixels(X)
        self.truth = np.searchsorted(classes, labels)
        self.answer = probabilities.argmax(axis=1)
        self.probability = probabilities.max(axis=1)
        self.is_right = self.truth == self.answer

    def scores(self) -> dict[str, Any]:
        """What the page tells of them."""
        n, n_classes = len(self.truth), len(self.classes)
        confusion = np.zeros((n_classes, n_classes), int)
        np.add.at(confusion, (self.truth, self.answer), 1)
        bins = np.minimum((self.probability * _N_BINS).astype(int), _N_BINS - 1)
        calibration = [
            {
                "n": int((bins == number).sum()),
                "probability": float(self.probability[bins == number].mean()),
                "accuracy": float(self.is_right[bins == number].mean()),
            }
            for number in np.unique(bins)
        ]
        gaps = [bin["n"] * abs(bin["probability"] - bin["accuracy"]) for bin in calibration]
        chosen = self._pictures()
        return {
            "n": n,
            "accuracy": float(self.is_right.mean()),
            "interval": _wilson(int(self.is_right.sum()), n),
            "confusion": confusion.tolist(),
            "calibration": calibration,
            "calibration_error": sum(gaps) / n,
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


def _wilson(n_right: int, n: int) -> list[float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z, share = 1.959964, n_right / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [(middle + sign * reach) / (1 + z * z / n) for sign in (-1, 1)]


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


def _facts(classifier: Any, precision: str, n_weights: int) -> list[tuple[str, str]]:
    """What is known of a model, in words."""
    network = classifier._network
    optimizer = classifier.optimizer
    kind = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
    facts = [
        ("Network", f"{' → '.join(map(str, network.layer_widths))}, {network.activation}"),
        ("Weights", f"{n_weights:,}, kept here as {precision}"),
        ("Training", f"{classifier.n_iter_} epochs, batches of {classifier.batch_size}, {kind}"),
        ("Dropout", f"{network.dropout:g}"),
    ]
    for name, words in (("loss", "Last loss"), ("accuracy", "Last accuracy in training")):
        if classifier.history_.get(name):
            value = classifier.history_[name][-1]
            facts.append((words, f"{value:.4f}" if name == "loss" else f"{100 * value:.2f} %"))
    if classifier.best_validation_score_ is not None:
        best = 100 * classifier.best_validation_score_
        facts.append(("Best held-out accuracy", f"{best:.2f} %"))
    today = datetime.datetime.now(datetime.UTC).date()
    names = ("sk_mnist_mlp", "scikit-learn", "numpy")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    return [
        *facts,
        ("Engine", classifier.engine_),
        ("Written on", today.isoformat()),
        ("By", ", ".join([*versions, f"Python {platform.python_version()}"])),
    ]
