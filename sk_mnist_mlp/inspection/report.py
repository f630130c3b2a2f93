"""``write_report``: a model card with measurements, as a page or as Markdown, to hand over."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._estimators import ScoredAnswers, model_facts
from sk_mnist_mlp._storage import check_line, check_place, replacing
from sk_mnist_mlp.inspection.mistakes import MistakesDisplay
from sk_mnist_mlp.inspection.models import as_images, pixel_shape, read_model
from sk_mnist_mlp.inspection.report_formats import (
    FORMATS,
    CalibrationChart,
    Code,
    Figures,
    Pictures,
    Section,
    Table,
    Text,
)

__all__ = ["write_report"]

_WHO = "write_report"
_N_MISTAKES = 24
_ANGLES = 10, 20
_NOISES = 0.1, 0.3


def write_report(
    estimator: Any,
    path: str | os.PathLike[str],
    X: ArrayLike,
    y: ArrayLike,
    *,
    title: str | None = None,
    data: str | None = None,
    model_file: str | None = None,
) -> None:
    """Measure a model on test images and write a report of it, as HTML or Markdown.

    The report is a model card in one file: what the model is, its accuracy with a 95 % interval
    (Wilson 1927), precision, recall and F1 of each class, calibration, the most confident mistakes
    as pictures, the accuracy on shifted, rotated and noisy images, limits, and how to load it. The
    page works without a network and without scripts, and prints well. An older file is replaced
    whole.

    Parameters
    ----------
    estimator : MLPDigitClassifier, or Pipeline or search of one
        Fitted.
    path : str or os.PathLike
        Path of the file. Its ending is the format: ``.html`` or ``.md``.
    X : array-like of shape (n_images, height, width) or (n_images, n_pixels)
        Images as the estimator takes them, best ones that it was not trained on.
    y : array-like of shape (n_images,)
        Their true labels.
    title : str or None, default=None
        Heading of the report.
    data : str or None, default=None
        What ``X`` is, in words, such as ``"MNIST's test images"``.
    model_file : str or None, default=None
        Name of the model's file, for the lines that load it.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else or not fitted, or a text is none.
    ValueError
        If ``path`` has another ending, a text is more than one line, or ``X`` and ``y`` do not fit
        each other or the estimator.
    OSError
        If the file cannot be written.

    See Also
    --------
    sk_mnist_mlp.export.to_html : A page to draw on.

    References
    ----------
    Mitchell et al. (2019), Model cards for model reporting, FAT*. Guo et al. (2017), On calibration
    of modern neural networks, ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import write_report
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X[:1000] / 16, y[:1000])
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "report.md")
    ...     write_report(model, path, X[1000:] / 16, y[1000:], title="Small digits")
    ...     path.read_text("utf-8").splitlines()[0]
    '# Small digits'
    """
    # Everything is checked before anything is computed.
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in FORMATS:
        raise ValueError(
            f"{_WHO}: expected path to end in .html or .md, got {os.fspath(path)!r}. Its ending "
            "chooses the format."
        )
    for name, text in (("title", title), ("data", data), ("model_file", model_file)):
        check_line(_WHO, name, text)
    check_place(path, who=_WHO)
    transformers, classifier = read_model(_WHO, estimator)
    scored = ScoredAnswers(_WHO, estimator, classifier.classes_, X, y)

    pixels = np.asarray(X)
    images = as_images(pixels, pixel_shape(transformers, int(np.prod(pixels.shape[1:]))))
    names = [str(label) for label in classifier.classes_.tolist()]
    robustness = _robustness(estimator, scored, X, images)
    report = [
        _summary(scored, pixels, names, data),
        _model(estimator),
        _classes(scored, names),
        _calibration(scored),
        _mistakes(scored, images),
        *([robustness] if robustness else []),
        _limits(scored, names, robustness),
        _loading(pixels, model_file or "model.skmlp"),
    ]
    text = FORMATS[ending](title or "Report on a digit classifier", report)
    with replacing(path, who=_WHO) as file:
        file.write(text.encode("utf-8", "replace"))


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _summary(
    scored: ScoredAnswers, pixels: NDArray[Any], names: list[str], data: str | None
) -> Section:
    n, n_wrong = len(scored.truth), int((~scored.is_right).sum())
    low, high = scored.interval()
    shape = " × ".join(map(str, pixels.shape[1:]))
    return Section(
        "In short",
        Figures(
            (_percent(scored.accuracy()), "accuracy", f"95 % interval {_share_range(low, high)}"),
            (f"{n_wrong:,}", "mistakes", f"among {n:,} images"),
            (
                _percent(scored.calibration_error()),
                "calibration error",
                "mean gap between probability and accuracy",
            ),
        ),
        Table(
            ("", ""),
            [
                ("Test data", data or "not named"),
                ("Images", f"{n:,} of shape {shape}, {pixels.dtype}"),
                ("Classes", f"{len(names)}: {', '.join(names)}"),
            ],
        ),
    )


def _share_range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {_percent(high)}"


def _model(estimator: Any) -> Section:
    return Section("The model", Table(("", ""), list(model_facts(estimator).items())))


def _classes(scored: ScoredAnswers, names: list[str]) -> Section:
    from sklearn.metrics import precision_recall_fscore_support

    numbers = precision_recall_fscore_support(
        scored.truth, scored.answer, labels=range(len(names)), zero_division=0.0
    )
    wrong = scored.confusion()
    np.fill_diagonal(wrong, 0)
    rows = [
        (
            name,
            *(f"{value:.4f}" for value in (precision, recall, f1)),
            f"{n:,}",
            f"{names[row.argmax()]} ({row.max():,})" if row.any() else "–",
        )
        for name, precision, recall, f1, n, row in zip(names, *numbers, wrong, strict=True)
    ]
    return Section(
        "Class by class",
        Text(
            "Precision is the share of right ones among the answers of a class, recall the share "
            "found among its images, F1 their harmonic mean. The last column is the most frequent "
            "wrong answer to its images, and how often it was given."
        ),
        Table(
            ("Class", "Precision", "Recall", "F1", "Images", "Taken for"),
            rows,
            numeric=True,
        ),
    )


def _calibration(scored: ScoredAnswers) -> Section:
    bins = scored.calibration()
    return Section(
        "Calibration",
        Text(
            "Of answers with a probability of 80 %, four in five should be right: then the points "
            "lie on the dashed line. Below it the model is too confident. The expected calibration "
            f"error is {_percent(scored.calibration_error())}: the mean distance from the line, "
            "each point weighted by its answers."
        ),
        CalibrationChart(bins),
        Table(
            ("Mean probability", "Accuracy", "Answers"),
            [(_percent(b.probability, 1), _percent(b.accuracy, 1), f"{b.n:,}") for b in bins],
            numeric=True,
        ),
    )


def _mistakes(scored: ScoredAnswers, images: NDArray[Any]) -> Section:
    found = MistakesDisplay._from_predictions(
        images, scored.classes[scored.truth], scored.probabilities, scored.classes
    )
    assert found.probability is not None
    n = min(len(found.images), _N_MISTAKES)
    if not n:
        return Section("Mistakes", Text("The model made no mistake on these images."))
    low, high = float(images.min()), float(images.max())
    levels = np.rint((found.images[:n] - low) * (255.0 / max(high - low, 1e-300)))
    which = "All mistakes" if n == len(found.images) else f"{n} of {len(found.images):,} mistakes"
    captions = [
        (
            f"{truth}, taken for {answer}",
            _percent(probability, 1) if probability < 0.9995 else f"over {_percent(0.999, 1)}",
        )
        for truth, answer, probability in zip(
            found.truth[:n].tolist(), found.answer[:n].tolist(), found.probability, strict=False
        )
    ]
    return Section(
        "Mistakes",
        Text(f"{which}, the most confident first: what the image is, and what it was taken for."),
        Pictures(levels.astype(np.uint8), captions),
    )


def _distortions(images: NDArray[Any]) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """Each kind of change, its strength in words, and the images so changed, as doubles.

    Shifts go to the four sides in turn and rotations both ways, so that no side is preferred.
    """
    from scipy import ndimage

    plain = images.astype(np.float64)
    step = max(1, round(images.shape[1] / 14))
    for n_pixels in (step, 2 * step):
        shifted = np.empty_like(plain)
        for first, (axis, sign) in enumerate([(1, 1), (2, 1), (1, -1), (2, -1)]):
            way = [0] * plain.ndim
            way[axis] = sign * n_pixels
            shifted[first::4] = ndimage.shift(plain[first::4], way, order=0, mode="nearest")
        yield "Shift", f"{n_pixels} pixel{'s' * (n_pixels > 1)}", shifted
    for angle in _ANGLES:
        turned = np.empty_like(plain)
        for first, sign in enumerate((1, -1)):
            turned[first::2] = ndimage.rotate(
                plain[first::2], sign * angle, (2, 1), reshape=False, order=1, mode="nearest"
            )
        yield "Rotation", f"{angle}°", turned
    low, high = plain.min(), plain.max()
    noise = np.random.default_rng(0).normal(size=plain.shape)
    for share in _NOISES:
        noisy = np.clip(plain + share * (high - low) * noise, low, high)
        yield "Noise", f"{_percent(share, 0)} of full ink", noisy


def _robustness(
    estimator: Any, scored: ScoredAnswers, X: Any, images: NDArray[Any]
) -> Section | None:
    """The accuracy on changed images; None where rows of features are no images."""
    if images.shape[1] == 1:
        return None
    pixels = np.asarray(X)
    rows = [("As they are", "", _percent(scored.accuracy()), "")]
    for kind, strength, changed in _distortions(images):
        changed = np.rint(changed) if pixels.dtype.kind in "iub" else changed
        given: Any = changed.reshape(pixels.shape).astype(pixels.dtype)
        if hasattr(X, "iloc"):  # a pandas table, whose columns' names the model knows
            given = type(X)(given, columns=X.columns)
        answers = estimator.predict_proba(given).argmax(axis=1)
        accuracy = float((answers == scored.truth).mean())
        lost = 100 * (scored.accuracy() - accuracy)
        rows.append((kind, strength, _percent(accuracy), f"{-lost:+.2f}".replace("-", "−")))
    return Section(
        "Robustness",
        Text(
            "The same images, shifted to one of the four sides, rotated to the left or right, or "
            "with Gaussian noise in every pixel (its standard deviation is given)."
        ),
        Table(("Images", "Strength", "Accuracy", "Points"), rows, numeric=True),
    )


def _limits(scored: ScoredAnswers, names: list[str], robustness: Section | None) -> Section:
    counts = scored.confusion()
    n_images = counts.sum(axis=1)
    recall = np.diag(counts) / np.maximum(n_images, 1)
    worst = int(np.where(n_images > 0, recall, np.inf).argmin())
    limits = [
        "These numbers hold for images like those tested, prepared in the same way. If the model "
        "was trained on some of them, they are too good. The interval covers the chance of drawing "
        "these images, not a change of writers, pens or cameras.",
        f"Every image is given one of the {len(names)} classes, also one that shows none of them, "
        "and perhaps with a high probability.",
        f"Of all classes {names[worst]} is found least often: {_percent(recall[worst], 1)} of its "
        f"{n_images[worst]:,} images.",
    ]
    if missing := [name for name, n in zip(names, n_images, strict=True) if not n]:
        limits.append(f"Nothing was measured for classes without an image: {', '.join(missing)}.")
    if robustness is None:
        limits.append("Robustness was not measured: the rows are not images of two dimensions.")
    return Section("Limits", *map(Text, limits))


def _loading(pixels: NDArray[Any], model_file: str) -> Section:
    shape = ", ".join(["n", *map(str, pixels.shape[1:])])
    return Section(
        "How to load it",
        Code(
            "python",
            "from sk_mnist_mlp import load_model\n\n"
            f"model = load_model({json.dumps(model_file, ensure_ascii=False)})\n"
            f"# X of shape ({shape}), {pixels.dtype}, from {pixels.min():g} to {pixels.max():g}\n"
            "labels = model.predict(X)",
        ),
        Text("From the command line, with pictures of any size:"),
        Code("sh", f"sk-mnist-mlp predict {shlex.quote(model_file)} photo.png"),
        Text(
            "The package reads the file without running code from it. A model that was not kept "
            "yet is kept by save_model(model, path)."
        ),
    )
