"""Keras and SciKeras: a trained model as a fitted classifier. The way back is ``model_``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sk_mnist_mlp._network import ACTIVATIONS, Layer, Layers, forward, softmax
from sk_mnist_mlp._training import OPTIMIZERS
from sk_mnist_mlp.export.models import fitted_classifier

__all__ = ["from_keras", "from_scikeras"]

_TRAINING_ONLY = ("ActivityRegularization", "AlphaDropout", "GaussianDropout", "GaussianNoise")
_DTYPES = ("float32", "float64")
_TOLERANCE = 1e-4  # of probabilities in float32, ours against the model's


def from_keras(model: Any, *, classes: ArrayLike | None = None) -> Any:
    """Make a fitted classifier of a trained Keras model that is a multilayer perceptron.

    The way back is ``estimator.model_.save("digits.keras")``.

    Parameters
    ----------
    model : keras.Model
        A chain of ``Dense``, activation and ``Dropout`` layers, perhaps with a ``Flatten`` in
        front, whose hidden layers share one activation and whose last layer gives probabilities
        (softmax, or a sigmoid of one unit for two classes).
    classes : array-like of shape (n_classes,) or None, default=None
        Labels in the order of the outputs; None counts from 0.

    Returns
    -------
    estimator : MLPDigitClassifier
        Fitted, with the model's predictions and those parameters that it tells, but no history.
        Its rows are flat also where the model starts with ``Flatten``.

    Raises
    ------
    TypeError
        If ``model`` is no Keras model.
    ValueError
        If it is something else than such a perceptron, with the reason.

    Warns
    -----
    UserWarning
        If further training here would differ, for example by another dropout in each layer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import from_keras
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> from_keras(model.model_, classes=model.classes_).score(X / 16, y) == model.score(X / 16, y)
    True
    """
    return _adopt_keras("from_keras", model, classes)


def from_scikeras(classifier: Any) -> Any:
    """Make a fitted classifier of a fitted SciKeras ``KerasClassifier`` of a perceptron.

    Parameters
    ----------
    classifier : scikeras.wrappers.KerasClassifier
        Fitted; what :func:`from_keras` says of models holds for its ``model_``.

    Returns
    -------
    estimator : MLPDigitClassifier
        Fitted, with the same classes and predictions, and with the wrapper's ``batch_size``,
        ``epochs``, ``random_state`` and ``warm_start`` where they are set.

    Raises
    ------
    TypeError
        If ``classifier`` is something else.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If its model is no multilayer perceptron, with the reason.

    See Also
    --------
    from_keras : The same for a Keras model.

    Examples
    --------
    >>> import keras
    >>> from scikeras.wrappers import KerasClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp.export import from_scikeras
    >>> X, y = load_digits(return_X_y=True)
    >>> layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(10, "softmax")]
    >>> network = keras.Sequential([keras.Input((64,)), *layers])
    >>> wrapper = KerasClassifier(network, loss="sparse_categorical_crossentropy", verbose=0)
    >>> ours = from_scikeras(wrapper.fit(X / 16, y))
    >>> bool((ours.predict(X / 16) == wrapper.predict(X / 16)).all())
    True
    """
    from scikeras.wrappers import KerasClassifier

    if not isinstance(classifier, KerasClassifier):
        raise TypeError(
            "from_scikeras: expected a scikeras KerasClassifier, got "
            f"{type(classifier).__name__}. Use from_keras for a Keras model."
        )
    got = "from_scikeras: expected a fitted KerasClassifier, got one without fit. Call fit first."
    check_is_fitted(classifier, "model_", msg=got)
    estimator = _adopt_keras("from_scikeras", classifier.model_, classifier.classes_)
    shared = ("batch_size", "epochs", "random_state", "verbose", "warm_start")
    theirs = {name: getattr(classifier, name, None) for name in shared}
    return estimator.set_params(**{k: v for k, v in theirs.items() if v is not None})


def _adopt_keras(who: str, model: Any, classes: ArrayLike | None) -> Any:
    """:func:`from_keras` on behalf of the public function ``who``."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(
            f"{who}: expected a keras.Model, got {type(model).__name__}. "
            'Load one by keras.saving.load_model("FILE.keras").'
        )
    chain, left_behind = _read_layers(who, model)
    layers, activation = _check_perceptron(who, chain)
    dropouts, penalties = [dense.dropout for dense in chain], {dense.l2 for dense in chain}
    if len(set(dropouts[:-1])) > 1 or dropouts[-1]:
        left_behind.append(f"dropout of {', '.join(map(str, dropouts))}")
    if len(penalties) > 1:
        left_behind.append(f"l2 of {' and '.join(map(str, sorted(penalties)))}")
    if left_behind:
        warnings.warn(
            f"{who}: expected training that this classifier can continue, got "
            f"{', '.join(dict.fromkeys(left_behind))}; predictions are the model's, but further "
            "training would differ. Set the parameters before training on.",
            stacklevel=3,
        )
    parameters = {"dropout": max(dropouts[:-1]), "l2": max(penalties)}
    parameters |= _training_parameters(model)
    estimator = fitted_classifier(who, layers, activation, classes, parameters)
    _compare(who, model, layers, activation)
    return estimator


