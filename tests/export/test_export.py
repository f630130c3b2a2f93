"""Interchange: ONNX, Keras, SciKeras and safetensors agree with the classifier they came from."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save, save_file
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier, load_model, save_model
from sk_mnist_mlp._network.activations import ACTIVATIONS
from sk_mnist_mlp.exceptions import ModelFileError
from sk_mnist_mlp.export import (
    from_keras,
    from_safetensors,
    from_scikeras,
    register_skl2onnx_converters,
    to_onnx,
)

DIGITS = load_digits()
X, Y = (DIGITS.data[:300] / 16).astype(np.float32), DIGITS.target[:300]
IMAGES = DIGITS.images[:300].astype(np.uint8)
WIDE = X[:, :8]
CHOSEN = Y % 3


def small(**parameters):
    """A classifier that trains in milliseconds."""
    return MLPDigitClassifier(**{"hidden_units": 8, "epochs": 2, "random_state": 0} | parameters)


def run_onnx(model, **inputs):
    """Labels and probabilities by onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


# ----------------------------------------------------------------------------------------------
# ONNX


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_computes_every_activation(activation, dtype):
    """For each activation onnxruntime gives the same labels, and probabilities within 1e-5."""
    onnx = pytest.importorskip("onnx")
    model = small(activation=activation, dtype=dtype, hidden_units=(9, 7)).fit(X, Y)
    graph = to_onnx(model)
    onnx.checker.check_model(graph, full_check=True)
    labels, probabilities = run_onnx(graph, rows=X)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (Y, np.int64),
        (Y.astype(np.uint8), np.int64),
        (Y > 4, bool),
        (Y.astype(float), np.float64),
        (Y.astype(str), object),
        (Y.astype(str).astype(object), object),
    ],
)
def test_onnx_gives_labels_of_every_kind(labels, dtype):
    """Whole numbers come as int64, booleans as bool, strings as strings."""
    pytest.importorskip("onnx")
    model = small().fit(X, labels)
    found, _ = run_onnx(to_onnx(model), rows=X)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, model.predict(X))


