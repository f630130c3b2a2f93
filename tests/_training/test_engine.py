"""The compiled engine: against Keras, against itself in stacks, and how its programs are reused."""

import functools
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from sk_mnist_mlp import MLPDigitClassifier
from sk_mnist_mlp._network import NetworkSpec, as_arrays
from sk_mnist_mlp._training import engines
from sk_mnist_mlp._training.distortions import Distortion
from sk_mnist_mlp._training.keras_fit import train_with_keras
from sk_mnist_mlp._training.loop import train_stack
from sk_mnist_mlp._training.optimizers import optimizer_spec
from sk_mnist_mlp._training.plan import (
    EarlyStopping,
    Job,
    TrainingData,
    TrainingPlan,
    ValidationData,
)
from sk_mnist_mlp._training.result import Seeds
from sk_mnist_mlp._training.runners import n_traces
from small_fits import digits

X_DIGITS, Y_DIGITS = digits(dtype=np.float32)
PATHS = ("numpy", "xla")


def make_job(seed=0, n_rows=700, weighted=False, network=None, **plan):
    """A small job on ``load_digits``."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(Y_DIGITS))[: n_rows + 200]
    weight = rng.integers(1, 4, len(Y_DIGITS)).astype(float) if weighted else None
    labels = Y_DIGITS.astype(np.int32)
    data = TrainingData(
        X=X_DIGITS,
        labels=labels,
        classes=np.arange(10),
        sample_weight=weight,
        rows=np.sort(rows[:n_rows]),
        validation=ValidationData(X_DIGITS, labels, weight, np.sort(rows[n_rows:])),
    )
    spec = NetworkSpec(64, (32, 24), 10, **(network or {"dropout": 0.3}))
    options = {"optimizer": "adam", "learning_rate": 0.003, "batch_size": 64, "epochs": 3} | plan
    rule = optimizer_spec(options["optimizer"])
    seeds = Seeds.draw(np.random.RandomState(seed))
    return Job(
        TrainingPlan(network=spec, rule=rule, seeds=seeds, planned_epochs=3, **options), data
    )


def changed(job, **plan):
    """A job with other values in its plan."""
    return job._replace(plan=replace(job.plan, **plan))


def assert_same_training(one, two, rtol=0.0):
    """Weights, moments and history agree."""
    for a, b in zip(as_arrays(one.layers), as_arrays(two.layers), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    for name, column in one.history.items():
        np.testing.assert_allclose(column, two.history[name], rtol=max(rtol, 1e-6), err_msg=name)


@pytest.mark.parametrize("path", PATHS)
def test_engine_learns_what_keras_learns(path):
    """Without dropout, from the same weights and in the same order, the loss curves are equal."""
    network = {"dropout": 0.0, "l2": 1e-3, "dtype": "float64"}
    job = make_job(seed=1, network=network, epochs=5, label_smoothing=0.1)
    ours = train_stack([job], path)[0]
    theirs = train_with_keras(job)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(ours.history[name], theirs.history[name], atol=1e-4)
    for a, b in zip(as_arrays(ours.layers), as_arrays(theirs.layers), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"weighted": True},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"optimizer": "rmsprop"},
        {"optimizer": "adamw"},
        {"schedule": "cosine"},
        {"schedule": "one_cycle"},
        {"distortion": Distortion(12, 0.1, 0.1, 1, 0.5, 2.0), "image_shape": (8, 8)},
        {"network": {"dropout": 0.0, "dtype": "float64", "activation": "gelu"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", PATHS)
def test_every_option_learns_what_keras_learns(path, options):
    """Each option means the same in both engines, batch for batch."""
    job = make_job(**({"network": {"dropout": 0.0}} | options))
    ours = train_stack([job], path)[0]
    theirs = train_with_keras(job)
    np.testing.assert_allclose(ours.history["val_loss"], theirs.history["val_loss"], atol=2e-4)
    if not options.get("weighted"):  # Keras weighs its epoch's mean by rows, ours by weight
        np.testing.assert_allclose(ours.history["loss"], theirs.history["loss"], atol=2e-4)


@pytest.mark.parametrize("activation", ["relu", "selu", "tanh"])
def test_compiled_equals_its_plain_twin(activation):
    """With dropout, distortions, XLA and NumPy train the same network."""
    job = make_job(
        network={"dropout": 0.4, "l2": 1e-4, "activation": activation, "dtype": "float64"},
        distortion=Distortion(10, 0.1, 0.1, 1, 0.5, 2.0),
        image_shape=(8, 8),
        weighted=True,
    )
    plain, compiled = (train_stack([job], path)[0] for path in PATHS)
    assert_same_training(plain, compiled, rtol=1e-9)


def varied_jobs():
    """Five networks of one structure that differ in all that may differ."""
    return [
        make_job(
            seed=g,
            n_rows=700 - 90 * g,
            learning_rate=0.001 * (g + 1),
            label_smoothing=0.05 * g,
            network={"dropout": 0.1 * g, "l2": 1e-4 * g},
            weighted=g % 2 == 1,
            epochs=5 - g % 3,
        )
        for g in range(5)
    ]


@pytest.mark.parametrize("path", PATHS)
def test_stack_equals_single_fits(path):
    """Each network of a stack of five equals its own plain fit.

    To the last bit in NumPy, whose products go network by network; in XLA to 1e-4, as a batched
    product may add in another order.
    """
    jobs = varied_jobs()
    stacked = train_stack(jobs, path)
    for job, together in zip(jobs, stacked, strict=True):
        alone = train_stack([job], path)[0]
        assert_same_training(alone, together, rtol=0.0 if path == "numpy" else 1e-4)
        assert alone.state.step == together.state.step
        assert alone.state.epoch == together.state.epoch


@pytest.mark.parametrize("path", PATHS)
def test_a_network_that_stops_early_leaves_the_stack(path):
    """Early stopping in a stack stops each network where it would stop alone."""
    jobs = [make_job(seed=g, early_stopping=EarlyStopping(1, 0.02 * g), epochs=8) for g in range(3)]
    stacked = train_stack(jobs, path)
    singles = [train_stack([job], path)[0] for job in jobs]
    lengths = [len(result.history["loss"]) for result in stacked]
    assert lengths == [len(result.history["loss"]) for result in singles]
    assert len(set(lengths)) > 1
    for together, alone in zip(stacked, singles, strict=True):
        assert_same_training(alone, together, rtol=0.0 if path == "numpy" else 1e-4)


def test_programs_are_reused(monkeypatch):
    """A grid of 24 fits over all values, row counts and epochs traces one program."""
    monkeypatch.setattr(engines, "_XLA_FLOPS", 0.0)
    first = n_traces()
    for dropout in (0.0, 0.2, 0.5):
        for rate in (0.001, 0.01):
            for l2 in (0.0, 1e-3):
                for n_rows in (700, 331):
                    MLPDigitClassifier(
                        hidden_units=(24, 12),
                        dropout=dropout,
                        learning_rate=rate,
                        l2=l2,
                        epochs=1 + (n_rows == 331),
                        batch_size=50,
                        random_state=n_rows,
                    ).fit(X_DIGITS[:n_rows], Y_DIGITS[:n_rows])
    assert n_traces() - first == 1


def test_cache_of_programs_is_bounded(monkeypatch):
    """More structures than the cache holds push the oldest out."""
    from sk_mnist_mlp._training import runners

    make_program = functools.lru_cache(maxsize=2)(runners._make_program.__wrapped__)
    monkeypatch.setattr(runners, "_make_program", make_program)
    for width in (3, 4, 5):
        train_stack([make_job(network={}, epochs=1, n_rows=64, batch_size=width)], "xla")
    assert make_program.cache_info().currsize == 2


@pytest.mark.parametrize("path", PATHS)
def test_training_goes_on_as_if_never_stopped(path):
    """Two epochs and then three from the state equal five epochs, to the last bit."""
    job = make_job(epochs=5)
    whole = train_stack([job], path)[0]
    half = train_stack([changed(job, epochs=2)], path)[0]
    rest = train_stack([changed(job, epochs=3, start=half)], path)[0]
    for a, b in zip(as_arrays(whole.layers), as_arrays(rest.layers), strict=True):
        np.testing.assert_array_equal(a, b)


SCRIPT = """
import hashlib, sys
sys.path[:0] = {folders!r}
from test_engine import make_job
from sk_mnist_mlp._network import as_arrays
from sk_mnist_mlp._training.loop import train_stack
result = train_stack([make_job(n_rows=1500, network={{"dropout": 0.4}})], {path!r})[0]
print(hashlib.sha256(b"".join(w.tobytes() for w in as_arrays(result.layers))).hexdigest())
"""


@pytest.mark.parametrize("path", PATHS)
def test_same_bits_in_every_process_and_with_any_number_of_threads(path, request, monkeypatch):
    """A fit is the same, bit for bit, in processes with one thread and with two."""
    folders = [str(request.path.parent), str(request.path.parents[1])]
    script = textwrap.dedent(SCRIPT).format(folders=folders, path=path)
    digests = set()
    for n_threads in ("1", "2"):
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            monkeypatch.setenv(name, n_threads)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_memory_mapped_data_are_not_copied(tmp_path, monkeypatch):
    """A million rows on disk train without ever being whole in memory."""
    import tracemalloc

    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.uint8, (1_000_000, 64))
    X[::1000] = 7
    X.flush()
    y = np.arange(1_000_000) % 2
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = MLPDigitClassifier(hidden_units=(4,), epochs=1, batch_size=4096, random_state=0)
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # float32 would take 256 MB; indices and labels take 8 bytes a row each


def test_engine_is_chosen_by_the_plan_alone():
    """Small work runs in NumPy and large work in XLA, whatever ran before."""
    job = make_job()
    assert engines.choose_engine(job, "auto") == "numpy"
    large = changed(job, network=NetworkSpec(64, (2048, 2048), 10), planned_epochs=500)
    assert engines.choose_engine(large, "auto") == "xla"
