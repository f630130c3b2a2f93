"""Tune with Optuna, and end poor trials after a few epochs.

A callback reports the held-out accuracy of every epoch to the study, which ends trials that are
worse than the others were at that epoch. Needs ``pip install '.[optuna]'``.
"""

# %%
# An epoch's report
#
# Any Keras callback works, so this one needs no integration package. An exception raised in it
# comes out of ``fit``, which leaves the estimator as it was.

import keras
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sk_mnist_mlp import MLPDigitClassifier


class ReportEachEpoch(keras.callbacks.Callback):
    """Tell the study the held-out accuracy of each epoch; end the trial if it says so."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        """Report one epoch."""
        self.trial.report(logs["val_accuracy"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


# %%
# The study
#
# Architecture and training are searched together. ``early_stopping`` holds out the rows that the
# accuracy is measured on, and keeps the best epoch's weights.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)


def make_model(parameters, callbacks=None):
    """Build the classifier of one trial."""
    depth, width = parameters["depth"], parameters["width"]
    return MLPDigitClassifier(
        hidden_units=(width,) * depth,
        dropout=parameters["dropout"],
        learning_rate=parameters["learning_rate"],
        epochs=20,
        early_stopping=True,
        n_iter_no_change=5,
        callbacks=callbacks,
        random_state=0,
    )


def objective(trial):
    """Train one candidate and return its best held-out accuracy."""
    parameters = {
        "depth": trial.suggest_int("depth", 1, 3),
        "width": trial.suggest_categorical("width", [16, 32, 64]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True),
    }
    model = make_model(parameters, [ReportEachEpoch(trial)])
    return max(model.fit(X_train, y_train).history_["val_accuracy"])


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3),
)
study.optimize(objective, n_trials=20)

# %%
# What came out

for trial in study.trials:
    state = "pruned" if trial.state is optuna.trial.TrialState.PRUNED else f"{trial.value:.3f}"
    print(f"trial {trial.number:2}  {len(trial.intermediate_values):2} epochs  {state}")

best = make_model(study.best_params).fit(X_train, y_train)
print(f"Best: {study.best_params}")
print(f"Test accuracy: {best.score(X_test, y_test):.3f}")
