"""``predict_proba_samples``: Monte-Carlo dropout, against its definition and against Keras."""

import itertools
import re
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._network import monte_carlo as _uncertainty
from sk_mnist_mlp._network.activations import ACTIVATIONS, Activation
from sk_mnist_mlp._network.monte_carlo import sample_probabilities
from sk_mnist_mlp._network.spec import Layer, NetworkSpec, initial_layers
from sk_mnist_mlp.exceptions import InvalidParameterError

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)


def fitted(**parameters):
    """Return a classifier that fits in a moment, fitted."""
    given = {"hidden_units": (24, 16), "epochs": 3, "random_state": 0} | parameters
    return MLPDigitClassifier(**given).fit(X[:400], Y[:400])


@pytest.fixture(scope="module")
def model():
    return fitted()


def test_shape_and_sums(model):
    """There is a distribution over the classes for every sample and row."""
    samples = model.predict_proba_samples(X[:7], n_samples=3, random_state=0)
    assert samples.shape == (3, 7, 10)
    assert samples.dtype == np.float64
    assert samples.min() >= 0
    np.testing.assert_allclose(samples.sum(axis=2), 1.0)
    assert model.predict_proba_samples(X[:2]).shape == (50, 2, 10)


def test_without_dropout_every_sample_is_the_prediction():
    """With nothing dropped, every draw is ``predict_proba``."""
    model = fitted(dropout=0.0)
    samples = model.predict_proba_samples(X, n_samples=3)
    np.testing.assert_allclose(samples, np.broadcast_to(model.predict_proba(X), samples.shape))


@pytest.mark.parametrize("rate", [0.1, 0.45, 0.9])
def test_units_are_kept_at_the_rate_and_scaled(rate):
    """A unit is dropped with the probability of ``dropout`` and else divided by what is kept."""
    network = NetworkSpec(1, (1,), 2, activation="linear", dropout=rate)
    layers = (Layer(np.ones((1, 1)), np.zeros(1)), Layer(np.array([[1.0, 0.0]]), np.zeros(2)))
    first = sample_probabilities(np.ones((100, 1)), network, layers, 400, seed=3)[..., 0]
    unit = np.log(first / (1 - first))  # the logit of the first class is the unit itself
    dropped = np.isclose(unit, 0.0)
    np.testing.assert_allclose(unit[~dropped], 1 / (1 - rate), rtol=2e-4)
    assert abs(dropped.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / dropped.size)


def test_the_mean_is_the_expectation_over_all_masks():
    """Many draws average to the sum over every mask, weighed by its probability."""
    rate, n_samples = 0.3, 20_000
    network = NetworkSpec(4, (3,), 3, activation="tanh", dropout=rate)
    rng = np.random.default_rng(0)
    layers = tuple(
        Layer(*(2 * array + rng.normal(0, 0.3, array.shape) for array in layer))
        for layer in initial_layers(network, 1)
    )
    rows = rng.normal(size=(5, 4))

    hidden = np.tanh(rows @ layers[0].kernel + layers[0].bias)
    expected = np.zeros((5, 3))
    for mask in itertools.product([0, 1], repeat=3):
        logits = hidden * mask / (1 - rate) @ layers[1].kernel + layers[1].bias
        likelihood = np.prod(np.where(mask, 1 - rate, rate))
        expected += likelihood * np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    samples = sample_probabilities(rows, network, layers, n_samples, seed=0)
    error = samples.std(axis=0) / np.sqrt(n_samples)
    assert (np.abs(samples.mean(axis=0) - expected) < 5 * error + 1e-6).all()


def test_draws_have_the_moments_of_keras_in_training(model):
    """Mean and spread are those of the Keras model called with ``training=True``."""
    rows, n_samples = X[400:404], 2_000
    ours = model.predict_proba_samples(rows, n_samples, random_state=0)
    calls = np.asarray(model.model_(np.repeat(rows, n_samples, axis=0), training=True))
    theirs = calls.reshape(4, n_samples, 10).swapaxes(0, 1)
    error = theirs.std(axis=0) * np.sqrt(2 / n_samples)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + 1e-4).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.2, atol=2e-3)


