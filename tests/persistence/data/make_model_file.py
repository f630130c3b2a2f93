"""Write the small model file that stands for the current format number in the tests.

Run once when the format number goes up, before the release, and never again for that number:
``python tests/persistence/data/make_model_file.py``.
"""

import json
import pathlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier, save_model
from sk_mnist_mlp.persistence import FORMAT_NUMBER

digits = load_digits()
images = digits.images.astype(np.uint8)
labels = np.array([f"digit {label}" for label in digits.target])
model = make_pipeline(
    ImageFlattener(scale=16),
    MLPDigitClassifier(
        hidden_units=(8, 6),
        epochs=3,
        class_weight={"digit 3": 2.0},
        warm_start=True,
        random_state=0,
    ),
).fit(images, labels)
folder = pathlib.Path(__file__).parent
save_model(model, folder / f"model-format-{FORMAT_NUMBER}.mlp")
expected = {
    "images": images[:5].tolist(),
    "labels": model.predict(images[:5]).tolist(),
    "probabilities": model.predict_proba(images[:5]).tolist(),
}
(folder / f"model-format-{FORMAT_NUMBER}.json").write_text(json.dumps(expected) + "\n")
