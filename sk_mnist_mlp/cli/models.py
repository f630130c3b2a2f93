"""What commands ask of a model: its classifier, how far it was trained, what it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sk_mnist_mlp.cli.arguments import PROGRAM, UsageError
from sk_mnist_mlp.exceptions import ModelFileError

__all__ = ["check_model_file", "classifier_of", "describe_size", "images_for", "was_interrupted"]

_MODEL = b'{"'  # begins the header of a safetensors file, after its length in eight bytes
_KINDS = {
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"\x89PNG": "a picture (PNG)",
    b"GIF8": "a picture (GIF)",
    b"BM": "a picture (BMP)",
    b"II*\0": "a picture (TIFF)",
    b"MM\0*": "a picture (TIFF)",
    b"RIFF": "a picture (WebP)",
    b"\x93NUMPY": "an array (.npy)",
    b"\x1f\x8b": "a compressed file (gzip)",
    b"\0\0\x08": "an array (IDX)",
}


def check_model_file(path: str, images: Sequence[str] = ()) -> None:
    """Refuse what is seen to be no model in words, where the reader would show its bytes.

    Parameters
    ----------
    path : str
        What was given as the model.
    images : sequence of str
        What was given as pictures, of which one may be a model in the wrong place.

    Raises
    ------
    UsageError
        If it is a picture or array, or another one is the model, and both were asked for.
    ModelFileError
        If it is something else.
    OSError
        If it is missing or may not be read.
    """
    head = _first_bytes(path)
    if not head or head.startswith(_MODEL, 8):
        return
    kinds = (kind for first, kind in _KINDS.items() if head.startswith(first))
    kind = next(kinds, "something else")
    models = [image for image in images if _is_model(image)]
    if models or (images and kind != "something else"):
        model = models[0] if models else "MODEL"
        raise UsageError(
            f"expected {path!r} to be a model, got {kind}. "
            f"The model comes first: {PROGRAM} predict {model} {path}"
        )
    raise ModelFileError(
        f"expected {path!r} to be a model, got {kind}. Give a file that 'train' or 'search' wrote."
    )


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(10)


def _is_model(path: str) -> bool:
    try:
        return _first_bytes(path).startswith(_MODEL, 8)
    except OSError:
        return False


def classifier_of(model: Any) -> Any:
    """The ``MLPDigitClassifier`` of a model: itself, or a pipeline's last step."""
    return model[-1] if hasattr(model, "steps") else model


def was_interrupted(classifier: Any) -> bool:
    """Whether Ctrl-C ended the last fit, which keeps what was learnt and raises nothing.

    Only for fits without early stopping and callbacks, which end early by themselves.
    """
    diverged = bool(classifier.loss_curve_) and not math.isfinite(classifier.loss_curve_[-1])
    return bool(classifier.n_iter_ < classifier.epochs and not diverged)


def describe_size(path: Path) -> str:
    """A file's name and its size in kilobytes or megabytes."""
    n_bytes = path.stat().st_size
    size = f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
    return f"{path} ({size})"


def images_for(model: Any, images: NDArray[Any]) -> NDArray[Any]:
    """Images in the form that a model reads: as they are, or flat for a bare classifier."""
    n_features = classifier_of(model).n_features_in_
    n_pixels = images[0].size
    if n_pixels != n_features:
        raise ValueError(
            f"expected images of {n_features} pixels as the model was trained on, got "
            f"{n_pixels} ({'x'.join(map(str, images.shape[1:]))}). Use a model trained on images "
            "of that size."
        )
    if hasattr(model, "steps"):
        return images
    from sk_mnist_mlp import ImageFlattener

    return ImageFlattener().fit_transform(images)
