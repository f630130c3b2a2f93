"""What the records of all estimators share: parameters, names of columns, being fitted."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sk_mnist_mlp._estimators import MLPDigitClassifier
from sk_mnist_mlp._storage import Fields, KerasConfig, NotPlainError
from sk_mnist_mlp.persistence.values import decode_parameters, encode

__all__ = [
    "check_fitted",
    "feature_names",
    "not_plain",
    "pack_parameters",
    "set_feature_names",
    "unpack_parameters",
]


def check_fitted(model: BaseEstimator, attribute: str, who: str) -> None:
    """Refuse an estimator that lacks an attribute which fitting gives."""
    if not hasattr(model, attribute):
        name = type(model).__name__
        raise NotFittedError(
            f"{who}: expected a fitted {name}, got one without fit. Call fit first."
        )


def not_plain(who: str, name: str, error: NotPlainError) -> ValueError:
    """The error for a parameter or attribute that is no plain value."""
    return ValueError(
        f"{who}: expected parameters of plain values, which a file can hold without code, got "
        f"{error} in {name}. Set another value first, or use joblib.dump."
    )


def pack_parameters(model: BaseEstimator, who: str) -> dict[str, Any]:
    """All parameters of an estimator as what ``json`` can write; callbacks stay behind."""
    # Not get_params(): it would build, and import Keras for, what is still a record.
    held = {**vars(model).get("_recorded", {}), **vars(model)}
    parameters = {name: held[name] for name in type(model)().get_params(deep=False)}
    callbacks = parameters.get("callbacks")
    if callbacks is not None and (not isinstance(callbacks, (list, tuple)) or len(callbacks)):
        listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        warnings.warn(
            f"{who}: expected parameters of plain values, got callbacks of "
            f"{', '.join(type(callback).__name__ for callback in listed)}, which are code and stay "
            "behind. Set them again after loading, if you train on.",
            stacklevel=5,
        )
        parameters["callbacks"] = None
    if "checkpoint" in parameters:
        parameters["checkpoint"] = None  # a path of this machine, where another fit must not write
    encoded = {}
    for name, value in parameters.items():
        try:
            encoded[name] = encode(value)
        except NotPlainError as error:
            raise not_plain(who, name, error) from None
    return encoded


def unpack_parameters(fields: Fields, kind: type[Any]) -> Any:
    """An unfitted estimator; Keras objects among its parameters stay records until asked for."""
    parameters = decode_parameters(fields, kind)
    for name in ("callbacks", "checkpoint"):
        if parameters.get(name) is not None:
            fields.fail(name, "nothing")
    records = {name: v for name, v in parameters.items() if isinstance(v, KerasConfig)}
    plain = {name: value for name, value in parameters.items() if name not in records}
    model = kind(**plain)
    if records:
        if kind is not MLPDigitClassifier:
            fields.refuse("plain parameters", f"a Keras object in {fields.where}")
        for name in records:
            del vars(model)[name]
        model._recorded = records
    return model


def feature_names(model: Any) -> list[str] | None:
    """Names of the columns seen in fit, where there were any."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def set_feature_names(model: Any, fields: Fields) -> None:
    """Give an estimator the names of columns that its record has."""
    if fields.take("feature_names") is None:
        return
    names = fields.texts("feature_names")
    if len(names) != model.n_features_in_:
        fields.fail("feature_names", f"{model.n_features_in_} names")
    model.feature_names_in_ = np.array(names, dtype=object)
