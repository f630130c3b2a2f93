"""One BLAS thread while NumPy trains.

Small matrix products gain little from a second thread, lose much where other processes want the
cores, and their last bits depend on how many threads share them: with one, a fit gives the same
bits on any machine of a kind, in any worker.
"""

from __future__ import annotations

import functools
from typing import Any

from sk_mnist_mlp._training.shared_context import SharedContext

__all__ = ["single_blas_thread"]


@functools.cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


single_blas_thread = SharedContext(lambda: _controller().limit(limits=1))
"""Use as ``with single_blas_thread:``."""
