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
    """Build the network as a ``keras.Sequential``: Dense, Activation, Dropout, …, softmax.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    layers : tuple of Layer or None, default=None
        Its weights; None draws them from ``seed``.
    seed : int, default=0
        Seeds the first weights and the dropout layers. Every layer is given a seed, because Keras
        would draw a missing one from Python's global generator.

    Returns
    -------
    model : keras.Sequential
        Uncompiled.
    """
    import keras

    stages: list[Any] = [keras.Input((spec.n_features,), dtype=spec.dtype)]
    regularizer = keras.regularizers.L2(spec.l2) if spec.l2 else None
    for depth, width in enumerate((*spec.hidden_units, spec.n_classes)):
        stages.append(
            keras.layers.Dense(
                width,
                kernel_initializer=keras.initializers.GlorotUniform(seed=seed + depth),
                kernel_regularizer=regularizer,
                dtype=spec.dtype,
            )
        )
        if depth < len(spec.hidden_units):
            stages.append(keras.layers.Activation(spec.activation, dtype=spec.dtype))
            stages.append(keras.layers.Dropout(spec.dropout, seed=seed + depth, dtype=spec.dtype))
        else:
            stages.append(keras.layers.Activation("softmax", dtype=spec.dtype))
    model = keras.Sequential(stages)
    model.set_weights(as_arrays(initial_layers(spec, seed) if layers is None else layers))
    return model
