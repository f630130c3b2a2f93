"""SciKeras: a fitted ``KerasClassifier`` as ours, for people who move."""

from __future__ import annotations

from typing import Any

from sk_mnist_mlp.export.keras_models import adopt_keras

__all__ = ["from_scikeras"]

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
    from_keras : The same for a Keras model.

    Examples
    --------
    >>> import keras
    >>> from scikeras.wrappers import KerasClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp.export import from_scikeras
    >>> X, y = load_digits(return_X_y=True)
    >>> layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(10, "softmax")]
    >>> network = keras.Sequential([keras.Input((64,)), *layers])
    >>> wrapper = KerasClassifier(network, loss="sparse_categorical_crossentropy", verbose=0)
    >>> ours = from_scikeras(wrapper.fit(X / 16, y))
    >>> bool((ours.predict(X / 16) == wrapper.predict(X / 16)).all())
    True
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
