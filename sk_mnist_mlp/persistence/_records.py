"""Fitted estimators as records: a JSON object and arrays, and back.

One pair of functions for each class that a model file can hold, and one for the pipeline around
them. What is read here is checked for sense: the archive below has only checked that it is whole.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from sk_mnist_mlp._activations import ACTIVATIONS
from sk_mnist_mlp._archive import Arrays
from sk_mnist_mlp._classifier import MLPDigitClassifier
from sk_mnist_mlp._compat import output_container, sample_weight_requests
from sk_mnist_mlp._fields import Fields, shown
from sk_mnist_mlp._flatten import ImageFlattener, divisor_of
from sk_mnist_mlp._keras_record import KerasRecord
from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp.persistence._values import (
    NUMBERS,
    NotPlainError,
    decode,
    decode_labels,
    decode_parameters,
    encode,
    encode_labels,
)
from sk_mnist_mlp.training._plan import Seeds, TrainingState

__all__ = ["pack_model", "unpack_model"]

_MAX_WIDTH = 2**31
_MAX_LAYERS = 400
_CONTAINERS = ("default", "pandas", "polars")


# ----------------------------------------------------------------------------------------------
# A model: a classifier, or a pipeline that ends in one


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
    if type(model) is not Pipeline:
        raise _not_a_model(who, model)
    kinds = [type(step) for _, step in model.steps]
    if kinds[-1:] != [MLPDigitClassifier] or set(kinds[:-1]) - {ImageFlattener}:
        raise _not_a_model(who, model)
    packed = [_pack_flattener(step, who) for _, step in model.steps[:-1]]
    record, arrays = _pack_classifier(model.steps[-1][1], who)
    names = [name for name, _ in model.steps]
    steps = [list(pair) for pair in zip(names, [*packed, record], strict=True)]
    return {"class": "Pipeline", "steps": steps, "verbose": bool(model.verbose)}, arrays


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
    kind = fields.text("class", ("MLPDigitClassifier", "Pipeline"))
    if kind == "MLPDigitClassifier":
        return _unpack_classifier(fields, arrays)
    steps: list[tuple[str, Any]] = []
    pairs = fields.items("steps")
    for number, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            fields.fail("steps", "pairs of a name and an estimator")
        step = Fields(pair[1], f"{fields.where}.steps[{number}]", fields.refuse)
        last = number == len(pairs) - 1
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
# The classifier


def _pack_classifier(model: MLPDigitClassifier, who: str) -> tuple[dict[str, Any], Arrays]:
    _check_fitted(model, "coefs_", who)
    arrays = _numbered("coefs", model.coefs_) | _numbered("intercepts", model.intercepts_)
    for name, array in {**arrays, "loss_curve_": model.loss_curve_[-1:]}.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"{who}: expected finite weights and losses, got NaN or infinity in {name}. Fit "
                "again with a smaller learning_rate."
            )
    try:
        classes = encode_labels(model.classes_)
    except NotPlainError as error:
        raise _not_plain(who, "classes_", error) from None
    state = vars(model)["_state"]
    record = {
        "class": "MLPDigitClassifier",
        "parameters": _pack_parameters(model, who),
        "network": {
            field.name: encode(getattr(model._network, field.name))
            for field in dataclasses.fields(NetworkSpec)
        },
        "classes": classes,
        "feature_names": _feature_names(model),
        "engine": model.engine_,
        "n_iter": int(model.n_iter_),
        "history": {name: encode(column) for name, column in model.history_.items()},
        "requests": sample_weight_requests(model),
        "state": _pack_state(state, arrays, kept=model._keeps_state),
        "keeps_state": bool(model._keeps_state),
    }
    return record, arrays


def _numbered(name: str, arrays: list[NDArray[Any]]) -> Arrays:
    return {f"{name}_{number}": np.asarray(array) for number, array in enumerate(arrays)}


def _pack_state(state: TrainingState, arrays: Arrays, *, kept: bool) -> dict[str, Any]:
    """Describe the state to go on from; its arrays only where a pickle keeps them too."""
    record: dict[str, Any] = {}
    for field in dataclasses.fields(TrainingState):
        value = getattr(state, field.name)
        if field.name == "seeds":
            record[field.name] = dataclasses.asdict(value)
        elif isinstance(value, list):
            added = _numbered(f"state_{field.name}", value if kept else [])
            arrays |= added
            record[field.name] = {"arrays": len(added)}
        else:
            record[field.name] = encode(value)
    return record


def _unpack_classifier(fields: Fields, arrays: Arrays) -> MLPDigitClassifier:
    fields.text("class")
    model = _unpack_parameters(fields.fields("parameters"), MLPDigitClassifier)
    network = _unpack_network(fields.fields("network"))
    weights = _take_weights(fields, network, arrays)
    history = _unpack_history(fields.fields("history"))
    state = _unpack_state(fields.fields("state"), arrays)
    vars(model).update(
        _network=network,
        _state=state,
        _keeps_state=fields.flag("keeps_state"),
        classes_=decode_labels(fields.fields("classes"), network.n_classes),
        coefs_=weights[::2],
        engine_=fields.text("engine", ("compiled", "keras")),
        history_=history,
        intercepts_=weights[1::2],
        loss_curve_=list(history.get("loss", ())),
        n_features_in_=network.n_features,
        n_iter_=fields.whole("n_iter"),
    )
    _set_feature_names(model, fields)
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


def _take_weights(fields: Fields, network: NetworkSpec, arrays: Arrays) -> list[NDArray[Any]]:
    weights = []
    for depth, (n_in, n_out) in enumerate(itertools.pairwise(network.layer_widths)):
        for name, shape in ((f"coefs_{depth}", (n_in, n_out)), (f"intercepts_{depth}", (n_out,))):
            array = arrays.pop(name, None)
            if array is None or array.shape != shape or array.dtype != network.dtype:
                got = "none" if array is None else f"{array.dtype} of shape {array.shape}"
                fields.refuse(f"{name} of {network.dtype} and shape {shape}", got)
            if not np.isfinite(array).all():
                fields.refuse("finite weights", f"NaN or infinity in {name}")
            weights.append(array)
    return weights


def _unpack_history(fields: Fields) -> dict[str, list[float]]:
    history = {}
    for name in fields.names():
        column = decode(fields.items(name), f"{fields.where}.{name}", fields.refuse)
        if not all(isinstance(value, float) for value in column):
            fields.fail(name, "a list of floats")
        history[name] = column
    if not np.isfinite(history.get("loss", ())[-1:]).all():
        fields.refuse("a training that ended with a finite loss", str(history["loss"][-1]))
    return history


def _unpack_state(fields: Fields, arrays: Arrays) -> TrainingState:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(TrainingState):
        name = field.name
        if name == "seeds":
            seeds = fields.fields(name)
            drawn = {
                seed.name: seeds.whole(seed.name, 0, 2**32) for seed in dataclasses.fields(Seeds)
            }
            seeds.close()
            values[name] = Seeds(**drawn)
        elif name in ("step", "epoch"):
            values[name] = fields.whole(name)
        elif name == "engine":
            values[name] = fields.text(name, ("", "compiled", "keras"))
        elif name == "rule":
            values[name] = fields.text(name)
        else:
            count = fields.fields(name)
            values[name] = _take_numbered(
                f"state_{name}", count.whole("arrays", 0, 9999), arrays, fields
            )
            count.close()
    fields.close()
    return TrainingState(**values)


def _take_numbered(name: str, n_arrays: int, arrays: Arrays, fields: Fields) -> list[NDArray[Any]]:
    names = [f"{name}_{number}" for number in range(n_arrays)]
    missing = [each for each in names if each not in arrays]
    if missing:
        fields.refuse(f"an array {missing[0]}", "none")
    return [arrays.pop(each) for each in names]


# ----------------------------------------------------------------------------------------------
# The flattener


def _pack_flattener(model: ImageFlattener, who: str) -> dict[str, Any]:
    _check_fitted(model, "image_shape_", who)
    return {
        "class": "ImageFlattener",
        "parameters": _pack_parameters(model, who),
        "image_shape": [int(size) for size in model.image_shape_],
        "image_dtype": np.dtype(model.image_dtype_).name,
        "n_features": int(model.n_features_in_),
        "feature_names": _feature_names(model),
        "output": output_container(model),
    }


def _unpack_flattener(fields: Fields) -> ImageFlattener:
    model = _unpack_parameters(fields.fields("parameters"), ImageFlattener)
    shape = fields.wholes("image_shape", 1, _MAX_WIDTH)
    n_features = fields.whole("n_features", 1, _MAX_WIDTH)
    n_pixels = 1
    for size in shape[:4]:
        n_pixels *= size
    if not 1 <= len(shape) <= 3 or n_pixels != n_features:
        fields.fail("image_shape", f"1 to 3 sizes whose product is {n_features}")
    vars(model).update(
        image_shape_=tuple(shape),
        image_dtype_=np.dtype(fields.text("image_dtype", NUMBERS)),
        n_features_in_=n_features,
    )
    try:
        divisor_of(model.scale, model.image_dtype_)
    except ValueError:
        fields.refuse("a scale that ImageFlattener takes", shown(model.scale))
    _set_feature_names(model, fields)
    if fields.take("output") is not None:
        model.set_output(transform=fields.text("output", _CONTAINERS))
    fields.close()
    return model


# ----------------------------------------------------------------------------------------------
# What both have


def _check_fitted(model: BaseEstimator, attribute: str, who: str) -> None:
    if not hasattr(model, attribute):
        name = type(model).__name__
        raise NotFittedError(
            f"{who}: expected a fitted {name}, got one without fit. Call fit first."
        )


def _not_plain(who: str, name: str, error: NotPlainError) -> ValueError:
    return ValueError(
        f"{who}: expected parameters of plain values, which a file can hold without code, got "
        f"{error} in {name}. Set another value first, or use joblib.dump."
    )


def _pack_parameters(model: BaseEstimator, who: str) -> dict[str, Any]:
    # Not get_params(): it would build, and import Keras for, what is still a record.
    held = {**vars(model).get("_recorded", {}), **vars(model)}
    parameters = {name: held[name] for name in type(model)().get_params(deep=False)}
    callbacks = parameters.get("callbacks")
    if callbacks is not None and (not isinstance(callbacks, (list, tuple)) or len(callbacks)):
        listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        warnings.warn(
            f"{who}: expected parameters of plain values, got callbacks of "
            f"{', '.join(type(callback).__name__ for callback in listed)}, which are code and stay "
            "behind. Set them again after loading, if you go on training.",
            stacklevel=5,
        )
        parameters["callbacks"] = None
    encoded = {}
    for name, value in parameters.items():
        try:
            encoded[name] = encode(value)
        except NotPlainError as error:
            raise _not_plain(who, name, error) from None
    return encoded


def _unpack_parameters(fields: Fields, kind: type[Any]) -> Any:
    """An unfitted estimator; Keras objects among its parameters stay records until asked for."""
    parameters = decode_parameters(fields, kind)
    records = {name: v for name, v in parameters.items() if isinstance(v, KerasRecord)}
    plain = {name: value for name, value in parameters.items() if name not in records}
    model = kind(**plain)
    if records:
        if kind is not MLPDigitClassifier:
            fields.refuse("plain parameters", f"a Keras object in {fields.where}")
        for name in records:
            del vars(model)[name]
        model._recorded = records
    return model


def _feature_names(model: Any) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _set_feature_names(model: Any, fields: Fields) -> None:
    if fields.take("feature_names") is None:
        return
    names = fields.texts("feature_names")
    if len(names) != model.n_features_in_:
        fields.fail("feature_names", f"{model.n_features_in_} names")
    model.feature_names_in_ = np.array(names, dtype=object)


def _set_requests(model: MLPDigitClassifier, fields: Fields) -> None:
    requests = fields.fields("requests")
    with config_context(enable_metadata_routing=True):
        for method in requests.names():
            value = requests.take(method)
            if method not in ("fit", "partial_fit", "score") or not isinstance(value, (bool, str)):
                requests.fail(method, "a request of fit, partial_fit or score")
            getattr(model, f"set_{method}_request")(sample_weight=value)
