"""Learning rates by step.

A schedule becomes plain numbers before training starts, so that the compiled program sees an
array of rates and one program serves all schedules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._training.tensorflow_start import started_before_fork

__all__ = ["SCHEDULES", "relative_rates", "schedule_factors"]

SCHEDULES = ("cosine", "one_cycle")
"""Names of schedules."""


def schedule_factors(schedule: str, n_steps: int) -> NDArray[np.float64]:
    """Factor of the learning rate at each of ``n_steps`` steps, at most one.

    ``"cosine"``: up in a straight line over the first 5 % of the steps, then down half a cosine to
    zero. ``"one_cycle"``: from 1/25 up in a straight line over the first 30 %, then down half a
    cosine to 1/10,000.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: Stochastic gradient descent with warm restarts, ICLR.
    Smith and Topin (2018), Super-convergence, arXiv:1708.07120.

    Examples
    --------
    >>> schedule_factors("one_cycle", 10).argmax()
    np.int64(3)
    """
    rise, first, last = (0.05, 0.0, 0.0) if schedule == "cosine" else (0.3, 1 / 25, 1e-4)
    n_rising = round(rise * n_steps)
    n_falling = n_steps - n_rising
    rising = first + (1.0 - first) * np.arange(1, n_rising + 1) / (n_rising + 1)
    cosine = np.cos(np.pi * np.arange(n_falling) / max(1, n_falling))
    return np.concatenate([rising, last + (1.0 - last) * 0.5 * (1.0 + cosine)])


def relative_rates(
    schedule: Any, learning_rate: float, first_step: int, n_steps: int
) -> NDArray[np.float64]:
    """Factor of the learning rate at each of the next ``n_steps`` steps, after ``first_step``.

    A name scales over these steps. A Keras schedule gives the rates themselves, by the number of
    steps since the first of all, which are returned as multiples of ``learning_rate``.
    """
    if schedule is None:
        return np.broadcast_to(1.0, n_steps)  # no memory, however many steps
    if isinstance(schedule, str):
        return schedule_factors(schedule, n_steps)
    return _keras_rates(schedule, first_step, n_steps) / learning_rate


def _keras_rates(schedule: Any, first_step: int, n_steps: int) -> NDArray[np.float64]:
    """Ask a Keras schedule for the rates of all steps at once."""
    import keras

    if keras.config.backend() != "tensorflow" or started_before_fork():
        return np.array([float(schedule(first_step + k)) for k in range(n_steps)])

    import tensorflow as tf

    # In one graph, where Model.fit asks too: one by one outside of it, the 9,380 rates of a fit of
    # the tutorial took longer than the fit. A concrete function, because TensorFlow warns of
    # functions that are made again and again.
    def ask(steps: Any) -> Any:
        return tf.map_fn(
            lambda step: tf.cast(schedule(step), tf.float64), steps, fn_output_signature=tf.float64
        )

    steps = tf.range(first_step, first_step + n_steps, dtype=tf.int64)
    concrete = tf.function(ask).get_concrete_function(tf.TensorSpec([None], tf.int64))
    return concrete(steps).numpy()
