"""A network as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sk_mnist_mlp._network.spec import Layers, NetworkSpec, as_arrays, initial_layers

if TYPE_CHECKING:
    import keras

__all__ = ["build_network"]


def build_network(
    spec: NetworkSpec, layers: Layers | None = None, *, seed: int = 0
) -> keras.Sequential:
    """Build an uncompiled ``keras.Sequential``: Dense, Activation, Dropout, …, softmax.

    ``seed`` draws the weights where no ``layers`` are given, and seeds every layer, because Keras
    would draw a missing seed from Python's global generator.
    """
    import keras

    stages: list[Any] = [keras.Input((spec.n_features,), dtype=spec.dtype)]
    regularizer = keras.regularizers.L2(spec.l2) if spec.l2 else None

    def add(kind: Any, *arguments: Any, **options: Any) -> None:
        stages.append(kind(*arguments, **options, dtype=spec.dtype))

    for depth, width in enumerate((*spec.hidden_units, spec.n_classes)):
        drawn = keras.initializers.GlorotUniform(seed=seed + depth)
        add(keras.layers.Dense, width, kernel_initializer=drawn, kernel_regularizer=regularizer)
        if depth < len(spec.hidden_units):
            add(keras.layers.Activation, spec.activation)
            add(keras.layers.Dropout, spec.dropout, seed=seed + depth)
    add(keras.layers.Activation, "softmax")
    model = keras.Sequential(stages)
    model.set_weights(as_arrays(initial_layers(spec, seed) if layers is None else layers))
    return model
