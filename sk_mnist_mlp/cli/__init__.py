"""The command ``sk-mnist-mlp``: a thin file for each of its commands.

What they can do, the library can.

>>> from sk_mnist_mlp.cli import main
"""

from sk_mnist_mlp.cli.program import main

__all__ = ["main"]
