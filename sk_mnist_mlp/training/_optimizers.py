"""The update rules that the compiled engine knows, exactly as Keras states them.

A rule is split into a *kind*, which shapes the program, and *values*, which do not: a grid over
learning rates or momenta shares one program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._validation import COMPILED_OPTIMIZERS

__all__ = ["OptimizerSpec", "make_keras_optimizer", "optimizer_spec"]

_ONLY_KERAS = (
    "amsgrad",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
    "loss_scale_factor",
    "use_ema",
)
"""Features of Keras's optimizers that the rules below leave out."""

_SLOTS = {"adam": 2, "rmsprop": 2, "rmsprop_centered": 3, "sgd": 1, "sgd_nesterov": 1}


@dataclass(frozen=True)
class OptimizerSpec:
    """An update rule and its constants.

    Attributes
    ----------
    kind : str
        ``"adam"`` (AdamW is Adam with ``weight_decay``), ``"rmsprop"``, ``"rmsprop_centered"``,
        ``"sgd"`` or ``"sgd_nesterov"``.
    learning_rate, beta_1, beta_2, epsilon, momentum, rho, weight_decay : float
        Named as in Keras; those that a kind does not use are ignored.

    References
    ----------
    Kingma and Ba (2015), Adam: A method for stochastic optimization, ICLR.
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, ICLR.
    Sutskever et al. (2013), On the importance of initialization and momentum, ICML.
    """

    kind: str
    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    momentum: float = 0.0
    rho: float = 0.9
    weight_decay: float = 0.0

    @property
    def n_slots(self) -> int:
        """Arrays that the rule keeps for each weight array."""
        return _SLOTS[self.kind]

    def constants(self) -> tuple[float, ...]:
        """Numbers that :func:`update` takes as ``constants``, in its order.

        Complements are taken here in double precision, as Keras takes them.
        """
        if self.kind == "adam":
            return (1 - self.beta_1, 1 - self.beta_2, self.epsilon, self.weight_decay)
        return (self.momentum, self.rho, 1 - self.rho, self.epsilon, self.weight_decay)

    def step_sizes(self, learning_rate: NDArray[np.float64], first_step: int) -> NDArray[Any]:
        """Factor of each update: the learning rate, with Adam's bias correction.

        Parameters
        ----------
        learning_rate : ndarray of shape (n_steps,)
            Rate of each step.
        first_step : int
            Steps taken before these.
        """
        if self.kind != "adam":
            return learning_rate
        t = first_step + 1 + np.arange(len(learning_rate), dtype=np.float64)
        return learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)


def update(
    xp: Any,
    kind: str,
    weight: Any,
    gradient: Any,
    slots: list[Any],
    constants: Any,
    step_size: Any,
    learning_rate: Any,
) -> tuple[Any, list[Any]]:
    """Apply one step of a rule to one stacked weight array.

    Parameters
    ----------
    xp : Namespace
        Where to compute.
    kind : str
        See :class:`OptimizerSpec`.
    weight, gradient : array of shape (G, …)
        G networks' weights and gradients.
    slots : list of arrays of shape (G, …)
        The rule's memory.
    constants : sequence of arrays that broadcast against ``weight``
        See :meth:`OptimizerSpec.constants`.
    step_size, learning_rate : arrays that broadcast against ``weight``
        With and without Adam's bias correction. The latter None leaves out weight decay.

    Returns
    -------
    weight, slots
        New tensors; under NumPy the arrays given, changed in place, as ``gradient`` is.
    """
    if learning_rate is not None:
        weight -= weight * (constants[-1] * learning_rate)
    if kind == "adam":
        return _adam(xp, weight, gradient, slots, constants, step_size)
    if kind.startswith("sgd"):
        return _sgd(weight, gradient, slots, constants, step_size, nesterov=kind == "sgd_nesterov")
    return _rmsprop(xp, weight, gradient, slots, constants, step_size)


def _adam(
    xp: Any, weight: Any, gradient: Any, slots: list[Any], constants: Any, step_size: Any
) -> tuple[Any, list[Any]]:
    rest_1, rest_2, epsilon, _ = constants
    mean, variance = slots
    change = gradient * gradient
    change -= variance
    change *= rest_2
    variance += change
    gradient -= mean
    gradient *= rest_1
    mean += gradient
    scale = xp.sqrt(variance)
    scale += epsilon
    change = mean * step_size
    change /= scale
    weight -= change
    return weight, [mean, variance]


def _sgd(
    weight: Any,
    gradient: Any,
    slots: list[Any],
    constants: Any,
    step_size: Any,
    *,
    nesterov: bool,
) -> tuple[Any, list[Any]]:
    momentum = constants[0]
    (velocity,) = slots
    gradient *= step_size
    velocity *= momentum
    velocity -= gradient
    if nesterov:
        weight += velocity * momentum - gradient
    else:
        weight += velocity
    return weight, [velocity]


def _rmsprop(
    xp: Any, weight: Any, gradient: Any, slots: list[Any], constants: Any, step_size: Any
) -> tuple[Any, list[Any]]:
    momentum, rho, rest, epsilon, _ = constants
    velocity, push, *average = slots
    velocity *= rho
    velocity += rest * (gradient * gradient)
    denominator = velocity + epsilon
    if average:  # the centered rule
        average[0] *= rho
        average[0] += rest * gradient
        denominator -= average[0] * average[0]
    gradient *= step_size
    gradient /= xp.sqrt(denominator)
    push *= momentum
    push += gradient
    weight -= push
    return weight, [velocity, push, *average]


def optimizer_spec(optimizer: Any, learning_rate: float) -> OptimizerSpec | None:
    """Read an optimizer as a rule of the compiled engine, or None if only Keras can run it.

    Parameters
    ----------
    optimizer : str or keras.optimizers.Optimizer
        A name takes ``learning_rate`` and Keras's defaults; an instance speaks for itself.
    learning_rate : float
        For names only.
    """
    if isinstance(optimizer, str):
        name = optimizer.lower()
        if name not in COMPILED_OPTIMIZERS:
            return None
        decay = 0.004 if name == "adamw" else 0.0  # Keras's default of AdamW
        kind = "adam" if name == "adamw" else name
        return OptimizerSpec(kind, learning_rate, weight_decay=decay)
    return _spec_of_instance(optimizer)


def _spec_of_instance(optimizer: Any) -> OptimizerSpec | None:
    import keras

    known = {
        keras.optimizers.Adam: "adam",
        keras.optimizers.AdamW: "adam",
        keras.optimizers.RMSprop: "rmsprop",
        keras.optimizers.SGD: "sgd",
    }
    kind = known.get(type(optimizer))
    config = optimizer.get_config()
    if kind is None or any(config.get(name) for name in _ONLY_KERAS):
        return None
    if not isinstance(config["learning_rate"], (int, float)):
        return None
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        return None
    if config.get("nesterov") and config.get("momentum"):
        kind = "sgd_nesterov"
    if config.get("centered"):
        kind = "rmsprop_centered"
    names = ("beta_1", "beta_2", "epsilon", "momentum", "rho")
    values = {name: float(config[name]) for name in names if config.get(name) is not None}
    decay = float(config.get("weight_decay") or 0.0)
    return OptimizerSpec(kind, float(config["learning_rate"]), weight_decay=decay, **values)


def make_keras_optimizer(optimizer: Any, learning_rate: float) -> Any:
    """Make a fresh Keras optimizer of what the user gave, which is never touched."""
    import keras

    if isinstance(optimizer, str):
        made = keras.optimizers.get(optimizer)
        made.learning_rate = learning_rate
        return made
    return type(optimizer).from_config(optimizer.get_config())
