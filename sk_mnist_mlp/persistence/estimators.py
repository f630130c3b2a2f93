"""Fitted models as plain values and arrays, and back.

What is read is checked for sense; that the file is whole has been checked before.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from sk_mnist_mlp._estimators import (
    ImageFlattener,
    MLPDigitClassifier,
    divisor_of,
    metadata_requests,
    output_container,
)
from sk_mnist_mlp._network import ACTIVATIONS, NetworkSpec
from sk_mnist_mlp._storage import (
    NUMBERS,
    Arrays,
    Fields,
    NotPlainError,
    decode_labels,
    encode_labels,
    shown,
    with_configs,
)
from sk_mnist_mlp._training import (
    FittedNetwork,
    pack_layers,
    pack_state,
    take_layers,
    unpack_state,
)
from sk_mnist_mlp.persistence.values import LEFT_OUT, decode, decode_parameters, encode

__all__ = ["pack_model", "unpack_model"]

_MAX_WIDTH = 2**31
_MAX_LAYERS = 400


# ----------------------------------------------------------------------------------------------
# A model: the classifier, or a pipeline that ends in it


def pack_model(model: Any, who: str) -> tuple[dict[str, Any], Arrays]:
    """Describe a fitted model.

    Raises
    ------
    TypeError
        If it is none that a model file can hold.
    NotFittedError
        If it is not fitted.
    ValueError
        If a parameter is no plain value or a weight is not finite.
    """
    if type(model) is MLPDigitClassifier:
        return _pack_classifier(model, who)
    kinds = [type(step) for _, step in model.steps] if type(model) is Pipeline else []
    if kinds[-1:] != [MLPDigitClassifier] or set(kinds[:-1]) - {ImageFlattener}:
        raise _not_a_model(who, model)
    names, steps = zip(*model.steps, strict=True)
    packed = [_pack_flattener(step, who) for step in steps[:-1]]
    classifier, arrays = _pack_classifier(steps[-1], who)
    pairs = [list(pair) for pair in zip(names, [*packed, classifier], strict=True)]
    return {"class": "Pipeline", "steps": pairs, "verbose": bool(model.verbose)}, arrays


def _not_a_model(who: str, model: Any) -> TypeError:
    got = type(model).__name__
    fix = "Use joblib.dump for other estimators."
    if isinstance(model, Pipeline):
        got = f"a Pipeline of {', '.join(type(step).__name__ for _, step in model.steps)}"
    elif hasattr(model, "best_estimator_"):
        fix = "Pass its best_estimator_."
    elif isinstance(model, type):
        got, fix = f"the class {model.__name__}", "Make an instance and fit it."
    elif isinstance(model, MLPDigitClassifier):
        fix = "Use joblib.dump for classes of your own."
    return TypeError(
        f"{who}: expected an MLPDigitClassifier, or a Pipeline of ImageFlattener and "
        f"MLPDigitClassifier, got {got}. {fix}"
    )


def unpack_model(fields: Fields, arrays: Arrays) -> Any:
    """Make the model that :func:`pack_model` described; ``arrays`` is emptied."""
    if fields.text("class", ("MLPDigitClassifier", "Pipeline")) == "MLPDigitClassifier":
        return _unpack_classifier(fields, arrays)
    steps: list[tuple[str, Any]] = []
    pairs = fields.items("steps")
    for number, pair in enumerate(pairs, start=1):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            fields.fail("steps", "pairs of a name and an estimator")
        step = Fields(pair[1], f"{fields.where}.{shown(pair[0])}", fields.refuse)
        last = number == len(pairs)
        step.text("class", ["MLPDigitClassifier" if last else "ImageFlattener"])
        unpacked = _unpack_classifier(step, arrays) if last else _unpack_flattener(step)
        steps.append((pair[0], unpacked))
    names = [name for name, _ in steps]
    if not steps or len(set(names)) < len(names) or any("__" in name for name in names):
        fields.fail("steps", "steps of different names without '__'")
    widths = [step.n_features_in_ for _, step in steps]
    if len(set(widths)) > 1:
        fields.refuse("steps of equal numbers of features", " and ".join(map(str, widths)))
    model = Pipeline(steps, verbose=fields.flag("verbose"))
    fields.close()
    return model


# ----------------------------------------------------------------------------------------------
# What all estimators have: a class, parameters, names of columns


def _pack_estimator(model: BaseEstimator, fitted_attribute: str, who: str) -> dict[str, Any]:
    kind = type(model).__name__
    if not hasattr(model, fitted_attribute):
        raise NotFittedError(
            f"{who}: expected a fitted {kind}, got one without fit. Call fit first."
        )
    # Not get_params(): it would build, and import Keras for, what is still a configuration.
    held = {**vars(model).get("_recorded", {}), **vars(model)}
    callbacks = held.get("callbacks") or []
    if callbacks != []:
        listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        warnings.warn(
            f"{who}: expected parameters of plain values, got callbacks of "
            f"{', '.join(type(callback).__name__ for callback in listed)}, which are code and stay "
            "behind. Set them again after loading, if you train on.",
            stacklevel=5,
        )
    parameters = {}
    for name in type(model)().get_params(deep=False):
        try:
            if name not in LEFT_OUT:
                parameters[name] = encode(held[name])
        except NotPlainError as error:
            raise _not_plain(who, name, error) from None
    names = getattr(model, "feature_names_in_", None)
    return {
        "class": kind,
        "parameters": parameters,
        "feature_names": None if names is None else [str(name) for name in names],
    }


def _not_plain(who: str, name: str, error: NotPlainError) -> ValueError:
    return ValueError(
        f"{who}: expected parameters of plain values, which a file can hold without code, got "
        f"{error} in {name}. Set another value first, or use joblib.dump."
    )


def _unpack_estimator(fields: Fields, kind: type[Any], n_features: int) -> Any:
    """The estimator, not yet fitted; Keras objects among its parameters are built when needed."""
    model = kind(**decode_parameters(fields.fields("parameters"), kind))
    model.__dict__ = with_configs(vars(model))
    if fields.take("feature_names") is not None:
        names = fields.texts("feature_names")
        if len(names) != n_features:
            fields.fail("feature_names", f"{n_features} names")
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


# ----------------------------------------------------------------------------------------------
# The flattener


def _pack_flattener(model: ImageFlattener, who: str) -> dict[str, Any]:
    return _pack_estimator(model, "image_shape_", who) | {
        "image_shape": [int(size) for size in model.image_shape_],
        "image_dtype": np.dtype(model.image_dtype_).name,
        "n_features": int(model.n_features_in_),
        "fitted_on_rows": len(model._input_shape) == 1,
        "output": output_container(model),
    }


def _unpack_flattener(fields: Fields) -> ImageFlattener:
    n_features = fields.whole("n_features", 1, _MAX_WIDTH)
    model = _unpack_estimator(fields, ImageFlattener, n_features)
    shape = fields.wholes("image_shape", 1, _MAX_WIDTH)
    if not 1 <= len(shape) <= 3 or math.prod(shape) != n_features:
        fields.fail("image_shape", f"1 to 3 sizes whose product is {n_features}")
    vars(model).update(
        image_shape_=tuple(shape),
        image_dtype_=np.dtype(fields.text("image_dtype", NUMBERS)),
        n_features_in_=n_features,
        _fitted_on_rows=fields.flag("fitted_on_rows"),
    )
    try:
        divisor_of(model.scale, model.image_dtype_)
    except (AttributeError, ValueError):
        fields.refuse("a scale that ImageFlattener takes", "another")
    if fields.take("output") is not None:
        model.set_output(transform=fields.text("output", ("default", "pandas", "polars")))
    fields.close()
    return model


# ----------------------------------------------------------------------------------------------
# The classifier


def _pack_classifier(model: MLPDigitClassifier, who: str) -> tuple[dict[str, Any], Arrays]:
    described = _pack_estimator(model, "coefs_", who)
    fitted = model._fitted()
    arrays = pack_layers(fitted.layers)
    for name, array in {**arrays, "loss_curve_": model.loss_curve_[-1:]}.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"{who}: expected finite weights and losses, got NaN or infinity in {name}. Fit "
                "again with a smaller learning_rate."
            )
    try:
        classes = encode_labels(fitted.classes)
    except NotPlainError as error:
        raise _not_plain(who, "classes_", error) from None
    state = fitted.state
    if not model._keeps_state:  # as in a pickle
        state = dataclasses.replace(state, moments=())
    packed_state, moments = pack_state(state)
    described |= {
        "network": dataclasses.asdict(fitted.network),
        "classes": classes,
        "engine": fitted.engine,
        "history": {name: encode(column) for name, column in fitted.history.items()},
        "requests": metadata_requests(model),
        "state": packed_state,
        "keeps_state": bool(model._keeps_state),
    }
    return described, arrays | moments


def _unpack_classifier(fields: Fields, arrays: Arrays) -> MLPDigitClassifier:
    network = _unpack_network(fields.fields("network"))
    model = _unpack_estimator(fields, MLPDigitClassifier, network.n_features)
    fitted = FittedNetwork(
        network=network,
        layers=take_layers(network, arrays, fields),
        classes=decode_labels(fields.fields("classes"), network.n_classes),
        history=_unpack_history(fields.fields("history")),
        engine=fields.text("engine", ("numpy", "xla", "keras")),
        state=unpack_state(fields.fields("state"), arrays, network),
    )
    if not fitted.is_finite:
        fields.refuse("finite weights and a finite last loss", "NaN or infinity")
    model._adopt(fitted, keeps_state=fields.flag("keeps_state"))
    _set_requests(model, fields.fields("requests"))
    fields.close()
    if arrays:
        fields.refuse("no other arrays", shown(next(iter(arrays))))
    return model


def _unpack_network(fields: Fields) -> NetworkSpec:
    network = NetworkSpec(
        n_features=fields.whole("n_features", 1, _MAX_WIDTH),
        hidden_units=tuple(fields.wholes("hidden_units", 1, _MAX_WIDTH)),
        n_classes=fields.whole("n_classes", 2, _MAX_WIDTH),
        activation=fields.text("activation", ACTIVATIONS),
        dropout=fields.number("dropout"),
        l2=fields.number("l2"),
        dtype=fields.text("dtype", ("float32", "float64")),
    )
    fields.close()
    if len(network.hidden_units) > _MAX_LAYERS:
        fields.fail("hidden_units", f"at most {_MAX_LAYERS} widths")
    if not 0 <= network.dropout < 1 or network.l2 < 0:
        fields.refuse("a dropout in [0, 1) and an l2 of 0 or more", "others")
    return network


def _unpack_history(fields: Fields) -> dict[str, list[float]]:
    history = {}
    for name in fields.names():
        history[name] = decode(fields.items(name), f"{fields.where}.{name}", fields.refuse)
        if not all(isinstance(value, float) for value in history[name]):
            fields.fail(name, "a list of floats")
    if len(set(map(len, history.values()))) > 1:
        fields.refuse("columns of one length in history", "others")
    return history


def _set_requests(model: MLPDigitClassifier, fields: Fields) -> None:
    with config_context(enable_metadata_routing=True):
        routing = model.get_metadata_routing()
        for method in fields.names():
            if method not in ("fit", "partial_fit", "score"):
                fields.take(method)
                fields.fail(method, "a request of fit, partial_fit or score")
            asked = fields.fields(method)
            for name in asked.names():
                value = asked.take(name)
                is_request = isinstance(value, bool) or (
                    isinstance(value, str) and value.isidentifier()
                )
                if name not in getattr(routing, method).requests or not is_request:
                    asked.fail(name, f"a request that {method} can have")
                getattr(model, f"set_{method}_request")(**{name: value})
