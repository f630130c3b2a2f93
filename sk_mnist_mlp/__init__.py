"""Digit classification by a multilayer perceptron, as a scikit-learn plugin.

>>> from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sk_mnist_mlp._estimators import (
        RECIPES,
        ImageFlattener,
        MLPDigitClassifier,
        RandomDistortion,
        make_digit_pipeline,
    )
    from sk_mnist_mlp.persistence import load_model, save_model

__all__ = [
    "RECIPES",
    "ImageFlattener",
    "MLPDigitClassifier",
    "RandomDistortion",
    "load_model",
    "make_digit_pipeline",
    "save_model",
]
__version__ = "0.1.0"

_HOMES = {
    "ImageFlattener": "sk_mnist_mlp._estimators",
    "MLPDigitClassifier": "sk_mnist_mlp._estimators",
    "RECIPES": "sk_mnist_mlp._estimators",
    "RandomDistortion": "sk_mnist_mlp._estimators",
    "load_model": "sk_mnist_mlp.persistence",
    "make_digit_pipeline": "sk_mnist_mlp._estimators",
    "save_model": "sk_mnist_mlp.persistence",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    _offer_backend()
    return value


def _offer_backend() -> None:
    """Let ``joblib.parallel_config(backend="fused")`` work as soon as joblib is loaded."""
    if "joblib" in sys.modules:
        sys.modules["joblib"].register_parallel_backend("fused", _make_backend)


def _make_backend(**options: Any) -> Any:
    home = importlib.import_module("sk_mnist_mlp.model_selection.fused")
    return home.FusedBackend(**options)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


_offer_backend()
