"""Interchange: fitted models for other programs, and other programs' models as ours."""

from sk_mnist_mlp.export._keras import from_keras
from sk_mnist_mlp.export._onnx import to_onnx
from sk_mnist_mlp.export._safetensors import from_safetensors, to_safetensors
from sk_mnist_mlp.export._scikeras import from_scikeras, to_scikeras
from sk_mnist_mlp.export._skl2onnx import register_skl2onnx_converters

__all__ = [
    "from_keras",
    "from_safetensors",
    "from_scikeras",
    "register_skl2onnx_converters",
    "to_onnx",
    "to_safetensors",
    "to_scikeras",
]
