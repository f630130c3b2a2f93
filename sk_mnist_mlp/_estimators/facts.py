"""What is known of a fitted model, in words."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from typing import Any

from sk_mnist_mlp._estimators.unwrapping import unwrap

__all__ = ["changed_parameters", "model_facts"]


def changed_parameters(classifier: Any) -> str:
    """The parameters that are not the defaults, as scikit-learn shows them, in one line."""
    shown = " ".join(classifier.__repr__(N_CHAR_MAX=10**6).split())
    return shown.partition("(")[2][:-1]


def model_facts(model: Any) -> dict[str, str]:
    """Network, training and versions of a fitted model, by name."""
    steps, classifier = unwrap(model)
    network, history = classifier._network, classifier.history_
    optimizer = classifier.optimizer
    kind = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
    n_weights = sum(array.size for array in (*classifier.coefs_, *classifier.intercepts_))
    facts = {
        "Steps": " → ".join(type(step).__name__ for step in (*steps, classifier)),
        "Network": f"{' → '.join(map(str, network.layer_widths))}, {network.activation}",
        "Weights": f"{n_weights:,}",
        "Training": f"{classifier.n_iter_} epochs, batches of {classifier.batch_size}, {kind}",
        "Dropout": f"{network.dropout:g}",
        "Parameters": changed_parameters(classifier) or "all defaults",
    }
    for name, words in (("loss", "Last loss"), ("accuracy", "Last accuracy in training")):
        if history.get(name):
            value = history[name][-1]
            facts[words] = f"{value:.4f}" if name == "loss" else f"{100 * value:.2f} %"
    if classifier.best_validation_score_ is not None:
        facts["Best held-out accuracy"] = f"{100 * classifier.best_validation_score_:.2f} %"
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("sk_mnist_mlp", "scikit-learn", "numpy")
    ]
    return {
        **facts,
        "Engine": classifier.engine_,
        "Written on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "By": ", ".join([*versions, f"Python {platform.python_version()}"]),
    }
