"""Optuna: a study that prunes poor trials after a few epochs, through a Keras callback."""

import runpy
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest

from small_fits import digits, small_classifier

X, Y = digits(600)
EXAMPLE = Path(__file__).parents[2] / "examples" / "optuna_pruning.py"


class ReportEachEpoch(keras.callbacks.Callback):
    """Report the held-out accuracy of every epoch, and end the fit if the study says so."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["val_accuracy"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def make_study(pruner):
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)


def make_model(trial, **parameters):
    return small_classifier(
        hidden_units=16,
        epochs=8,
        early_stopping=True,
        n_iter_no_change=100,
        callbacks=[ReportEachEpoch(trial)],
        **parameters,
    )


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_study_prunes_a_poor_trial_and_finishes_a_good_one(engine):
    """A trial reports once an epoch; one below the median of the others ends there."""
    study = make_study(optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2))
    fitted = []

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-7, 0.1, log=True)
        model = make_model(trial, learning_rate=rate, engine=engine)
        fitted.append(model)
        return max(model.fit(X, Y).history_["val_accuracy"])

    for rate in (0.02, 1e-6, 0.03):
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=3)

    good, poor, last = study.trials
    assert good.state is optuna.trial.TrialState.COMPLETE
    assert list(good.intermediate_values) == list(range(8))
    assert list(good.intermediate_values.values()) == fitted[0].history_["val_accuracy"]
    assert poor.state is optuna.trial.TrialState.PRUNED
    assert list(poor.intermediate_values) == [0, 1, 2]
    assert last.number == 2
    assert study.best_trial is not poor


def test_a_pruned_fit_leaves_the_estimator_as_it_was():
    """TrialPruned comes out of fit as it is; an estimator fitted before still predicts the same."""
    study = make_study(optuna.pruners.ThresholdPruner(lower=2.0))
    model = make_model(study.ask()).set_params(callbacks=None).fit(X, Y)
    expected = model.predict_proba(X)
    model.set_params(callbacks=[ReportEachEpoch(study.ask())], learning_rate=0.1)
    before = dict(vars(model))
    with pytest.raises(optuna.TrialPruned):
        model.fit(X, Y)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    fresh = make_model(study.ask())
    with pytest.raises(optuna.TrialPruned):
        fresh.fit(X, Y)
    assert not hasattr(fresh, "coefs_")


def test_trials_run_at_once_in_threads():
    """A study with n_jobs=2 trains two networks of one process at a time, each by its own seed."""
    study = make_study(optuna.pruners.NopPruner())

    def objective(trial):
        width = trial.suggest_int("width", 4, 12)
        model = make_model(trial).set_params(hidden_units=width)
        return max(model.fit(X, Y).history_["val_accuracy"])

    study.optimize(objective, n_trials=4, n_jobs=2)
    for trial in study.trials:
        alone = make_model(study.ask()).set_params(hidden_units=trial.params["width"])
        assert trial.value == max(alone.fit(X, Y).history_["val_accuracy"])


def test_the_example_runs(capsys):
    """examples/optuna_pruning.py prunes some trials and prints the best one."""
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    shown = capsys.readouterr().out
    assert "pruned" in shown
    assert "Best" in shown
