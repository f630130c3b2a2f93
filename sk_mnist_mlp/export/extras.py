"""Packages that only some exports need."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, extra: str, who: str) -> Any:
    """Import a package of an optional extra.

    Raises
    ------
    ImportError
        If it is not installed, saying what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{who}: expected the package {module.split('.')[0]!r}, got none. "
            f'Install it: pip install "sk_mnist_mlp[{extra}]".'
        ) from error
