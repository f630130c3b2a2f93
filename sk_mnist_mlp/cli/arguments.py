"""What a command line may say: types of values, and options that several commands share."""

from __future__ import annotations

import argparse
import difflib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from sk_mnist_mlp._storage import check_place
from sk_mnist_mlp.cli.terminal import describe_error

__all__ = [
    "NETWORK_OPTIONS",
    "PROGRAM",
    "Parser",
    "UsageError",
    "add_data",
    "add_model",
    "add_training_options",
    "check_writable",
    "data_files",
    "parsed_by",
    "whole_number",
]

PROGRAM = "sk-mnist-mlp"


class UsageError(Exception):
    """A wrong call that only shows when the command looks closer: exit status 2."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and ask whether another word was meant."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        # Abbreviations would turn into errors when an option is added. Nor does an option that
        # was not given have a value: a help that names "None" as its default tells nothing.
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **options)
        self._helpful = self.prog

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is unknown here, where the command and its options are known.

        ``argparse`` hands it up to the parser of all commands, whose help does not tell.
        """
        words = sys.argv[1:] if args is None else list(args)
        # First, as what a misspelt option should have said may be missing elsewhere.
        for word in itertools.takewhile(self._may_be_ours, words):
            name = word.partition("=")[0]
            if word.startswith("--") and name not in self._option_string_actions:
                value = [] if "=" in word else words[words.index(word) + 1 :][:1]
                self._refuse_unknown([word, *(v for v in value if not v.startswith("--"))])
        parsed, unknown = super().parse_known_args(words, namespace)
        if unknown:
            self._refuse_unknown(unknown)
        return parsed, unknown

    def _may_be_ours(self, word: str) -> bool:
        """Whether a word stands before the end of options, and before a command's own words."""
        return word != "--" and (self._subparsers is None or word.startswith("-"))

    def _refuse_unknown(self, words: Sequence[str]) -> NoReturn:
        name = words[0].partition("=")[0]
        known = [option for option in self._option_string_actions if option.startswith("--")]
        hint = _did_you_mean(name, known) if name.startswith("-") else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = _did_you_mean(str(value), list(action.choices or ()))
            if hint and isinstance(action.choices, dict):  # of commands, which have a help each
                self._helpful = f"{self.prog} {hint.rstrip('?').split()[-1]}"
            raise argparse.ArgumentError(action, f"{error.message}{hint}") from None

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line."""
        stop = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: {message}{stop} See '{self._helpful} --help'.\n")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    """A question that names what looks most alike, or nothing."""
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f". Did you mean {close[0]}?" if close else ""


# ----------------------------------------------------------------------------------------------
# Types of values


def parsed_by(
    read: Callable[[str], Any], holds: Callable[[Any], bool], expected: str
) -> Callable[[str], Any]:
    """Type of the values that ``read`` makes of a text and that ``holds`` is true of."""

    def parse(text: str) -> Any:
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or not holds(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parse


def whole_number(least: int, most: int = 2**31 - 1) -> Callable[[str], Any]:
    """Type of a whole number; more than two thousand million no library can hold."""

    def parse(text: str) -> Any:
        for holds, bound in (least.__le__, f"{least} or more"), (most.__ge__, f"{most} or less"):
            value = parsed_by(int, holds, f"a whole number of {bound}")(text)
        return value

    return parse


def _widths(text: str) -> int | tuple[int, ...]:
    """``256``: two layers of that width; ``512,256``: one width a layer; ``512,``: one layer."""
    widths = tuple(int(part) for part in text.removesuffix(",").split(","))
    if min(widths) < 1:
        raise ValueError
    return widths if "," in text else widths[0]


_SHARE = parsed_by(float, lambda value: 0.0 <= value < 1.0, "a number in [0, 1)")
_POSITIVE = parsed_by(float, lambda value: 0.0 < value < float("inf"), "a number above 0")
_PENALTY = parsed_by(float, lambda value: 0.0 <= value < float("inf"), "a number of 0 or more")
_WIDTHS = parsed_by(_widths, bool, "a width such as 256, or one width a layer such as 512,256")


# ----------------------------------------------------------------------------------------------
# Options


class NetworkOption(NamedTuple):
    """A parameter of the classifier as an option: one value to train, several to search."""

    parameter: str
    parse: Callable[[str], Any]
    default: Any
    metavar: str
    help: str


NETWORK_OPTIONS = (
    NetworkOption(
        *("hidden_units", _WIDTHS, 256, "WIDTH"),
        help="units of each of two hidden layers, or one width a layer: 512,256",
    ),
    NetworkOption(
        *("dropout", _SHARE, 0.45, "RATE"), help="fraction of the hidden units dropped in training"
    ),
    NetworkOption("learning_rate", _POSITIVE, 0.001, "RATE", help="Adam's step size"),
    NetworkOption("batch_size", whole_number(1), 128, "N", help="rows a step of training"),
    NetworkOption("l2", _PENALTY, 0.0, "WEIGHT", help="penalty on squared weights"),
)


def add_training_options(parser: argparse.ArgumentParser, note: str, **more: Any) -> None:
    """Add ``--data``, ``--seed`` and those of the network; ``note`` stands before each default."""
    add_data(parser)
    for option in NETWORK_OPTIONS:
        parser.add_argument(
            "--" + option.parameter.replace("_", "-"),
            type=option.parse,
            metavar=option.metavar,
            help=f"{option.help} ({note}: {option.default})",
            **more,
        )
    parser.add_argument(
        "--seed",
        type=whole_number(0, most=2**32 - 1),  # what NumPy's generator takes
        default=0,
        metavar="N",
        help="decides all chance: the same seed gives the same model",
    )


def add_data(parser: argparse.ArgumentParser, note: str = "default: the embedded MNIST") -> None:
    """Add ``--data``."""
    parser.add_argument(
        "--data",
        metavar="PATH",
        help=f"folder of IDX files or Keras's mnist.npz ({note})",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model to use."""
    parser.add_argument("file", metavar="FILE", help="a model that 'train' or 'search' wrote")


# ----------------------------------------------------------------------------------------------
# Files


def check_writable(
    path: str | os.PathLike[str], inputs: Iterable[Path] = (), option: str = "--output"
) -> Path:
    """Refuse an output file that could not be written, before any work is done for it.

    Nor may it replace one of the inputs, whatever their names: a link, or another spelling where
    letters' case does not count, is the same file.
    """
    file = Path(path)
    try:
        check_place(file, who=option)
    except OSError as error:
        raise UsageError(describe_error(error)) from None
    for source in inputs:
        if file.exists() and source.exists() and file.samefile(source):
            raise UsageError(
                f"expected {option} to be another file than {str(source)!r}, which is read, got "
                f"{str(file)!r}, which is the same file. Choose another name: {option} FILE."
            )
    return file


def data_files(arguments: argparse.Namespace) -> list[Path]:
    """Files that ``--data`` may be read from."""
    if "data" not in arguments:
        return []
    path = Path(arguments.data)
    return [file for file in path.iterdir() if "-ubyte" in file.name] if path.is_dir() else [path]