@pytest.mark.parametrize(
    ("images", "scale"),
    [
        (IMAGES, "auto"),
        (IMAGES, 16),
        (IMAGES[..., None], 16),
        (IMAGES / 16, None),
        ((IMAGES / 16).astype(np.float32), "auto"),
        (IMAGES.astype(np.int64), 16),
        (IMAGES.astype(np.uint16) * 4095, "auto"),
        (IMAGES > 7, "auto"),
        (IMAGES.reshape(300, 64), 16),
        (IMAGES.reshape(300, 64) / 16, None),
        (IMAGES.reshape(300, 64)[:, :60], 16),
        (IMAGES.reshape(300, 64) > 7, "auto"),
    ],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_onnx_of_a_pipeline_takes_images_as_they_are(images, scale, from_file, tmp_path):
    """The graph takes images or flat rows, whichever fit saw, and scales as the flattener does."""
    pytest.importorskip("onnx")
    model = make_pipeline(ImageFlattener(scale=scale), small()).fit(images, Y)
    if from_file:
        save_model(model, tmp_path / "model.mlp")
        model = load_model(tmp_path / "model.mlp")
    labels, probabilities = run_onnx(to_onnx(model), images=images)
    np.testing.assert_array_equal(labels, model.predict(images))
    np.testing.assert_allclose(probabilities, model.predict_proba(images), rtol=0, atol=1e-5)


def test_onnx_agrees_on_the_test_images_of_mnist(tmp_path):
    """On MNIST's 10,000 test images labels are equal and probabilities within 1e-5."""
    from sk_mnist_mlp.datasets import load_mnist

    onnx = pytest.importorskip("onnx")
    X_train, X_test, y_train, _ = load_mnist(return_splits=True)
    model = make_pipeline(ImageFlattener(), MLPDigitClassifier(epochs=1, random_state=0))
    model.fit(X_train[:10_000], y_train[:10_000])
    onnx.save(to_onnx(model), tmp_path / "digits.onnx")
    labels, probabilities = run_onnx(onnx.load(tmp_path / "digits.onnx"), images=X_test)
    np.testing.assert_array_equal(labels, model.predict(X_test))
    np.testing.assert_allclose(probabilities, model.predict_proba(X_test), rtol=0, atol=1e-5)


def test_onnx_needs_no_tensorflow(tmp_path):
    """Exporting to ONNX imports neither TensorFlow nor Keras."""
    pytest.importorskip("onnx")
    save_model(small().fit(X, Y), tmp_path / "model.mlp")
    script = f"""
import sys
from sk_mnist_mlp import load_model
from sk_mnist_mlp.export import to_onnx
to_onnx(load_model({str(tmp_path / "model.mlp")!r}))
assert not {{"tensorflow", "keras", "scikeras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


@pytest.mark.parametrize(
    "labels",
    [
        CHOSEN.astype("datetime64[ns]"),
        CHOSEN.astype("datetime64[D]"),
        CHOSEN.astype("timedelta64[s]"),
        np.array([0, 1, 2**64 - 1], np.uint64)[CHOSEN],
    ],
)
def test_labels_that_onnx_cannot_hold_are_refused(labels):
    """Labels that would come out as something else are refused in one sentence."""
    pytest.importorskip("onnx")
    model = small().fit(X, labels)
    with pytest.raises(ValueError, match=r"^to_onnx: expected labels .* Use smaller numbers or "):
        to_onnx(model)


def test_pixels_that_onnx_does_not_have_are_refused():
    """Pixels of more than double precision are refused, in one sentence where there are such."""
    pytest.importorskip("onnx")
    images = (IMAGES / 16).astype(np.longdouble)
    model = make_pipeline(ImageFlattener(), small()).fit(images, Y)
    if images.dtype.itemsize == 8:  # as on Windows
        to_onnx(model)
        return
    with pytest.raises(ValueError, match=r"^to_onnx: expected pixels .* X\.astype\(float\)\.$"):
        to_onnx(model)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (64,)])
@pytest.mark.parametrize("labels", [Y, Y.astype(str), Y > 4], ids=["numbers", "strings", "bools"])
def test_skl2onnx_converts_a_pipeline_that_holds_ours(labels, shape):
    """``convert_sklearn`` knows our estimators once registered, also beside scikit-learn's own."""
    images = IMAGES.reshape(-1, *shape)
    skl2onnx = pytest.importorskip("skl2onnx")
    types = pytest.importorskip("skl2onnx.common.data_types")
    register_skl2onnx_converters()
    register_skl2onnx_converters()
    model = make_pipeline(ImageFlattener(scale=16), small(activation="gelu")).fit(images, labels)
    converted = skl2onnx.convert_sklearn(
        model,
        initial_types=[("images", types.UInt8TensorType([None, *shape]))],
        options={MLPDigitClassifier: {"zipmap": False}},
        target_opset=17,
    )
    found, probabilities = run_onnx(converted, images=images)
    np.testing.assert_array_equal(found, model.predict(images))
    np.testing.assert_allclose(probabilities, model.predict_proba(images), rtol=0, atol=1e-5)


def test_skl2onnx_converts_a_bare_classifier_after_a_scaler():
    """A scaler of scikit-learn's before the classifier is converted along with it."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.preprocessing import StandardScaler

    register_skl2onnx_converters()
    model = make_pipeline(StandardScaler(), small()).fit(X, Y)
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}, target_opset=17)
    found, probabilities = run_onnx(converted, X=X)
    np.testing.assert_array_equal(found, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


def test_skl2onnx_puts_several_of_ours_into_one_graph():
    """Names do not clash where a graph holds two networks."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import VotingClassifier

    register_skl2onnx_converters()
    voters = [("relu", small()), ("gelu", small(activation="gelu", hidden_units=(9, 7)))]
    model = VotingClassifier(voters, voting="soft", flatten_transform=False).fit(X, Y)
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}, target_opset=17)
    found, probabilities = run_onnx(converted, X=X)
    np.testing.assert_array_equal(found, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


def test_skl2onnx_takes_rows_of_any_number_type():
    """A bare classifier takes doubles and whole numbers, which it casts as fit does."""
    skl2onnx = pytest.importorskip("skl2onnx")
    register_skl2onnx_converters()
    model = small().fit(DIGITS.data[:300], Y)
    for dtype in (np.float64, np.int64):
        rows = DIGITS.data[:300].astype(dtype)
        options = {"zipmap": False}
        converted = skl2onnx.to_onnx(model, rows[:1], options=options, target_opset=17)
        np.testing.assert_array_equal(run_onnx(converted, X=rows)[0], model.predict(rows))


def test_skl2onnx_is_told_what_ours_cannot_be():
    """An older set of operators is refused, and so is an input of text."""
    skl2onnx = pytest.importorskip("skl2onnx")
    types = pytest.importorskip("skl2onnx.common.data_types")
    register_skl2onnx_converters()
    model = small().fit(X, Y)
    with pytest.raises(RuntimeError, match="requires at least opset 17"):
        skl2onnx.to_onnx(model, X[:1], target_opset=12)
    with pytest.raises(ValueError, match=r"^convert_sklearn: expected .* got StringTensorType\."):
        skl2onnx.convert_sklearn(model, initial_types=[("X", types.StringTensorType([None, 64]))])


def test_onnx_of_a_search_is_that_of_its_best():
    """A search gives the graph of its best estimator."""
    pytest.importorskip("onnx")
    search = GridSearchCV(make_pipeline(ImageFlattener(), small()), {}, cv=2).fit(IMAGES, Y)
    labels, _ = run_onnx(to_onnx(search), images=IMAGES)
    np.testing.assert_array_equal(labels, search.predict(IMAGES))


# ----------------------------------------------------------------------------------------------
# safetensors


def named(model, kernel, bias):
    """The weights of a classifier as tensors of these names."""
    tensors = {kernel.format(i): array for i, array in enumerate(model.coefs_)}
    return tensors | {bias.format(i): array for i, array in enumerate(model.intercepts_)}


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [
        ("coefs_{}", "intercepts_{}"),
        ("dense_{}/kernel", "dense_{}/bias"),
        ("net.{}.weight", "net.{}.bias"),
    ],
    ids=["scikit-learn", "Keras", "PyTorch"],
)
def test_safetensors_of_other_programs_give_the_same_predictions(kernel, bias, tmp_path):
    """Weights come back to the bit, by the names that three libraries use."""
    path = tmp_path / "weights.safetensors"
    model = small(activation="tanh", dtype="float64", hidden_units=[8] * 11).fit(X, Y)
    tensors = named(model, kernel, bias)
    if "weight" in kernel:  # PyTorch has kernels of shape (n_out, n_in)
        tensors = {n: np.ascontiguousarray(array.T) for n, array in tensors.items()}
    save_file(tensors, path)
    loaded = from_safetensors(path, activation="tanh")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    loaded.partial_fit(X, Y)
    renamed = from_safetensors(path, classes=model.classes_.astype(str))
    assert renamed.classes_.dtype.kind == "U"
    assert renamed.activation == "relu"
    save_model(renamed, path)
    np.testing.assert_array_equal(load_model(path).predict_proba(X), renamed.predict_proba(X))


