"""``python -m sk_mnist_mlp``: the command ``sk-mnist-mlp``."""

import sys

from sk_mnist_mlp.cli import main

if __name__ == "__main__":
    sys.exit(main())
