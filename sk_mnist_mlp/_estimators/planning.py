"""From a classifier's parameters and data to what training reads: a plan, and rows to learn from.

Every check that needs parameters and data together is made here, before any work starts.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators.distortion import checked_distortion
from sk_mnist_mlp._estimators.rules import is_function
from sk_mnist_mlp._estimators.targets import combine_weights, encode_labels, shown
from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp._storage import config_of, undecayed
from sk_mnist_mlp._training import (
    EarlyStopping,
    EpochObserver,
    FittedNetwork,
    Seeds,
    Training,
    TrainingData,
    TrainingHooks,
    TrainingPlan,
    ValidationData,
    optimizer_spec,
    stratified_holdout,
)
from sk_mnist_mlp.exceptions import InvalidParameterError

__all__ = ["layer_widths", "make_data", "make_hooks", "make_plan"]


def make_plan(
    who: str,
    parameters: Mapping[str, Any],
    n_features: int,
    n_classes: int,
    seeds: Seeds,
    *,
    start: FittedNetwork | None,
    partial: bool,
) -> TrainingPlan:
    """Write down what to train, and for how long; ``partial`` is one epoch of ``partial_fit``.

    Raises where parameters do not go together, or not with rows of ``n_features``.
    """
    network = NetworkSpec(
        n_features,
        layer_widths(parameters["hidden_units"]),
        n_classes,
        activation=parameters["activation"],
        dropout=float(parameters["dropout"]),
        l2=float(parameters["l2"]),
        dtype=parameters["dtype"],
    )
    distortion, image_shape, augmentation = None, None, parameters["augmentation"]
    if augmentation is not None:
        distortion, image_shape = checked_distortion(
            who, augmentation, (n_features,), prefix="augmentation__"
        )
    learning_rate = _learning_rate(parameters, partial=partial)
    stopping = None
    if parameters["early_stopping"] and not partial:
        stopping = EarlyStopping(
            int(parameters["n_iter_no_change"]), float(parameters["tol"]), parameters["monitor"]
        )
    epochs = int(parameters["epochs"])
    return TrainingPlan(
        network=network,
        optimizer=parameters["optimizer"],
        rule=optimizer_spec(parameters["optimizer"]),
        learning_rate=learning_rate,
        schedule=parameters["learning_rate_schedule"],
        label_smoothing=float(parameters["label_smoothing"]),
        batch_size=int(parameters["batch_size"]),
        epochs=1 if partial else epochs,
        planned_epochs=epochs,
        seeds=seeds,
        early_stopping=stopping,
        distortion=distortion,
        image_shape=image_shape,
        start=start,
    )


class FunctionObserver(EpochObserver):
    """Call a function after each epoch, and stop where its answer is true."""

    def __init__(self, function: Callable[[int, dict[str, float]], Any]) -> None:
        self._function = function

    def end_epoch(self, run: Training) -> None:
        """Tell it the epoch, from 0, and the epoch's logs."""
        run.stopped |= bool(self._function(run.n_epochs - 1, dict(run.logs)))


def make_hooks(
    who: str, parameters: Mapping[str, Any], observers: Sequence[EpochObserver]
) -> TrainingHooks:
    """Gather the code that runs during training."""
    given = parameters["callbacks"]
    callbacks = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    functions = filter(is_function, callbacks)
    return TrainingHooks(
        who=who,
        callbacks=tuple(copy.copy(one) for one in callbacks if not is_function(one)),
        observers=(*observers, *map(FunctionObserver, functions)),
        verbose=int(parameters["verbose"]),
    )


def layer_widths(hidden_units: int | Sequence[int]) -> tuple[int, ...]:
    """Read ``hidden_units`` as one width a layer."""
    if isinstance(hidden_units, numbers.Integral):
        return (int(hidden_units),) * 2
    return tuple(map(int, hidden_units))  # type: ignore[arg-type]  # Integral is not int to mypy


