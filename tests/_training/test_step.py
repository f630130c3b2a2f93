"""The training step: its gradients, update rules and random bits."""

import itertools

import numpy as np
import pytest

from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp._network.arrays import NumpyNamespace, tensorflow_namespace
from sk_mnist_mlp._network.random_bits import dropout_scale, random_words, step_keys, uniform
from sk_mnist_mlp._network.spec import NetworkSpec, as_arrays, as_layers, initial_layers
from sk_mnist_mlp._training.optimizers import OptimizerSpec, optimizer_spec, update
from sk_mnist_mlp._training.step import Batch, StackArrays, Structure, Values, train_step

N_ROWS = 6


def make_step(activation="tanh", dropout=0.3, l2=0.01, smoothing=0.1, optimizer="sgd", seed=0):
    """One network's step in float64, with everything switched on."""
    rng = np.random.default_rng(seed)
    spec = NetworkSpec(5, (7, 4), 3, activation=activation, dtype="float64")
    weights = as_arrays(initial_layers(spec, seed))
    params = [w[None] + rng.normal(0, 0.1, w.shape) for w in weights]
    structure = Structure(spec.layer_widths, activation, "float64", N_ROWS, optimizer, 1)
    threshold = round(dropout * 65536)
    n_constants = len(OptimizerSpec(optimizer).constants())
    values = Values(
        np.array([threshold], np.uint16),
        np.array([65536 / (65536 - threshold)]),
        np.array([l2]),
        np.array([smoothing]),
        tuple(np.zeros((n_constants, 1))),
        np.zeros(1),
        np.zeros(1),
    )
    batch = Batch(
        x=rng.normal(size=(1, N_ROWS, 5)),
        labels=rng.integers(0, 3, (1, N_ROWS)).astype(np.int32),
        weights=rng.uniform(0.1, 2, (1, N_ROWS)),
        keys=step_keys(seed, 0, 1, 2),
        distortion_key=step_keys(seed, 0, 1, 1)[:, 0],
        step_size=np.ones(1),
        learning_rate=np.ones(1),
        active=np.ones(1),
    )
    return structure, params, batch, values


def stack_of(params):
    """Copies of these arrays as a stack whose rule remembers one array each, zero so far."""
    layers = as_layers([p.copy() for p in params])
    return StackArrays(layers, (as_layers([np.zeros_like(p) for p in params]),))


def step(structure, params, batch, values):
    """The arrays after a step of these, which stay as they are, and its loss."""
    stack, loss, _ = train_step(NumpyNamespace, structure, stack_of(params), batch, values)
    return as_arrays(stack.layers), loss


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_equals_finite_differences(activation):
    """The gradient of the whole loss, dropout and penalty included, is its slope."""
    structure, params, batch, values = make_step(activation)
    moved, _ = step(structure, params, batch, values)
    rng = np.random.default_rng(1)
    for index, param in enumerate(params):
        for _ in range(5):
            place = tuple(rng.integers(0, n) for n in param.shape)
            gradient = param[place] - moved[index][place]  # a step of plain descent, rate one
            shifted = [[p.copy() for p in params] for _ in range(2)]
            shifted[0][index][place] += 1e-6
            shifted[1][index][place] -= 1e-6
            up, down = (step(structure, s, batch, values)[1][0] for s in shifted)
            assert gradient == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activation_is_kerass(activation):
    """Every activation gives Keras's values, in NumPy and in TensorFlow.

    To single precision, to which Keras rounds its own constants even in float64.
    """
    import keras

    z = np.linspace(-8, 8, 101)
    expected = np.asarray(keras.activations.get(activation)(z))
    ours = ACTIVATIONS[activation].value(NumpyNamespace, z)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-8)
    import tensorflow as tf

    traced = ACTIVATIONS[activation].value(tensorflow_namespace(), tf.constant(z))
    np.testing.assert_allclose(traced, ours, rtol=1e-12, atol=1e-14)


