"""What pytest collects here, and what tests of several folders are given."""

import os
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sk_mnist_mlp.datasets import load_mnist

os.environ.setdefault("MPLBACKEND", "agg")  # pictures are drawn where nobody looks

# `make test-ray` installs Ray, whose wheels are large, and runs this file; doctests would import
# it everywhere else.
collect_ignore = [] if find_spec("ray") else ["model_selection/ray_backend.py"]
# Doctests would import the script too that writes a release's model file, and so write it anew.
collect_ignore.append("persistence/data")


@pytest.fixture(scope="session")
def digit_images():
    """All of scikit-learn's digits, as images of 8 x 8 pixels of 0 to 16, and their labels."""
    digits = load_digits()
    return digits.images, digits.target


@pytest.fixture
def fresh_workers():
    """Have joblib start new processes, of which no other test has asked anything."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A thousand digits to train on and two hundred to test on, as Keras stores them."""
    X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    parts = {"x_train": X_train[:1000], "y_train": y_train[:1000]}
    np.savez(path, **parts, x_test=X_test[:200], y_test=y_test[:200])
    return str(path)


@pytest.fixture(autouse=True)
def close_figures():
    """No test leaves a figure open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window; `apt-get install chromium chromium-driver`."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    helper = shutil.which("chromedriver")
    if not program or not helper:
        pytest.skip("no Chromium with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(helper))
    started.set_script_timeout(600)
    yield started
    started.quit()