def _learning_rate(parameters: Mapping[str, Any], *, partial: bool) -> float:
    """The rate that training begins with, once optimizer and schedule are found to go together."""
    optimizer, schedule = parameters["optimizer"], parameters["learning_rate_schedule"]
    if partial and isinstance(schedule, str):
        raise InvalidParameterError(
            "expected learning_rate_schedule to be None or a Keras schedule in partial_fit, which "
            f"knows no last epoch, got {schedule!r}. Call fit instead, or set "
            "learning_rate_schedule=None."
        )
    if isinstance(optimizer, str):
        return float(parameters["learning_rate"])
    # Copies carry no variables of another model, nor names where the class is not Keras's own.
    foreign = bool(getattr(optimizer, "_exclude_from_weight_decay", None))
    if foreign or (undecayed(optimizer) and config_of(optimizer) is None):
        raise InvalidParameterError(
            "expected exclude_from_weight_decay with var_names, on one of Keras's own optimizers, "
            "got what copies of the optimizer cannot carry. Name the variables: "
            'exclude_from_weight_decay(var_names=["bias"]).'
        )
    rate = optimizer.get_config()["learning_rate"]
    if not isinstance(rate, numbers.Real):
        if schedule is None:
            return float(optimizer.learning_rate)
        raise InvalidParameterError(
            f"expected one learning rate schedule, got learning_rate_schedule={schedule!r} and an "
            "optimizer with a schedule of its own. Give the optimizer a number as learning_rate, "
            "or set learning_rate_schedule=None."
        )
    if schedule is not None and not rate:
        raise InvalidParameterError(
            "expected an optimizer whose learning_rate is above 0, which learning_rate_schedule="
            f"{schedule!r} scales, got 0. Set a rate, or learning_rate_schedule=None."
        )
    return float(rate)


# ----------------------------------------------------------------------------------------------
# Rows

ValidationRows = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]
"""X, y and sample weights to validate with, checked each for itself."""


def make_data(
    parameters: Mapping[str, Any],
    plan: TrainingPlan,
    X: NDArray[Any],
    y: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    validation: ValidationRows | None = None,
) -> TrainingData:
    """Encode labels, combine weights, and choose the rows to train on and to hold out.

    Where no rows are given to validate with, early stopping holds out some.

    Raises where a label is none of the classes, weights leave nothing to learn from, or a held-out
    part would lack a class.
    """
    labels = encode_labels(y, classes, sample_weight)
    class_weight, dtype = parameters["class_weight"], parameters["dtype"]
    if validation is not None:
        # Weighed in one go, as rows that early stopping holds out are.
        X_val, y_val, weight_val = validation
        labels_val, n = encode_labels(y_val, classes, weight_val, "y_val"), len(labels)
        if sample_weight is not None or weight_val is not None:
            given = ((sample_weight, n), (weight_val, len(y_val)))
            parts = [np.ones(count) if part is None else part for part, count in given]
            sample_weight = np.concatenate(parts)
        both = np.concatenate([labels, labels_val])
        weights = combine_weights(both, classes, sample_weight, class_weight, dtype)
        if weights is None:
            held_out = ValidationData(X_val, labels_val, None, slice(None))
            return TrainingData(X, labels, classes, None, np.arange(n), held_out)
        weights, weight_val = weights[:n], weights[n:]
        held_out = ValidationData(X_val, labels_val, weight_val, np.flatnonzero(weight_val))
        return TrainingData(X, labels, classes, weights, np.flatnonzero(weights), held_out)
    weights = combine_weights(labels, classes, sample_weight, class_weight, dtype)
    rows = np.arange(len(labels)) if weights is None else np.flatnonzero(weights)
    if plan.early_stopping is not None:
        fraction = parameters["validation_fraction"]
        _check_holdout(labels[rows], classes, fraction)
        rows, held_out_rows = stratified_holdout(
            labels, rows, len(classes), fraction, plan.seeds.validation
        )
        held_out = ValidationData(X, labels, weights, held_out_rows)
        return TrainingData(X, labels, classes, weights, rows, held_out)
    return TrainingData(X, labels, classes, weights, rows)


def _check_holdout(labels: NDArray[np.int32], classes: NDArray[Any], fraction: float) -> None:
    # A class without a row that counts, be it known from elsewhere, has none to hold out either.
    present, counts = np.unique(labels, return_counts=True)
    n_held_out = int(np.ceil(fraction * len(labels)))
    if n_held_out < len(present):
        raise ValueError(
            f"expected validation_fraction to hold out a row of each of {len(present)} classes, "
            f"got {fraction}, which holds out {n_held_out} of {len(labels)} rows. Use a larger "
            "fraction or early_stopping=False."
        )
    left = counts - np.maximum(1, np.round(fraction * counts))
    if left.min() < 1:
        scarce = left.argmin()
        raise ValueError(
            "expected a row of each class to train on beside those held out, got "
            f"{counts[scarce]} of class {shown(classes[present[[scarce]]])[1:-1]} with "
            f"validation_fraction={fraction}. Give more rows, use a smaller fraction or "
            "early_stopping=False."
        )
