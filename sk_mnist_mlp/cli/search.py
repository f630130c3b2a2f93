"""``sk-mnist-mlp search``: try a grid of parameters, compare them, and keep the best model."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import sk_mnist_mlp
from sk_mnist_mlp.cli.arguments import (
    NETWORK_OPTIONS,
    UsageError,
    add_data_option,
    add_epochs_option,
    add_seed_option,
    check_writable,
    data_files,
    whole_number,
)

__all__ = ["add_parser"]

_MODEL, _TABLE, _PICTURE = "model.skmlp", "results.csv", "heatmap.png"
_QUESTION, _FITS = "search.json", "fits"
_STEP = "mlpdigitclassifier"


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "search",
        help="try a grid of parameters by cross-validation, keep the best model",
        description="Try every combination of the values given, by cross-validation on MNIST's "
        "training images, and train the best on all of them. Writes results.csv, heatmap.png and "
        "model.skmlp. Interrupted, it resumes where it was when called again.",
    )
    for option in NETWORK_OPTIONS:
        parser.add_argument(
            option.flag,
            type=option.parse,
            nargs="+",
            default=argparse.SUPPRESS,
            metavar=option.metavar,
            help=f"{option.help}; all values to try (default: {option.default})",
        )
    add_data_option(parser)
    parser.add_argument("--cv", type=whole_number(2), default=3, metavar="N", help="folds")
    parser.add_argument(
        "--n-jobs", type=_n_jobs, default=1, metavar="N", help="fits at a time; -1: one a core"
    )
    parser.add_argument(
        "--subset",
        type=whole_number(1),
        default=argparse.SUPPRESS,
        metavar="N",
        help="search on this many training images, drawn class by class (default: all)",
    )
    add_epochs_option(parser)
    add_seed_option(parser)
    parser.add_argument(
        "--output",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder to write into, made if need be (default: mnist-search- and a name that only "
        "this search has)",
    )
    parser.set_defaults(run=run, writes=True)


def _n_jobs(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value == 0:
        raise argparse.ArgumentTypeError(
            f"expected a number of processes, or -1 for one a core, got {text!r}"
        )
    return value


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    # Ask: which grid, on which rows, and whether this folder holds the same question.
    grid = _grid(arguments)
    from sklearn.pipeline import make_pipeline

    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
    from sk_mnist_mlp.cli.results import print_table, write_csv, write_heat_map
    from sk_mnist_mlp.cli.running import Running
    from sk_mnist_mlp.cli.train import print_accuracy, train_and_keep
    from sk_mnist_mlp.datasets import load_mnist

    data = getattr(arguments, "data", None)
    X_train, X_test, y_train, y_test = load_mnist(path=data, return_splits=True)
    X, y = _draw_subset(X_train, y_train, arguments)
    _check_folds(y, arguments.cv)
    question = _question(arguments, grid, X, y)
    folder = _find_folder(arguments, question)
    classifier = MLPDigitClassifier(epochs=arguments.epochs, random_state=arguments.seed)
    model = make_pipeline(ImageFlattener(), classifier)

    if folder.is_dir():
        for name in (_MODEL, _TABLE, _PICTURE, _QUESTION):
            check_writable(folder / name, data_files(arguments))
    running = Running(model, grid, X, y, arguments.cv, arguments.seed, folder / _FITS)
    # Made when nothing is left that could refuse the search.
    _make_folder(folder, question)

    # Search: what is known is written whether it ends or is interrupted.
    print(
        f"{len(running.candidates)} candidates, {arguments.cv} folds: {len(running.keys)} fits of "
        f"{arguments.epochs} epochs on {len(X):,} images, in {folder}"
    )
    try:
        search = running.fit(arguments.n_jobs)
    except (KeyboardInterrupt, BrokenExecutor) as end:
        write_csv(running.table(), folder / _TABLE)
        kept = (
            f"{running.n_done} of {len(running.keys)} fits are kept in {str(folder)!r}. Call it "
            f"again with --output {folder} to resume"
        )
        if isinstance(end, BrokenExecutor):
            raise ChildProcessError(
                "expected every process of the search to live, got one that was ended from "
                f"outside, perhaps for its memory; {kept}, with a smaller --n-jobs."
            ) from end
        raise KeyboardInterrupt(f"interrupted; {kept}.") from None
    table = running.table()
    write_csv(table, folder / _TABLE)
    print_table(table)
    best = {f"{_STEP}__{name}": value for name, value in running.best(table).items()}
    drawn = write_heat_map(search, folder / _PICTURE)

    # Keep the best, trained on every training image.
    model.set_params(**best, **{f"{_STEP}__verbose": 1})
    print(f"\nThe best, trained on all {len(X_train):,} training images:")
    train_and_keep(model, X_train, y_train, folder / _MODEL)
    print_accuracy(model, X_test, y_test)
    print(f"Written         {', '.join([_TABLE, *([_PICTURE] if drawn else []), _MODEL])}")
    return 0


def _grid(arguments: argparse.Namespace) -> dict[str, list[Any]]:
    grid = {}
    for option in NETWORK_OPTIONS:
        if values := getattr(arguments, option.parameter, None):
            grid[option.parameter] = list(dict.fromkeys(values))  # each once, in order
    if not grid:
        raise UsageError(
            "expected something to try, got no option with values. "
            "For example: --dropout 0.2 0.45 --hidden-units 128 256."
        )
    return grid


def _draw_subset(X: Any, y: Any, arguments: argparse.Namespace) -> tuple[Any, Any]:
    n_rows = getattr(arguments, "subset", None)
    if n_rows is None or n_rows == len(X):
        return X, y
    n_classes = len(set(y.tolist()))
    least = n_classes * arguments.cv
    if not least <= n_rows <= len(X):
        raise UsageError(
            f"expected --subset from {least} ({arguments.cv} folds of {n_classes} classes) to "
            f"{len(X)} images, got {n_rows}."
        )
    from sklearn.utils import resample

    images, labels = resample(
        X, y, n_samples=n_rows, replace=False, stratify=y, random_state=arguments.seed
    )
    return images, labels


def _check_folds(y: Any, n_folds: int) -> None:
    most = max(Counter(y.tolist()).values(), default=0)
    if n_folds > most:
        raise UsageError(
            f"expected --cv of at most {most}, the images of the largest class, got {n_folds}."
        )


def _question(
    arguments: argparse.Namespace, grid: dict[str, list[Any]], X: Any, y: Any
) -> dict[str, Any]:
    """What the search asks: two calls that ask the same are one search."""
    from sk_mnist_mlp.cli.records import data_digest

    return {
        # Through JSON and back, so that it equals what is read from the file.
        "grid": json.loads(json.dumps(grid)),
        "folds": arguments.cv,
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "images": len(X),
        "data": data_digest(X, y),
        "version": sk_mnist_mlp.__version__,
    }


def _find_folder(arguments: argparse.Namespace, question: dict[str, Any]) -> Path:
    """Name the folder of this search, there or not; refuse that of another."""
    name = hashlib.sha256(json.dumps(question).encode()).hexdigest()[:8]
    folder = Path(getattr(arguments, "output", f"mnist-search-{name}"))
    if folder.exists():
        _check_folder(folder, question)
    return folder


def _make_folder(folder: Path, question: dict[str, Any]) -> None:
    from sk_mnist_mlp.cli.records import write_json

    try:
        (folder / _FITS).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(
            f"expected --output to be a folder, got the file {str(folder)!r}. Choose another name."
        ) from None
    write_json(folder / _QUESTION, question)


def _check_folder(folder: Path, question: dict[str, Any]) -> None:
    try:
        kept = json.loads((folder / _QUESTION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        ours = [name for name in (_MODEL, _TABLE, _PICTURE, _FITS) if (folder / name).exists()]
        if ours:
            raise UsageError(
                f"expected --output to be a new folder or one of this search, got {str(folder)!r} "
                f"with a {ours[0]} of something else. Choose another folder."
            ) from None
        return
    except (NotADirectoryError, ValueError):
        kept = None
    if not isinstance(kept, dict):
        raise UsageError(
            f"expected --output to be a new folder or one of this search, got {str(folder)!r}, "
            "which is neither. Choose another one."
        )
    for name, value in question.items():
        if kept.get(name) != value:
            raise UsageError(
                f"expected --output to be a folder of this search, got {str(folder)!r} of another "
                f"one: its {name} was {kept.get(name)}, now it is {value}. Choose another folder."
            )
