"""The update rules that our own engines know, exactly as Keras states them.

A rule is split into a *kind*, which shapes the program, and *values*, which do not: a grid over
learning rates or momenta shares one program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._storage import copy_optimizer, undecayed

__all__ = ["OPTIMIZERS", "OptimizerSpec", "make_keras_optimizer", "optimizer_spec", "update"]

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
"""Names of optimizers that train without Keras, known without importing it."""

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
        ``"adam"`` (AdamW is Adam with decay), ``"rmsprop"``, ``"rmsprop_centered"``,
        ``"sgd"`` or ``"sgd_nesterov"``.
    learning_rate, beta_1, beta_2, epsilon, momentum, rho : float
        Named as in Keras; those that a kind does not use are ignored.
    kernel_decay, bias_decay : float
        Keras's ``weight_decay``, 0 for what ``exclude_from_weight_decay`` names.

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
    kernel_decay: float = 0.0
    bias_decay: float = 0.0

    @property
    def n_slots(self) -> int:
        """Arrays that the rule keeps for each weight array."""
        return _SLOTS[self.kind]

    def constants(self) -> tuple[float, ...]:
        """Numbers that :func:`update` takes as ``constants``, in its order.

        Complements are taken here in double precision, as Keras takes them.
        """
        if self.kind == "adam":
            return (1 - self.beta_1, 1 - self.beta_2, self.epsilon)
        return (self.momentum, self.rho, 1 - self.rho, self.epsilon)

    def step_sizes(self, learning_rate: NDArray[np.float64], n_updates: int) -> NDArray[Any]:
        """Factor of each update: the learning rate, with Adam's bias correction.

        Parameters
        ----------
        learning_rate : ndarray of shape (n_steps,)
            Rate of each step.
        n_updates : int
            Updates of the same moments before these.
        """
        if self.kind != "adam":
            return learning_rate
        t = n_updates + 1 + np.arange(len(learning_rate), dtype=np.float64)
        return learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)


def update(
    xp: Any,
    kind: str,
    weight: Any,
    gradient: Any,
    slots: list[Any],
    constants: Any,
    step_size: Any,
    decay: Any,
) -> tuple[Any, list[Any]]:
    """Apply one step of a rule to one stacked weight array.

    Parameters
    ----------
    xp : namespace
        Where to compute.
    kind : str
        See :class:`OptimizerSpec`.
    weight, gradient : array of shape (G, …)
        G networks' weights and gradients.
    slots : list of arrays of shape (G, …)
        The rule's memory.
    constants : sequence of arrays that broadcast against ``weight``
        See :meth:`OptimizerSpec.constants`.
    step_size : array that broadcasts against ``weight``
        The learning rate, with Adam's bias correction.
    decay : array that broadcasts against ``weight``, or None
        Share of the weight that decays in this step; None leaves it out.

    Returns
    -------
    weight, slots
        New tensors; under NumPy the arrays given, changed in place, as ``gradient`` is.
    """
    if decay is not None:
        weight -= weight * decay
    if kind == "adam":
        return _adam(xp, weight, gradient, slots, constants, step_size)
    if kind.startswith("sgd"):
        return _sgd(weight, gradient, slots, constants, step_size, nesterov=kind == "sgd_nesterov")
    return _rmsprop(xp, weight, gradient, slots, constants, step_size)


def _adam(
    xp: Any, weight: Any, gradient: Any, slots: list[Any], constants: Any, step_size: Any
) -> tuple[Any, list[Any]]:
    rest_1, rest_2, epsilon = constants
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
    momentum, rho, rest, epsilon = constants
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
    """Read an optimizer as a rule of our own engines, or None if only Keras can run it.

    Parameters
    ----------
    optimizer : str or keras.optimizers.Optimizer
        A name takes ``learning_rate`` and Keras's defaults; an instance speaks for itself.
    learning_rate : float
        For names only.
    """
    if isinstance(optimizer, str):
        name = optimizer.lower()
        if name not in OPTIMIZERS:
            return None
        decay = 0.004 if name == "adamw" else 0.0  # Keras's default of AdamW
        kind = "adam" if name == "adamw" else name
        return OptimizerSpec(kind, learning_rate, kernel_decay=decay, bias_decay=decay)
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
    if config.get("nesterov") and config.get("momentum"):
        kind = "sgd_nesterov"
    if config.get("centered"):
        kind = "rmsprop_centered"
    names = ("beta_1", "beta_2", "epsilon", "momentum", "rho")
    values = {name: float(config[name]) for name in names if config.get(name) is not None}
    decay = float(config.get("weight_decay") or 0.0)
    # As in Keras, a word is looked for in a variable's name, and dense layers have two.
    excluded = [
        any(re.search(word, variable) for word in undecayed(optimizer))
        for variable in ("kernel", "bias")
    ]
    kernel_decay, bias_decay = (0.0 if without else decay for without in excluded)
    return OptimizerSpec(
        kind,
        float(config["learning_rate"]),
        kernel_decay=kernel_decay,
        bias_decay=bias_decay,
        **values,
    )


def make_keras_optimizer(optimizer: Any, learning_rate: float) -> Any:
    """Make a fresh Keras optimizer of what the user gave, which is never touched."""
    import keras

    if isinstance(optimizer, str):
        made = keras.optimizers.get(optimizer)
        made.learning_rate = learning_rate
        return made
    return copy_optimizer(optimizer)