def test_random_state_decides(model):
    """An int repeats, a generator moves on, None is another draw; nothing global is touched."""
    before = np.random.get_state()[1].copy()
    draws = [model.predict_proba_samples(X[:50], 2, random_state=7) for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    generator = np.random.RandomState(7)
    moving = [model.predict_proba_samples(X[:50], 2, generator) for _ in range(2)]
    np.testing.assert_array_equal(moving[0], draws[0])
    assert (moving[1] != moving[0]).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    unseeded = [model.predict_proba_samples(X[:50], 2) for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_samples_rows_and_blocks_have_draws_of_their_own(monkeypatch):
    """The same row given again is dropped out otherwise: in each sample, place and block."""
    blocks = [slice(0, 2), slice(2, 4)]
    monkeypatch.setattr(_uncertainty, "row_blocks", lambda *sizes: blocks)
    network = NetworkSpec(4, (64, 64), 3, dropout=0.5)
    rows = np.ones((4, 4))
    samples = sample_probabilities(rows, network, initial_layers(network, 0), 3, seed=0)
    assert len({tuple(draw) for draw in samples.reshape(12, 3)}) == 12


def test_the_first_layer_is_computed_once(monkeypatch, model):
    """Ten samples cost one first layer and ten of each later one."""
    widths = []
    relu = ACTIVATIONS["relu"]

    def counted(xp, z):
        widths.append(z.shape[1])
        return relu.value(xp, z)

    monkeypatch.setitem(ACTIVATIONS, "relu", Activation(counted, relu.slope))
    model.predict_proba_samples(X[:5], n_samples=10)
    assert sorted(widths) == [16] * 10 + [24]


def test_memory_is_that_of_a_block():
    """Rows are cast and multiplied block by block, never all of them at once."""
    network = NetworkSpec(784, (256, 256), 10, dropout=0.45)
    layers = initial_layers(network, 0)
    rows = np.zeros((30_000, 784), np.uint8)
    tracemalloc.start()
    samples = sample_probabilities(rows, network, layers, 1, seed=0)
    peak = tracemalloc.get_traced_memory()[1] - samples.nbytes
    tracemalloc.stop()
    assert peak < 60e6  # all rows in double precision are 188 MB


def test_the_rate_is_that_of_the_fit(model):
    """A rate set after ``fit`` waits for the next one; ``predict_proba`` has no chance in it."""
    drawn = model.predict_proba_samples(X[:20], 3, random_state=0)
    model.set_params(dropout=0.9)
    try:
        again = model.predict_proba_samples(X[:20], 3, random_state=0)
    finally:
        model.set_params(dropout=0.45)
    np.testing.assert_array_equal(again, drawn)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))


def test_draws_disagree_where_the_network_errs():
    """The spread of the draws is larger on rows put into the wrong class."""
    train, test, y_train, y_test = train_test_split(X, Y, random_state=0, train_size=400)
    model = MLPDigitClassifier(dropout=0.2, learning_rate=0.003, epochs=40, random_state=0)
    model.fit(train, y_train)
    spread = model.predict_proba_samples(test, random_state=0).std(axis=0).max(axis=1)
    wrong = model.predict(test) != y_test
    assert wrong.any()
    assert spread[wrong].mean() > 2 * spread[~wrong].mean()


@pytest.mark.parametrize("n_samples", [0, -1, 2.0, "50", None, True])
def test_a_number_of_samples_that_is_none_is_refused(model, n_samples):
    """There must be a whole number of samples, one at least."""
    sentence = (
        "The 'n_samples' parameter of MLPDigitClassifier must be an int in the range [1, inf). Got "
        f"{n_samples!r} instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.predict_proba_samples(X, n_samples=n_samples)


def test_a_random_state_that_is_none_is_refused(model):
    """A seed is checked as the estimator's own."""
    sentence = (
        "The 'random_state' parameter of MLPDigitClassifier must be an int in the range [0, "
        "4294967295], an instance of 'numpy.random.mtrand.RandomState' or None. Got -1 instead."
    )
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(sentence)}$"):
        model.predict_proba_samples(X, random_state=-1)


def test_an_unfitted_estimator_is_refused():
    """There is nothing to draw from before ``fit``."""
    sentence = (
        "This MLPDigitClassifier instance is not fitted yet. Call 'fit' with appropriate arguments "
        "before using this estimator."
    )
    with pytest.raises(NotFittedError, match=f"^{re.escape(sentence)}$"):
        MLPDigitClassifier().predict_proba_samples(X)


def test_other_columns_are_refused(model):
    """Rows are checked as ``predict`` checks them."""
    with pytest.raises(ValueError, match="X has 60 features, but MLPDigitClassifier is"):
        model.predict_proba_samples(X[:, :60])
