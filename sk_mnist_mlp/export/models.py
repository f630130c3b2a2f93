"""Between a fitted classifier and its plain parts: weights, activation, classes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from sk_mnist_mlp._estimators import (
    ImageFlattener,
    MLPDigitClassifier,
    check_labels,
    named,
    unwrap,
)
from sk_mnist_mlp._network import Layer, Layers, NetworkSpec, as_arrays
from sk_mnist_mlp._training import FittedNetwork, Seeds, TrainingState

__all__ = ["check_chain", "check_model", "fitted_classifier"]


def check_model(
    who: str, estimator: Any, *, pipelines: bool
) -> tuple[list[ImageFlattener], MLPDigitClassifier]:
    """A fitted classifier and, where ``pipelines`` are taken, the flatteners in front of it.

    Raises
    ------
    TypeError, NotFittedError
        In the name of the public function ``who``.
    """
    steps, classifier = unwrap(estimator)
    taken = ImageFlattener if pipelines else ()
    if not isinstance(classifier, MLPDigitClassifier) or not all(
        isinstance(step, taken) for step in steps
    ):
        also = " or a Pipeline of ImageFlattener and MLPDigitClassifier" if pipelines else ""
        raise TypeError(
            f"{who}: expected an MLPDigitClassifier{also}, got {type(estimator).__name__}. "
            f"Pass {'its last step' if steps else 'one'}."
        )
    if not hasattr(classifier, "coefs_") or not all(hasattr(s, "image_shape_") for s in steps):
        raise NotFittedError(
            f"{who}: expected a fitted model, got one without fit. Call fit first."
        )
    return steps, classifier


def fitted_classifier(
    who: str,
    layers: Layers,
    activation: str,
    classes: ArrayLike | None,
    parameters: Mapping[str, Any],
) -> MLPDigitClassifier:
    """Make a fitted classifier of weights that were trained elsewhere.

    The layers are of one dtype and fit together; the classes are in the order of the outputs, and
    None counts from 0.

    Raises
    ------
    TypeError, ValueError
        If the weights are not finite, or the classes no distinct labels, one for each output.
    """
    for number, array in enumerate(as_arrays(layers)):
        if not np.isfinite(array).all():
            raise ValueError(
                f"{who}: expected finite weights, got NaN or infinity in array {number}. "
                "Train again with a smaller learning rate."
            )
    *hidden, last = layers
    n_outputs, widths = len(last.bias), tuple(len(layer.bias) for layer in hidden)
    classes = np.arange(n_outputs) if classes is None else classes
    if np.shape(classes) != (n_outputs,):
        raise ValueError(
            f"{who}: expected {n_outputs} classes, one for each output, got classes of shape "
            f"{np.shape(classes)}. Name them in the order of the outputs."
        )
    with named(who):
        labels = check_labels(classes, "classes")
    if len(np.unique(labels)) < n_outputs:
        raise ValueError(
            f"{who}: expected distinct classes, got {labels.tolist()}. Name each output's own."
        )
    order = np.argsort(labels, kind="stable")  # scikit-learn's classes_ are sorted
    network = NetworkSpec(
        len(layers[0].kernel),
        widths,
        n_outputs,
        activation=activation,
        dropout=float(parameters.get("dropout", 0.0)),
        l2=float(parameters.get("l2", 0.0)),
        dtype=last.kernel.dtype.name,
    )
    is_pair = len(widths) == 2 and widths[0] == widths[1]
    model = MLPDigitClassifier(
        hidden_units=widths[0] if is_pair else widths,
        activation=activation,
        dtype=network.dtype,
        **parameters,
    )
    fitted = FittedNetwork(
        network=network,
        layers=(*hidden, Layer(last.kernel[:, order], last.bias[order])),
        classes=labels[order],
        history={},
        engine="keras",
        state=TrainingState(seeds=Seeds.draw(check_random_state(model.random_state))),
    )
    model._adopt(fitted, keeps_state=False)
    return model


def check_chain(who: str, layers: Layers) -> None:
    """Refuse layers that do not fit together by a ValueError."""
    shapes = [Layer(layer.kernel.shape, layer.bias.shape) for layer in layers]
    if (
        len(shapes) < 2
        or any(len(kernel) != 2 or bias != kernel[1:] or 0 in kernel for kernel, bias in shapes)
        or any(one.bias != two.kernel[:1] for one, two in itertools.pairwise(shapes))
        or shapes[-1].bias[0] < 2
    ):
        raise ValueError(
            f"{who}: expected kernels of shape (n_in, n_out) and biases of shape (n_out,), of at "
            f"least two layers that fit together and two outputs, got shapes {as_arrays(shapes)}. "
            "Save the weights of a multilayer perceptron."
        )