def _refuse(who: str, got: str, fix: str) -> NoReturn:
    raise ValueError(f"{who}: expected a multilayer perceptron, got {got}. {fix}")


@dataclass
class _Dense:
    """A dense layer, and what the layers after it add."""

    weights: Layer
    l2: float
    activation: str = "linear"
    dropout: float = 0.0


def _read_layers(who: str, model: Any) -> tuple[list[_Dense], list[str]]:
    """The dense layers of a chain, and what of its training has no parameter here."""
    if not model.built or not getattr(model, "inputs", None):
        _refuse(who, "a model that is not built", "Call it on some rows first.")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        _refuse(who, "a model without one input and one output", "Rebuild it as keras.Sequential.")
    chain: list[_Dense] = []
    left_behind: list[str] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if not type(layer).__module__.startswith("keras."):
            _refuse(who, f"a layer of your own ({kind})", "Use Keras's own layers.")
        activation = _activation_of(layer)
        if kind == "Dense":
            chain.append(_read_dense(who, layer, left_behind))
        elif kind == "Dropout" and chain:
            chain[-1].dropout = float(layer.rate)
        elif kind == "Dropout":
            left_behind += ["dropout of the input"] if layer.rate else []
        elif kind in _TRAINING_ONLY:
            left_behind.append(kind)
        elif activation is None and kind != "InputLayer" and (kind != "Flatten" or chain):
            taken = "Only Dense, activation and Dropout layers, and Flatten in front, are taken."
            _refuse(who, f"a layer of {kind}", taken)
        if activation in (None, "linear"):
            continue
        if not chain:
            _refuse(who, f"{activation} before the first Dense layer", "Leave it out.")
        if chain[-1].activation != "linear":
            got = f"{chain[-1].activation} and {activation} on one layer"
            _refuse(who, got, "Give each layer one activation.")
        chain[-1].activation = activation
    return chain, left_behind


def _read_dense(who: str, layer: Any, left_behind: list[str]) -> _Dense:
    kernel, *bias = [np.asarray(value) for value in layer.get_weights()]
    if layer.compute_dtype != layer.variable_dtype or kernel.dtype.name not in _DTYPES:
        got = f"a Dense layer computing in {layer.compute_dtype}"
        _refuse(who, got, "Rebuild it with dtype='float32'.")
    regularizer = layer.kernel_regularizer
    if getattr(regularizer, "l1", 0.0) or layer.bias_regularizer or layer.kernel_constraint:
        left_behind.append("a regularizer or constraint")
    weights = Layer(kernel, bias[0] if bias else np.zeros(kernel.shape[1], kernel.dtype))
    return _Dense(weights, float(getattr(regularizer, "l2", 0.0) or 0.0))


