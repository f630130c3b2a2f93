"""One training step of a stack of G networks, written once over an array namespace.

NumPy runs it at once; TensorFlow traces it into the body of an XLA program. Weights, moments and
every number that a grid may vary have a leading axis of length G, and no operation mixes its
entries: each network is trained as it would be alone.

Augmented assignments (``a *= b``) work in place under NumPy, on arrays that nobody else holds, and
make new tensors when traced: half of a small network's step would otherwise go to fresh memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sk_mnist_mlp._network import ACTIVATIONS, Layer, Layers, dropout_scale
from sk_mnist_mlp._training.distortions import DistortionValues, distort
from sk_mnist_mlp._training.optimizers import update

__all__ = ["Batch", "StackArrays", "Structure", "Uses", "Values", "train_step"]


@dataclass(frozen=True)
class Structure:
    """What shapes a program; two fits of equal structure share one."""

    layer_widths: tuple[int, ...]
    activation: str
    dtype: str
    batch_size: int
    optimizer: str  # kind of OptimizerSpec
    n_networks: int  # G
    image_shape: tuple[int, ...] | None = None  # of the rows, where they are distorted images


class StackArrays(NamedTuple):
    """Weights of G networks of one shape, and what their update rule remembers of each array."""

    layers: Layers
    moments: tuple[Layers, ...]


class Values(NamedTuple):
    """Numbers of each network, constant over a call; each of shape (G,) unless said."""

    dropout_threshold: Any  # uint16: a unit is dropped where its 16 random bits are below this
    dropout_scale: Any  # factor of the units kept
    l2: Any
    label_smoothing: Any
    constants: Any  # a tuple, of the update rule
    kernel_decay: Any  # decoupled weight decay, by the learning rate of each step
    bias_decay: Any
    distortion: DistortionValues | None = None  # None where the images stay as they are


class Batch(NamedTuple):
    """What one step reads, of B rows for each of G networks."""

    x: Any  # of shape (G, B, n_features)
    labels: Any  # int32 of shape (G, B)
    weights: Any  # of shape (G, B); zero marks padding
    keys: Any  # uint32 of shape (G, n_hidden, 2): of each layer's dropout mask at this step
    distortion_key: Any  # uint32 of shape (G, 2)
    step_size: Any  # of shape (G,); see OptimizerSpec.step_sizes
    learning_rate: Any  # of shape (G,)
    active: Any  # of shape (G,): one, or zero where a network has no rows left in this epoch


class Uses(NamedTuple):
    """Which parts of a step change anything.

    A program must be ready for every value, so it uses all; a step that runs at once may leave out
    what would multiply by one or add zero.
    """

    dropout: bool = True
    l2: bool = True
    weight_decay: bool = True
    idle_networks: bool = True


class Forward(NamedTuple):
    """What the backward pass reads of the forward pass: an array of shape (G, B, width) a layer."""

    inputs: list[Any]
    pre_activations: list[Any]
    activations: list[Any]
    masks: list[Any]  # missing where nothing is dropped
    logits: Any


def train_step(
    xp: Any,
    structure: Structure,
    arrays: StackArrays,
    batch: Batch,
    values: Values,
    uses: Uses = Uses(),  # noqa: B008 - an immutable value
) -> tuple[StackArrays, Any, Any]:
    """Take one step of each network: the arrays after it, each network's loss and correct rows.

    The arrays are new tensors; under NumPy those given, changed in place. The loss is the weighted
    mean of the batch before the step, penalty included; rows count as correct where the network in
    training, dropout on, put them into their class.
    """
    seen = _forward(xp, structure, arrays.layers, batch, values, uses)
    loss, n_correct, delta = _loss(xp, arrays.layers, seen.logits, batch, values, uses)
    gradients = _backward(xp, structure, arrays.layers, seen, delta, uses)
    arrays = _apply_updates(xp, structure, arrays, gradients, batch, values, uses)
    return arrays, loss * batch.active, n_correct


def _forward(
    xp: Any, structure: Structure, layers: Layers, batch: Batch, values: Values, uses: Uses
) -> Forward:
    """Keep each layer's input, pre-activation, activation and mask."""
    activation = ACTIVATIONS[structure.activation]
    x = batch.x
    if structure.image_shape is not None and values.distortion is not None:
        shape, n_rows, dtype = structure.image_shape, structure.batch_size, structure.dtype
        x = distort(xp, x, batch.distortion_key, values.distortion, shape, n_rows, dtype)
    seen = Forward([x], [], [], [], None)
    for depth, layer in enumerate(layers[:-1]):
        z = xp.matmul(seen.inputs[-1], layer.kernel)
        z += layer.bias[:, None, :]
        a = activation.value(xp, z)
        seen.pre_activations.append(z)
        seen.activations.append(a)
        if uses.dropout:
            size = (structure.batch_size, structure.layer_widths[depth + 1])
            key = batch.keys[:, depth]
            seen.masks.append(
                dropout_scale(xp, key, size, values.dropout_threshold, values.dropout_scale)
            )
            a = a * seen.masks[-1]
        seen.inputs.append(a)
    logits = xp.matmul(seen.inputs[-1], layers[-1].kernel)
    logits += layers[-1].bias[:, None, :]
    return seen._replace(logits=logits)


