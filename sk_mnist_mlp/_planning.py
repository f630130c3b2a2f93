"""From a classifier's parameters and data to what training reads: a plan, and rows to learn from.

Every check that needs parameters and data together is made here, before any work starts.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._distortion import augmentation_plan
from sk_mnist_mlp._labels import encode_labels, shown
from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp._sample_weight import combine_weights, scale_weights
from sk_mnist_mlp.exceptions import InvalidParameterError
from sk_mnist_mlp.training._chance import stratified_holdout
from sk_mnist_mlp.training._plan import (
    EarlyStopping,
    Seeds,
    TrainingData,
    TrainingPlan,
    TrainingState,
)

__all__ = ["layer_widths", "make_data", "make_plan"]


def make_plan(
    who: str,
    parameters: Mapping[str, Any],
    n_features: int,
    n_classes: int,
    seeds: Seeds,
    *,
    start: TrainingState | None,
    partial: bool,
) -> TrainingPlan:
    """Write down what to train, and for how long.

    Parameters
    ----------
    who : str
        For error sentences.
    parameters : dict
        Of the classifier, each of them checked alone.
    n_features, n_classes : int
        Of the data.
    seeds : Seeds
        Where all chance comes from.
    start : TrainingState or None
        What to go on from.
    partial : bool
        Whether this is one epoch of ``partial_fit``.

    Returns
    -------
    plan : TrainingPlan

    Raises
    ------
    InvalidParameterError, ValueError
        If parameters do not go together, or not with rows of ``n_features``.
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
    distortion, image_shape = augmentation_plan(
        who, parameters["augmentation"], parameters["image_shape"], n_features
    )
    _check_schedule(
        who, parameters["learning_rate_schedule"], parameters["optimizer"], partial=partial
    )
    stopping = None
    if parameters["early_stopping"] and not partial:
        stopping = EarlyStopping(parameters["n_epochs_no_change"], parameters["tol"])
    averaging = parameters["weight_averaging"]
    return TrainingPlan(
        network,
        parameters["optimizer"],
        float(parameters["learning_rate"]),
        float(parameters["label_smoothing"]),
        int(parameters["batch_size"]),
        1 if partial else int(parameters["epochs"]),
        seeds,
        stopping,
        tuple(copy.copy(callback) for callback in _as_list(parameters["callbacks"])),
        int(parameters["verbose"]),
        start,
        planned_epochs=int(parameters["epochs"]),
        schedule=parameters["learning_rate_schedule"],
        averaging=None if averaging is None else float(averaging),
        distortion=distortion,
        image_shape=image_shape,
    )


def layer_widths(hidden_units: int | Sequence[int]) -> tuple[int, ...]:
    """Read ``hidden_units`` as one width a layer."""
    if isinstance(hidden_units, (int, np.integer)):
        return (int(hidden_units),) * 2
    return tuple(int(width) for width in hidden_units)


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _check_schedule(who: str, schedule: Any, optimizer: Any, *, partial: bool) -> None:
    if partial and isinstance(schedule, str):
        raise InvalidParameterError(
            f"{who}: expected learning_rate_schedule to be None or a Keras schedule in "
            f"partial_fit, which knows no last epoch, got {schedule!r}. Call fit instead, or "
            "set learning_rate_schedule=None."
        )
    if schedule is None or isinstance(optimizer, str):
        return
    rate = optimizer.get_config().get("learning_rate", 0.0)
    if not isinstance(rate, numbers.Real):
        raise InvalidParameterError(
            f"{who}: expected one learning rate schedule, got learning_rate_schedule="
            f"{schedule!r} and an optimizer with a schedule of its own. Give the optimizer a "
            "number as learning_rate, or set learning_rate_schedule=None."
        )


# ----------------------------------------------------------------------------------------------
# Rows


def make_data(
    who: str,
    parameters: Mapping[str, Any],
    plan: TrainingPlan,
    X: NDArray[Any],
    y: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
) -> TrainingData:
    """Encode labels, combine weights, and choose the rows to train on and to hold out.

    Parameters
    ----------
    who : str
        For error sentences.
    parameters : dict
        Of the classifier, each of them checked alone.
    plan : TrainingPlan
        What is to be trained.
    X : ndarray of shape (n_samples, n_features)
        Checked.
    y : ndarray of shape (n_samples,)
        Labels.
    classes : ndarray of shape (n_classes,)
        Sorted.
    sample_weight : ndarray of shape (n_samples,) or None
        0 or more for each row.

    Returns
    -------
    data : TrainingData

    Raises
    ------
    ValueError
        If a label is none of the classes, weights leave nothing to learn from, or a held-out part
        would lack a class.
    """
    labels = encode_labels(who, y, classes, sample_weight)
    weights = combine_weights(who, labels, classes, sample_weight, parameters["class_weight"])
    if weights is not None:
        weights = scale_weights(weights, parameters["dtype"])
    rows = np.arange(len(labels)) if weights is None else np.flatnonzero(weights)
    held_out = rows[:0]
    if plan.early_stopping is not None:
        fraction = parameters["validation_fraction"]
        _check_holdout(who, labels[rows], classes, fraction)
        rows, held_out = stratified_holdout(
            labels, rows, len(classes), fraction, plan.seeds.validation
        )
    return TrainingData(X, labels, weights, rows, held_out)


def _check_holdout(
    who: str, labels: NDArray[np.int32], classes: NDArray[Any], fraction: float
) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    n_held_out = int(np.ceil(fraction * len(labels)))
    if n_held_out < len(classes):
        raise ValueError(
            f"{who}: expected validation_fraction to hold out a row of each of "
            f"{len(classes)} classes, got {fraction}, which holds out "
            f"{n_held_out} of {len(labels)} rows. Use a larger fraction or "
            "early_stopping=False."
        )
    left = counts - np.maximum(1, np.round(fraction * counts))
    if left.min() < 1:
        scarce = left.argmin()
        raise ValueError(
            f"{who}: expected a row of each class to train on beside those held out, got "
            f"{counts[scarce]} of class {shown(classes[[scarce]])[1:-1]} with "
            f"validation_fraction={fraction}. Give more rows, use a smaller "
            "fraction or early_stopping=False."
        )
