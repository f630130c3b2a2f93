"""``sk-mnist-mlp export``: a kept model in a format that other programs read."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp.cli.arguments import UsageError, check_writable
from sk_mnist_mlp.cli.models import check_model_file, classifier_of, describe_size

__all__ = ["add_parser"]

_SUFFIXES = {"onnx": ".onnx", "keras": ".keras", "safetensors": ".safetensors"}


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "export",
        help="write a model for other programs",
        description="Write a model as ONNX (images in, labels and probabilities out), as a Keras "
        "model, or as safetensors, which a model file is already.",
    )
    parser.add_argument("file", metavar="FILE", help="a model that 'train' or 'search' wrote")
    parser.add_argument(
        "--format",
        required=True,
        choices=sorted(_SUFFIXES),
        default=argparse.SUPPRESS,
        help="what to write",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="where to write it (default: beside the model, with the format's ending)",
    )
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = Path(arguments.file)
    beside = source.with_suffix(_SUFFIXES[arguments.format])
    output = check_writable(getattr(arguments, "output", beside), [source])
    if arguments.format == "keras" and output.suffix not in (".keras", ".h5"):
        raise UsageError(
            f"expected --output to end in .keras, by which Keras knows its files, got "
            f"{str(output)!r}. Choose another name."
        )
    from sk_mnist_mlp.persistence import load_model

    check_model_file(arguments.file)
    model = load_model(source)
    _WRITERS[arguments.format](model, output)
    print(f"Exported        {describe_size(output)}")
    return 0


def _write_onnx(model: Any, output: Path) -> None:
    from sk_mnist_mlp.export import to_onnx

    with replacing(output, who="export") as file:
        file.write(to_onnx(model).SerializeToString())


def _write_keras(model: Any, output: Path) -> None:
    # Keras writes to a path of its own choosing; only whole files take a place beside others.
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, f"model{output.suffix}")
        classifier_of(model).model_.save(made)
        with replacing(output, who="export") as file:
            file.write(made.read_bytes())


def _write_safetensors(model: Any, output: Path) -> None:
    from sk_mnist_mlp.persistence import save_model

    save_model(model, output)  # a model file is one


_WRITERS = {"onnx": _write_onnx, "keras": _write_keras, "safetensors": _write_safetensors}
