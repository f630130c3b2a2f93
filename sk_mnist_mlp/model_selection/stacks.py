"""Training of fits that wait: cut into stacks, one stack a core at a time."""

from __future__ import annotations

import functools
import threading
import time
from collections import deque

import sklearn

from sk_mnist_mlp._training import train_alone, train_each
from sk_mnist_mlp.model_selection.grouping import Stack, cut_into_stacks
from sk_mnist_mlp.model_selection.report import FusedReport, StackRecord
from sk_mnist_mlp.model_selection.scheduler import Ended, Fit, GivenUp

__all__ = ["train_fits"]


def train_fits(fits: list[Fit], ended: Ended, n_cores: int, report: FusedReport) -> None:
    """Train fits as stacks; then, one at a time, those that only Keras's own loop can train.

    Parameters
    ----------
    fits : list of Fit
        Of any structures.
    ended : callable
        Told what came out of each fit: of one that fails at once, of others with their stack.
    n_cores : int
        Stacks trained at the same time.
    report : FusedReport
        Takes note of what was done.
    """
    stacks = deque(cut_into_stacks([fit for fit in fits if fit.engine != "keras"], n_cores))
    work = functools.partial(_train_all, stacks, ended, report)
    helpers = [
        threading.Thread(target=work, name="fused stack", daemon=True)
        for _ in range(min(n_cores, len(stacks)) - 1)
    ]
    report.n_rounds += bool(stacks)
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    for fit in fits:
        if fit.engine == "keras":
            _train_by_keras(fit, ended, report)


def _train_all(stacks: deque[Stack], ended: Ended, report: FusedReport) -> None:
    while True:
        try:
            stack = stacks.popleft()
        except IndexError:
            return
        _train(stack, ended, report)


def _train(stack: Stack, ended: Ended, report: FusedReport) -> None:
    began = time.perf_counter()
    jobs = [fit.job for fit in stack.fits]

    def failed(number: int, error: BaseException) -> None:
        ended(stack.fits[number], error)

    try:
        # The networks' callbacks and observers find scikit-learn configured as their task did.
        with sklearn.config_context(**stack.fits[0].config):
            outcomes = train_each(jobs, stack.engine, failed=failed)
    except BaseException as error:
        outcomes = [error] * len(jobs)
    widths = stack.fits[0].job.plan.network.layer_widths
    seconds = time.perf_counter() - began
    report.stacks.append(StackRecord(widths, len(jobs), stack.engine, seconds))
    for fit, outcome in zip(stack.fits, outcomes, strict=True):
        ended(fit, outcome)


def _train_by_keras(fit: Fit, ended: Ended, report: FusedReport) -> None:
    if fit.task.call.is_given_up:  # a model takes Keras a while to build
        ended(fit, GivenUp())
        return
    report.n_keras += 1
    try:
        with sklearn.config_context(**fit.config):
            outcome = train_alone(fit.job, fit.engine)
    except BaseException as error:
        ended(fit, error)
    else:
        ended(fit, outcome)
