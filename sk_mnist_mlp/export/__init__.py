"""Interchange: models for other programs, and other programs' models as ours."""

from sk_mnist_mlp.export.html_page import to_html
from sk_mnist_mlp.export.keras_models import from_keras, from_scikeras
from sk_mnist_mlp.export.onnx_models import register_skl2onnx_converters, to_onnx
from sk_mnist_mlp.export.safetensors_files import from_safetensors

__all__ = [
    "from_keras",
    "from_safetensors",
    "from_scikeras",
    "register_skl2onnx_converters",
    "to_html",
    "to_onnx",
]
