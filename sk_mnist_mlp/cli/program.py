"""What ``sk-mnist-mlp`` does: find the command, run it, and say in one line what went wrong.

Exit status: 0 done, 1 it could not be done (a bad file, say), 2 wrongly called, 130 interrupted
(143 by SIGTERM, 129 by SIGHUP), 141 nobody reads the output: its reader has gone, or it is closed.
``train``, ``search``, ``export``, ``draw`` and ``report`` have then done their work and written
their files all the same. Every error is one line on standard error.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from sk_mnist_mlp import __version__
from sk_mnist_mlp.cli import draw as _draw
from sk_mnist_mlp.cli import evaluate as _evaluate
from sk_mnist_mlp.cli import export as _export
from sk_mnist_mlp.cli import info as _info
from sk_mnist_mlp.cli import predict as _predict
from sk_mnist_mlp.cli import report as _report
from sk_mnist_mlp.cli import search as _search
from sk_mnist_mlp.cli import train as _train
from sk_mnist_mlp.cli.arguments import PROGRAM, Parser, UsageError
from sk_mnist_mlp.cli.terminal import (
    OutputLost,
    Stream,
    complain,
    describe_error,
    orderly_ends,
    safe_streams,
)

__all__ = ["main"]

_COMMANDS = (_train, _search, _evaluate, _predict, _draw, _report, _info, _export)
_UNREAD = 141  # 128 + SIGPIPE, as shells have it


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
    with safe_streams() as output:
        status = _main(arguments, output)
        output.raises = False
        output.flush()
        if output.error is None or status:
            return status
        if output.is_unread:
            return _UNREAD
        reason = describe_error(output.error)
        complain(
            PROGRAM,
            f"expected standard output to take what is written, got: {reason} "
            "Send it somewhere else.",
        )
        return 1


def _main(arguments: Sequence[str] | None, output: Stream) -> int:
    try:
        parsed = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse exits by itself: 0 after --help, 2 after an error
        return int(stop.code or 0)
    # Work whose result is a file is done whether or not anybody reads how it goes.
    output.raises = not parsed.writes
    who = f"{PROGRAM} {parsed.command}"
    with warnings.catch_warnings(), orderly_ends() as heard:
        warnings.showwarning = _show_warning
        try:
            status: int = parsed.run(parsed)
            sys.stdout.flush()
            return status
        except UsageError as error:
            complain(who, str(error))
            return 2
        except KeyboardInterrupt as interrupt:
            complain(who, str(interrupt) or "interrupted.")
            return 128 + heard[-1]  # as shells have it
        except OutputLost:
            return 0  # the stream knows why
        # The package's own errors are ValueErrors; scikit-learn's about data are too.
        except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
            complain(who, describe_error(error))
            return 1


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Train, search, keep and use a multilayer perceptron for handwritten digits.",
        epilog=f"'{PROGRAM} COMMAND --help' tells more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"sk_mnist_mlp {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    complain(f"{PROGRAM}: warning", str(message))
