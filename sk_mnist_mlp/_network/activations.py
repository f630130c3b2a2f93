"""The activation functions of the hidden layers, each with its derivative.

Every function is written over an array namespace ``xp`` (see :mod:`sk_mnist_mlp._network.arrays`),
so that one text serves the NumPy forward pass and the training step of every engine. The names and
constants are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["ACTIVATIONS", "Activation"]


class Activation(NamedTuple):
    """An activation function and its derivative."""

    value: Callable[[Any, Any], Any]
    """``value(xp, z)``: the activation of the pre-activations ``z``."""
    slope: Callable[[Any, Any, Any], Any]
    """``slope(xp, z, a)``: the derivative at ``z``, where ``a`` is ``value(xp, z)``."""


# Constants of self-normalizing networks (Klambauer et al. 2017, arXiv:1706.02515).
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SQRT_HALF = 0.7071067811865476
_INV_SQRT_2PI = 0.3989422804014327
_LEAK = 0.2  # Keras's default negative slope of leaky_relu


def _sigmoid(xp: Any, z: Any) -> Any:
    # The tanh form cannot overflow, whatever z is.
    return 0.5 * xp.tanh(0.5 * z) + 0.5


def _softplus(xp: Any, z: Any) -> Any:
    return xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z)))


def _gauss_cdf(xp: Any, z: Any) -> Any:
    return 0.5 * (1.0 + xp.erf(z * _SQRT_HALF))


def _elu(xp: Any, z: Any) -> Any:
    return xp.where(z > 0, z, xp.expm1(xp.minimum(z, 0.0)))


def _selu(xp: Any, z: Any) -> Any:
    return _SELU_SCALE * xp.where(z > 0, z, _SELU_ALPHA * xp.expm1(xp.minimum(z, 0.0)))


def _mish(xp: Any, z: Any) -> Any:
    return z * xp.tanh(_softplus(xp, z))


def _mish_slope(xp: Any, z: Any, a: Any) -> Any:
    t = xp.tanh(_softplus(xp, z))
    return t + z * (1.0 - t * t) * _sigmoid(xp, z)


def _silu_slope(xp: Any, z: Any, a: Any) -> Any:
    s = _sigmoid(xp, z)
    return s + a * (1.0 - s)


def _gelu_slope(xp: Any, z: Any, a: Any) -> Any:
    return _gauss_cdf(xp, z) + z * _INV_SQRT_2PI * xp.exp(-0.5 * z * z)


_SILU = Activation(lambda xp, z: z * _sigmoid(xp, z), _silu_slope)

ACTIVATIONS: dict[str, Activation] = {
    "elu": Activation(_elu, lambda xp, z, a: xp.where(z > 0, xp.ones_like(z), a + 1.0)),
    "gelu": Activation(lambda xp, z: z * _gauss_cdf(xp, z), _gelu_slope),
    "leaky_relu": Activation(
        lambda xp, z: xp.where(z > 0, z, _LEAK * z),
        lambda xp, z, a: xp.where(z > 0, xp.ones_like(z), _LEAK * xp.ones_like(z)),
    ),
    "linear": Activation(lambda xp, z: z, lambda xp, z, a: xp.ones_like(z)),
    "mish": Activation(_mish, _mish_slope),
    "relu": Activation(lambda xp, z: xp.maximum(z, 0.0), lambda xp, z, a: xp.cast(z > 0, z.dtype)),
    "relu6": Activation(
        lambda xp, z: xp.minimum(xp.maximum(z, 0.0), 6.0),
        lambda xp, z, a: xp.cast(z > 0, z.dtype) * xp.cast(z < 6.0, z.dtype),
    ),
    "selu": Activation(
        _selu,
        lambda xp, z, a: xp.where(
            z > 0, _SELU_SCALE * xp.ones_like(z), a + _SELU_SCALE * _SELU_ALPHA
        ),
    ),
    "sigmoid": Activation(_sigmoid, lambda xp, z, a: a * (1.0 - a)),
    "silu": _SILU,
    "softplus": Activation(_softplus, lambda xp, z, a: _sigmoid(xp, z)),
    "softsign": Activation(
        lambda xp, z: z / (1.0 + xp.abs(z)),
        lambda xp, z, a: 1.0 / xp.square(1.0 + xp.abs(z)),
    ),
    "swish": _SILU,  # Keras knows the same function by both names
    "tanh": Activation(lambda xp, z: xp.tanh(z), lambda xp, z, a: 1.0 - a * a),
}
"""Name → function and derivative: what ``activation=`` accepts."""
