"""``sk-mnist-mlp predict``: name the digits in pictures and arrays."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._network import SURE
from sk_mnist_mlp._storage import read_npy
from sk_mnist_mlp.cli.arguments import PROGRAM, add_model
from sk_mnist_mlp.cli.models import classifier_of, images_for, open_model
from sk_mnist_mlp.cli.terminal import complain, describe_error
from sk_mnist_mlp.datasets import Shapes, find_shapes, load_idx, read_digit, read_digits
from sk_mnist_mlp.exceptions import DataFileError

__all__ = ["add_parser"]

_NPY_MAGIC = b"\x93NUMPY"
_IDX_MAGICS = (b"\x1f\x8b", *(b"\0\0" + bytes([kind]) for kind in b"\x08\x09\x0b\x0c\x0d\x0e"))


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "predict",
        help="name the digits in pictures",
        description="Name the digits in pictures: PNG, JPEG and others of any size, dark on light "
        "or light on dark, which are scaled and centred as MNIST's images were; IDX and .npy "
        "arrays of images are taken as they are. A line has the file, the digit with its "
        "probability, the runner-up with its own, and 'unsure' where the probability is below "
        f"{SURE:.0%} or the picture is not one shape made of strokes. With --many a picture has a "
        "line for each of its digits, from left to right.",
    )
    add_model(parser)
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a picture, IDX or .npy file")
    parser.add_argument(
        "--many",
        action="store_true",
        help="find several digits side by side in a picture; arrays are taken as they are",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line: file, index (in an array, or from the left with --many, else "
        "null), label, probability, runner_up, sure, shapes (how many separate ones, null for rows "
        "of pixels), probabilities",
    )
    parser.set_defaults(run=run, writes=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; a file that cannot be read is told, left out, and makes the status 1."""
    model = open_model(arguments.file, arguments.images)
    status = 0
    for path in arguments.images:
        try:
            answers = list(_answer(model, path, many="many" in arguments))
        except (OSError, ValueError, TypeError, MemoryError) as error:
            complain(f"{PROGRAM} predict", describe_error(error))
            status = 1
            continue
        for answer in answers:
            print(answer.as_json() if "json" in arguments else answer.as_text())
    return status


@dataclass(frozen=True)
class _Answer:
    """What the model says of one image."""

    file: str
    index: int | None
    label: Any
    runner_up: Any
    probabilities: dict[str, float]
    shapes: Shapes | None  # None of rows of pixels, whose places are not known

    @property
    def _advice(self) -> str:
        """What to do where one digit was asked for and several shapes were found."""
        return "; give one digit a picture, or --many" if self.index is None else ""

    @property
    def doubts(self) -> list[str]:
        """Why the answer is not sure."""
        found = []
        if self.shapes is not None:
            if self.shapes.number == 0:
                found.append("the picture is empty")
            elif not self.shapes.are_strokes:
                found.append("no strokes, but noise or a blot")
            elif self.shapes.number > 1:
                found.append(f"{self.shapes.number} separate shapes{self._advice}")
        if self.probabilities[str(self.label)] < SURE:
            found.append(f"below {SURE:.0%}")
        return found

    def as_text(self) -> str:
        """For people: file, label, probability, the same of the runner-up, and doubts."""
        name = self.file if self.index is None else f"{self.file}[{self.index}]"
        choices = "  or ".join(
            f"{label!s:>4} {self.probabilities[str(label)]:8.2%}"
            for label in (self.label, self.runner_up)
        )
        text = f"{name:32} {choices}"
        return f"{text}  unsure: {', '.join(self.doubts)}" if self.doubts else text

    def as_json(self) -> str:
        """For machines: all of it, on one line."""
        return json.dumps(
            {
                "file": self.file,
                "index": self.index,
                "label": self.label,
                "probability": self.probabilities[str(self.label)],
                "runner_up": self.runner_up,
                "sure": not self.doubts,
                "shapes": None if self.shapes is None else self.shapes.number,
                "probabilities": self.probabilities,
            }
        )


def _answer(model: Any, path: str, *, many: bool) -> Iterator[_Answer]:
    images, shapes = _read_images(path, classifier_of(model).n_features_in_, many=many)
    if not len(images):
        return
    probabilities = model.predict_proba(images_for(model, images))
    labels = model.classes_.tolist()
    names = [str(label) for label in labels]
    for index, row in enumerate(probabilities):
        # Of equals the first one, as predict does.
        best, second = np.argsort(-row, kind="stable")[:2].tolist()
        yield _Answer(
            file=path,
            index=None if shapes is not None and not many else index,
            label=labels[best],
            runner_up=labels[second],
            probabilities=dict(zip(names, row.tolist(), strict=True)),
            shapes=_shapes_of(images[index]) if shapes is None else shapes[index],
        )


def _shapes_of(image: NDArray[Any]) -> Shapes | None:
    """Shapes of an image of an array, which is taken as it is: light ink on paper of 0."""
    return find_shapes(np.nan_to_num(image)) if image.ndim == 2 else None


def _read_images(
    path: str, n_features: int, *, many: bool
) -> tuple[NDArray[Any], list[Shapes] | None]:
    """Read one file, whatever its kind, which its first bytes tell.

    Gives images of shape (n, height, width) or (n, n_features), and what a picture shows in each.
    How many pixels the model reads tells a table of flat images from one image.
    """
    with open(path, "rb") as file:
        head = file.peek(6)
        if not head.startswith((_NPY_MAGIC, *_IDX_MAGICS)):
            digits = read_digits(path) if many else [read_digit(path)]
            return np.stack([digit.image for digit in digits]), [digit.shapes for digit in digits]
        if not head.startswith(_NPY_MAGIC):
            return _as_images(load_idx(path), path, n_features), None
        try:
            array = read_npy(file, os.fstat(file.fileno()).st_size)
        except Exception as error:
            raise DataFileError(
                f"expected {path!r} to be a sound .npy file of numbers, got one that is not "
                f"({str(error).rstrip('.')}). Write it again with numpy.save."
            ) from error
        return _as_images(array, path, n_features), None


def _as_images(array: NDArray[Any], path: str, n_features: int) -> NDArray[Any]:
    """One image or many, perhaps flat, perhaps with an axis for the one channel."""
    is_flat = array.ndim == 2 and array.shape[1] == n_features
    images = array[np.newaxis] if array.ndim == 2 and not is_flat else array
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != (2 if is_flat else 3) or images.dtype.kind not in "biuf":
        raise DataFileError(
            f"expected {path!r} to hold images of shape (n, height, width), got {array.dtype} of "
            f"shape {array.shape}. Give the file of the images, not of the labels."
        )
    return images
