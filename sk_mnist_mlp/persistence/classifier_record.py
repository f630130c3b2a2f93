"""A fitted classifier as a record."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn import config_context

from sk_mnist_mlp._estimators import MLPDigitClassifier, sample_weight_requests
from sk_mnist_mlp._network import ACTIVATIONS, NetworkSpec
from sk_mnist_mlp._storage import Arrays, Fields, NotPlainError, decode_labels, encode_labels
from sk_mnist_mlp._training import (
    FittedNetwork,
    pack_layers,
    pack_state,
    take_layers,
    unpack_state,
)
from sk_mnist_mlp.persistence.parameters import (
    check_fitted,
    feature_names,
    not_plain,
    pack_parameters,
    set_feature_names,
    unpack_parameters,
)
from sk_mnist_mlp.persistence.values import decode, encode

__all__ = ["pack_classifier", "unpack_classifier"]

_MAX_WIDTH = 2**31
_MAX_LAYERS = 400
_METHODS = ("fit", "partial_fit", "score")


def pack_classifier(model: MLPDigitClassifier, who: str) -> tuple[dict[str, Any], Arrays]:
    """Describe a fitted classifier.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If something in it is no plain value or not finite.
    """
    check_fitted(model, "coefs_", who)
    fitted = model._fitted()
    arrays = pack_layers(fitted.layers)
    for name, array in {**arrays, "loss_curve_": model.loss_curve_[-1:]}.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"{who}: expected finite weights and losses, got NaN or infinity in {name}. Fit "
                "again with a smaller learning_rate."
            )
    try:
        classes = encode_labels(model.classes_)
    except NotPlainError as error:
        raise not_plain(who, "classes_", error) from None
    state = fitted.state
    if not model._keeps_state:  # as in a pickle
        state = dataclasses.replace(state, moments=())
    state_record, state_arrays = pack_state(state)
    record = {
        "class": "MLPDigitClassifier",
        "parameters": pack_parameters(model, who),
        "network": {
            field.name: encode(getattr(model._network, field.name))
            for field in dataclasses.fields(NetworkSpec)
        },
        "classes": classes,
        "feature_names": feature_names(model),
        "engine": model.engine_,
        "history": {name: encode(column) for name, column in model.history_.items()},
        "requests": sample_weight_requests(model),
        "state": state_record,
        "keeps_state": bool(model._keeps_state),
    }
    return record, arrays | state_arrays


def unpack_classifier(fields: Fields, arrays: Arrays) -> MLPDigitClassifier:
    """Make the classifier that :func:`pack_classifier` described; empties ``arrays``."""
    fields.text("class")
    model = unpack_parameters(fields.fields("parameters"), MLPDigitClassifier)
    network = _unpack_network(fields.fields("network"))
    layers = take_layers(network, arrays, fields)
    fitted = FittedNetwork(
        network=network,
        layers=layers,
        classes=decode_labels(fields.fields("classes"), network.n_classes),
        history=_unpack_history(fields.fields("history")),
        engine=fields.text("engine", ("numpy", "xla", "keras")),
        state=unpack_state(fields.fields("state"), arrays, network),
    )
    if not fitted.is_finite:
        fields.refuse("finite weights and a finite last loss", "NaN or infinity")
    model._adopt(fitted, keeps_state=fields.flag("keeps_state"))
    set_feature_names(model, fields)
    _set_requests(model, fields)
    fields.close()
    if arrays:
        fields.refuse("no other arrays", next(iter(arrays)))
    return model


def _unpack_network(fields: Fields) -> NetworkSpec:
    values = {
        field.name: decode(fields.take(field.name), fields.where, fields.refuse)
        for field in dataclasses.fields(NetworkSpec)
    }
    fields.close()
    fields.whole("n_features", 1, _MAX_WIDTH)
    fields.whole("n_classes", 2, _MAX_WIDTH)
    fields.text("activation", ACTIVATIONS)
    fields.text("dtype", ("float32", "float64"))
    widths = values["hidden_units"]
    if (
        not isinstance(widths, tuple)
        or len(widths) > _MAX_LAYERS
        or not all(map(_is_width, widths))
    ):
        fields.fail("hidden_units", "a tuple of widths")
    for name in ("dropout", "l2"):
        if not 0 <= fields.number(name) < (1 if name == "dropout" else np.inf):
            fields.fail(name, "a fraction" if name == "dropout" else "a number of 0 or more")
    return NetworkSpec(**values)


def _is_width(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MAX_WIDTH


def _unpack_history(fields: Fields) -> dict[str, list[float]]:
    history = {}
    for name in fields.names():
        column = decode(fields.items(name), f"{fields.where}.{name}", fields.refuse)
        if not all(isinstance(value, float) for value in column):
            fields.fail(name, "a list of floats")
        history[name] = column
    if len(set(map(len, history.values()))) > 1:
        fields.refuse("columns of one length in history", "others")
    return history


def _set_requests(model: MLPDigitClassifier, fields: Fields) -> None:
    requests = fields.fields("requests")
    with config_context(enable_metadata_routing=True):
        for method in requests.names():
            value = requests.take(method)
            is_name = isinstance(value, str) and value.isidentifier()
            if method not in _METHODS or not (is_name or isinstance(value, bool)):
                requests.fail(method, "a request of fit, partial_fit or score")
            getattr(model, f"set_{method}_request")(sample_weight=value)