def test_bad_safetensors_are_refused_by_one_sentence(tmp_path):
    """A foreign, cut or senseless file is a ModelFileError; a missing one stays what it is."""
    path = tmp_path / "weights.safetensors"
    tensors = named(small().fit(X, Y), "coefs_{}", "intercepts_{}")
    whole = save(tensors)
    bad = [whole[:n] for n in range(0, len(whole), 97)] + [b"x" * 200, b"", save({})]
    for change in (
        {"coefs_0": tensors["coefs_0"][:, :-1].copy()},
        {"coefs_0": tensors["coefs_0"].astype(np.float16)},
        {"coefs_0": tensors["coefs_0"].astype(np.float64)},
        {"coefs_0": tensors["coefs_0"] * np.float32(np.nan)},
        {"coefs_9": tensors["coefs_0"]},
        {"other_0": tensors["coefs_0"]},
        {"scale": tensors["intercepts_0"]},
        {"scale": np.ones((), np.float32)},
        {f"coefs_{'9' * 5000}": tensors["coefs_0"]},
    ):
        bad.append(save(tensors | change))
    for contents in bad:
        path.write_bytes(contents)
        with pytest.raises(ModelFileError, match=r"^from_safetensors: expected .*\.$") as caught:
            from_safetensors(path)
        assert len(str(caught.value)) < 1000
    with pytest.raises(FileNotFoundError):
        from_safetensors(tmp_path / "nothing")


