"""Between a fitted classifier and its plain parts: weights, activation, classes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from sk_mnist_mlp._classifier import MLPDigitClassifier
from sk_mnist_mlp._flatten import ImageFlattener
from sk_mnist_mlp._network import NetworkSpec, Weights
from sk_mnist_mlp.training._plan import Seeds, TrainingState

__all__ = ["check_chain", "check_model", "fitted_classifier", "split_model"]


def check_model(who: str, estimator: Any, *, pipelines: bool) -> None:
    """Refuse what is no fitted model of this package.

    Parameters
    ----------
    who : str
        Name of the function the user called.
    estimator : object
        What the user gave.
    pipelines : bool
        Whether a pipeline of ``ImageFlattener`` and the classifier is taken too.

    Raises
    ------
    TypeError, NotFittedError
    """
    steps, classifier = [], estimator
    if pipelines and isinstance(estimator, Pipeline):
        *steps, classifier = [step for _, step in estimator.steps]
    if not isinstance(classifier, MLPDigitClassifier) or not all(
        isinstance(step, ImageFlattener) for step in steps
    ):
        wanted = "an MLPDigitClassifier"
        if pipelines:
            wanted += " or a Pipeline of ImageFlattener and MLPDigitClassifier"
        hint = "Pass its last step" if isinstance(estimator, Pipeline) else "Pass one"
        if hasattr(estimator, "best_estimator_"):
            hint = "Pass its best_estimator_"
        raise TypeError(f"{who}: expected {wanted}, got {type(estimator).__name__}. {hint}.")
    if not hasattr(classifier, "coefs_") or not all(hasattr(s, "image_shape_") for s in steps):
        raise NotFittedError(
            f"{who}: expected a fitted model, got one without fit. Call fit first."
        )


def split_model(model: Any) -> tuple[list[ImageFlattener], MLPDigitClassifier]:
    """The flatteners of a checked model, and its classifier."""
    if isinstance(model, Pipeline):
        *flatteners, classifier = [step for _, step in model.steps]
        return flatteners, classifier
    return [], model


def fitted_classifier(
    who: str,
    weights: Weights,
    activation: str,
    classes: ArrayLike | None,
    parameters: Mapping[str, Any],
) -> MLPDigitClassifier:
    """Make a fitted classifier of weights that were trained elsewhere.

    Parameters
    ----------
    who : str
        Name of the function the user called.
    weights : list of arrays
        Kernel, bias, …, of one dtype and of shapes that fit together.
    activation : str
        Of the hidden layers.
    classes : array-like of shape (n_classes,) or None
        Labels in the order of the outputs; None counts from 0.
    parameters : mapping
        Further parameters of the classifier.

    Raises
    ------
    ValueError
        If the weights are not finite, or the classes no distinct labels, one for each output.
    """
    for number, array in enumerate(weights):
        if not np.isfinite(array).all():
            raise ValueError(
                f"{who}: expected finite weights, got NaN or infinity in array {number}. "
                "Train again with a smaller learning rate."
            )
    labels = _check_classes(who, classes, len(weights[-1]))
    order = np.argsort(labels, kind="stable")  # scikit-learn's classes_ are sorted
    weights = [*weights[:-2], weights[-2][:, order], weights[-1][order]]
    widths = [len(bias) for bias in weights[1::2]]
    network = NetworkSpec(
        len(weights[0]),
        tuple(widths[:-1]),
        widths[-1],
        activation=activation,
        dropout=float(parameters.get("dropout", 0.0)),
        l2=float(parameters.get("l2", 0.0)),
        dtype=weights[0].dtype.name,
    )
    hidden = widths[0] if len(widths) == 3 and widths[0] == widths[1] else tuple(widths[:-1])
    model = MLPDigitClassifier(
        hidden_units=hidden, activation=activation, dtype=network.dtype, **parameters
    )
    seeds = Seeds.draw(check_random_state(model.random_state))
    model.__dict__.update(
        _network=network,
        _state=TrainingState([], [], "", seeds),
        _keeps_state=False,
        classes_=labels[order],
        coefs_=weights[::2],
        engine_="keras",
        history_={},
        intercepts_=weights[1::2],
        loss_curve_=[],
        n_features_in_=network.n_features,
        n_iter_=0,
    )
    return model


def _check_classes(who: str, classes: ArrayLike | None, n_outputs: int) -> NDArray[Any]:
    labels = np.arange(n_outputs) if classes is None else np.asarray(classes)
    if labels.shape != (n_outputs,):
        raise ValueError(
            f"{who}: expected {n_outputs} classes, one for each output, got classes of shape "
            f"{labels.shape}. Name them in the order of the outputs."
        )
    if len(np.unique(labels)) < n_outputs:
        raise ValueError(
            f"{who}: expected distinct classes, got {labels.tolist()}. Name each output's own."
        )
    return labels


def check_chain(who: str, weights: Weights) -> None:
    """Refuse arrays that are no chain of kernels and biases.

    Raises
    ------
    ValueError
    """
    shapes = [array.shape for array in weights]
    pairs = list(zip(shapes[::2], shapes[1::2], strict=True))
    chained = all(
        len(kernel) == 2 and bias == kernel[1:] and min(kernel) >= 1 for kernel, bias in pairs
    ) and all(one[0][1:] == two[0][:1] for one, two in itertools.pairwise(pairs))
    if len(pairs) < 2 or not chained or pairs[-1][1][0] < 2:
        raise ValueError(
            f"{who}: expected kernels of shape (n_in, n_out) and biases of shape (n_out,), of at "
            f"least two layers that fit together and two outputs, got shapes "
            f"{', '.join(map(str, shapes))}. Save the weights of a multilayer perceptron."
        )
