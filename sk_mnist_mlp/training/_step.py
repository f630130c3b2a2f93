"""One training step of a stack of G networks, written once over an array namespace.

Run by :class:`~sk_mnist_mlp._arrays.NumpyNamespace` it is the plain engine; traced by
:func:`~sk_mnist_mlp._arrays.tensorflow_namespace` it is the body of the compiled one. Weights,
moments and every number that a grid may vary have a leading axis of length G, and no operation
mixes its entries: each network is trained as it would be alone.

Augmented assignments (``a *= b``) work in place under NumPy, on arrays that nobody else holds, and
make new tensors when traced: half of a small network's step would otherwise go to fresh memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._activations import ACTIVATIONS
from sk_mnist_mlp.training._augmentation import DistortionValues, distort
from sk_mnist_mlp.training._bits import random_words
from sk_mnist_mlp.training._optimizers import update

__all__ = [
    "Batch",
    "Structure",
    "Uses",
    "Values",
    "dropout_constants",
    "dropout_scale",
    "train_step",
]


@dataclass(frozen=True)
class Structure:
    """What shapes a program; two fits of equal structure share one.

    Attributes
    ----------
    layer_widths : tuple of int
        Input, hidden layers, output.
    activation : str
        Of the hidden layers.
    dtype : str
        Of the weights.
    batch_size : int
        Rows a step.
    optimizer : str
        Kind of :class:`~sk_mnist_mlp.training._optimizers.OptimizerSpec`.
    n_networks : int
        G.
    image_shape : tuple of int or None
        Of the images in the rows, where they are distorted.
    averages : bool
        Whether a running average of the weights is kept, as the last of each weight's slots.
    """

    layer_widths: tuple[int, ...]
    activation: str
    dtype: str
    batch_size: int
    optimizer: str
    n_networks: int
    image_shape: tuple[int, ...] | None = None
    averages: bool = False


class Values(NamedTuple):
    """Numbers of each network, constant over a call; each of shape (G,) unless said.

    Attributes
    ----------
    dropout_threshold : uint16
        A unit is dropped where its 16 random bits are below this; 65,536 times the rate.
    dropout_scale : float
        Factor of the units kept.
    l2, label_smoothing : float
        As in the estimator.
    constants : tuple of float arrays
        Of the update rule.
    distortion : DistortionValues or None
        None where the images stay as they are.
    """

    dropout_threshold: Any
    dropout_scale: Any
    l2: Any
    label_smoothing: Any
    constants: Any
    distortion: DistortionValues | None = None


class Batch(NamedTuple):
    """What one step reads.

    Attributes
    ----------
    x : array of shape (G, B, n_features)
        Inputs.
    labels : int32 array of shape (G, B)
        Classes.
    weights : array of shape (G, B)
        Sample weights; zero marks padding.
    keys : uint32 array of shape (G, n_hidden, 2)
        Key of each layer's dropout mask at this step.
    distortion_key : uint32 array of shape (G, 2)
        Decides how the images are distorted.
    step_size, learning_rate : arrays of shape (G,)
        See :meth:`~sk_mnist_mlp.training._optimizers.OptimizerSpec.step_sizes`.
    averaging : array of shape (G,)
        Share of the new weights in their running average.
    active : array of shape (G,), of the weights' dtype
        One where the network takes this step, zero where it has no rows left in this epoch.
    """

    x: Any
    labels: Any
    weights: Any
    keys: Any
    distortion_key: Any
    step_size: Any
    learning_rate: Any
    averaging: Any
    active: Any


class Uses(NamedTuple):
    """Which parts of a step change anything.

    A program must be ready for every value, so it uses all; a step that runs at once may leave out
    what would multiply by one or add zero.
    """

    dropout: bool = True
    l2: bool = True
    weight_decay: bool = True
    idle_networks: bool = True


def dropout_constants(
    rates: Sequence[float], dtype: Any
) -> tuple[NDArray[np.uint16], NDArray[Any]]:
    """Threshold and scale of dropout, as :class:`Values` holds them, of one network a rate."""
    thresholds = np.minimum(np.rint(np.asarray(rates) * 65536), 65535)
    return thresholds.astype(np.uint16), (65536 / (65536 - thresholds)).astype(dtype)


def dropout_scale(xp: Any, key: Any, shape: tuple[int, int], threshold: Any, scale: Any) -> Any:
    """Mask and scale of inverted dropout: 0 where a unit is dropped, else ``scale``.

    One 32-bit word serves two units, so a rate is rounded to a multiple of 1/65,536.

    Parameters
    ----------
    xp : Namespace
        Where to compute.
    key : uint32 array of shape (G, 2)
        Key of this layer at this step.
    shape : (int, int)
        Rows and units.
    threshold, scale : arrays of shape (G,)
        See :class:`Values`.

    Returns
    -------
    mask : array of shape (G, rows, units)

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 15.
    """
    n_rows, n_units = shape
    words = random_words(xp, key, n_rows, (n_units + 1) // 2)
    kept = xp.halves(words)[:, :, :n_units] >= threshold[:, None, None]
    return xp.cast(kept, scale.dtype) * scale[:, None, None]


def train_step(
    xp: Any,
    structure: Structure,
    params: list[Any],
    slots: list[list[Any]],
    batch: Batch,
    values: Values,
    uses: Uses = Uses(),  # noqa: B008  # an immutable value
) -> tuple[list[Any], list[list[Any]], Any, Any]:
    """Take one step of each network in the stack.

    Parameters
    ----------
    xp : Namespace
        Where to compute.
    structure : Structure
        Shapes and kinds.
    params : list of arrays of shape (G, …)
        Kernel, bias, …
    slots : list of lists of arrays
        Memory of the update rule, for each array in ``params``.
    batch : Batch
        What to learn from.
    values : Values
        Numbers of each network.
    uses : Uses
        What may be left out.

    Returns
    -------
    params, slots
        New tensors; under NumPy the arrays given, changed in place.
    loss : array of shape (G,)
        Weighted mean loss of the batch before the step, penalty included.
    n_correct : array of shape (G,)
        Rows that the network in training (dropout on) put into their class.
    """
    activation = ACTIVATIONS[structure.activation]
    n_hidden = len(structure.layer_widths) - 2
    n_classes = structure.layer_widths[-1]
    kernels, biases = params[::2], params[1::2]

    # Input: distorted images, where that is asked for.
    x = batch.x
    if structure.image_shape is not None:
        assert values.distortion is not None
        x = distort(
            xp,
            x,
            batch.distortion_key,
            values.distortion,
            structure.image_shape,
            structure.batch_size,
            structure.dtype,
        )

    # Forward: keep each layer's input, pre-activation, activation and mask.
    inputs, pre, post, masks = [x], [], [], []
    for layer in range(n_hidden):
        z = xp.matmul(inputs[-1], kernels[layer])
        z += biases[layer][:, None, :]
        a = activation.value(xp, z)
        pre.append(z)
        post.append(a)
        if uses.dropout:
            shape = (structure.batch_size, structure.layer_widths[layer + 1])
            key = batch.keys[:, layer]
            masks.append(
                dropout_scale(xp, key, shape, values.dropout_threshold, values.dropout_scale)
            )
            a = a * masks[-1]
        inputs.append(a)
    logits = xp.matmul(inputs[-1], kernels[-1])
    logits += biases[-1][:, None, :]

    # Loss: cross-entropy with smoothed targets, weighted mean over the batch.
    logits -= xp.max(logits, -1)
    log_p = logits - xp.log(xp.sum(xp.exp(logits), -1))[:, :, None]
    smoothing = values.label_smoothing[:, None, None]
    hot = xp.one_hot(batch.labels, n_classes, log_p.dtype)
    targets = hot * (1.0 - smoothing) + smoothing / n_classes
    # An idle network's weights sum to zero; one keeps its division defined.
    share = batch.weights / (xp.sum(batch.weights, 1) + (1.0 - batch.active))[:, None]
    loss = -xp.sum(xp.sum(targets * log_p, -1) * share, 1)
    if uses.l2:
        loss = loss + xp.unless_zero(
            values.l2, lambda: _penalty(xp, values.l2, kernels), values.l2.shape
        )
    hits = xp.cast(xp.argmax(logits, -1) == batch.labels, log_p.dtype)
    n_correct = xp.sum(hits * xp.cast(batch.weights > 0, log_p.dtype), 1)

    # Backward: from the softmax down.
    delta = xp.exp(log_p)
    delta -= targets
    delta *= share[:, :, None]
    gradients: list[Any] = []
    for layer in range(n_hidden, -1, -1):
        gradients = [
            xp.matmul_tn(inputs[layer], delta),
            xp.sum(delta, 1),
            *gradients,
        ]
        if layer:
            delta = xp.matmul_nt(delta, kernels[layer])
            delta *= activation.slope(xp, pre[layer - 1], post[layer - 1])
            if uses.dropout:
                delta *= masks[layer - 1]

    # Update, leaving networks that have no rows left as they are.
    new_params, new_slots = [], []
    for param, gradient, slot in zip(params, gradients, slots, strict=True):
        n_axes = len(param.shape)
        if uses.l2 and n_axes == 3:  # kernels, not biases
            gradient += _align(2.0 * values.l2, n_axes) * param
        before = [xp.copy(array) for array in (param, *slot)] if uses.idle_networks else []
        moved, memory = update(
            xp,
            structure.optimizer,
            param,
            gradient,
            slot[:-1] if structure.averages else slot,
            [_align(constant, n_axes) for constant in values.constants],
            _align(batch.step_size, n_axes),
            _align(batch.learning_rate, n_axes) if uses.weight_decay else None,
        )
        if structure.averages:
            average = slot[-1]
            average += (moved - average) * _align(batch.averaging, n_axes)
            memory.append(average)
        if uses.idle_networks:
            active = _align(batch.active, n_axes) > 0
            after = zip((moved, *memory), before, strict=True)
            moved, *memory = [xp.where(active, new, old) for new, old in after]
        new_params.append(moved)
        new_slots.append(memory)
    return new_params, new_slots, loss * batch.active, n_correct


def _penalty(xp: Any, l2: Any, kernels: list[Any]) -> Any:
    # Columns first, each by its own lane of a vector: one sum over both axes is one long chain of
    # additions, and took twice as long in XLA (2026-11-24). The factor in between keeps them apart.
    return sum(xp.sum(l2[:, None] * xp.sum(xp.square(kernel), 1), 1) for kernel in kernels)


def _align(value: Any, n_axes: int) -> Any:
    """A number for each network, shaped to broadcast against arrays of ``n_axes`` axes."""
    return value[(slice(None), *(None,) * (n_axes - 1))]
