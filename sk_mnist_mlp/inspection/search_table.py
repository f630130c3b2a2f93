"""What a search found, as a table over one or two of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sk_mnist_mlp._estimators import is_real

__all__ = ["SearchTable", "label", "read_search"]

_NAME = "SearchResultsDisplay"


class SearchTable(NamedTuple):
    """The scores of a search over one or two parameters.

    Attributes
    ----------
    parameters : dict of str to list
        Each parameter with its values in the order of its axis.
    split_scores : ndarray of shape (n_values, n_folds) or (n_rows, n_columns, n_folds)
        NaN where a candidate failed or was not tried.
    tried : ndarray of bool of shape (n_values,) or (n_rows, n_columns)
        Which candidates were fitted.
    score_name : str
        What the scores are.
    best_over_others : bool
        Whether other parameters vary too, over which the best candidate was taken.
    """

    parameters: dict[str, list[Any]]
    split_scores: NDArray[np.float64]
    tried: NDArray[np.bool_]
    score_name: str
    best_over_others: bool


def read_search(
    search: Any, parameters: str | Sequence[str] | None, metric: str | None
) -> SearchTable:
    """Read a fitted search's results; see :meth:`SearchResultsDisplay.from_search`."""
    check_is_fitted(search, "cv_results_")
    results = search.cv_results_
    metric = _choose_metric(search, metric)
    scores = _split_scores(results, metric)
    candidates = _last_candidates(search)
    shown = _choose_parameters(search, candidates, parameters)
    others = set(_varying(search, candidates)) - set(shown)
    levels = {name: _levels([_value(results, i, name) for i in candidates]) for name in shown}
    places = {name: [_key(value) for value in values] for name, values in levels.items()}
    shape = tuple(len(values) for values in levels.values())
    table = np.full((*shape, scores.shape[1]), np.nan)
    tried = np.zeros(shape, bool)
    for i in candidates:
        cell = tuple(places[name].index(_key(_value(results, i, name))) for name in shown)
        tried[cell] = True
        # Of several candidates for one cell the best counts, and any before one that failed.
        if np.isfinite(scores[i]).all() and not table[cell].mean() >= scores[i].mean():
            table[cell] = scores[i]
    return SearchTable(levels, table, tried, _score_name(search, metric), bool(others))


def _value(results: Mapping[str, Any], candidate: int, name: str) -> Any:
    return results["params"][candidate].get(name, "default")


def _last_candidates(search: Any) -> list[int]:
    """Rows of ``cv_results_`` to show; of successive halving each candidate's last."""
    results = search.cv_results_
    if "n_resources" not in results:
        return list(range(len(results["params"])))
    last: dict[str, int] = {}
    for i in np.argsort(results["n_resources"], kind="stable"):
        parameters = {k: v for k, v in results["params"][i].items() if k != search.resource}
        last[repr(sorted(parameters.items(), key=lambda item: item[0]))] = int(i)
    return sorted(last.values())


def _names(search: Any, candidates: list[int]) -> list[str]:
    """Parameters of a search, without the resource of successive halving."""
    names = dict.fromkeys(name for i in candidates for name in search.cv_results_["params"][i])
    names.pop(getattr(search, "resource", ""), None)
    return list(names)


def _varying(search: Any, candidates: list[int]) -> list[str]:
    return [
        name
        for name in _names(search, candidates)
        if len({_key(_value(search.cv_results_, i, name)) for i in candidates}) > 1
    ]


def _choose_parameters(
    search: Any, candidates: list[int], asked: str | Sequence[str] | None
) -> list[str]:
    names, varying = _names(search, candidates), _varying(search, candidates)
    if asked is not None:
        chosen = [asked] if isinstance(asked, str) else list(asked)
        if not 1 <= len(chosen) <= 2 or not set(chosen) <= set(names):
            raise ValueError(
                f"{_NAME}: expected one or two of the search's parameters, {', '.join(names)}, "
                f"got {asked!r}. Take the names from the grid."
            )
        return chosen
    if len(varying) > 2:
        raise ValueError(
            f"{_NAME}: expected one or two parameters that vary, got {len(varying)}: "
            f"{', '.join(varying)}. Name those to show, for example "
            f"parameters={varying[:2]}; the best candidate over the others is shown for each."
        )
    if not names:
        raise ValueError(
            f"{_NAME}: expected a search over one or two parameters, got one over none. Give its "
            "grid a parameter."
        )
    return varying or names[:1]


def _choose_metric(search: Any, metric: str | None) -> str:
    """The ending of the metric's columns in ``cv_results_``."""
    results = search.cv_results_
    metrics = sorted(name[len("mean_test_") :] for name in results if name.startswith("mean_test_"))
    if metric is None:
        metric = search.refit if search.multimetric_ and isinstance(search.refit, str) else "score"
    if metric not in metrics:
        raise ValueError(
            f"{_NAME}: expected metric to be one of {', '.join(metrics)}, got {metric!r}. "
            "Name one of the search's metrics."
        )
    return metric


def _split_scores(results: Mapping[str, Any], metric: str) -> NDArray[np.float64]:
    """Scores of shape (n_candidates, n_folds)."""
    folds = [name for name in results if name.startswith("split") and f"_test_{metric}" in name]
    folds = [name for name in folds if name.endswith(f"_test_{metric}")]
    return np.stack([np.asarray(results[name], float) for name in folds], axis=1)


def _score_name(search: Any, metric: str) -> str:
    if metric == "score":
        if search.scoring is None:
            return "accuracy"
        metric = search.scoring if isinstance(search.scoring, str) else "score"
    return metric.replace("neg_", "negative ").replace("_", " ")


def _levels(values: list[Any]) -> list[Any]:
    """Different values in the order of an axis: numbers by size, others as they came."""
    different = list({_key(value): value for value in values}.values())
    return sorted(different) if all(is_real(value) for value in different) else different


def _key(value: Any) -> Any:
    """What tells values apart: numbers by size, whatever their type, others by how they read."""
    return float(value) if is_real(value) else repr(value)


def label(value: Any) -> str:
    """Write a parameter's value beside an axis."""
    if is_real(value):
        return f"{value:.3g}" if isinstance(value, float) else str(value)
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value))
    if isinstance(value, (str, bool)) or value is None:
        return str(value)
    shown = repr(value)
    return type(value).__name__ if len(shown) > 20 else shown
