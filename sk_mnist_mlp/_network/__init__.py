"""What is computed: a network as a value, its mathematics, its answers.

It may import NumPy only; TensorFlow and Keras where a function needs them.
"""

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace, row_blocks, tensorflow_namespace
from sk_mnist_mlp._network.keras_model import build_network
from sk_mnist_mlp._network.monte_carlo import sample_probabilities
from sk_mnist_mlp._network.prediction import (
    SURE,
    check_overflow,
    forward,
    log_softmax,
    most_probable,
    softmax,
)
from sk_mnist_mlp._network.random_bits import (
    dropout_constants,
    dropout_scale,
    step_keys,
    uniform,
)
from sk_mnist_mlp._network.spec import (
    Layer,
    Layers,
    NetworkSpec,
    as_arrays,
    as_layers,
    initial_layers,
)

__all__ = [
    "ACTIVATIONS",
    "SURE",
    "Layer",
    "Layers",
    "NetworkSpec",
    "NumpyNamespace",
    "as_arrays",
    "as_layers",
    "build_network",
    "check_overflow",
    "dropout_constants",
    "dropout_scale",
    "forward",
    "initial_layers",
    "log_softmax",
    "most_probable",
    "row_blocks",
    "sample_probabilities",
    "softmax",
    "step_keys",
    "tensorflow_namespace",
    "uniform",
]
