"""Packages that only some uses need, and what to type where one is missing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
import subprocess
import sys
from typing import Any

__all__ = ["REQUIREMENTS", "how_to_install", "require"]

REQUIREMENTS = {
    "PIL": "pillow>=11",
    "matplotlib": "matplotlib>=3.8",
    "onnx": "onnx>=1.16",
    "pandas": "pandas>=2.2",
    "skl2onnx": "skl2onnx>=1.18",
}
"""What pip installs for each package that is imported only when needed, as in pyproject.toml."""


def require(module: str, *, who: str, purpose: str = "") -> Any:
    """Import one of :data:`REQUIREMENTS`, or a part of one, for the public function ``who``.

    Raises
    ------
    ImportError
        If it is not installed, saying what to type; ``purpose`` reads like ``"to read pictures"``.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        name = "Pillow" if package == "PIL" else package
        raise ImportError(
            f"{who}: expected the package {name}{purpose and f' {purpose}'}, got none. "
            f"{how_to_install(package)}"
        ) from error


def how_to_install(package: str) -> str:
    """Say what to type so that this very interpreter has a package of :data:`REQUIREMENTS`.

    The command names the interpreter, as the ``pip`` that a shell finds may be another's, and the
    plain package, as an extra of this project can be had only where its sources are.
    """
    # Quoted for the shells of the system. An embedded interpreter does not know its path.
    arguments = [sys.executable or "python"]
    python = subprocess.list2cmdline(arguments) if os.name == "nt" else shlex.join(arguments)
    pip = f'{python} -m pip install "{REQUIREMENTS[package]}"'
    if importlib.util.find_spec("pip") is None:  # as in what uv or venv --without-pip makes
        pip = f"{python} -m ensurepip && {pip}"
    return f"Install it: {pip}"
