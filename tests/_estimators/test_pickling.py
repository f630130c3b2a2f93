"""pickle, joblib, cloudpickle and skops: fitted classifiers travel whole, also elsewhere."""

from __future__ import annotations

import copy
import io
import pathlib
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "files.md"
DIGITS = load_digits()
X, Y = (DIGITS.data[:300] / 16).astype(np.float32), DIGITS.target[:300]
IMAGES = DIGITS.images[:300].astype(np.uint8)


def small(**parameters):
    """A classifier that trains in milliseconds."""
    return MLPDigitClassifier(**{"hidden_units": 8, "epochs": 2, "random_state": 0} | parameters)


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(model):
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(model))


def by_skops(model):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(model)
    return skops.loads(data, trusted=skops.get_untrusted_types(data=data))


WAYS = {"pickle": by_pickle, "joblib": by_joblib, "cloudpickle": by_cloudpickle, "skops": by_skops}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def travel(request):
    return request.param


def test_a_fitted_pipeline_travels(travel):
    """A pipeline comes back with the same predictions, to the bit."""
    model = make_pipeline(ImageFlattener(scale=16), small()).fit(IMAGES, Y.astype(str))
    other = travel(model)
    np.testing.assert_array_equal(other.predict_proba(IMAGES), model.predict_proba(IMAGES))
    np.testing.assert_array_equal(other.predict(IMAGES), model.predict(IMAGES))


def test_an_unfitted_classifier_travels(travel):
    """Parameters of an unfitted classifier come back, and it trains alike."""
    model = small(class_weight={3: 2.0})
    other = travel(model)
    assert other.get_params() == model.get_params()
    np.testing.assert_array_equal(
        other.fit(X, Y).predict_proba(X), model.fit(X, Y).predict_proba(X)
    )


def test_training_goes_on_elsewhere(travel):
    """With a warm start and after a partial fit the optimizer's state travels too."""
    for model in (
        small(warm_start=True).fit(X, Y),
        small().partial_fit(X, Y, classes=np.unique(Y)),
    ):
        other = travel(model)
        for each in (model, other):
            each.partial_fit(X, Y)
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_callbacks_and_an_optimizer_travel_as_parameters(travel):
    """Keras callbacks and an optimizer with a schedule among the parameters come back usable."""
    import keras

    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    callbacks = [keras.callbacks.EarlyStopping("loss", patience=7), keras.callbacks.CSVLogger("x")]
    model = small(optimizer=optimizer).fit(X, Y).set_params(callbacks=callbacks)
    other = travel(model)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert isinstance(other.optimizer, keras.optimizers.SGD)
    assert other.optimizer.get_config() == optimizer.get_config()
    assert [type(callback) for callback in other.callbacks] == [type(c) for c in callbacks]
    assert other.callbacks[0].patience == 7
    other.set_params(callbacks=other.callbacks[:1]).fit(X, Y)
    model.set_params(callbacks=None).fit(X, Y)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert clone(other).optimizer.get_config() == optimizer.get_config()


def test_an_optimizer_of_ones_own_class_travels_by_cloudpickle():
    """What is no plain value, an optimizer class or a callback of a notebook, goes by value."""
    import keras

    cloudpickle = pytest.importorskip("cloudpickle")

    class Quiet(keras.callbacks.Callback):
        """A callback that only this function knows."""

        def on_epoch_end(self, epoch, logs=None):
            self.seen = epoch

    model = small(callbacks=[Quiet()]).fit(X, Y)
    other = pickle.loads(cloudpickle.dumps(model))
    np.testing.assert_array_equal(other.fit(X, Y).predict_proba(X), model.predict_proba(X))


def test_copies_do_not_share_what_one_of_them_builds():
    """Shallow and deep copies of a loaded classifier each have their optimizer."""
    import keras

    model = by_pickle(small(optimizer=keras.optimizers.Adam(0.01)).fit(X, Y))
    shallow, deep = copy.copy(model), copy.deepcopy(model)
    assert model.optimizer.get_config() == shallow.optimizer.get_config()
    assert model.optimizer.get_config() == deep.optimizer.get_config()
    model.set_params(optimizer="sgd")
    assert isinstance(shallow.optimizer, keras.optimizers.Adam)


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_another_process_predicts_without_tensorflow(dump, tmp_path):
    """A fresh process loads and predicts without importing TensorFlow, with an optimizer too."""
    import keras

    models = [
        make_pipeline(ImageFlattener(scale=16), small()).fit(IMAGES, Y),
        make_pipeline(ImageFlattener(scale=16), small(optimizer=keras.optimizers.Nadam())).fit(
            IMAGES, Y
        ),
    ]
    with open(tmp_path / "models", "wb") as file:
        dump((models, IMAGES, [model.predict_proba(IMAGES) for model in models]), file)
    script = f"""
import sys
import joblib
models, images, answers = joblib.load({str(tmp_path / "models")!r})
for model, answer in zip(models, answers):
    assert (model.predict_proba(images) == answer).all()
assert not {{"tensorflow", "keras", "scikeras"}} & set(sys.modules)
assert type(models[1][-1].optimizer).__name__ == "Nadam"
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


def test_a_pickle_of_a_default_model_holds_its_weights_and_little_else():
    """A pickle is at most the 269,322 float32 weights and 20 kB; moments only for warm starts."""
    images, labels = np.random.default_rng(0).random((40, 784)), np.arange(40) % 10
    model = MLPDigitClassifier(random_state=0).fit(images, labels)
    limit = 4 * 269_322 + 20_000
    assert len(pickle.dumps(model)) <= limit
    file = io.BytesIO()
    joblib.dump(model, file)
    assert len(file.getvalue()) <= limit
    assert (
        len(pickle.dumps(model.set_params(epochs=1, warm_start=True).fit(images, labels))) > limit
    )


def test_the_document_names_the_types_that_skops_must_trust():
    """``docs/files.md`` lists exactly the types that ``skops.io.load`` asks about."""
    import keras

    skops = pytest.importorskip("skops.io")
    model = make_pipeline(ImageFlattener(scale=16), small(optimizer=keras.optimizers.SGD(0.1)))
    asked = skops.get_untrusted_types(data=skops.dumps(model.fit(IMAGES, Y)))
    listed = re.search(r"trusted = \[(.*?)\]", DOCUMENT.read_text(), re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(.*?)"', listed[1]) == sorted(asked)
