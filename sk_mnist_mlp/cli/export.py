"""``sk-mnist-mlp export``: a kept model in a format that other programs read."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp.cli.arguments import UsageError, add_model, check_writable
from sk_mnist_mlp.cli.models import classifier_of, describe_size, open_model

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "export",
        help="write a model for other programs",
        description="Write a model as ONNX (images in, labels and probabilities out), as a Keras "
        "model, or as safetensors, which a model file is already.",
    )
    add_model(parser)
    parser.add_argument("--format", required=True, choices=sorted(_WRITERS), help="what to write")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write it (default: beside the model, with the format's ending)",
    )
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = Path(arguments.file)
    beside = source.with_suffix(f".{arguments.format}")
    output = check_writable(getattr(arguments, "output", beside), [source])
    if arguments.format == "keras" and output.suffix not in (".keras", ".h5"):
        raise UsageError(
            f"expected --output to end in .keras, by which Keras knows its files, got "
            f"{str(output)!r}. Choose another name."
        )
    _WRITERS[arguments.format](open_model(arguments.file), output)
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


# A format's name is its ending.
_WRITERS = {"onnx": _write_onnx, "keras": _write_keras, "safetensors": _write_safetensors}
