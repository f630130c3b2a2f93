"""Keras: a trained model as a fitted classifier. The way back is ``estimator.model_``."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist_mlp._network import ACTIVATIONS, Layer, Layers, as_arrays, forward, softmax
from sk_mnist_mlp._training import OPTIMIZERS
from sk_mnist_mlp.export.models import fitted_classifier

__all__ = ["adopt_keras", "from_keras"]

_TRAINING_ONLY = ("ActivityRegularization", "AlphaDropout", "GaussianDropout", "GaussianNoise")
_TOLERANCE = 1e-4  # of probabilities in float32, ours against the model's


def from_keras(model: Any, *, classes: ArrayLike | None = None) -> Any:
    """Make a fitted classifier of a trained Keras model that is a multilayer perceptron.

    The way back is ``estimator.model_``, a ``keras.Sequential``:
    ``estimator.model_.save("digits.keras")``.

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
        Fitted, with the model's predictions. Its rows are flat also where the model starts with
        ``Flatten``. The parameters are the model's as far as it tells them; history and moments
        are not taken along.

    Raises
    ------
    TypeError
        If ``model`` is no Keras model.
    ValueError
        If it is something else than such a perceptron, with the reason.

    Warns
    -----
    UserWarning
        If the model was trained in a way that further training here would not continue, such as
        a different dropout in each layer.

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
    return adopt_keras("from_keras", model, classes)


def adopt_keras(who: str, model: Any, classes: ArrayLike | None) -> Any:
    """:func:`from_keras` on behalf of the public function ``who``."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(
            f"{who}: expected a keras.Model, got {type(model).__name__}. "
            'Load one by keras.saving.load_model("FILE.keras").'
        )
    chain = _Chain(who)
    for layer in _layers_of(who, model):
        chain.add(layer)
    layers, activation = chain.finish()
    parameters = chain.parameters() | _training_parameters(model)
    estimator = fitted_classifier(who, layers, activation, classes, parameters)
    _compare(who, model, layers, activation)
    return estimator


def _refuse(who: str, got: str, fix: str) -> NoReturn:
    raise ValueError(f"{who}: expected a multilayer perceptron, got {got}. {fix}")


def _layers_of(who: str, model: Any) -> list[Any]:
    if not model.built or not hasattr(model, "layers") or not hasattr(model, "inputs"):
        _refuse(who, "a model that is not built", "Call it on some rows first.")
    if len(model.inputs or ()) != 1 or len(model.outputs or ()) != 1:
        _refuse(who, "a model without one input and one output", "Rebuild it as keras.Sequential.")
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


class _Chain:
    """Read a model's layers one after the other, keeping weights, activations and dropout."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._layers: list[Layer] = []
        self._activations: list[str] = []
        self._dropouts: list[float] = []
        self._penalties: list[float] = []
        self._left_behind: list[str] = []

    def add(self, layer: Any) -> None:
        """Read the next layer."""
        kind = type(layer).__name__
        readers = {
            "Dense": self._add_dense,
            "Activation": lambda layer: self._activate(_name(layer.activation)),
            "Dropout": self._add_dropout,
        }
        if not type(layer).__module__.startswith("keras."):
            _refuse(self._who, f"a layer of your own ({kind})", "Use Keras's own layers.")
        if kind in readers:
            readers[kind](layer)
        elif _activation_of(layer) is not None:
            self._activate(_activation_of(layer))
        elif kind in _TRAINING_ONLY:
            self._left_behind.append(kind)
        elif kind != "Flatten" or self._layers:
            _refuse(
                self._who,
                f"a layer of {kind}",
                "Only Dense, activation and Dropout layers, and Flatten in front, are taken.",
            )

    def _add_dense(self, layer: Any) -> None:
        kernel, *bias = [np.asarray(value) for value in layer.get_weights()]
        if layer.compute_dtype != layer.variable_dtype or kernel.dtype.kind != "f":
            got = f"a Dense layer computing in {layer.compute_dtype}"
            _refuse(self._who, got, "Rebuild it with dtype='float32'.")
        self._layers.append(
            Layer(kernel, bias[0] if bias else np.zeros(kernel.shape[1], kernel.dtype))
        )
        self._activations.append("linear")
        self._dropouts.append(0.0)
        regularizer = getattr(layer, "kernel_regularizer", None)
        self._penalties.append(float(getattr(regularizer, "l2", 0.0) or 0.0))
        if getattr(regularizer, "l1", 0.0) or layer.bias_regularizer or layer.kernel_constraint:
            self._left_behind.append("a regularizer or constraint")
        self._activate(_name(layer.activation))

    def _add_dropout(self, layer: Any) -> None:
        if self._dropouts:
            self._dropouts[-1] = float(layer.rate)
        elif layer.rate:
            self._left_behind.append("dropout of the input")

    def _activate(self, name: str | None) -> None:
        if not self._activations:
            _refuse(self._who, f"{name} before the first Dense layer", "Leave it out.")
        if name == "linear":
            return
        if self._activations[-1] != "linear":
            got = f"{self._activations[-1]} and {name} on one layer"
            _refuse(self._who, got, "Give each layer one activation.")
        self._activations[-1] = str(name)

    def finish(self) -> tuple[Layers, str]:
        """The weights of a network with softmax output, and the hidden layers' activation."""
        *hidden, last = self._activations or ["linear"]
        if not hidden:
            got = f"{len(self._activations)} Dense layer{'' if self._activations else 's'}"
            _refuse(self._who, got, "There must be a hidden layer and an output.")
        if len(set(hidden)) > 1 or hidden[0] not in ACTIVATIONS:
            got = f"hidden layers of {', '.join(dict.fromkeys(hidden))}"
            _refuse(self._who, got, f"All must have one of {', '.join(sorted(ACTIVATIONS))}.")
        n_outputs = len(self._layers[-1].bias)
        if last == "sigmoid" and n_outputs == 1:
            # A sigmoid of z is the second of the softmax of (0, z).
            kernel, bias = self._layers[-1]
            self._layers[-1] = Layer(np.pad(kernel, ((0, 0), (1, 0))), np.pad(bias, (1, 0)))
        elif last != "softmax" or n_outputs < 2:
            got = f"{n_outputs} outputs after {last}"
            _refuse(self._who, got, "Let it end in softmax: add keras.layers.Softmax().")
        dtypes = {array.dtype.name for array in as_arrays(self._layers)}
        if dtypes not in ({"float32"}, {"float64"}):
            got = f"weights of {', '.join(sorted(dtypes))}"
            _refuse(self._who, got, "Rebuild it with dtype='float32'.")
        return tuple(self._layers), hidden[0]

    def parameters(self) -> dict[str, Any]:
        """Parameters of the classifier that the layers tell; warns of what none can tell."""
        dropouts, penalties = sorted(set(self._dropouts[:-1])), sorted(set(self._penalties))
        if len(dropouts) > 1 or self._dropouts[-1]:
            self._left_behind.append(f"dropout of {', '.join(map(str, self._dropouts))}")
        if len(penalties) > 1:
            self._left_behind.append(f"l2 of {' and '.join(map(str, penalties))}")
        if self._left_behind:
            warnings.warn(
                f"{self._who}: expected training that this classifier can continue, got "
                f"{', '.join(dict.fromkeys(self._left_behind))}; predictions are the model's, but "
                "further training would differ. Set the parameters before training on.",
                stacklevel=4,
            )
        return {"dropout": max(dropouts), "l2": penalties[-1]}


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)


