"""The update rules that our own engines know, exactly as Keras states them.

A rule is split into a *kind*, which shapes the program, and *values*, which do not: a grid over
learning rates or momenta shares one program.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._storage import undecayed

__all__ = ["OPTIMIZERS", "OptimizerSpec", "optimizer_spec", "update"]

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
"""Names of optimizers that train without Keras, known without importing it."""

_ONLY_KERAS = (
    *("amsgrad", "clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps"),
    *("loss_scale_factor", "use_ema"),
)
"""Features of Keras's optimizers that the rules below leave out."""

_Moved = tuple[Any, list[Any]]
"""A weight array after a step, and what the rule remembers of it."""


@dataclass(frozen=True)
class OptimizerSpec:
    """An update rule and its constants, named as in Keras; a kind ignores those it does not use.

    References
    ----------
    Kingma and Ba (2015), Adam: A method for stochastic optimization, ICLR.
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, ICLR.
    Sutskever et al. (2013), On the importance of initialization and momentum, ICML.
    """

    kind: str  # a name in _RULES, where AdamW is Adam with decay; "keras" where only Keras knows it
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    momentum: float = 0.0
    rho: float = 0.9
    kernel_decay: float = 0.0  # Keras's weight_decay, 0 for what exclude_from_weight_decay names
    bias_decay: float = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether our own engines can run it."""
        return self.kind in _RULES

    @property
    def n_slots(self) -> int:
        """Arrays that the rule keeps for each weight array; few of Keras's keep more than three."""
        return _RULES[self.kind][1] if self.is_ours else 3

    def constants(self) -> tuple[float, ...]:
        """What :func:`update` takes; complements in double precision, as Keras takes them."""
        if self.kind == "adam":
            return (1 - self.beta_1, 1 - self.beta_2, self.epsilon)
        return (self.momentum, self.rho, 1 - self.rho, self.epsilon)

    def step_sizes(self, learning_rate: NDArray[np.float64], n_updates: int) -> NDArray[Any]:
        """Learning rate of each step, with Adam's bias correction after ``n_updates`` updates."""
        if self.kind != "adam":
            return learning_rate
        t = n_updates + 1 + np.arange(len(learning_rate), dtype=np.float64)
        return learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)


# ----------------------------------------------------------------------------------------------
# The rules, over an array namespace


def update(
    xp: Any,
    kind: str,
    weight: Any,
    gradient: Any,
    slots: list[Any],
    constants: Any,
    step_size: Any,
    decay: Any,
) -> _Moved:
    """Apply one step of a rule to one stacked weight array of shape (G, …).

    Constants, step size and decay, which is the share of the weight that decays or None, broadcast
    against the weight. What comes back are new tensors; under NumPy the arrays given, changed in
    place, as ``gradient`` is.
    """
    if decay is not None:
        weight -= weight * decay
    return _RULES[kind][0](xp, weight, gradient, slots, constants, step_size)


def _adam(
    xp: Any, weight: Any, gradient: Any, slots: Any, constants: Any, step_size: Any
) -> _Moved:
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
    xp: Any,
    weight: Any,
    gradient: Any,
    slots: Any,
    constants: Any,
    step_size: Any,
    nesterov: bool = False,
) -> _Moved:
    momentum, (velocity,) = constants[0], slots
    gradient *= step_size
    velocity *= momentum
    velocity -= gradient
    weight += velocity * momentum - gradient if nesterov else velocity
    return weight, [velocity]


def _rmsprop(
    xp: Any, weight: Any, gradient: Any, slots: Any, constants: Any, step_size: Any
) -> _Moved:
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


_RULES: dict[str, tuple[Callable[..., _Moved], int]] = {
    "adam": (_adam, 2),
    "rmsprop": (_rmsprop, 2),
    "rmsprop_centered": (_rmsprop, 3),
    "sgd": (_sgd, 1),
    "sgd_nesterov": (functools.partial(_sgd, nesterov=True), 1),
}
"""Kind → rule, and how many arrays it keeps for each weight array."""


# ----------------------------------------------------------------------------------------------
# From Keras


def optimizer_spec(optimizer: Any) -> OptimizerSpec:
    """Read an optimizer, or a name that stands for Keras's defaults, as a rule of our engines."""
    if isinstance(optimizer, str):
        name = optimizer.lower()
        if name == "adamw":
            return OptimizerSpec("adam", kernel_decay=0.004, bias_decay=0.004)
        return OptimizerSpec(name if name in OPTIMIZERS else "keras")
    import keras

    known = keras.optimizers
    kinds = {known.Adam: "adam", known.AdamW: "adam", known.RMSprop: "rmsprop", known.SGD: "sgd"}
    kind = kinds.get(type(optimizer))
    config = optimizer.get_config()
    if (
        kind is None
        or any(config.get(name) for name in _ONLY_KERAS)
        or not isinstance(config["learning_rate"], (int, float))
    ):
        return OptimizerSpec("keras")
    if config.get("nesterov") and config.get("momentum"):
        kind = "sgd_nesterov"
    if config.get("centered"):
        kind = "rmsprop_centered"
    names = ("beta_1", "beta_2", "epsilon", "momentum", "rho")
    values = {name: float(config[name]) for name in names if config.get(name) is not None}
    # As in Keras, a word is looked for in a variable's name, and dense layers have two.
    for variable in ("kernel", "bias"):
        excluded = any(re.search(word, variable) for word in undecayed(optimizer))
        values[f"{variable}_decay"] = 0.0 if excluded else float(config.get("weight_decay") or 0.0)
    return OptimizerSpec(kind, **values)
