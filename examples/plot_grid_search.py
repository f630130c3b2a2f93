"""Tune the tutorial's network by scikit-learn's own searches, and look at what they find.

A grid over dropout and hidden units on two cores, with its progress; a search over architecture
and training together by successive halving, which gives more epochs to the better half; and the
curves of the best. It prints what it finds and saves its pictures in ``docs/images``, or in the
folder that it is given, after as many images as it is told.
"""

import sys
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import sklearn
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - its import is the switch
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.datasets import load_mnist
from sk_mnist_mlp.inspection import SearchResultsDisplay, TrainingCurveDisplay

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images"
N_IMAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 5000


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}")


def save(display, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure = display.figure_
    figure.savefig(PICTURES / name, dpi=120, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    print(f"Picture: {name}")


def ranking(search, n=5):
    results = search.cv_results_
    for i in results["mean_test_score"].argsort()[::-1][:n]:
        settings = {name.rsplit("__")[-1]: value for name, value in results["params"][i].items()}
        print(f"{results['mean_test_score'][i]:.4f}  {settings}")


# %%
# 1. A grid over dropout and hidden units, three folds, two processes. The images stay ``uint8``
# until a fit flattens its own rows. From scikit-learn 1.9 on a progress bar shows the search, its
# candidates and their epochs.

heading("1. Dropout and hidden units")
X, _, y, _ = load_mnist(return_splits=True)
X, y = X[:N_IMAGES], y[:N_IMAGES]
model = make_pipeline(ImageFlattener(), MLPDigitClassifier(epochs=5, random_state=0))
grid = {
    "mlpdigitclassifier__dropout": [0.0, 0.2, 0.45],
    "mlpdigitclassifier__hidden_units": [64, 128, 256],
}
search = GridSearchCV(model, grid, cv=3, n_jobs=2)
if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):
    from sklearn.callback import ProgressBar

    search.set_callbacks(ProgressBar())
began = time.perf_counter()
search.fit(X, y)
print(f"28 fits in {time.perf_counter() - began:.1f} s")
ranking(search)
save(SearchResultsDisplay.from_search(search), "grid_search.png")

# %%
# 2. Architecture and training together: depth and widths, batch size, optimizer, learning rate and
# penalty. Successive halving trains 16 candidates for 2 epochs, the better half for 4, and so on.

heading("2. Architecture and training, by successive halving over epochs")
space = {
    "mlpdigitclassifier__hidden_units": [(128,), (256, 256), (256, 128, 64)],
    "mlpdigitclassifier__batch_size": [32, 128],
    "mlpdigitclassifier__optimizer": ["adam", "rmsprop"],
    "mlpdigitclassifier__learning_rate": loguniform(3e-4, 1e-2),
    "mlpdigitclassifier__l2": [0.0, 1e-5, 1e-4],
}
halving = HalvingRandomSearchCV(
    model,
    space,
    n_candidates=16,
    resource="mlpdigitclassifier__epochs",
    min_resources=2,
    max_resources=16,
    factor=2,
    cv=3,
    n_jobs=2,
    random_state=0,
)
halving.fit(X, y)
for n_candidates, n_epochs in zip(halving.n_candidates_, halving.n_resources_, strict=True):
    print(f"{n_candidates:2} candidates, {n_epochs:2} epochs each")
ranking(halving, n=3)
shown = ["mlpdigitclassifier__hidden_units", "mlpdigitclassifier__optimizer"]
save(SearchResultsDisplay.from_search(halving, parameters=shown), "halving.png")

# %%
# 3. How the grid's best shape trains with and without dropout, by epoch.

heading("3. Curves")
width = search.best_params_["mlpdigitclassifier__hidden_units"]
rows = ImageFlattener().fit_transform(X)
models = [
    MLPDigitClassifier(
        hidden_units=width, dropout=rate, epochs=15, early_stopping=True, random_state=0
    ).fit(rows, y)
    for rate in (0.0, 0.45)
]
for fitted in models:
    print(f"dropout {fitted.dropout}: {max(fitted.history_['val_accuracy']):.4f} on held-out rows")
save(TrainingCurveDisplay.from_estimator(models), "training_curves.png")
