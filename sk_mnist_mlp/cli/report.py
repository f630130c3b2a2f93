"""``sk-mnist-mlp report``: a kept model measured, as a page or Markdown to hand over."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sk_mnist_mlp.cli.arguments import add_data, add_model, check_writable, data_files, parsed_by
from sk_mnist_mlp.cli.models import describe_size, images_for, open_model

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "report",
        help="write a report on a model",
        description="Measure a model on the test images and write a report to hand over: accuracy "
        "with its interval, each class, calibration, the most confident mistakes, robustness and "
        "limits. It is one file that needs no network.",
    )
    add_model(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=parsed_by(
            str,
            lambda name: Path(name).suffix.lower() in (".html", ".md"),
            "a name that ends in .html or .md",
        ),
        help="where to write it; .html or .md is its format (default: beside the model, with "
        "-report.html in place of the ending)",
    )
    add_data(parser)
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from sk_mnist_mlp.datasets import load_mnist
    from sk_mnist_mlp.inspection import write_report

    source = Path(arguments.file)
    beside = source.with_name(f"{source.stem}-report.html")
    output = check_writable(getattr(arguments, "output", beside), [source, *data_files(arguments)])
    model = open_model(arguments.file)
    path = getattr(arguments, "data", None)
    _, images, _, labels = load_mnist(path=path, return_splits=True)
    write_report(
        model,
        output,
        images_for(model, images),
        labels,
        title=f"Report on {source.name}",
        data=f"test images of {path or 'the embedded MNIST'}",
        model_file=source.name,
    )
    print(f"Written         {describe_size(output)}")
    return 0
