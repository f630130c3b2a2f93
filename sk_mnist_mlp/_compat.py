"""The only file that touches what is private or depends on the version in scikit-learn."""

from __future__ import annotations

__all__ = ["DOC_LINK_TEMPLATE"]

DOC_LINK_TEMPLATE = (
    "https://sk-mnist-mlp.readthedocs.io/en/latest/api.html#{estimator_module}.{estimator_name}"
)
"""Where the HTML view of an estimator links to."""
