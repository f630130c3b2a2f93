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

__all__ = [
    "NETWORK_OPTIONS",
    "PROGRAM",
    "Parser",
    "UsageError",
    "add_data_option",
    "add_epochs_option",
    "add_seed_option",
    "check_writable",
    "data_files",
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


_MOST = 2**31 - 1
"""Of any count: more than any machine does, and within what every library can hold."""


def whole_number(least: int, most: int = _MOST) -> Callable[[str], int]:
    """Type of a whole number from this to that."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            bound = f"{least} or more" if value < least else f"{most} or less"
            raise argparse.ArgumentTypeError(f"expected a whole number of {bound}, got {text!r}")
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
        type=whole_number(0, most=2**32 - 1),  # what NumPy's generator takes
        default=0,
        metavar="N",
        help="decides all chance: the same seed gives the same model",
    )


def check_writable(path: str | os.PathLike[str], inputs: Iterable[Path] = ()) -> Path:
    """Refuse an output file that could not be written, before any work is done for it.

    Parameters
    ----------
    path : str or os.PathLike
        What is to be written.
    inputs : iterable of Path
        Files that the command reads, none of which it may replace, whatever their names: a link,
        or another spelling where letters' case does not count, is the same file.
    """
    file = Path(path)
    place = Path(os.path.realpath(file)).parent
    if file.is_dir():
        raise UsageError(f"expected --output to be a file, got the folder {str(file)!r}.")
    if not place.is_dir():
        raise UsageError(
            f"expected --output in a folder that exists, got {str(file)!r}. "
            f"Make it first: mkdir -p {str(place if file.is_symlink() else file.parent)!r}."
        )
    if not os.access(place, os.W_OK):
        raise UsageError(
            f"expected --output in a folder that may be written to, got {str(file)!r}. "
            "Choose another one."
        )
    if file.exists() and not file.is_file():
        raise UsageError(
            f"expected --output to be a file, got the device or pipe {str(file)!r}. "
            "Choose another name."
        )
    for source in inputs:
        if file.exists() and source.exists() and file.samefile(source):
            raise UsageError(
                f"expected --output to be another file than {str(source)!r}, which is read, got "
                f"{str(file)!r}, which is the same file. Choose another name: --output FILE."
            )
    return file


def data_files(arguments: argparse.Namespace) -> list[Path]:
    """Files that ``--data`` may be read from."""
    data = getattr(arguments, "data", None)
    if data is None:
        return []
    path = Path(data)
    return [file for file in path.iterdir() if "-ubyte" in file.name] if path.is_dir() else [path]
