"""The tutorial's network as users of each peer write it: 256-256 ReLU, dropout, Adam, batch 128.

Each function imports its library itself, so that a contestant's process loads nobody else's.
"""

from __future__ import annotations

from typing import Any

HIDDEN_UNITS = 256
DROPOUT = 0.45
BATCH_SIZE = 128


def ours(**parameters: Any) -> Any:
    """Make this package's classifier, all defaults but the given."""
    from sk_mnist_mlp import MLPDigitClassifier

    return MLPDigitClassifier(**parameters)


def keras_network(n_features: int = 784, hidden_units: int = 256, dropout: float = 0.45) -> Any:
    """Build the tutorial's layers, not yet compiled."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((n_features,)),
            layers.Dense(hidden_units),
            layers.Activation("relu"),
            layers.Dropout(dropout),
            layers.Dense(hidden_units),
            layers.Activation("relu"),
            layers.Dropout(dropout),
            layers.Dense(10),
            layers.Activation("softmax"),
        ]
    )


def keras_tutorial() -> Any:
    """Compile the network as the tutorial does."""
    network = keras_network()
    network.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return network


def scikeras(
    epochs: int, seed: int, hidden_units: int = HIDDEN_UNITS, dropout: float = DROPOUT
) -> Any:
    """Make the SciKeras classifier."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        model=_scikeras_network,
        hidden_units=hidden_units,
        dropout=dropout,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        metrics=["accuracy"],
        batch_size=BATCH_SIZE,
        epochs=epochs,
        random_state=seed,
        verbose=0,
    )


def _scikeras_network(hidden_units: int, dropout: float, meta: dict[str, Any]) -> Any:
    return keras_network(meta["n_features_in_"], hidden_units, dropout)


def keras_wrapper(epochs: int) -> Any:
    """Make Keras's own wrapper."""
    from keras.wrappers import SKLearnClassifier

    return SKLearnClassifier(
        _wrapped_network,
        fit_kwargs={"epochs": epochs, "batch_size": BATCH_SIZE, "verbose": 0},
    )


def _wrapped_network(X: Any, y: Any) -> Any:
    return keras_tutorial()


def mlp(epochs: int, seed: int, hidden_units: tuple[int, ...] = (HIDDEN_UNITS,) * 2) -> Any:
    """scikit-learn's own, which has no dropout; it runs all epochs."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        hidden_units,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )


def skorch(epochs: int, seed: int, n_features: int = 784) -> Any:
    """Make the skorch classifier."""
    import torch
    from _torch_network import Network
    from skorch import NeuralNetClassifier

    torch.manual_seed(seed)
    return NeuralNetClassifier(
        Network,
        module__n_features=n_features,
        module__hidden_units=HIDDEN_UNITS,
        module__dropout=DROPOUT,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        batch_size=BATCH_SIZE,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