def _loss(
    xp: Any, layers: Layers, logits: Any, batch: Batch, values: Values, uses: Uses
) -> tuple[Any, Any, Any]:
    """Cross-entropy with smoothed targets, weighted mean over the batch; and its slope."""
    n_classes = logits.shape[-1]
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
            values.l2, lambda: _penalty(xp, values.l2, layers), values.l2.shape
        )
    hits = xp.cast(xp.argmax(logits, -1) == batch.labels, log_p.dtype)
    n_correct = xp.sum(hits * xp.cast(batch.weights > 0, log_p.dtype), 1)
    delta = xp.exp(log_p)
    delta -= targets
    delta *= share[:, :, None]
    return loss, n_correct, delta


def _penalty(xp: Any, l2: Any, layers: Layers) -> Any:
    # Columns first, each by its own lane of a vector: one sum over both axes is one long chain of
    # additions, and took twice as long in XLA (2026-11-24). The factor in between keeps them apart.
    return sum(xp.sum(l2[:, None] * xp.sum(xp.square(layer.kernel), 1), 1) for layer in layers)


def _backward(
    xp: Any, structure: Structure, layers: Layers, seen: Forward, delta: Any, uses: Uses
) -> Layers:
    """Gradients of the cross-entropy, from the slope at the softmax down."""
    slope = ACTIVATIONS[structure.activation].slope
    gradients: list[Layer] = []
    for depth in range(len(layers) - 1, -1, -1):
        gradients.append(Layer(xp.matmul_tn(seen.inputs[depth], delta), xp.sum(delta, 1)))
        if depth:
            delta = xp.matmul_nt(delta, layers[depth].kernel)
            delta *= slope(xp, seen.pre_activations[depth - 1], seen.activations[depth - 1])
            if uses.dropout:
                delta *= seen.masks[depth - 1]
    return tuple(reversed(gradients))


def _apply_updates(
    xp: Any,
    structure: Structure,
    arrays: StackArrays,
    gradients: Layers,
    batch: Batch,
    values: Values,
    uses: Uses,
) -> StackArrays:
    """Move every array by its rule; networks that have no rows left stay as they are."""

    def moved(weight: Any, gradient: Any, slots: list[Any], weight_decay: Any) -> list[Any]:
        n_axes = len(weight.shape)
        before = [xp.copy(array) for array in (weight, *slots)] if uses.idle_networks else []
        weight, slots = update(
            xp,
            structure.optimizer,
            weight,
            gradient,
            slots,
            [_align(constant, n_axes) for constant in values.constants],
            _align(batch.step_size, n_axes),
            _align(batch.learning_rate * weight_decay, n_axes) if uses.weight_decay else None,
        )
        if not uses.idle_networks:
            return [weight, *slots]
        active = _align(batch.active, n_axes) > 0
        after = zip((weight, *slots), before, strict=True)
        return [xp.where(active, new, old) for new, old in after]

    after = []
    for layer, gradient, *slots in zip(arrays.layers, gradients, *arrays.moments, strict=True):
        slope = gradient.kernel
        if uses.l2:
            slope += _align(2.0 * values.l2, 3) * layer.kernel
        kernels = [slot.kernel for slot in slots]
        biases = [slot.bias for slot in slots]
        kernels = moved(layer.kernel, slope, kernels, values.kernel_decay)
        biases = moved(layer.bias, gradient.bias, biases, values.bias_decay)
        after.append(map(Layer, kernels, biases))
    layers, *moments = zip(*after, strict=True)
    return StackArrays(layers, tuple(moments))


def _align(value: Any, n_axes: int) -> Any:
    """A number for each network, shaped to broadcast against arrays of ``n_axes`` axes."""
    return value[(slice(None), *(None,) * (n_axes - 1))]
