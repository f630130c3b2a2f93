"""Fitted models as records: a JSON object and arrays, and back.

What is read is checked for sense; the archive below has only checked that it is whole.
"""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from sk_mnist_mlp._estimators import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp._storage import Arrays, Fields
from sk_mnist_mlp.persistence.classifier_record import pack_classifier, unpack_classifier
from sk_mnist_mlp.persistence.flattener_record import pack_flattener, unpack_flattener

__all__ = ["pack_model", "unpack_model"]


def pack_model(model: Any, who: str) -> tuple[dict[str, Any], Arrays]:
    """Describe a fitted model.

    Raises
    ------
    TypeError
        If it is none that a model file can hold.
    NotFittedError
        If it is not fitted.
    ValueError
        If a parameter is no plain value or a weight is not finite.
    """
    if type(model) is MLPDigitClassifier:
        return pack_classifier(model, who)
    if type(model) is not Pipeline:
        raise _not_a_model(who, model)
    kinds = [type(step) for _, step in model.steps]
    if kinds[-1:] != [MLPDigitClassifier] or set(kinds[:-1]) - {ImageFlattener}:
        raise _not_a_model(who, model)
    packed = [pack_flattener(step, who) for _, step in model.steps[:-1]]
    record, arrays = pack_classifier(model.steps[-1][1], who)
    names = [name for name, _ in model.steps]
    steps = [list(pair) for pair in zip(names, [*packed, record], strict=True)]
    return {"class": "Pipeline", "steps": steps, "verbose": bool(model.verbose)}, arrays


def _not_a_model(who: str, model: Any) -> TypeError:
    got = type(model).__name__
    fix = "Use joblib.dump for other estimators."
    if isinstance(model, Pipeline):
        got = f"a Pipeline of {', '.join(type(step).__name__ for _, step in model.steps)}"
    elif hasattr(model, "best_estimator_"):
        fix = "Pass its best_estimator_."
    elif isinstance(model, type):
        got, fix = f"the class {model.__name__}", "Make an instance and fit it."
    elif isinstance(model, MLPDigitClassifier):
        fix = "Use joblib.dump for classes of your own."
    return TypeError(
        f"{who}: expected an MLPDigitClassifier, or a Pipeline of ImageFlattener and "
        f"MLPDigitClassifier, got {got}. {fix}"
    )


def unpack_model(fields: Fields, arrays: Arrays) -> Any:
    """Make the model that :func:`pack_model` described; ``arrays`` is emptied."""
    kind = fields.text("class", ("MLPDigitClassifier", "Pipeline"))
    if kind == "MLPDigitClassifier":
        return unpack_classifier(fields, arrays)
    steps: list[tuple[str, Any]] = []
    pairs = fields.items("steps")
    for number, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            fields.fail("steps", "pairs of a name and an estimator")
        step = Fields(pair[1], f"{fields.where}.steps[{number}]", fields.refuse)
        last = number == len(pairs) - 1
        step.text("class", ["MLPDigitClassifier" if last else "ImageFlattener"])
        unpacked = unpack_classifier(step, arrays) if last else unpack_flattener(step)
        steps.append((pair[0], unpacked))
    names = [name for name, _ in steps]
    if not steps or len(set(names)) < len(names) or any("__" in name for name in names):
        fields.fail("steps", "steps of different names without '__'")
    widths = [step.n_features_in_ for _, step in steps]
    if len(set(widths)) > 1:
        fields.refuse("steps of equal numbers of features", " and ".join(map(str, widths)))
    model = Pipeline(steps, verbose=fields.flag("verbose"))
    fields.close()
    return model
