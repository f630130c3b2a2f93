"""``sk-mnist-mlp search``: try a grid of parameters, compare them, and keep the best model."""

from __future__ import annotations

import argparse
import json
import math
import signal
import threading
import warnings
from collections import Counter
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import sk_mnist_mlp
from sk_mnist_mlp._storage import replacing
from sk_mnist_mlp.cli.arguments import (
    NETWORK_OPTIONS,
    UsageError,
    add_training_options,
    check_writable,
    data_files,
    parsed_by,
    whole_number,
)
from sk_mnist_mlp.cli.models import classifier_of, print_accuracy
from sk_mnist_mlp.cli.train import train_and_keep

__all__ = ["add_parser"]

_MODEL, _TABLE, _PICTURE = "model.skmlp", "results.csv", "heatmap.png"
_QUESTION, _FITS = "search.json", "fits"
_PREFIX = "mlpdigitclassifier__"


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "search",
        help="try a grid of parameters by cross-validation, keep the best model",
        description="Try every combination of the values given, by cross-validation on MNIST's "
        "training images, and train the best on all of them. Writes results.csv, heatmap.png and "
        "model.skmlp. Interrupted, it resumes where it was when called again.",
    )
    add_training_options(parser, "all values to try; default", nargs="+")
    parser.add_argument("--cv", type=whole_number(2), default=3, metavar="N", help="folds")
    parser.add_argument(
        "--n-jobs",
        type=parsed_by(
            int, lambda value: value != 0, "a number of processes, or -1 for one a core"
        ),
        default=1,
        metavar="N",
        help="fits at a time; -1: one a core",
    )
    parser.add_argument(
        "--subset",
        type=whole_number(1),
        metavar="N",
        help="search on this many training images, drawn class by class (default: all)",
    )
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        default=20,
        metavar="N",
        help="passes over the training images",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder to write into, made if need be (default: mnist-search- and a name that only "
        "this search has)",
    )
    parser.set_defaults(run=run, writes=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    # Ask: which grid, on which rows, and whether this folder holds the same question.
    names = [o.parameter for o in NETWORK_OPTIONS if o.parameter in arguments]
    grid = {name: list(dict.fromkeys(getattr(arguments, name))) for name in names}
    if not grid:
        raise UsageError(
            "expected something to try, got no option with values. "
            "For example: --dropout 0.2 0.45 --hidden-units 128 256."
        )
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
    from sk_mnist_mlp.cli.results import Results, write_heat_map
    from sk_mnist_mlp.datasets import load_mnist
    from sk_mnist_mlp.model_selection import resumable

    data = getattr(arguments, "data", None)
    X_train, X_test, y_train, y_test = load_mnist(path=data, return_splits=True)
    X, y = _draw_rows(X_train, y_train, arguments)
    question = _question(arguments, grid, X, y)
    folder = _find_folder(arguments, question)
    classifier = MLPDigitClassifier(epochs=arguments.epochs, random_state=arguments.seed)
    model = make_pipeline(ImageFlattener(), classifier)
    folds = StratifiedKFold(arguments.cv, shuffle=True, random_state=arguments.seed)
    search = GridSearchCV(
        model,
        {_PREFIX + name: values for name, values in grid.items()},
        scoring={"accuracy": _accuracy},  # the name stands beside the heat map
        cv=list(folds.split(X, y)),
        refit=False,
    )
    results = Results(search, X, y, folder / _FITS)
    n_fits = results.done.size
    search.set_params(n_jobs=min(arguments.n_jobs, n_fits))  # more would have nothing to do
    # Made when nothing is left that could refuse the search.
    search = resumable(search, folder / _FITS)
    with replacing(folder / _QUESTION, who="search") as file:
        file.write(json.dumps(question, indent=1).encode())

    # Search: what is known is written whether it ends or is interrupted.
    print(
        f"{len(results.candidates)} candidates, {arguments.cv} folds: {n_fits} fits of "
        f"{arguments.epochs} epochs on {len(X):,} images, in {folder}"
    )
    if results.look():
        print(f"{results.done.sum()} of {n_fits} fits were done by an earlier call")
    try:
        with results.watched():
            _fit(search, X, y)
    except (KeyboardInterrupt, BrokenExecutor) as end:
        kept = (
            f"{results.done.sum()} of {n_fits} fits are kept in {str(folder)!r}. Call it again "
            f"with --output {folder} to resume"
        )
        if isinstance(end, BrokenExecutor):
            raise ChildProcessError(
                "expected every process of the search to live, got one that was ended from "
                f"outside, perhaps for its memory; {kept}, with a smaller --n-jobs."
            ) from end
        raise KeyboardInterrupt(f"interrupted; {kept}.") from None
    finally:
        results.write_csv(folder / _TABLE)
    results.print_table()
    best = {_PREFIX + name: value for name, value in results.candidates[results.best].items()}
    drawn = write_heat_map(search, folder / _PICTURE)

    # Keep the best, trained on every training image.
    model.set_params(**best, **{f"{_PREFIX}verbose": 1})
    print(f"\nThe best, trained on all {len(X_train):,} training images:")
    train_and_keep(model, X_train, y_train, folder / _MODEL)
    print_accuracy(model, X_test, y_test)
    print(f"Written         {', '.join([_TABLE, *([_PICTURE] if drawn else []), _MODEL])}")
    return 0


def _accuracy(model: Any, X: Any, y: Any) -> float:
    """Accuracy; NaN where the fit diverged."""
    return float(model.score(X, y)) if math.isfinite(classifier_of(model).loss_) else math.nan


# ----------------------------------------------------------------------------------------------
# Running


def _fit(search: Any, X: Any, y: Any) -> None:
    from sklearn.exceptions import FitFailedWarning

    with warnings.catch_warnings():
        # A candidate that diverged has warned already, and its row of the table says so.
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        _start_workers(search.n_jobs)
        # The report of a fit that failed has its traceback; its last line says why.
        warnings.filterwarnings("ignore", category=FitFailedWarning)
        try:
            search.fit(X, y)
        except ValueError as error:
            raise ValueError(str(error).strip().splitlines()[-1]) from error


def _start_workers(n_jobs: int) -> None:
    """Start joblib's worker processes deaf to Ctrl-C, which the terminal sends to them as well.

    The search's own process hears it and ends its workers; one that heard it by itself would only
    fill the terminal with a traceback. A signal ignored here stays ignored in a process started
    meanwhile; that takes a third of a second at most, as the workers' imports are not waited for.
    """
    import joblib

    n_workers = joblib.effective_n_jobs(n_jobs)
    if n_workers == 1 or threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = joblib.Parallel(n_jobs, return_as="generator")(
            joblib.delayed(abs)(0) for _ in range(n_workers)
        )
    finally:
        signal.signal(signal.SIGINT, before)
    list(started)


# ----------------------------------------------------------------------------------------------
# What is asked, and the folder that holds its answer


def _draw_rows(X: Any, y: Any, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The images to search on, enough of them for the folds."""
    n_rows, n_folds = getattr(arguments, "subset", len(X)), arguments.cv
    classes = Counter(y.tolist())
    least = len(classes) * n_folds
    if n_rows != len(X):
        if not least <= n_rows <= len(X):
            raise UsageError(
                f"expected --subset from {least} ({n_folds} folds of {len(classes)} classes) to "
                f"{len(X)} images, got {n_rows}."
            )
        from sklearn.utils import resample

        seed = arguments.seed
        X, y = resample(X, y, n_samples=n_rows, replace=False, stratify=y, random_state=seed)
        classes = Counter(y.tolist())
    most = max(classes.values(), default=0)
    if n_folds > most:
        raise UsageError(
            f"expected --cv of at most {most}, the images of the largest class, got {n_folds}."
        )
    return X, y


def _question(arguments: argparse.Namespace, grid: Any, X: Any, y: Any) -> dict[str, Any]:
    """What the search asks: two calls that ask the same are one search."""
    from sk_mnist_mlp._training import fit_identity, name_of

    return {
        # Through JSON and back, so that it equals what is read from the file.
        "grid": json.loads(json.dumps(grid)),
        "folds": arguments.cv,
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "images": len(X),
        "data": name_of(fit_identity({}, X=X, y=y)),
        "version": sk_mnist_mlp.__version__,
    }


def _find_folder(arguments: argparse.Namespace, question: dict[str, Any]) -> Path:
    """Name the folder of this search, there or not; refuse that of something else."""
    from sk_mnist_mlp._training import name_of

    folder = Path(getattr(arguments, "output", f"mnist-search-{name_of(question)[:8]}"))
    if not folder.exists():
        return folder
    expected = "expected --output to be a new folder or one of this search"
    try:
        kept = dict(json.loads((folder / _QUESTION).read_text(encoding="utf-8")))
    except FileNotFoundError:
        kept = question  # a new folder, if there is nothing in it
        ours = [name for name in (_MODEL, _TABLE, _PICTURE, _FITS) if (folder / name).exists()]
        if ours:
            raise UsageError(
                f"{expected}, got {str(folder)!r} with a {ours[0]} of something else. "
                "Choose another folder."
            ) from None
    except (NotADirectoryError, ValueError, TypeError):
        raise UsageError(
            f"{expected}, got {str(folder)!r}, which is neither. Choose another one."
        ) from None
    for name, value in question.items():
        if kept.get(name) != value:
            raise UsageError(
                f"expected --output to be a folder of this search, got {str(folder)!r} of another "
                f"one: its {name} was {kept.get(name)}, now it is {value}. Choose another folder."
            )
    for name in (_MODEL, _TABLE, _PICTURE, _QUESTION):
        check_writable(folder / name, data_files(arguments))
    return folder
