"""Between a fitted classifier and its plain parts: weights, activation, classes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier, check_labels, unwrap
from sk_mnist_mlp._network import Layer, Layers, NetworkSpec, as_arrays
from sk_mnist_mlp._training import FittedNetwork, Seeds, TrainingState

__all__ = ["check_chain", "check_model", "fitted_classifier"]


def check_model(
    who: str, estimator: Any, *, pipelines: bool
) -> tuple[list[ImageFlattener], MLPDigitClassifier]:
    """Take a fitted classifier apart from the flatteners in front, which only a pipeline has.

    Raises
    ------
    TypeError, NotFittedError
        If ``estimator`` is something else, for the public function ``who``.
    """
    steps, classifier = unwrap(estimator)
    taken = ImageFlattener if pipelines else ()
    if not isinstance(classifier, MLPDigitClassifier) or not all(
        isinstance(step, taken) for step in steps
    ):
        wanted = "an MLPDigitClassifier"
        if pipelines:
            wanted += " or a Pipeline of ImageFlattener and MLPDigitClassifier"
        hint = "Pass its last step" if steps else "Pass one"
        raise TypeError(f"{who}: expected {wanted}, got {type(estimator).__name__}. {hint}.")
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

    Parameters
    ----------
    who : str
        Name of the function the user called.
    layers : tuple of Layer
        Of one dtype and of shapes that fit together.
    activation : str
        Of the hidden layers.
    classes : array-like of shape (n_classes,) or None
        Labels in the order of the outputs; None counts from 0.
    parameters : mapping
        Further parameters of the classifier.

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
    labels = _check_classes(who, classes, len(last.bias))
    order = np.argsort(labels, kind="stable")  # scikit-learn's classes_ are sorted
    layers = (*hidden, Layer(last.kernel[:, order], last.bias[order]))
    widths = tuple(len(layer.bias) for layer in hidden)
    network = NetworkSpec(
        len(layers[0].kernel),
        widths,
        len(labels),
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
        layers=layers,
        classes=labels[order],
        history={},
        engine="keras",
        state=TrainingState(seeds=Seeds.draw(check_random_state(model.random_state))),
    )
    model._adopt(fitted, keeps_state=False)
    return model


def _check_classes(who: str, classes: ArrayLike | None, n_outputs: int) -> NDArray[Any]:
    labels = np.arange(n_outputs) if classes is None else np.asarray(classes)
    if labels.shape != (n_outputs,):
        raise ValueError(
            f"{who}: expected {n_outputs} classes, one for each output, got classes of shape "
            f"{labels.shape}. Name them in the order of the outputs."
        )
    labels = check_labels(who, labels if classes is None else classes, name="classes")
    if len(np.unique(labels)) < n_outputs:
        raise ValueError(
            f"{who}: expected distinct classes, got {labels.tolist()}. Name each output's own."
        )
    return labels


def check_chain(who: str, layers: Layers) -> None:
    """Refuse layers that do not fit together.

    Raises
    ------
    ValueError
    """
    shapes = [Layer(layer.kernel.shape, layer.bias.shape) for layer in layers]
    sound = all(
        len(kernel) == 2 and bias == kernel[1:] and min(kernel) >= 1 for kernel, bias in shapes
    )
    chained = sound and all(
        one.kernel[1] == two.kernel[0] for one, two in itertools.pairwise(shapes)
    )
    if len(layers) < 2 or not chained or shapes[-1].bias[0] < 2:
        raise ValueError(
            f"{who}: expected kernels of shape (n_in, n_out) and biases of shape (n_out,), of at "
            f"least two layers that fit together and two outputs, got shapes "
            f"{', '.join(map(str, as_arrays(shapes)))}. Save the weights of a multilayer "
            "perceptron."
        )
