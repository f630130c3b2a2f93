"""What a command line may say: types of values, and options that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

__all__ = [
    "NETWORK_OPTIONS",
    "PROGRAM",
    "Parser",
    "UsageError",
    "add_data_option",
    "add_epochs_option",
    "add_seed_option",
    "check_writable",
    "whole_number",
]

PROGRAM = "sk-mnist-mlp"


class UsageError(Exception):
    """A wrong call that only shows when the command looks closer: exit status 2."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        # Abbreviations would turn into errors when an option is added.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line."""
        self.exit(2, f"{self.prog}: {message}. See '{self.prog} --help'.\n")


# ----------------------------------------------------------------------------------------------
# Types of values


def whole_number(least: int) -> Callable[[str], int]:
    """Type of a whole number of at least this."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of {least} or more, got {text!r}"
            )
        return value

    return parse


def _number(holds: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not holds(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parse


def _layer_widths(text: str) -> int | tuple[int, ...]:
    """``256``: two layers of that width; ``512,256``: one width a layer; ``512,``: one layer."""
    try:
        widths = tuple(int(part) for part in text.removesuffix(",").split(","))
    except ValueError:
        widths = (0,)
    if min(widths) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a width such as 256, or one width a layer such as 512,256, got {text!r}"
        )
    return widths if "," in text else widths[0]


# ----------------------------------------------------------------------------------------------
# Options


class NetworkOption(NamedTuple):
    """A parameter of the classifier as an option: one value to train, several to search."""

    parameter: str
    parse: Callable[[str], Any]
    default: Any
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """The option's name: ``--hidden-units`` for ``hidden_units``."""
        return "--" + self.parameter.replace("_", "-")


_FRACTION = _number(lambda value: 0.0 <= value < 1.0, "a number in [0, 1)")
_POSITIVE = _number(lambda value: 0.0 < value < float("inf"), "a number above 0")
_NOT_NEGATIVE = _number(lambda value: 0.0 <= value < float("inf"), "a number of 0 or more")

NETWORK_OPTIONS = (
    NetworkOption(
        "hidden_units",
        _layer_widths,
        256,
        "WIDTH",
        "units of each of two hidden layers, or one width a layer: 512,256",
    ),
    NetworkOption(
        "dropout", _FRACTION, 0.45, "RATE", "fraction of the hidden units dropped in training"
    ),
    NetworkOption("learning_rate", _POSITIVE, 0.001, "RATE", "Adam's step size"),
    NetworkOption("batch_size", whole_number(1), 128, "N", "rows a step of training"),
    NetworkOption("l2", _NOT_NEGATIVE, 0.0, "WEIGHT", "penalty on squared weights"),
)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument(
        "--data",
        metavar="PATH",
        # Not the suppressed default's "None": what happens without the option is worth words.
        default=argparse.SUPPRESS,
        help="folder of IDX files or Keras's mnist.npz (default: the embedded MNIST)",
    )


def add_epochs_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--epochs``."""
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        default=20,
        metavar="N",
        help="passes over the training images",
    )


def add_seed_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="decides all chance: the same seed gives the same model",
    )


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse an output file that could not be written, before any work is done for it."""
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"expected --output to be a file, got the folder {str(file)!r}.")
    if not file.parent.is_dir():
        raise UsageError(
            f"expected --output in a folder that exists, got {str(file)!r}. "
            f"Make it first: mkdir -p {str(file.parent)!r}."
        )
    if not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"expected --output in a folder that may be written to, got {str(file)!r}. "
            "Choose another one."
        )
    return file
