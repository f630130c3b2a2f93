"""How the weights are found: a plan and data in, weights and a history out.

This package knows nothing of scikit-learn's estimators; see :mod:`sk_mnist_mlp.training._engines`
for how an engine is chosen.
"""
