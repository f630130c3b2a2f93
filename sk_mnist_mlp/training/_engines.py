"""Which engine trains a plan.

``compiled`` is the fast one; ``keras`` takes what only Keras's own loop can do. ``auto`` takes the
fast one wherever it can.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from sk_mnist_mlp.training._plan import TrainingData, TrainingPlan, TrainingResult

__all__ = ["ENGINES", "Trainer", "choose_engine", "train", "train_alone", "train_through"]

ENGINES = ("auto", "compiled", "keras")

Trainer = Callable[[TrainingPlan, TrainingData, str], TrainingResult]
"""What trains a plan on these data by the engine of this name."""

_thread = threading.local()


def choose_engine(plan: TrainingPlan, engine: str) -> str:
    """Name the engine that trains a plan.

    Parameters
    ----------
    plan : TrainingPlan
        What to train.
    engine : {"auto", "compiled", "keras"}
        What the user asked for.

    Raises
    ------
    ValueError
        If ``"compiled"`` was asked for and cannot train this plan.
    """
    if engine == "keras":
        return engine
    reason = _only_keras(plan)
    if reason is None:
        return "compiled"
    if engine == "compiled":
        raise ValueError(
            f"MLPDigitClassifier: expected what engine='compiled' can train, got {reason}. "
            "Use engine='auto' or engine='keras'."
        )
    return "keras"


def _only_keras(plan: TrainingPlan) -> str | None:
    """Why the compiled engine cannot train a plan; None where it can."""
    from sk_mnist_mlp.training._callbacks import needs_batches
    from sk_mnist_mlp.training._optimizers import optimizer_spec

    if optimizer_spec(plan.optimizer, plan.learning_rate) is None:
        return f"optimizer={plan.optimizer!r}"
    for callback in plan.callbacks:
        if needs_batches(callback):
            return f"{type(callback).__name__}, a callback with batch hooks"
    return None


@contextlib.contextmanager
def train_through(trainer: Trainer) -> Iterator[None]:
    """Have every fit of this thread, while inside, trained by ``trainer``."""
    before = getattr(_thread, "trainer", None)
    _thread.trainer = trainer
    try:
        yield
    finally:
        _thread.trainer = before


def train(plan: TrainingPlan, data: TrainingData, engine: str) -> TrainingResult:
    """Train a plan by the engine of this name, ``"compiled"`` or ``"keras"``."""
    trainer = getattr(_thread, "trainer", None) or train_alone
    return trainer(plan, data, engine)


def train_alone(plan: TrainingPlan, data: TrainingData, engine: str) -> TrainingResult:
    """Train a plan at once, in this thread."""
    if engine == "keras":
        from sk_mnist_mlp.training._scikeras import train_with_keras

        return train_with_keras(plan, data)
    from sk_mnist_mlp.training._compiled import train_stack

    return train_stack([(plan, data)])[0]
