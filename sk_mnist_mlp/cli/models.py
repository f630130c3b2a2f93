"""What commands ask of a model: to be one, its classifier, what it reads, how well it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sk_mnist_mlp.cli.arguments import PROGRAM, UsageError
from sk_mnist_mlp.exceptions import ModelFileError

__all__ = ["classifier_of", "describe_size", "images_for", "open_model", "print_accuracy"]

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


def open_model(path: str, images: Sequence[str] = ()) -> Any:
    """Read a model; what is seen to be none is refused in words, not by its bytes.

    Of ``images``, what was given as pictures, one may be a model in the wrong place: where both
    are, the call is wrong.
    """
    from sk_mnist_mlp.persistence import load_model

    head = _first_bytes(path)
    if not head or _is_model(head):
        return load_model(path)
    kind = next((kind for first, kind in _KINDS.items() if head.startswith(first)), None)
    models = [image for image in images if Path(image).is_file() and _is_model(_first_bytes(image))]
    if models or (images and kind):
        raise UsageError(
            f"expected {path!r} to be a model, got {kind or 'something else'}. "
            f"The model comes first: {PROGRAM} predict {models[0] if models else 'MODEL'} {path}"
        )
    raise ModelFileError(
        f"expected {path!r} to be a model, got {kind or 'something else'}. Give a file that "
        "'train' or 'search' wrote."
    )


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(10)


def _is_model(head: bytes) -> bool:
    """Whether a file begins as safetensors do: the length of a header in eight bytes, and JSON."""
    return head[8:] == b'{"'


def classifier_of(model: Any) -> Any:
    """The ``MLPDigitClassifier`` of a model: itself, or a pipeline's last step."""
    from sk_mnist_mlp._estimators import unwrap

    return unwrap(model)[1]


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


def print_accuracy(model: Any, X_test: Any, y_test: Any) -> None:
    """Print the share of test images that the model puts into their class."""
    n_wrong = int((model.predict(X_test) != y_test).sum())
    accuracy = 1.0 - n_wrong / len(y_test)
    print(f"Test accuracy   {accuracy:.2%} ({n_wrong:,} of {len(y_test):,} images wrong)")