def test_a_model_file_is_sent_to_load_model(tmp_path):
    """A file of ``save_model`` is more than weights, and is refused by the name of its reader."""
    path = tmp_path / "digits.safetensors"
    save_model(small().fit(X, Y), path)
    with pytest.raises(ModelFileError) as caught:
        from_safetensors(path)
    assert str(caught.value) == (
        f"from_safetensors: expected {str(path)!r} to hold the weights of another program, got a "
        "file of this package. Read a model of save_model by load_model."
    )


def test_what_from_safetensors_is_told_is_checked(tmp_path):
    """An unknown activation, and classes that are not the outputs', are plain ValueErrors."""
    path = tmp_path / "weights.safetensors"
    save_file(named(small().fit(X, Y), "coefs_{}", "intercepts_{}"), path)
    with pytest.raises(ValueError, match=r"expected activation to be one of .*, got 'eval'\."):
        from_safetensors(path, activation="eval")
    with pytest.raises(ValueError, match=r"^from_safetensors: expected 10 classes"):
        from_safetensors(path, classes=[1, 2])


# ----------------------------------------------------------------------------------------------
# Keras


def test_a_keras_file_goes_there_and_back(tmp_path):
    """``model_.save`` and ``from_keras`` keep predictions, and what the model tells of training."""
    import keras

    model = small(dropout=0.3, l2=1e-3, activation="gelu").fit(X, Y.astype(str))
    model.model_.save(tmp_path / "digits.keras")
    network = keras.saving.load_model(tmp_path / "digits.keras")
    wrapped = from_keras(network, classes=model.classes_)
    np.testing.assert_array_equal(wrapped.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(wrapped.predict(X), model.predict(X))
    kept = ("activation", "dropout", "dtype", "hidden_units")
    assert {name: getattr(wrapped, name) for name in kept} == {
        name: getattr(model, name) for name in kept
    }
    assert wrapped.l2 == pytest.approx(1e-3)
    np.testing.assert_allclose(
        wrapped.model_.predict(X, verbose=0), model.predict_proba(X), atol=1e-5
    )
    assert wrapped.partial_fit(X, Y.astype(str)).n_iter_ == 1


def sequential(*layers, shape=(8,)):
    """An untrained Keras model."""
    import keras

    return keras.Sequential([keras.Input(shape), *layers])


def test_keras_models_as_people_write_them_are_taken():
    """Fused or separate activations, Flatten in front, no bias and a single sigmoid are taken."""
    from keras import layers

    for model, activation in [
        (sequential(layers.Dense(5, "relu"), layers.Dense(3, "softmax")), "relu"),
        (
            sequential(layers.Dense(5), layers.LeakyReLU(0.2), layers.Dense(3), layers.Softmax()),
            "leaky_relu",
        ),
        (sequential(layers.Dense(5), layers.ReLU(6.0), layers.Dense(3, "softmax")), "relu6"),
        (sequential(layers.Dense(5, use_bias=False), layers.Dense(3, "softmax")), "linear"),
        (
            sequential(
                layers.Flatten(),
                layers.Dense(5, "tanh"),
                layers.Dropout(0.2),
                layers.Dense(4, "tanh"),
                layers.Dropout(0.2),
                layers.Dense(3, "softmax"),
                shape=(2, 4),
            ),
            "tanh",
        ),
        (sequential(layers.Dense(5, "silu"), layers.Dense(1, "sigmoid")), "silu"),
    ]:
        wrapped = from_keras(model)
        theirs = model.predict(WIDE.reshape(-1, *model.input_shape[1:]), verbose=0)
        ours = wrapped.predict_proba(WIDE)[:, -theirs.shape[1] :]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
        assert wrapped.activation == activation


def test_the_optimizer_of_a_compiled_keras_model_is_kept():
    """A known optimizer with usual settings becomes a name and a rate, others stay instances."""
    import keras
    from keras import layers

    model = sequential(layers.Dense(5, "relu"), layers.Dense(3, "softmax"))
    model.compile(keras.optimizers.RMSprop(0.003), "categorical_crossentropy")
    assert (from_keras(model).optimizer, from_keras(model).learning_rate) == ("rmsprop", 0.003)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy")
    assert from_keras(model).optimizer.get_config() == model.optimizer.get_config()
    assert from_keras(model).optimizer is not model.optimizer


def test_classes_are_sorted_as_scikit_learn_wants_them():
    """Classes named in the order of the outputs may come in any order."""
    from keras import layers

    # A tie would go to the first class in either order: no ReLU, which may be zero throughout.
    model = sequential(layers.Dense(5, "tanh"), layers.Dense(3, "softmax"))
    wrapped = from_keras(model, classes=["c", "a", "b"])
    assert wrapped.classes_.tolist() == ["a", "b", "c"]
    rows = np.random.default_rng(0).normal(size=(50, WIDE.shape[1])).astype(np.float32)
    winners = model.predict(rows, verbose=0).argmax(1)
    assert wrapped.predict(rows).tolist() == np.array(["c", "a", "b"])[winners].tolist()


def refused_models():
    """Models that are no multilayer perceptron, and the reason that is given."""
    import keras
    from keras import layers

    entry = keras.Input((8,))
    hidden = layers.Dense(8, "relu")(entry)
    skipping = keras.Model(entry, layers.Dense(2, "softmax")(layers.Add()([hidden, entry])))
    final = layers.Dense(2, "softmax")
    taken = "Only Dense, activation and Dropout layers, and Flatten in front, are taken."
    known = f"All must have one of {', '.join(sorted(ACTIVATIONS))}."
    return {
        "convolution": (
            sequential(layers.Conv1D(2, 3), layers.Flatten(), layers.Dense(2), shape=(8, 1)),
            f"a layer of Conv1D. {taken}",
        ),
        "skipping": (skipping, f"a layer of Add. {taken}"),
        "logits": (
            sequential(layers.Dense(4, "relu"), layers.Dense(2)),
            "2 outputs after linear. Let it end in softmax: add keras.layers.Softmax().",
        ),
        "mixed": (
            sequential(layers.Dense(4, "relu"), layers.Dense(4, "tanh"), final),
            f"hidden layers of relu, tanh. {known}",
        ),
        "unusual": (
            sequential(layers.Dense(4), layers.LeakyReLU(0.5), layers.Dense(2, "softmax")),
            f"hidden layers of LeakyReLU with {{'negative_slope': 0.5}}. {known}",
        ),
        "twice": (
            sequential(layers.Dense(4, "relu"), layers.Activation("tanh"), final),
            "relu and tanh on one layer. Give each layer one activation.",
        ),
        "shallow": (
            sequential(layers.Dense(2, "softmax")),
            "1 Dense layer. There must be a hidden layer and an output.",
        ),
        "unbuilt": (
            keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2, "softmax")]),
            "a model that is not built. Call it on some rows first.",
        ),
        "sequences": (
            sequential(layers.Dense(4, "relu"), layers.Dense(2, "softmax"), shape=(3, 8)),
            "an input of shape (3, 8). Flatten it to 8 features.",
        ),
        "mixed precision": (
            sequential(layers.Dense(4, "relu", dtype="mixed_bfloat16"), layers.Dense(2, "softmax")),
            "a Dense layer computing in bfloat16. Rebuild it with dtype='float32'.",
        ),
        "activation first": (
            sequential(layers.ReLU(), layers.Dense(4, "relu"), layers.Dense(2, "softmax")),
            "relu before the first Dense layer. Leave it out.",
        ),
    }


