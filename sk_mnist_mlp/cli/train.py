"""``sk-mnist-mlp train``: train the network on MNIST, test it and keep it."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from pathlib import Path
from typing import Any

from sk_mnist_mlp.cli.arguments import (
    NETWORK_OPTIONS,
    UsageError,
    add_training_options,
    check_writable,
    data_files,
    whole_number,
)
from sk_mnist_mlp.cli.models import classifier_of, describe_size, print_accuracy

__all__ = ["add_parser", "train_and_keep"]


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "train",
        help="train a network, print its test accuracy and write it to a file",
        description="Train the classic network on MNIST, print its test accuracy, write it.",
    )
    parser.add_argument(
        "--output", metavar="FILE", default="mnist.skmlp", help="where to write the model"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep the training here after every epoch; the same command then resumes it after "
        "Ctrl-C or a kill",
    )
    parser.add_argument(
        "--recipe",
        choices=("tutorial", "accurate", "best"),
        default="tutorial",
        help="parameters that go together: the published ones; those that make the same network "
        "most accurate; those of a larger one. The options below replace a recipe's",
    )
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="passes over the training images (tutorial: 20)",
    )
    add_training_options(parser, "tutorial")
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    output = check_writable(arguments.output, data_files(arguments))
    check_writable(_partial(output), data_files(arguments))
    if "checkpoint" in arguments:
        if Path(arguments.checkpoint).resolve() in (output.resolve(), _partial(output).resolve()):
            raise UsageError(
                "expected --checkpoint to be another file than --output and its .interrupted twin, "
                f"got {arguments.checkpoint!r}. Choose another name: --checkpoint FILE."
            )
        check_writable(arguments.checkpoint, data_files(arguments), "--checkpoint")
    began = time.perf_counter()
    from sk_mnist_mlp import make_digit_pipeline
    from sk_mnist_mlp.datasets import load_mnist

    splits = load_mnist(path=getattr(arguments, "data", None), return_splits=True)
    X_train, X_test, y_train, y_test = splits
    names = ["epochs", "checkpoint", *(option.parameter for option in NETWORK_OPTIONS)]
    given = {name: getattr(arguments, name) for name in names if name in arguments}
    model = make_digit_pipeline(arguments.recipe, **given, random_state=arguments.seed, verbose=2)

    for name, array in zip(("X_train", "X_test", "y_train", "y_test"), splits, strict=True):
        print(f"{name:8} {array.shape!s:16} {array.dtype}")
    print(f"\n{_layer_table(classifier_of(model), X_train[0].size, len(set(y_train.tolist())))}\n")
    train_and_keep(model, X_train, y_train, output)
    print_accuracy(model, X_test, y_test)
    print(f"Time            {time.perf_counter() - began:.1f} s in all")
    print(f"Model           {describe_size(output)}")
    return 0


def train_and_keep(model: Any, X: Any, y: Any, output: Path) -> None:
    """Fit and save; after Ctrl-C save what was learnt under another name, and interrupt.

    A file from an earlier run is worth more than half a training, so it is not replaced.
    """
    from sk_mnist_mlp.persistence import save_model

    began = time.perf_counter()
    with warnings.catch_warnings():
        # The line below says it in the command's own words.
        warnings.filterwarnings("ignore", "MLPDigitClassifier: .* got interrupted")
        model.fit(X, y)
    classifier = classifier_of(model)
    n_epochs, loss = classifier.n_iter_, classifier.loss_
    if loss is not None and not math.isfinite(loss):
        raise ValueError(
            f"expected a finite loss, got {loss} in epoch {n_epochs}. Try a smaller "
            "--learning-rate; no model is written."
        )
    if n_epochs == classifier.epochs:
        save_model(model, output)
        print(f"\nTrained         {n_epochs} epochs in {time.perf_counter() - began:.1f} s")
        return
    # Nothing else ends a fit early: no option asks for early stopping or callbacks.
    if n_epochs == 0:
        raise KeyboardInterrupt("interrupted in the first epoch; no model is written.")
    save_model(model, _partial(output))
    raise KeyboardInterrupt(
        f"interrupted after {n_epochs} of {classifier.epochs} epochs; the model so far is in "
        f"{str(_partial(output))!r}. {_how_to_resume(classifier)}"
    )


def _how_to_resume(classifier: Any) -> str:
    if classifier.checkpoint is not None:
        return "The same command resumes the training."
    return "With --checkpoint FILE, 'train' can be resumed."


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.stem}.interrupted{output.suffix}")


def _layer_table(classifier: Any, n_features: int, n_classes: int) -> str:
    """The layers with their outputs and weights, as ``keras.Model.summary`` lists them."""
    hidden_units = classifier.hidden_units
    widths = [hidden_units] * 2 if isinstance(hidden_units, int) else list(hidden_units)
    rows = []
    n_in = n_features
    for n_out in widths:
        rows.append(("Dense", n_out, (n_in + 1) * n_out))
        rows.append((f"Activation ({classifier.activation})", n_out, 0))
        rows.append((f"Dropout ({classifier.dropout:g})", n_out, 0))
        n_in = n_out
    rows.append(("Dense", n_classes, (n_in + 1) * n_classes))
    rows.append(("Activation (softmax)", n_classes, 0))
    lines = [f"{'Layer':24}{'Output':>8}{'Weights':>12}", "-" * 44]
    lines += [f"{name:24}{width:>8,}{n_weights:>12,}" for name, width, n_weights in rows]
    lines += ["-" * 44, f"{'Total':32}{sum(row[2] for row in rows):>12,}"]
    return "\n".join(lines)
