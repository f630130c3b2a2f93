"""``sk-mnist-mlp info``: what a kept model is, without using it."""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

from sk_mnist_mlp.cli.arguments import add_model
from sk_mnist_mlp.cli.models import classifier_of, describe_size, open_model

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "info",
        help="describe a model",
        description="Describe a model: its layers, classes, training and parameters.",
    )
    add_model(parser)
    parser.set_defaults(run=run, writes=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from sk_mnist_mlp.persistence import read_manifest

    model = open_model(arguments.file)
    manifest = read_manifest(arguments.file)
    versions = ", ".join(f"{name} {version}" for name, version in manifest["written_by"].items())
    print(f"File            {describe_size(Path(arguments.file))}, format {manifest['format']}")
    print(f"Written by      {versions}")
    for name, value in _facts(model):
        print(f"{name:16}{value}")
    return 0


def _facts(model: Any) -> list[tuple[str, str]]:
    classifier = classifier_of(model)
    steps = [type(step).__name__ for _, step in getattr(model, "steps", [("", model)])]
    widths = [classifier.n_features_in_, *(len(bias) for bias in classifier.intercepts_)]
    n_weights = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(widths))
    return [
        ("Model", " -> ".join(steps)),
        ("Layers", f"{' -> '.join(map(str, widths))} ({n_weights:,} weights)"),
        ("Classes", " ".join(map(str, classifier.classes_.tolist()))),
        ("Trained", _training(classifier)),
        ("Parameters", _changed_parameters(classifier)),
    ]


def _training(classifier: Any) -> str:
    ends = {name: column[-1] for name, column in classifier.history_.items() if column}
    ends = {name: value for name, value in ends.items() if math.isfinite(value)}
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in ends.items())
    return f"{classifier.n_iter_} epochs by engine {classifier.engine_!r}; at the end {figures}"


def _changed_parameters(classifier: Any) -> str:
    """The parameters that are not the defaults."""
    defaults = type(classifier)().get_params(deep=False)
    changed = {
        name: value
        for name, value in classifier.get_params(deep=False).items()
        if value is not defaults[name] and value != defaults[name]
    }
    return ", ".join(f"{name}={value!r}" for name, value in changed.items()) or "all defaults"