def test_keras_models_that_are_no_perceptron_are_refused_with_the_reason():
    """Each model that this classifier cannot be is refused by a sentence that says why."""
    for name, (model, reason) in refused_models().items():
        with pytest.raises(ValueError) as caught:
            from_keras(model)
        wanted = f"from_keras: expected a multilayer perceptron, got {reason}"
        assert str(caught.value) == wanted, name


def test_a_layer_of_ones_own_is_refused():
    """A layer whose class is not Keras's own may compute anything, and is refused."""
    from keras import layers

    class Dense(layers.Dense):
        """A Dense layer of the user's own."""

    with pytest.raises(ValueError, match=r"got a layer of your own \(Dense\)\. Use Keras's own"):
        from_keras(sequential(Dense(4, "relu"), layers.Dense(2, "softmax")))


def test_a_function_in_an_activations_name_is_found_out():
    """A model that computes otherwise than its layers' names say is refused by its answers."""
    import keras
    from keras import layers

    def relu(x):
        return 3.0 * keras.ops.relu(x)

    with pytest.raises(
        ValueError, match=r"off those of its layers in a row\. Its layers must form"
    ):
        from_keras(sequential(layers.Dense(16, relu), layers.Dense(2, "softmax")))


def test_what_further_training_could_not_go_on_with_is_said():
    """Dropout of several rates, noise and constraints do not change predictions, and are named."""
    from keras import layers

    model = sequential(
        layers.GaussianNoise(0.1),
        layers.Dense(4, "relu", kernel_regularizer="l1"),
        layers.Dropout(0.1),
        layers.Dense(4, "relu"),
        layers.Dropout(0.5),
        layers.Dense(2, "softmax"),
    )
    with pytest.warns(UserWarning) as caught:
        from_keras(model)
    assert str(caught[0].message) == (
        "from_keras: expected training that this classifier can continue, got GaussianNoise, a "
        "regularizer or constraint, dropout of 0.1, 0.5, 0.0; predictions are the model's, but "
        "further training would differ. Set the parameters before training on."
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "a", "b"], [[0, 1, 2]]])
def test_classes_that_do_not_fit_are_refused(classes):
    """Too few, doubled or nested classes are a ValueError."""
    from keras import layers

    model = sequential(layers.Dense(4, "relu"), layers.Dense(3, "softmax"))
    with pytest.raises(ValueError, match=r"^from_keras: expected (3|distinct) classes"):
        from_keras(model, classes=classes)


