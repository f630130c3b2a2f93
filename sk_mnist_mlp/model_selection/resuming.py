"""Searches that can be resumed: a folder keeps every fit that was scored, and none is done twice.

A fit is known by the estimator's parameters and the rows it learns from. Its file is written as
soon as it is scored, by whichever process did it, and appears whole or not at all: a search that
is interrupted or killed loses only the fits under way.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.utils import get_tags

from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp._training import fit_identity, name_of

__all__ = ["finished_fits", "resumable"]

_OWN = ("kept_estimator", "kept_folder")
_INTERRUPTED = r".* got interrupted\b"


def resumable(search: Any, folder: str | os.PathLike[str]) -> Any:
    """Have a search keep its finished fits in a folder, and find them there when it runs again.

    After Ctrl-C, a kill or a lost machine the same lines do only what is missing, and the results
    are those of a search that was never stopped. What is kept are the scores, a small JSON file for
    each fit, and no models: the best one is trained by the search's own ``refit``.

    Fits are told apart by the values of all parameters and by the rows. So give a search or
    splitter that draws by chance a fixed ``random_state``, or nothing is found again. Functions
    count by their names, not by what they do, and versions of libraries do not count: take another
    folder after changing either.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, ...
        Any search that has the parameters ``estimator`` and ``scoring``. It is not changed.
    folder : str or os.PathLike
        Where finished fits are kept; made if need be. Several processes may share it.

    Returns
    -------
    search : as the one given
        A clone that keeps its fits. Names of parameters and results are the same; the estimator
        that its ``best_estimator_`` stands for is there as ``best_estimator_.model_``.

    Raises
    ------
    TypeError
        If ``search`` is no such search.
    OSError
        If the folder cannot be made.

    See Also
    --------
    finished_fits : What a folder holds, also while a search is running.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.model_selection import finished_fits, resumable
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=2, random_state=0)
    >>> search = GridSearchCV(model, {"dropout": [0.1, 0.3]}, cv=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = resumable(search, folder).fit(X / 16, y)
    ...     again = resumable(search, folder).fit(X / 16, y)  # trains the best one only
    ...     len(finished_fits(folder))
    4
    >>> bool(again.best_score_ == first.best_score_)
    True
    """
    parameters = search.get_params(deep=False) if hasattr(search, "get_params") else {}
    if isinstance(search, type) or not {"estimator", "scoring"} <= parameters.keys():
        raise TypeError(
            "resumable: expected a search with the parameters estimator and scoring, got "
            f"{type(search).__name__}. Give a GridSearchCV, say."
        )
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(
            errno.ENOTDIR, "resumable: expected a folder, got a file. Name another", str(path)
        ) from None
    return clone(search).set_params(
        estimator=_KeptFit(clone(search.estimator), str(path.absolute())),
        scoring=_KeptScores(search.scoring, parameters.get("error_score", "raise")),
    )


def finished_fits(folder: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Read the fits that a :func:`resumable` search has finished so far.

    Parameters
    ----------
    folder : str or os.PathLike
        The one given to :func:`resumable`.

    Returns
    -------
    fits : dict of str to dict
        By the fit's name: ``"identity"``, its parameters and digests of its data as text;
        ``"seconds"`` of training; and ``"scores"``, one for each set of rows that was scored, a
        number or a dict of numbers. Files that are damaged are left out.

    See Also
    --------
    resumable : Fills the folder, and has an example.
    """
    kept = {path.stem: _read(path) for path in sorted(Path(folder).glob("*.json"))}
    return {
        name: record | {"scores": list(record["scores"].values())}
        for name, record in kept.items()
        if record is not None
    }


class _KeptFit(BaseEstimator):
    """An estimator that trains only if a score is wanted that its folder does not hold.

    Its parameters are the estimator's and two of its own.
    """

    def __init__(self, kept_estimator: Any, kept_folder: str) -> None:
        self.kept_estimator = kept_estimator
        self.kept_folder = kept_folder

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The estimator's parameters, and the two."""
        inner = self.kept_estimator.get_params() if deep else {}
        return inner | super().get_params(deep=False)

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters of the estimator, or the two."""
        own = {name: parameters.pop(name) for name in _OWN if name in parameters}
        self.kept_estimator.set_params(**parameters)
        return super().set_params(**own)

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:
        """Find that this fit was scored before, or train."""
        self.__dict__.pop("model_", None)
        identity = fit_identity(self.kept_estimator.get_params(), X=X, y=y, **fit_params)
        self._path = Path(self.kept_folder, f"{name_of(identity)}.json")
        self._data = X, y, fit_params
        self.record_ = _read(self._path) or {"identity": identity, "seconds": 0.0, "scores": {}}
        if not self.record_["scores"]:
            self._train()
        return self

    def _train(self) -> None:
        X, y, fit_params = self.__dict__.pop("_data")
        began = time.perf_counter()
        with _interrupts_raised():
            self.model_ = clone(self.kept_estimator).fit(X, y, **fit_params)
        self.record_["seconds"] = time.perf_counter() - began

    def keep(self, name: str, score: Any) -> None:
        """Keep a score of this fit."""
        self.record_["scores"][name] = score
        with replacing(self._path, who="resumable") as file:
            file.write(json.dumps(self.record_, indent=1).encode())

    def __getattr__(self, name: str) -> Any:
        """What is asked of the model trains it, where its scores alone were found."""
        if name.startswith("_") or name in _OWN or name == "set_callbacks":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if "_data" in vars(self):
            self._train()
        if name == "model_":
            return vars(self)[name]
        return getattr(vars(self).get("model_", self.kept_estimator), name)

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.kept_estimator)


class _KeptScores:
    """A scorer that looks for a score where a :class:`_KeptFit` keeps it, before it measures."""

    def __init__(self, scoring: Any, error_score: Any) -> None:
        self.scoring = scoring
        self.error_score = error_score

    def __call__(self, fit: _KeptFit, X: Any, y: Any = None, **parameters: Any) -> Any:
        name = name_of(fit_identity({"scoring": self.scoring}, X=X, y=y, **parameters))
        if name not in fit.record_["scores"]:
            scorer = check_scoring(fit.model_, self.scoring, raise_exc=self.error_score == "raise")
            score = scorer(fit.model_, X, y, **parameters)
            is_one = not isinstance(score, dict)
            fit.keep(name, float(score) if is_one else {k: self._number(score[k]) for k in score})
        return fit.record_["scores"][name]

    def _number(self, score: Any) -> float:
        if isinstance(score, str):  # the traceback of one scorer of several
            warnings.warn(f"Scoring failed; the score is {self.error_score}. {score}", stacklevel=2)
            score = self.error_score
        return float(score)


def _read(path: Path) -> dict[str, Any] | None:
    """Read a finished fit; None where there is none, or none that makes sense."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        scores = record["scores"].values()
        numbers = [v for s in scores for v in (s.values() if isinstance(s, dict) else [s])]
        sound = all(isinstance(number, float) for number in [*numbers, record["seconds"]])
        sound &= all(isinstance(text, str) for text in record["identity"].values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if sound and numbers else None


@contextlib.contextmanager
def _interrupts_raised() -> Iterator[None]:
    """Raise the interrupt that a fit of the classifier keeps to itself, with what it learnt so far.

    Half a training must not be scored as a whole one. Only the main thread is ever interrupted.
    """
    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("error", _INTERRUPTED)
        try:
            yield
        except UserWarning as warning:
            if re.match(_INTERRUPTED, str(warning)):
                raise KeyboardInterrupt from None
            raise
