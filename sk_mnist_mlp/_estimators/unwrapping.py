"""From a pipeline or a search to the estimator inside: the one way everything finds it."""

from __future__ import annotations

from typing import Any

__all__ = ["unwrap"]


def unwrap(model: Any) -> tuple[list[Any], Any]:
    """The transformers that a model begins with, and the estimator that they lead to.

    Of a search the best estimator counts; one without, and anything else, is its own estimator.
    Nothing is checked: callers say what they expect.
    """
    transformers: list[Any] = []
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "steps"):
            *first, model = [step for _, step in model.steps]
            transformers += [step for step in first if step not in (None, "passthrough")]
        else:
            return transformers, model
