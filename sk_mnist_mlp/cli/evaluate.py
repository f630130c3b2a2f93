"""``sk-mnist-mlp evaluate``: how a kept model does on test images."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from sk_mnist_mlp.cli.arguments import add_data_option
from sk_mnist_mlp.cli.models import check_model_file, images_for
from sk_mnist_mlp.cli.train import print_accuracy

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on the test images",
        description="Measure a model on the test images: accuracy, log loss, and class by class.",
    )
    parser.add_argument("file", metavar="FILE", help="a model that 'train' or 'search' wrote")
    add_data_option(parser)
    parser.set_defaults(run=run, writes=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from sklearn.metrics import classification_report, log_loss

    from sk_mnist_mlp.datasets import load_mnist
    from sk_mnist_mlp.persistence import load_model

    check_model_file(arguments.file)
    model = load_model(arguments.file)
    data = getattr(arguments, "data", None)
    _, images, _, labels = load_mnist(path=data, return_splits=True)
    _check_labels(model, labels)
    X = images_for(model, images)

    print(f"Data            {len(X):,} test images of {data or 'the embedded MNIST'}")
    began = time.perf_counter()
    print_accuracy(model, X, labels)
    seconds = time.perf_counter() - began
    loss = log_loss(labels, model.predict_proba(X), labels=model.classes_)
    print(f"Log loss        {loss:.4f}")
    print(f"Prediction      {seconds:.2f} s, {len(X) / seconds:,.0f} images a second\n")
    print(classification_report(labels, model.predict(X), digits=4, zero_division=0.0))
    return 0


def _check_labels(model: Any, labels: Any) -> None:
    unknown = np.setdiff1d(labels, model.classes_)
    if len(unknown):
        raise ValueError(
            f"expected labels that the model knows, {model.classes_.tolist()}, got "
            f"{unknown.tolist()} too. Give the data that it was trained for: --data PATH."
        )