def _activation_of(layer: Any) -> str | None:
    """The activation that a layer such as ``keras.layers.ReLU`` is, None if it is none."""
    kind, config = type(layer).__name__, layer.get_config()
    plain: dict[str, dict[str, Any]] = {
        "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
        "LeakyReLU": {"negative_slope": 0.2},
        "ELU": {"alpha": 1.0},
        "Softmax": {"axis": -1},
    }
    if kind not in plain:
        return None
    unusual = {key: config[key] for key, value in plain[kind].items() if config[key] != value}
    if kind == "ReLU" and unusual == {"max_value": 6.0}:
        return "relu6"
    named = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}[kind]
    return named if not unusual else f"{kind} with {unusual}"


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
    shape = model.input_shape[1:]
    n_features = len(layers[0].kernel)
    rows: NDArray[Any] = np.random.default_rng(0).random((32, n_features)).astype(np.float32)
    if None in shape or np.prod(shape) != rows.shape[1]:
        _refuse(who, f"an input of shape {shape}", f"Flatten it to {rows.shape[1]} features.")
    theirs = np.asarray(model(rows.reshape(-1, *shape), training=False))
    ours = softmax(forward(rows, layers, activation))
    if theirs.shape[1] == 1:
        ours = ours[:, 1:]
    difference = np.abs(ours - theirs).max()
    if not difference < _TOLERANCE:
        got = f"a model whose probabilities are {difference:.2g} off those of its layers in a row"
        _refuse(who, got, "Its layers must form one chain.")
