"""What tests of pictures share."""

import matplotlib
import pytest

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    """No test leaves a figure open."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")
