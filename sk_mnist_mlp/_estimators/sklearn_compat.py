"""The only file that touches what is private or depends on the version in scikit-learn."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _param_validation as constraints
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight

__all__ = [
    "DOC_LINK_TEMPLATE",
    "CallbackSupportMixin",
    "check_input_features",
    "check_sample_weight",
    "constraints",
    "metadata_requests",
    "open_fit_context",
    "output_container",
    "single_task",
    "with_callbacks",
]

DOC_LINK_TEMPLATE = (
    "https://sk-mnist-mlp.readthedocs.io/en/latest/api.html#{estimator_module}.{estimator_name}"
)
"""Where the HTML view of an estimator links to."""

_Method = TypeVar("_Method", bound=Callable[..., Any])

if TYPE_CHECKING:  # scikit-learn ships no types
    CallbackSupportMixin: Any

    def with_callbacks(method: _Method) -> _Method: ...

else:
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:  # scikit-learn before 1.9 has no callbacks

        class CallbackSupportMixin:
            """Gives an estimator nothing, where there is nothing to give."""

        def with_callbacks(method):
            """Return the method as it is."""
            return method


def open_fit_context(estimator: Any, n_epochs: int = 0) -> Any:
    """Open the context of a fit of up to ``n_epochs`` tasks, inside a ``with_callbacks`` method.

    None where nobody listens: before scikit-learn 1.9, or without callbacks.
    """
    if not hasattr(estimator, "_init_callback_context"):
        return None
    # Opened also without callbacks of its own: a search hangs the fit's task into its own tree.
    context = estimator._init_callback_context(max_subtasks=n_epochs)
    return context if getattr(estimator, "_skl_callbacks", None) else None


def single_task(fit: _Method) -> _Method:
    """Make an estimator's ``fit(X, y)`` one task for scikit-learn's callbacks, with none inside."""

    @functools.wraps(fit)
    def fit_as_task(self: Any, X: Any, y: Any = None) -> Any:
        context = open_fit_context(self)
        if context is None:
            return fit(self, X, y)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        fitted = fit(self, X, y)
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})
        return fitted

    return with_callbacks(fit_as_task)  # type: ignore[return-value]  # untyped


def check_input_features(transformer: Any, input_features: Any) -> None:
    """Refuse names of columns that are not those of ``fit``."""
    _check_feature_names_in(transformer, input_features, generate_names=False)


def check_sample_weight(sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
    """Weights of 0 or more, one a row, once they are checked; one number weighs all rows."""
    # scikit-learn would let a lone NaN pass.
    if np.isscalar(sample_weight) or getattr(sample_weight, "ndim", 1) == 0:
        sample_weight = np.full(n_samples, sample_weight)
    weights: NDArray[np.float64] = _check_sample_weight(
        sample_weight, np.empty(n_samples), dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():  # scikit-learn's sentence, which versions before 1.9 do not have
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def output_container(transformer: Any) -> str | None:
    """What ``set_output`` asked of a transformer; None where it was not called."""
    configured = getattr(transformer, "_sklearn_output_config", {})
    return configured.get("transform")


def metadata_requests(estimator: Any) -> dict[str, dict[str, bool | str]]:
    """What ``set_fit_request`` and its like asked for: by method, for each name."""
    routing = estimator.get_metadata_routing()
    return {
        method: asked
        for method in ("fit", "partial_fit", "score")
        if (asked := {n: v for n, v in getattr(routing, method).requests.items() if v is not None})
    }
