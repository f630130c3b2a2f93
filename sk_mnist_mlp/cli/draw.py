"""``sk-mnist-mlp draw``: a kept model as a page to draw on, opened in the browser."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sk_mnist_mlp.cli.arguments import add_data, add_model, check_writable, data_files
from sk_mnist_mlp.cli.export import write_page
from sk_mnist_mlp.cli.models import open_model

__all__ = ["add_parser"]

_SECONDS = 10.0
"""How long a browser may take to answer; most do within one."""


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "draw",
        help="draw digits and watch the model read them",
        description="Write a page to draw digits on and open it in the browser. The page's path is "
        "printed; open it yourself where no browser does. The page needs no network.",
    )
    add_model(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="where to keep the page (default: a temporary file)"
    )
    add_data(parser, "its test images show on the page how good the model is")
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    inputs = [Path(arguments.file), *data_files(arguments)]
    kept = check_writable(arguments.output, inputs) if "output" in arguments else None
    model = open_model(arguments.file)
    with contextlib.ExitStack() as undo:
        page = kept
        if page is None:
            folder = tempfile.mkdtemp(prefix="sk-mnist-mlp-")  # which nobody else can read
            page = Path(folder, f"{inputs[0].stem}.html")
            undo.callback(page.parent.rmdir)
        write_page(model, page, getattr(arguments, "data", None))
        undo.pop_all()  # written, so it stays: the browser reads it when this process has ended
    page = page.resolve()
    print(page, flush=True)
    _open_in_browser(page)
    return 0


def _open_in_browser(page: Path) -> None:
    """Open a page where there is a browser, and wait for none.

    It is asked by a process of its own, in a session of its own: some browsers run until they are
    closed, write to the streams they inherit, or take the terminal.
    """
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-I", "-m", "webbrowser", page.as_uri()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
