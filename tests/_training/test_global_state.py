"""Nothing global is touched: a fit depends on its seed alone and leaves the process as it was."""

import functools
import hashlib
import os
import random
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled
from threadpoolctl import threadpool_info

import sk_mnist_mlp
from small_fits import digits, small_classifier

X, y = digits(150, n_classes=3)
small = functools.partial(small_classifier, batch_size=32, early_stopping=True)


def use(engine):
    """Do all that a user does with a classifier."""
    model = small(engine=engine, dtype="float64" if engine == "keras" else "float32")
    model.fit(X, y).partial_fit(X, y)
    model.predict_proba(X)
    return model.model_


def digest(model):
    """Return a fingerprint of what a model has learnt."""
    arrays = [*model.coefs_, *model.intercepts_, np.array(list(model.history_.values()))]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


GLOBALS = {
    "NumPy's generator": lambda: str(np.random.get_state()),
    "Python's generator": random.getstate,
    "TensorFlow's generator": lambda: tf.random.get_global_generator().state.numpy().tolist(),
    "op determinism": is_op_determinism_enabled,
    "Keras's dtype policy": lambda: keras.config.dtype_policy().name,
    "Keras's float type": keras.config.floatx,
    "Keras's epsilon": keras.config.epsilon,
    "Keras's image format": keras.config.image_data_format,
    "eager execution": lambda: (tf.executing_eagerly(), tf.config.functions_run_eagerly()),
    "TensorFlow's threads": lambda: (
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    ),
    "XLA": tf.config.optimizer.get_jit,
    "BLAS's threads": lambda: sorted(
        (pool["filepath"], pool["num_threads"]) for pool in threadpool_info()
    ),
    "the environment": lambda: dict(os.environ),
    "the warning filters": lambda: list(warnings.filters),
    "NumPy's error handling": np.geterr,
    "the folder": os.getcwd,
    "the excepthooks": lambda: (sys.excepthook, threading.excepthook),
    "NumPy's print options": lambda: str(np.get_printoptions()),
}


@pytest.fixture(scope="module", params=["numpy", "keras"])
def before_and_after(request):
    """Return every global, as it was before a classifier was used and as it is afterwards."""
    # A first use imports what is imported lazily; what importing others does is theirs.
    tf.random.get_global_generator()
    use(request.param)
    np.random.seed(1)
    random.seed(2)
    before = {name: get() for name, get in GLOBALS.items()}
    use(request.param)
    return before, {name: get() for name, get in GLOBALS.items()}


@pytest.mark.parametrize("name", GLOBALS)
def test_a_fit_leaves_globals_as_they_were(before_and_after, name):
    """What belongs to the process is the same after fitting and predicting as before."""
    before, after = before_and_after
    assert after[name] == before[name]


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_global_seeds_do_not_matter(engine):
    """A fit with a ``random_state`` is the same whatever anybody has seeded, bit for bit."""
    digests = set()
    for seed in (1, 2):
        np.random.seed(seed)
        random.seed(seed)
        tf.random.set_seed(seed)
        np.random.random(seed)
        digests.add(digest(small(engine=engine).fit(X, y)))
    assert len(digests) == 1


def test_tensorflow_s_operations_draw_the_same_after_a_fit():
    """Numbers drawn by TensorFlow's stateful operations go on as if no fit had come between."""
    tf.random.set_seed(3)
    plain = [tf.random.uniform([2]).numpy().tolist() for _ in range(2)]
    for engine in ("numpy", "keras"):
        tf.random.set_seed(3)
        first = tf.random.uniform([2]).numpy().tolist()
        small(engine=engine).fit(X, y)
        assert [first, tf.random.uniform([2]).numpy().tolist()] == plain


def test_op_determinism_stays_on():
    """Where a user has asked for deterministic operations, they stay so, and fits work."""
    script = """
import numpy as np, tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled
tf.config.experimental.enable_op_determinism()
tf.random.set_seed(0)
from sk_mnist_mlp import MLPDigitClassifier
for engine in ("numpy", "keras"):
    X = np.random.default_rng(0).random((60, 4))
    MLPDigitClassifier(hidden_units=4, epochs=1, engine=engine).fit(X, np.arange(60) % 2)
    assert is_op_determinism_enabled()
"""
    run(script)


def test_a_user_s_dtype_policy_stays_and_is_not_followed():
    """Under mixed precision, a classifier still trains in its own dtype."""
    plain = small(engine="keras", epochs=1).fit(X, y)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small(engine="keras", epochs=1).fit(X, y)
        network = model.model_
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert digest(model) == digest(plain)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


def test_a_user_s_float_type_stays_and_is_not_followed():
    """Where Keras computes in double precision, a classifier in single precision stays single."""
    keras.config.set_floatx("float64")
    try:
        model = small(engine="keras", epochs=1, l2=0.01).fit(X, y)
        assert keras.config.floatx() == "float64"
    finally:
        keras.config.set_floatx("float32")
    assert {array.dtype.name for array in model.coefs_} == {"float32"}
    plain = small(engine="keras", epochs=1, l2=0.01).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=0, atol=1e-5)


def run(script, **environment):
    """Run Python code in a fresh process; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(sk_mnist_mlp.__file__).parent.parent,
        env={**os.environ, **environment},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_another_process_learns_the_same(engine):
    """A fit with a ``random_state`` is the same in another process, bit for bit."""
    script = f"""
import sys
sys.path[:0] = ["tests", "tests/_training"]
import random, numpy
random.seed(); numpy.random.seed()
from test_global_state import X, digest, small, y
print(digest(small(engine={engine!r}, dropout=0.3).fit(X, y)))
"""
    here = digest(small(engine=engine, dropout=0.3).fit(X, y))
    assert run(script, PYTHONHASHSEED="77").splitlines()[-1] == here


def test_what_ran_before_does_not_matter():
    """A fit is the same first and last, after other fits, other engines and other threads."""
    first = digest(small().fit(X, y))
    small(engine="keras", random_state=5).fit(X[:50, :9], y[:50])
    small(hidden_units=(3, 9), dropout=0.9).fit(X, y == 1)
    assert digest(small().fit(X, y)) == first
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(digest(small().fit(X, y)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [first] * 3


def test_fits_side_by_side_leave_globals_as_they_were():
    """Fits in threads put back what they borrow, in whatever order they end."""
    before = GLOBALS["BLAS's threads"](), np.geterr(), list(warnings.filters)
    threads = [
        threading.Thread(target=small(epochs=epochs).fit, args=(X, y)) for epochs in (1, 9, 3, 6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (GLOBALS["BLAS's threads"](), np.geterr(), list(warnings.filters)) == before


def test_a_main_process_keeps_its_environment():
    """Training, TensorFlow's import included, leaves the environment for children as it was."""
    script = """
import os
before = dict(os.environ)
import numpy as np
from sk_mnist_mlp import MLPDigitClassifier
X = np.random.default_rng(0).random((60, 4))
for engine in ("numpy", "keras"):
    MLPDigitClassifier(hidden_units=4, epochs=1, engine=engine).fit(X, np.arange(60) % 2)
after = dict(os.environ)
print({name for name in before.keys() | after.keys() if before.get(name) != after.get(name)})
"""
    assert run(script, OMP_NUM_THREADS="1").splitlines()[-1] == "set()"