def test_what_is_no_keras_model_is_refused():
    """Another object is a TypeError that says how to load one."""
    with pytest.raises(TypeError) as caught:
        from_keras("digits.keras")
    assert str(caught.value) == (
        "from_keras: expected a keras.Model, got str. "
        'Load one by keras.saving.load_model("FILE.keras").'
    )


# ----------------------------------------------------------------------------------------------
# SciKeras


def test_a_scikeras_classifier_as_people_write_it_becomes_ours():
    """A KerasClassifier around a function, fitted by SciKeras, is wrapped with its classes."""
    from keras import layers
    from scikeras.wrappers import KerasClassifier

    def build():
        return sequential(
            layers.Dense(6, "relu"), layers.Dropout(0.2), layers.Dense(10, "softmax"), shape=(64,)
        )

    wrapper = KerasClassifier(
        build, loss="sparse_categorical_crossentropy", optimizer="adam", epochs=1, verbose=0
    )
    wrapper.fit(X, Y * 10)
    ours = from_scikeras(wrapper)
    assert ours.classes_.tolist() == list(range(0, 100, 10))
    np.testing.assert_array_equal(ours.predict(X), wrapper.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), wrapper.predict_proba(X), rtol=0, atol=1e-5)
    with pytest.raises(NotFittedError, match=r"^from_scikeras: expected a fitted KerasClassifier"):
        from_scikeras(KerasClassifier(build))
    with pytest.raises(
        TypeError, match=r"got LogisticRegression\. Use from_keras for a Keras model"
    ):
        from_scikeras(LogisticRegression())


# ----------------------------------------------------------------------------------------------
# What all have in common


@pytest.mark.parametrize(
    ("module", "requirement", "call"),
    [
        ("onnx", "onnx>=1.16", lambda m, p: to_onnx(m)),
        ("skl2onnx", "skl2onnx>=1.18", lambda m, p: register_skl2onnx_converters()),
    ],
)
def test_a_missing_extra_is_one_sentence(module, requirement, call, tmp_path, monkeypatch):
    """Without its optional package an export says what to install."""
    model = small().fit(X, Y)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        call(model, tmp_path / "weights.safetensors")
    assert str(caught.value).split(": ", 1)[1] == (
        f"expected the package {module}, got none. "
        f'Install it: {sys.executable} -m pip install "{requirement}"'
    )


@pytest.mark.parametrize("export", [to_onnx])
def test_what_is_no_fitted_model_is_refused(export):
    """Other estimators are a TypeError, unfitted ones a NotFittedError, before anything is done."""
    with pytest.raises(TypeError, match=r"expected an MLPDigitClassifier.*got LogisticRegression"):
        export(LogisticRegression())
    with pytest.raises(NotFittedError, match=r"expected a fitted model, got one without fit"):
        export(MLPDigitClassifier())
