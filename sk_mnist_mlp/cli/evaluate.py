"""``sk-mnist-mlp evaluate``: how a kept model does on test images."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from sk_mnist_mlp.cli.arguments import add_data, add_model
from sk_mnist_mlp.cli.models import images_for, open_model, print_accuracy

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on the test images",
        description="Measure a model on the test images: accuracy, log loss, and class by class.",
    )
    add_model(parser)
    add_data(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object: accuracy, log_loss, n_images, seconds, classes (precision, recall, "
        "f1-score and support of each)",
    )
    parser.set_defaults(run=run, writes=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from sklearn.metrics import classification_report, log_loss

    from sk_mnist_mlp.datasets import load_mnist

    model = open_model(arguments.file)
    data = getattr(arguments, "data", None)
    _, images, _, labels = load_mnist(path=data, return_splits=True)
    unknown = set(labels.tolist()) - set(model.classes_.tolist())
    if unknown:
        raise ValueError(
            f"expected labels that the model knows, {model.classes_.tolist()}, got "
            f"{sorted(unknown)} too. Give the data that it was trained for: --data PATH."
        )
    X = images_for(model, images)

    if "json" in arguments:
        began = time.perf_counter()
        answers = model.predict(X)
        seconds = time.perf_counter() - began
        report = classification_report(labels, answers, zero_division=0.0, output_dict=True)
        names = map(str, model.classes_.tolist())
        facts = {
            "accuracy": float((answers == labels).mean()),
            "log_loss": log_loss(labels, model.predict_proba(X), labels=model.classes_),
            "n_images": len(X),
            "seconds": seconds,
            "classes": {name: report[name] for name in names if name in report},
        }
        print(json.dumps(facts))
        return 0
    print(f"Data            {len(X):,} test images of {data or 'the embedded MNIST'}")
    began = time.perf_counter()
    print_accuracy(model, X, labels)
    seconds = time.perf_counter() - began
    loss = log_loss(labels, model.predict_proba(X), labels=model.classes_)
    print(f"Log loss        {loss:.4f}")
    print(f"Prediction      {seconds:.2f} s, {len(X) / seconds:,.0f} images a second\n")
    print(classification_report(labels, model.predict(X), digits=4, zero_division=0.0))
    return 0
