"""Layers and training states as what a file holds: plain values and named arrays, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sk_mnist_mlp._network import Layer, Layers, NetworkSpec, as_arrays
from sk_mnist_mlp._storage import Arrays, Fields
from sk_mnist_mlp._training.result import Seeds, TrainingState

__all__ = ["pack_layers", "pack_state", "take_layers", "unpack_seeds", "unpack_state"]

_MAX_ARRAYS = 9999


def pack_layers(layers: Layers, prefix: str = "") -> Arrays:
    """Name the arrays of layers ``coefs_0``, ``intercepts_0``, ``coefs_1`` and so on."""
    arrays: Arrays = {}
    for depth, layer in enumerate(layers):
        arrays[f"{prefix}coefs_{depth}"] = layer.kernel
        arrays[f"{prefix}intercepts_{depth}"] = layer.bias
    return arrays


def take_layers(spec: NetworkSpec, arrays: Arrays, fields: Fields, prefix: str = "") -> Layers:
    """Take the layers of a network, as :func:`pack_layers` named them, out of ``arrays``."""

    def take(name: str, shape: tuple[int, ...]) -> Any:
        array = arrays.pop(prefix + name, None)
        if array is None or array.shape != shape or array.dtype != spec.dtype:
            got = "none" if array is None else f"{array.dtype} of shape {array.shape}"
            fields.refuse(f"{prefix}{name} of {spec.dtype} and shape {shape}", got)
        return array

    return tuple(
        Layer(take(f"coefs_{depth}", kernel), take(f"intercepts_{depth}", bias))
        for depth, (kernel, bias) in enumerate(spec.layer_shapes)
    )


def pack_state(state: TrainingState) -> tuple[dict[str, Any], Arrays]:
    """Describe a training state."""
    described = {
        "seeds": dataclasses.asdict(state.seeds),
        "rule": state.rule,
        "moments": len(state.moments),
        "updates": state.updates,
        "step": state.step,
        "epoch": state.epoch,
    }
    moments = {f"moments_{number}": np.asarray(a) for number, a in enumerate(state.moments)}
    return described, moments


def unpack_state(fields: Fields, arrays: Arrays, spec: NetworkSpec) -> TrainingState:
    """Make the state that :func:`pack_state` described; its moments leave ``arrays``."""
    names = [f"moments_{number}" for number in range(fields.whole("moments", 0, _MAX_ARRAYS))]
    missing = [name for name in names if name not in arrays]
    if missing:
        fields.refuse(f"an array {missing[0]}", "none")
    state = TrainingState(
        seeds=unpack_seeds(fields.fields("seeds")),
        rule=fields.text("rule"),
        moments=tuple(arrays.pop(name) for name in names),
        updates=fields.whole("updates"),
        step=fields.whole("step"),
        epoch=fields.whole("epoch"),
    )
    fields.close()
    shapes = [array.shape for array in state.moments]
    expected = as_arrays(Layer(*pair) for pair in spec.layer_shapes)
    # Our own rules keep all arrays of the network, slot by slot; what Keras keeps differs from
    # optimizer to optimizer, and Keras checks it when training is resumed.
    own = not state.rule.startswith("keras.")
    if own and shapes != expected * (len(shapes) // len(expected)):
        fields.refuse(f"{fields.where}.moments of the weights' shapes", "others")
    return state


def unpack_seeds(fields: Fields) -> Seeds:
    """Make the seeds that :func:`pack_state` described."""
    names = [field.name for field in dataclasses.fields(Seeds)]
    seeds = Seeds(**{name: fields.whole(name, 0, 2**32) for name in names})
    fields.close()
    return seeds
