"""The command ``sk-mnist-mlp``: train, search, evaluate, predict, info, export.

Exit status: 0 done, 1 it could not be done (a bad file, say), 2 wrongly called, 130 interrupted.
Every error is one line on standard error.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import sk_mnist_mlp
from sk_mnist_mlp.cli import evaluate as _evaluate
from sk_mnist_mlp.cli import export as _export
from sk_mnist_mlp.cli import info as _info
from sk_mnist_mlp.cli import predict as _predict
from sk_mnist_mlp.cli import search as _search
from sk_mnist_mlp.cli import train as _train
from sk_mnist_mlp.cli.arguments import PROGRAM, Parser, UsageError
from sk_mnist_mlp.cli.errors import describe_error

__all__ = ["main"]

_COMMANDS = (_train, _search, _evaluate, _predict, _info, _export)
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        What stands behind ``sk-mnist-mlp``; None takes the process's own.

    Returns
    -------
    status : int
        The exit status.

    Examples
    --------
    >>> from sk_mnist_mlp.cli import main
    >>> main(["info", "/no/such/file"])
    1
    """
    try:
        parsed = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse exits by itself: 0 after --help, 2 after an error
        return int(stop.code or 0)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(parsed)


def _run(parsed: Any) -> int:
    who = f"{PROGRAM} {parsed.command}"
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except UsageError as error:
        _complain(who, str(error))
        return 2
    except KeyboardInterrupt as interrupt:
        _complain(who, str(interrupt) or "interrupted.")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; flushing the rest at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    # The package's own errors are ValueErrors; scikit-learn's about data are too.
    except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
        _complain(who, describe_error(error))
        return 1


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Train, search, keep and use a multilayer perceptron for handwritten digits.",
        epilog=f"'{PROGRAM} COMMAND --help' tells more about a command.",
    )
    parser.add_argument(
        "--version", action="version", version=f"sk_mnist_mlp {sk_mnist_mlp.__version__}"
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _complain(who: str, message: str) -> None:
    """Say what went wrong, in one line."""
    print(f"{who}: {' '.join(message.split())}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    print(f"{PROGRAM}: warning: {' '.join(str(message).split())}", file=sys.stderr)
