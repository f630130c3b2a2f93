"""``sk-mnist-mlp export``: a kept model in a format that other programs read, or as a page."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp.cli.arguments import UsageError, add_data, add_model, check_writable, data_files
from sk_mnist_mlp.cli.models import classifier_of, describe_size, images_for, open_model

__all__ = ["add_parser", "write_page"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "export",
        help="write a model for other programs",
        description="Write a model as ONNX (images in, labels and probabilities out), as a Keras "
        "model, as safetensors, which a model file is already, or as HTML, a page to draw on.",
    )
    add_model(parser)
    parser.add_argument("--format", required=True, choices=sorted(_WRITERS), help="what to write")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write it (default: beside the model, with the format's ending)",
    )
    add_data(parser, "for html: its test images show on the page how good the model is")
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = Path(arguments.file)
    beside = source.with_suffix(f".{arguments.format}")
    output = check_writable(getattr(arguments, "output", beside), [source, *data_files(arguments)])
    options = {"data": arguments.data} if "data" in arguments else {}
    if options and arguments.format != "html":
        raise UsageError(
            f"expected --data for the page of --format html, got it for {arguments.format}, which "
            "holds no test images. Leave it out."
        )
    if arguments.format == "keras" and output.suffix not in (".keras", ".h5"):
        raise UsageError(
            f"expected --output to end in .keras, by which Keras knows its files, got "
            f"{str(output)!r}. Choose another name."
        )
    _WRITERS[arguments.format](open_model(arguments.file), output, **options)
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


def write_page(model: Any, output: Path, data: str | None = None) -> None:
    """Write a model as a page to draw on, which shows how good it is on the test images, if any."""
    from sk_mnist_mlp.export import to_html

    X = y = None
    if data is not None:
        from sk_mnist_mlp.datasets import load_mnist

        _, images, _, y = load_mnist(path=data, return_splits=True)
        X = images_for(model, images)
    to_html(model, output, X=X, y=y)


# A format's name is its ending.
_WRITERS: dict[str, Callable[..., None]] = {
    "html": write_page,
    "keras": _write_keras,
    "onnx": _write_onnx,
    "safetensors": _write_safetensors,
}
