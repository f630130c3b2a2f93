"""The classic Keras tutorial on MNIST, step by step, with an estimator of scikit-learn's kind.

The tutorial trains a multilayer perceptron of two hidden layers of 256 ReLU units with dropout 0.45
by Adam, on batches of 128 for 20 epochs. Here each of its steps is one of scikit-learn's: look at
the data, flatten and scale them, build, train, evaluate. Run it with ``make docs``; it prints what
it finds and saves its pictures in ``docs/images``, or in the folder that it is given.
"""

import sys
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.datasets import load_mnist

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images"


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}")


def save(figure, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / name
    # Without the version of matplotlib in it, the same picture is the same file.
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    print(f"Picture: {name}")


# %%
# 1. The data: 60,000 images to train on and 10,000 to test on, each of 28 by 28 grey pixels. How
# often does each digit occur?

heading("1. Count the labels")
X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
for name, labels in (("Train labels", y_train), ("Test labels ", y_test)):
    digits, counts = np.unique(labels, return_counts=True)
    print(name, dict(zip(digits.tolist(), counts.tolist(), strict=True)))

# %%
# 2. What do they look like? 25 training images, drawn at random.

heading("2. Look at some digits")
chosen = np.random.default_rng(1).choice(len(X_train), size=25, replace=False)
figure, axes = plt.subplots(5, 5, figsize=(5, 5.4), layout="constrained")
for ax, index in zip(axes.flat, chosen, strict=True):
    ax.imshow(X_train[index], cmap="gray")
    ax.set_title(y_train[index], fontsize=9, pad=2)
    ax.axis("off")
save(figure, "sample_digits.png")

# %%
# 3. A perceptron reads rows of numbers, best between 0 and 1. ``ImageFlattener`` lays the 28 rows
# of an image behind each other and divides by 255.

heading("3. Flatten and scale")
flattener = ImageFlattener()
rows = flattener.fit_transform(X_train)
print(f"before: {X_train.shape} {X_train.dtype}, values {X_train.min()} to {X_train.max()}")
print(f"after:  {rows.shape} {rows.dtype}, values {rows.min():g} to {rows.max():g}")

# %%
# 4. The network. The defaults of ``MLPDigitClassifier`` are the tutorial's. In a pipeline with the
# flattener it reads images.

heading("4. Train")
model = make_pipeline(flattener, MLPDigitClassifier(random_state=0, verbose=1))
began = time.perf_counter()
model.fit(X_train, y_train)
print(f"{time.perf_counter() - began:.1f} s")

# %%
# 5. The layers, as Keras lists them: ``model_`` is a real ``keras.Sequential``.

heading("5. The layers")
classifier = model[-1]
classifier.model_.summary()

# %%
# 6. How well does it do on images that it has never seen? And which digits does it take for
# others?

heading("6. Evaluate")
predicted = model.predict(X_test)
print(f"Test accuracy: {np.mean(predicted == y_test):.2%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
epochs = np.arange(1, classifier.n_iter_ + 1)
for ax, column in ((left, "loss"), (right, "accuracy")):
    ax.plot(epochs, classifier.history_[column], marker=".")
    ax.set(xlabel="epoch", ylabel=f"training {column} (with dropout)")
    ax.set_xticks([1, 5, 10, 15, 20])
    ax.grid(alpha=0.3)
figure.tight_layout()
save(figure, "training.png")

figure, ax = plt.subplots(figsize=(5.5, 5.5))
# The nine thousand on the diagonal would hide the rest: the colours go by the mistakes.
ConfusionMatrixDisplay.from_predictions(
    y_test, predicted, ax=ax, cmap="Blues", colorbar=False, im_kw={"vmax": 15}
)
ax.set_title("Test images: true and predicted digit")
save(figure, "confusion_matrix.png")

# %%
# 7. Which mistakes was the network surest of? Many are hard to read for people too.

heading("7. Look at the surest mistakes")
wrong = np.flatnonzero(predicted != y_test)
probabilities = model.predict_proba(X_test[wrong])
surest = wrong[np.argsort(-probabilities.max(axis=1))[:15]]
figure, axes = plt.subplots(3, 5, figsize=(6, 4.2), layout="constrained")
for ax, index in zip(axes.flat, surest, strict=True):
    ax.imshow(X_test[index], cmap="gray")
    ax.set_title(f"{y_test[index]}, taken for {predicted[index]}", fontsize=8, pad=3)
    ax.axis("off")
save(figure, "mistakes.png")
