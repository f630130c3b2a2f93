"""``sk-mnist-mlp info``: what a kept model is, without using it."""

from __future__ import annotations

import argparse
import itertools
import json
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
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object: file, format, written_by, steps, layers, n_weights, classes, "
        "n_iter, engine, history (the last values) and parameters that are not the defaults",
    )
    parser.set_defaults(run=run, writes=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from sk_mnist_mlp._estimators import changed_parameters
    from sk_mnist_mlp.persistence import read_manifest

    model = open_model(arguments.file)
    manifest = read_manifest(arguments.file)
    classifier = classifier_of(model)
    versions = ", ".join(f"{name} {version}" for name, version in manifest["written_by"].items())
    steps = [type(step).__name__ for _, step in getattr(model, "steps", [("", model)])]
    widths = [classifier.n_features_in_, *(len(bias) for bias in classifier.intercepts_)]
    n_weights = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(widths))
    changed = changed_parameters(classifier)
    ends = {name: column[-1] for name, column in classifier.history_.items() if column}
    figures = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}" for name, value in ends.items() if value == value
    )

    if "json" in arguments:
        facts = {
            "file": arguments.file,
            "format": manifest["format"],
            "written_by": manifest["written_by"],
            "steps": steps,
            "layers": widths,
            "n_weights": n_weights,
            "classes": classifier.classes_.tolist(),
            "n_iter": classifier.n_iter_,
            "engine": classifier.engine_,
            "history": {name: value for name, value in ends.items() if value == value},
            "parameters": changed,
        }
        print(json.dumps(facts))
        return 0
    print(f"File            {describe_size(Path(arguments.file))}, format {manifest['format']}")
    print(f"Written by      {versions}")
    print(f"Model           {' -> '.join(steps)}")
    print(f"Layers          {' -> '.join(map(str, widths))} ({n_weights:,} weights)")
    print(f"Classes         {' '.join(map(str, classifier.classes_.tolist()))}")
    print(
        f"Trained         {classifier.n_iter_} epochs by engine {classifier.engine_!r}; at the end "
        f"{figures}"
    )
    print(f"Parameters      {changed or 'all defaults'}")
    return 0
