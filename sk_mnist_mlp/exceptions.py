"""The exceptions this package raises beside Python's own.

::

    Exception
    └── SkMnistMlpError
        ├── DataFileError          (also a ValueError)
        ├── InvalidParameterError  (also a ValueError and a TypeError)
        └── ModelFileError         (also a ValueError)

A file that is missing or may not be read stays what Python calls it, an :class:`OSError` such as
:class:`FileNotFoundError`. Wrong data stay a :class:`ValueError` or :class:`TypeError`.
"""

__all__ = ["DataFileError", "InvalidParameterError", "ModelFileError", "SkMnistMlpError"]


class SkMnistMlpError(Exception):
    """Root of every exception this package defines: catch it to catch them all.

    Examples
    --------
    >>> from sk_mnist_mlp.exceptions import ModelFileError, SkMnistMlpError
    >>> issubclass(ModelFileError, SkMnistMlpError)
    True
    """


class DataFileError(SkMnistMlpError, ValueError):
    """A file of images or labels is not what it should be: truncated, oversized, foreign, damaged.

    Examples
    --------
    >>> import os
    >>> from sk_mnist_mlp.datasets import load_idx
    >>> from sk_mnist_mlp.exceptions import DataFileError
    >>> try:
    ...     load_idx(os.__file__)
    ... except DataFileError:
    ...     print("not an IDX file")
    not an IDX file
    """


class InvalidParameterError(SkMnistMlpError, ValueError, TypeError):
    """A parameter of an estimator is out of its range or of the wrong type.

    A ``ValueError`` and a ``TypeError`` at once, as scikit-learn's own is.

    Examples
    --------
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.exceptions import InvalidParameterError
    >>> try:
    ...     MLPDigitClassifier(dropout=45).fit([[0.0], [1.0]], [0, 1])
    ... except InvalidParameterError:
    ...     print("a fraction, not a percentage")
    a fraction, not a percentage
    """


class ModelFileError(SkMnistMlpError, ValueError):
    """A file of a trained model is not what it should be: truncated, foreign, too new.

    Examples
    --------
    >>> from sk_mnist_mlp.exceptions import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """
