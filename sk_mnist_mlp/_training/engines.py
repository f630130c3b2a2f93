"""Which engine trains a plan.

``"numpy"`` and ``"xla"`` run the same step, at once or compiled; ``"keras"`` takes what only
Keras's own loop can do. ``"auto"`` chooses by the plan, never by what ran before.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator

from sk_mnist_mlp._training.keras_callbacks import batch_callback
from sk_mnist_mlp._training.keras_fit import train_with_keras
from sk_mnist_mlp._training.loop import train_stack
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.tensorflow_start import started_before_fork

__all__ = ["ENGINES", "choose_engine", "train", "train_alone", "train_through"]

ENGINES = ("auto", "numpy", "xla", "keras")

# Measured on 2 cores with AVX-512, 2026-11-23: an MNIST epoch of the tutorial's network costs
# 0.95 s in NumPy (one BLAS thread) and 0.41 s in XLA (0.62 s on one core), a compilation 1.2 s and
# TensorFlow's import 2.7 s. So XLA is ahead from 2 epochs on where TensorFlow is loaded, from 7
# where it is not; fits of that size rarely come alone. One number decides, whatever is loaded or
# compiled already: a fit must not depend on what ran before it.
_XLA_FLOPS = 3e11
"""Arithmetic of a whole fit from which compiling repays: 3 MNIST epochs of the tutorial."""

_thread = threading.local()


def choose_engine(job: Job, engine: str) -> str:
    """Name the engine that trains a job, where the user asked for ``engine``.

    Raises
    ------
    ValueError
        If an engine was asked for that cannot train this job.
    RuntimeError
        If it needs TensorFlow in a fork of a process that has used it.

    Warns
    -----
    UserWarning
        If a callback makes ``"auto"`` take Keras's loop.
    """
    chosen = _choose(job, engine)
    if chosen != "numpy" and started_before_fork():
        raise RuntimeError(
            f"{job.hooks.who}: expected a process of its own for engine={chosen!r}, got a fork of "
            "one that had used TensorFlow, where TensorFlow hangs. Start workers with joblib's "
            "'loky' backend or multiprocessing's 'spawn'."
        )
    return chosen


def _choose(job: Job, engine: str) -> str:
    if engine == "keras":
        return engine
    plan, who, got = job.plan, job.hooks.who, None
    if not plan.rule.is_ours:
        got = f"optimizer={plan.optimizer!r}"
    elif job.hooks.callbacks and (callback := batch_callback(job.hooks.callbacks)):
        got = f"{callback}, a callback that acts on batches"
    if got is None:
        if engine != "auto":
            return engine
        flops = 6.0 * plan.network.n_parameters * len(job.data.rows) * plan.planned_epochs
        return "numpy" if flops < _XLA_FLOPS or started_before_fork() else "xla"
    if engine != "auto":
        raise ValueError(
            f"{who}: expected what engine={engine!r} can train, got {got}. "
            "Use engine='auto' or engine='keras'."
        )
    if plan.rule.is_ours:
        warnings.warn(
            f"{who}: expected callbacks that act once per epoch, got {callback}, which acts "
            "on batches; Keras's own loop trains, which takes two to three times as long. Set "
            "engine='keras' to say that this is meant.",
            stacklevel=5,
        )
    return "keras"


@contextlib.contextmanager
def train_through(trainer: Callable[[Job, str], FittedNetwork]) -> Iterator[None]:
    """Have every fit of this thread, while inside, trained by ``trainer``."""
    before = getattr(_thread, "trainer", None)
    _thread.trainer = trainer
    try:
        yield
    finally:
        _thread.trainer = before


def train(job: Job, engine: str) -> FittedNetwork:
    """Train a job by the engine of this name."""
    return (getattr(_thread, "trainer", None) or train_alone)(job, engine)


def train_alone(job: Job, engine: str) -> FittedNetwork:
    """Train a job at once, in this thread."""
    return train_with_keras(job) if engine == "keras" else train_stack([job], engine)[0]