KERAS_OPTIMIZERS = {
    "adam": ("Adam", {}),
    "adam, other betas": ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
    "adam, weight decay": ("Adam", {"weight_decay": 0.1}),
    "adamw": ("AdamW", {}),
    "sgd": ("SGD", {}),
    "sgd, momentum": ("SGD", {"momentum": 0.9}),
    "sgd, nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "sgd, nesterov without momentum": ("SGD", {"nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop, momentum": ("RMSprop", {"momentum": 0.8, "rho": 0.7}),
    "rmsprop, centered": ("RMSprop", {"centered": True, "momentum": 0.5}),
}


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_update_rule_is_kerass(name):
    """Twenty steps of every update rule move a weight as Keras's optimizer does.

    To single precision, in which Keras keeps its learning rate and powers.
    """
    import keras

    kind, options = KERAS_OPTIMIZERS[name]
    rate = 0.01
    theirs = getattr(keras.optimizers, kind)(learning_rate=rate, **options)
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3))
    variable = keras.Variable(start, dtype="float64")
    theirs.build([variable])
    spec = optimizer_spec(theirs)
    weight, slots = start.copy(), [np.zeros((4, 3)) for _ in range(spec.n_slots)]
    rates = np.full(20, rate)
    for step_size, gradient in zip(
        spec.step_sizes(rates, 0), rng.normal(size=(20, 4, 3)), strict=True
    ):
        theirs.apply([keras.ops.convert_to_tensor(gradient, dtype="float64")], [variable])
        weight, slots = update(
            NumpyNamespace,
            spec.kind,
            weight,
            gradient.copy(),
            slots,
            spec.constants(),
            step_size,
            rate * spec.kernel_decay,
        )
        np.testing.assert_allclose(weight, variable.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("option", ["amsgrad", "use_ema"])
def test_what_only_keras_can_do_is_left_to_keras(option):
    """An optimizer with a feature that our rules lack has no rule of ours."""
    import keras

    assert not optimizer_spec(keras.optimizers.Adam(**{option: True})).is_ours


class TestRandomBits:
    """The bits behind dropout and distortions."""

    keys = step_keys(seed=7, first_step=0, n_steps=64, n_keys=3)

    def masks(self, rate=0.45, shape=(128, 256)):
        threshold = np.array([round(rate * 65536)], np.uint16)
        scale = np.array([1 / (1 - rate)], np.float32)
        return np.array(
            [
                dropout_scale(NumpyNamespace, key[None], shape, threshold, scale)[0]
                for key in self.keys.reshape(-1, 2)
            ]
        ).reshape(64, 3, *shape)

    @pytest.mark.parametrize("rate", [0.05, 0.2, 0.45, 0.9])
    def test_keep_rate_and_scale(self, rate):
        """Units are kept at the rate asked for, and the kept ones scaled to keep the mean."""
        masks = self.masks(rate)
        kept = masks > 0
        error = np.sqrt(rate * (1 - rate) / kept.size)
        assert abs(kept.mean() - (1 - rate)) < 5 * error + 1 / 65536
        np.testing.assert_allclose(masks[kept], 1 / (1 - rate), rtol=1e-4)

    def test_every_unit_and_every_row_is_kept_alike(self):
        """No unit, row, step or layer is kept more often than chance has it."""
        kept = self.masks() > 0
        for axis in range(4):
            rest = tuple(a for a in range(4) if a != axis)
            shares = kept.mean(axis=rest)
            error = np.sqrt(0.45 * 0.55 * kept.shape[axis] / kept.size)
            assert np.abs(shares - 0.55).max() < 5 * error

    @pytest.mark.parametrize("axis", range(4))
    @pytest.mark.parametrize("lag", [1, 2, 3])
    def test_neighbours_are_independent(self, axis, lag):
        """Masks of neighbouring units, rows, layers and steps do not go together."""
        kept = (self.masks() > 0) - 0.55
        n = kept.shape[axis]
        if lag >= n:
            lag -= 2
        left = np.take(kept, range(n - lag), axis)
        right = np.take(kept, range(lag, n), axis)
        correlation = (left * right).mean() / (0.45 * 0.55)
        assert abs(correlation) < 5 / np.sqrt(left.size)

    def test_networks_with_different_seeds_draw_unrelated_masks(self):
        """Two seeds share no key, and their bits agree as often as coins do."""
        other = step_keys(seed=8, first_step=0, n_steps=64, n_keys=3)
        assert not set(map(tuple, other.reshape(-1, 2))) & set(map(tuple, self.keys.reshape(-1, 2)))
        words = [random_words(NumpyNamespace, k[:1, 0], 256, 256) for k in (self.keys, other)]
        agreeing = 32 - np.bitwise_count(words[0] ^ words[1])
        assert abs(agreeing.mean() - 16) < 5 * np.sqrt(8 / agreeing.size)

    def test_every_bit_is_a_fair_coin(self):
        """Each of the 32 bits is set half the time."""
        words = np.array(
            [random_words(NumpyNamespace, k[None], 64, 64) for k in self.keys.reshape(-1, 2)]
        )
        shares = [((words >> np.uint32(bit)) & 1).mean() for bit in range(32)]
        assert np.abs(np.array(shares) - 0.5).max() < 5 * 0.5 / np.sqrt(words.size)

    def test_keys_are_a_function_of_seed_and_step(self):
        """Keys drawn block by block are those drawn at once."""
        parts = [step_keys(7, first, 16, 3) for first in range(0, 64, 16)]
        np.testing.assert_array_equal(np.concatenate(parts), self.keys)

    def test_uniform_numbers_fill_their_interval(self):
        """Uniform numbers lie in [-1, 1), with the moments of the uniform distribution."""
        for dtype in ("float32", "float64"):
            draws = uniform(NumpyNamespace, self.keys[:1, 0], 300, 300, dtype)
            assert draws.dtype == dtype
            assert draws.min() >= -1
            assert draws.max() < 1
            assert abs(draws.mean()) < 5 / np.sqrt(3 * draws.size)
            assert draws.var() == pytest.approx(1 / 3, rel=0.02)

    @pytest.mark.parametrize("n_units", [1, 2, 7, 256])
    def test_numpy_and_tensorflow_draw_the_same_masks(self, n_units):
        """The plain twin and the compiled step drop the same units."""
        import tensorflow as tf

        key = self.keys[:1, 0]
        threshold, scale = np.array([30000], np.uint16), np.array([1.5], np.float32)
        plain = dropout_scale(NumpyNamespace, key, (5, n_units), threshold, scale)
        traced = dropout_scale(
            tensorflow_namespace(),
            tf.constant(key),
            (5, n_units),
            tf.constant(threshold),
            tf.constant(scale),
        )
        np.testing.assert_array_equal(plain, traced)


def test_networks_of_a_stack_do_not_mix():
    """What one network of a stack is given leaves the step of the others as it was."""
    structure, params, batch, values = make_step()
    twice = Structure(**{**vars(structure), "n_networks": 2})

    def doubled(x):
        return np.concatenate([x, x + (x > 0).astype(x.dtype)])

    both = Batch(*(doubled(f) if f.dtype.kind == "f" else np.repeat(f, 2, 0) for f in batch))
    both = both._replace(active=np.ones(2))
    stacked_values = values._replace(
        **{
            name: np.repeat(value, 2, 0)
            for name, value in values._asdict().items()
            if name not in ("constants", "distortion")
        },
        constants=tuple(np.zeros((len(values.constants), 2))),
    )
    alone, loss = step(structure, params, batch, values)
    stacked, losses = step(twice, [doubled(p) for p in params], both, stacked_values)
    assert losses[0] == loss[0]
    for one, two in itertools.zip_longest(alone, stacked):
        np.testing.assert_array_equal(one[0], two[0])