def _activation_of(layer: Any) -> str | None:
    """The activation that a layer has, or is, such as ``keras.layers.ReLU``; None without one."""
    kind = type(layer).__name__
    if kind in ("Dense", "Activation"):
        function = layer.activation
        return getattr(function, "__name__", type(function).__name__)
    if kind not in _ACTIVATION_LAYERS:
        return None
    name, usual = _ACTIVATION_LAYERS[kind]
    config = layer.get_config()
    unusual = {key: config[key] for key, value in usual.items() if config[key] != value}
    if kind == "ReLU" and unusual == {"max_value": 6.0}:
        return "relu6"
    return f"{kind} with {unusual}" if unusual else name


_ACTIVATION_LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ELU": ("elu", {"alpha": 1.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.2}),
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "Softmax": ("softmax", {"axis": -1}),
}


def _check_perceptron(who: str, chain: list[_Dense]) -> tuple[Layers, str]:
    """The weights of a network with softmax output, and the hidden layers' activation."""
    if len(chain) < 2:
        got = f"{len(chain)} Dense layer{'' if chain else 's'}"
        _refuse(who, got, "There must be a hidden layer and an output.")
    *hidden, last = chain
    activations = list(dict.fromkeys(dense.activation for dense in hidden))
    if len(activations) > 1 or activations[0] not in ACTIVATIONS:
        got = f"hidden layers of {', '.join(activations)}"
        _refuse(who, got, f"All must have one of {', '.join(sorted(ACTIVATIONS))}.")
    if len({dense.weights.kernel.dtype for dense in chain}) > 1:
        _refuse(who, "layers of several dtypes", "Rebuild it with dtype='float32'.")
    kernel, bias = last.weights
    if last.activation == "sigmoid" and len(bias) == 1:
        # A sigmoid of z is the second of the softmax of (0, z).
        kernel, bias = np.pad(kernel, ((0, 0), (1, 0))), np.pad(bias, (1, 0))
    elif last.activation != "softmax" or len(bias) < 2:
        got = f"{len(bias)} outputs after {last.activation}"
        _refuse(who, got, "Let it end in softmax: add keras.layers.Softmax().")
    return (*(dense.weights for dense in hidden), Layer(kernel, bias)), activations[0]


def _training_parameters(model: Any) -> dict[str, Any]:
    """The optimizer that a model was compiled with, by name where its settings are Keras's own."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return {}
    kind, config = type(optimizer), optimizer.get_config()
    usual, name = kind().get_config(), kind.__name__.lower()
    changed = {key for key in config if config[key] != usual[key]} - {"learning_rate", "name"}
    rate = config["learning_rate"]
    if changed or name not in OPTIMIZERS or not isinstance(rate, float):
        return {"optimizer": kind.from_config(config)}
    # Keras keeps the rate in single precision: give back the decimal number that it came from.
    return {"optimizer": name, "learning_rate": float(str(np.float32(rate)))}


def _compare(who: str, model: Any, layers: Layers, activation: str) -> None:
    """Refuse a model that answers otherwise than a chain of its layers would."""
    shape, n_features = model.input_shape[1:], len(layers[0].kernel)
    if None in shape or np.prod(shape) != n_features:
        _refuse(who, f"an input of shape {shape}", f"Flatten it to {n_features} features.")
    rows: NDArray[Any] = np.random.default_rng(0).random((32, n_features)).astype(np.float32)
    theirs = np.asarray(model(rows.reshape(-1, *shape), training=False))
    ours = softmax(forward(rows, layers, activation))[:, -theirs.shape[1] :]  # of a sigmoid one
    difference = np.abs(ours - theirs).max()
    if not difference < _TOLERANCE:
        got = f"a model whose probabilities are {difference:.2g} off those of its layers in a row"
        _refuse(who, got, "Its layers must form one chain.")
