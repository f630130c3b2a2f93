"""The command ``sk-mnist-mlp``, a file a command, all of them thin: what they can, the library can.

>>> from sk_mnist_mlp.cli import main
"""

from sk_mnist_mlp.cli.main import main

__all__ = ["main"]
