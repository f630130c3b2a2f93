"""A training state as a record: a JSON object and arrays, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

from numpy.typing import NDArray

from sk_mnist_mlp._archive import Arrays
from sk_mnist_mlp._fields import Fields
from sk_mnist_mlp._network import Weights
from sk_mnist_mlp.training._plan import Seeds, TrainingState

__all__ = ["numbered", "pack_state", "take_numbered", "unpack_state"]

_MAX_ARRAYS = 9999
_ARRAYS = ("weights", "optimizer_state", "average")


def numbered(name: str, arrays: list[NDArray[Any]]) -> Arrays:
    """Name the arrays of a list ``name_0``, ``name_1`` and so on."""
    return {f"{name}_{number}": array for number, array in enumerate(arrays)}


def take_numbered(name: str, n_arrays: int, arrays: Arrays, fields: Fields) -> list[NDArray[Any]]:
    """Take the arrays that :func:`numbered` named out of ``arrays``."""
    names = [f"{name}_{number}" for number in range(n_arrays)]
    missing = [each for each in names if each not in arrays]
    if missing:
        fields.refuse(f"an array {missing[0]}", "none")
    return [arrays.pop(each) for each in names]


def pack_state(state: TrainingState) -> tuple[dict[str, Any], Arrays]:
    """Describe a training state."""
    record: dict[str, Any] = {}
    arrays: Arrays = {}
    for field in dataclasses.fields(TrainingState):
        value = getattr(state, field.name)
        if field.name in _ARRAYS:
            arrays |= numbered(f"state_{field.name}", value)
            record[field.name] = {"arrays": len(value)}
        else:
            record[field.name] = dataclasses.asdict(value) if field.name == "seeds" else value
    return record, arrays


def unpack_state(fields: Fields, arrays: Arrays, shapes: list[tuple[int, ...]]) -> TrainingState:
    """Make the state that :func:`pack_state` described, taking its arrays out of ``arrays``.

    Parameters
    ----------
    fields : Fields
        The record.
    arrays : dict of str to ndarray
        The file's arrays.
    shapes : list of tuple of int
        Of the network's weights, which the state's arrays must fit.
    """
    seeds = fields.fields("seeds")
    drawn = {field.name: seeds.whole(field.name, 0, 2**32) for field in dataclasses.fields(Seeds)}
    seeds.close()
    lists = {}
    for name in _ARRAYS:
        count = fields.fields(name)
        n_arrays = count.whole("arrays", 0, _MAX_ARRAYS)
        count.close()
        lists[name] = take_numbered(f"state_{name}", n_arrays, arrays, fields)
    state = TrainingState(
        engine=fields.text("engine", ("", "compiled", "keras")),
        rule=fields.text("rule"),
        seeds=Seeds(**drawn),
        step=fields.whole("step"),
        epoch=fields.whole("epoch"),
        **lists,
    )
    fields.close()
    _check_shapes(fields, state, shapes)
    return state


def _check_shapes(fields: Fields, state: TrainingState, shapes: list[tuple[int, ...]]) -> None:
    """Refuse a state that training could not go on from with weights of these shapes."""
    for name, listed in (("weights", state.weights), ("average", state.average)):
        if listed and _shapes_of(listed) != shapes:
            fields.refuse(f"{fields.where}.{name} of the weights' shapes", "others")
    moments = _shapes_of(state.optimizer_state)
    # The compiled engine keeps the same number of arrays for each weight, one after the other;
    # what Keras keeps differs from optimizer to optimizer, and Keras checks it when it goes on.
    repeated = [shape for shape in shapes for _ in range(len(moments) // len(shapes))]
    if state.engine == "compiled" and moments != repeated:
        fields.refuse(f"{fields.where}.optimizer_state of the weights' shapes", "others")


def _shapes_of(arrays: Weights) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
