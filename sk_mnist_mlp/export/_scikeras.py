"""SciKeras: a fitted ``KerasClassifier`` from ours and ours from one, for people who move."""

from __future__ import annotations

from typing import Any

import numpy as np

from sk_mnist_mlp.export._keras import adopt_keras
from sk_mnist_mlp.export._models import check_model

__all__ = ["from_scikeras", "to_scikeras"]

_SHARED = ("batch_size", "epochs", "random_state", "verbose", "warm_start")


def from_scikeras(classifier: Any) -> Any:
    """Make a fitted classifier of a fitted SciKeras ``KerasClassifier`` of a perceptron.

    Parameters
    ----------
    classifier : scikeras.wrappers.KerasClassifier
        Fitted; what :func:`from_keras` says of models holds for its ``model_``.

    Returns
    -------
    estimator : MLPDigitClassifier
        Fitted, with the same classes and predictions, and with the wrapper's ``batch_size``,
        ``epochs``, ``random_state`` and ``warm_start`` where they are set.

    Raises
    ------
    TypeError
        If ``classifier`` is something else.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If its model is no multilayer perceptron, with the reason.

    See Also
    --------
    to_scikeras : The way back, and an example.
    """
    from scikeras.wrappers import KerasClassifier
    from sklearn.exceptions import NotFittedError

    if not isinstance(classifier, KerasClassifier):
        raise TypeError(
            "from_scikeras: expected a scikeras KerasClassifier, got "
            f"{type(classifier).__name__}. Use from_keras for a Keras model."
        )
    if not hasattr(classifier, "model_"):
        raise NotFittedError(
            "from_scikeras: expected a fitted KerasClassifier, got one without fit. Call fit first."
        )
    estimator = adopt_keras("from_scikeras", classifier.model_, classifier.classes_)
    theirs = {name: getattr(classifier, name, None) for name in _SHARED}
    named = {name: value for name, value in theirs.items() if value is not None}
    return estimator.set_params(**named)


def to_scikeras(estimator: Any) -> Any:
    """Make a fitted SciKeras ``KerasClassifier`` of a fitted classifier.

    Imports scikeras, which patches Keras's pickling.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        Fitted.

    Returns
    -------
    classifier : scikeras.wrappers.KerasClassifier
        Fitted, with the same classes and predictions; its ``model`` is a copy of ``model_``,
        compiled with the estimator's optimizer. ``label_smoothing`` goes along from three classes
        on only: SciKeras hands a model of two classes labels that cannot be smoothed.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        If ``estimator`` is something else or not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.export import from_scikeras, to_scikeras
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> back = from_scikeras(to_scikeras(model))
    >>> bool((back.predict(X / 16) == model.predict(X / 16)).all())
    True
    """
    check_model("to_scikeras", estimator, pipelines=False)
    import keras
    from scikeras.wrappers import KerasClassifier

    from sk_mnist_mlp.training._optimizers import make_keras_optimizer

    model = keras.models.clone_model(estimator.model_)
    model.set_weights(estimator.model_.get_weights())
    loss_name, loss = (
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
    )
    if len(estimator.classes_) > 2:
        smoothing = float(estimator.label_smoothing)
        loss_name = "categorical_crossentropy"
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    optimizer = make_keras_optimizer(estimator.optimizer, float(estimator.learning_rate))
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    wrapper = KerasClassifier(
        model=model,
        loss=loss_name,
        batch_size=int(estimator.batch_size),
        epochs=int(estimator.epochs),
        verbose=int(estimator.verbose),
    )
    # SciKeras learns shapes and classes from a row of each class; it trains nothing on them.
    rows = np.zeros((len(estimator.classes_), estimator.n_features_in_), estimator.coefs_[0].dtype)
    return wrapper.initialize(rows, estimator.classes_)
