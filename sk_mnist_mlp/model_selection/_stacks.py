"""Training of fits that wait: cut into stacks, one stack a core at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

import sklearn

from sk_mnist_mlp._network import Weights
from sk_mnist_mlp.model_selection._grouping import Stack, cut_into_stacks
from sk_mnist_mlp.model_selection._rendezvous import Fit, GivenUp, Task
from sk_mnist_mlp.model_selection._report import FusedReport, StackRecord
from sk_mnist_mlp.training._compiled import train_each
from sk_mnist_mlp.training._plan import History, TrainingPlan

__all__ = ["train_fits"]


def train_fits(fits: list[Fit], n_cores: int, report: FusedReport) -> None:
    """Train fits as stacks, and set their outcomes.

    Parameters
    ----------
    fits : list of Fit
        Of any structures.
    n_cores : int
        Stacks trained at the same time.
    report : FusedReport
        Takes note of what was done.
    """
    stacks = deque(cut_into_stacks(fits, n_cores))
    helpers = [
        threading.Thread(target=_train_all, args=(stacks, report), name="fused stack", daemon=True)
        for _ in range(min(n_cores, len(stacks)) - 1)
    ]
    report.n_rounds += 1
    for helper in helpers:
        helper.start()
    _train_all(stacks, report)
    for helper in helpers:
        helper.join()


def _train_all(stacks: deque[Stack], report: FusedReport) -> None:
    while True:
        try:
            stack = stacks.popleft()
        except IndexError:
            return
        _train(stack, report)


def _train(stack: Stack, report: FusedReport) -> None:
    began = time.perf_counter()
    jobs = [(_watched(fit.plan, fit.task), fit.data) for fit in stack.fits]
    try:
        # The networks' callbacks and observers find scikit-learn configured as their task did.
        with sklearn.config_context(**stack.fits[0].config):
            outcomes = train_each(jobs, path=stack.path)
    except BaseException as error:
        outcomes = [error] * len(jobs)
    for fit, outcome in zip(stack.fits, outcomes, strict=True):
        fit.outcome = outcome
    widths = stack.fits[0].plan.network.layer_widths
    seconds = time.perf_counter() - began
    report.stacks.append(StackRecord(widths, len(jobs), stack.path, seconds))


class _Watch:
    """Ends a network's training after the epoch in which its task was given up."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def begin_epoch(self) -> None:
        if self._task.is_given_up:
            raise GivenUp

    def end_epoch(self, history: History, weights: Weights) -> bool:
        return False


def _watched(plan: TrainingPlan, task: Task) -> TrainingPlan:
    return replace(plan, observers=(_Watch(task), *plan.observers))
