"""``NetworkDisplay``: a picture of the layers, their weights and their dropout."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._estimators import ImageFlattener
from sk_mnist_mlp._extras import require
from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp.inspection.axes import GREY
from sk_mnist_mlp.inspection.models import read_model

__all__ = ["NetworkDisplay"]

_INPUT, _HIDDEN, _OUTPUT = "#64748b", "#2563eb", "#c2410c"
_DRAWN_IN_FULL = 10  # units of a layer
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkDisplay:
    """The layers of a network from input to output, with their shapes, weights and dropout.

    Make one by :meth:`from_estimator`. Of a wide layer some units stand for all. Hollow units are
    those that one step of training might leave out, as many as the rate of dropout says.

    Parameters
    ----------
    layer_widths : tuple of int
        Number of features, units of each hidden layer, number of classes.
    activation : str, default="relu"
        Of the hidden layers.
    dropout : float, default=0.0
        Fraction of each hidden layer's units dropped in training, in [0, 1).
    image_shape : tuple of int or None, default=None
        Shape of the images that are flattened into the features; None where it is not known.
    classes : array-like of shape (n_classes,) or None, default=None
        What the outputs stand for.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it is drawn on.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    WeightsDisplay : What the first layer learnt.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> from sk_mnist_mlp.inspection import NetworkDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=16, epochs=1).fit(X / 16, y)
    >>> NetworkDisplay.from_estimator(model).frame()["weights"].tolist()
    [0, 1040, 272, 170]
    """

    layer_widths: tuple[int, ...]
    activation: str = "relu"
    dropout: float = 0.0
    image_shape: tuple[int, ...] | None = None
    classes: Any = None

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the network of a fitted estimator.

        Parameters
        ----------
        estimator : MLPDigitClassifier, or Pipeline or search of one
            Fitted.
        ax : matplotlib Axes or None, default=None
            What to draw on; None makes a figure.

        Returns
        -------
        display : NetworkDisplay
            Drawn.

        Raises
        ------
        TypeError, sklearn.exceptions.NotFittedError
            If ``estimator`` is something else or not fitted.
        """
        transformers, classifier = read_model("NetworkDisplay", estimator)
        network = classifier._network
        shapes = [step.image_shape_ for step in transformers if isinstance(step, ImageFlattener)]
        known = [shape for shape in shapes if math.prod(shape) == network.n_features]
        return cls(
            layer_widths=network.layer_widths,
            activation=network.activation,
            dropout=network.dropout,
            image_shape=known[0] if known and len(known[0]) > 1 else None,
            classes=classifier.classes_,
        ).plot(ax)

    @property
    def _network(self) -> NetworkSpec:
        n_features, *hidden_units, n_classes = self.layer_widths
        return NetworkSpec(
            n_features, tuple(hidden_units), n_classes, self.activation, self.dropout
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            What to draw on; None makes a figure.

        Returns
        -------
        self : NetworkDisplay
            With ``ax_`` and ``figure_``.
        """
        plt = require("matplotlib.pyplot", who="NetworkDisplay.plot")
        collections = require("matplotlib.collections", who="NetworkDisplay.plot")
        n_layers = len(self.layer_widths)
        layers = self.frame().to_dict("records")
        heights = [_heights(layer["units"]) for layer in layers]
        top = max(column[0] for column in heights)
        low, high = -top - (1.05 if self.dropout else 0.85), top + 0.55
        if ax is None:
            size = max(7.0, 1.75 * n_layers), 1.25 * (high - low) + 0.4
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        ax.set_axis_off()
        ax.set(xlim=(-0.5, n_layers - 0.5), ylim=(low, high))
        ax.set_title(f"{self._network.n_parameters:,} weights", fontsize=13, weight="bold", pad=10)
        kept = [
            (np.arange(len(y)) + x) * _GOLDEN % 1 >= layer["dropout"]
            for x, (y, layer) in enumerate(zip(heights, layers, strict=True))
        ]
        for x, layer in enumerate(layers):
            colour = _INPUT if x == 0 else _OUTPUT if x == n_layers - 1 else _HIDDEN
            y, on = heights[x], kept[x]
            style = {"s": 46, "linewidths": 1.2, "edgecolors": colour, "zorder": 2}
            ax.scatter(np.full(on.sum(), x), y[on], color=colour, **style)
            ax.scatter(np.full((~on).sum(), x), y[~on], color="none", **style)
            if layer["units"] > len(y):
                ax.scatter(np.full(3, x), (-0.055, 0, 0.055), s=3, color=GREY, zorder=2)
            self._describe(x, top, layer, colour)
            if x:
                below, above = heights[x - 1][kept[x - 1]], y[on]
                lines = [[(x - 1, a), (x, b)] for a in below for b in above]
                ax.add_collection(
                    collections.LineCollection(
                        lines, colors=GREY, linewidths=0.5, alpha=0.22, zorder=1
                    )
                )
        if self.dropout:
            text = "hollow: units that one step of training leaves out"
            style = {"ha": "center", "va": "bottom", "fontsize": 8, "color": GREY}
            ax.text((n_layers - 1) / 2, low, text, **style)
        if self.classes is not None and len(heights[-1]) == self.layer_widths[-1]:
            beside = {"ha": "left", "va": "center", "fontsize": 9}
            for y, name in zip(heights[-1], self.classes, strict=True):
                ax.text(n_layers - 1 + 0.1, y, name, **beside)
        return self

    def _describe(self, x: int, top: float, layer: dict[str, Any], colour: str) -> None:
        """Write under a layer what it is, and over the lines that lead to it how many they are."""
        centred: dict[str, Any] = {"ha": "center", "fontsize": 9}
        self.ax_.text(
            x, -top - 0.17, layer["layer"], va="top", weight="bold", color=colour, **centred
        )
        facts = [layer["activation"]] if layer["activation"] else []
        if x == 0 and self.image_shape:
            facts = [" × ".join(map(str, self.image_shape)) + " pixels"]
        units = "values" if x == 0 else "classes" if x == len(self.layer_widths) - 1 else "units"
        facts.insert(0, f"{layer['units']:,} {units}")
        if layer["dropout"]:
            facts.append(f"dropout {layer['dropout']:.3g}")
        self.ax_.text(x, -top - 0.33, "\n".join(facts), va="top", linespacing=1.4, **centred)
        if x:
            before = self.layer_widths[x - 1]
            text = f"{layer['weights']:,}\n{before:,} × {layer['units']:,} + {layer['units']:,}"
            self.ax_.text(
                x - 0.5, top + 0.16, text, va="bottom", color=GREY, linespacing=1.4, **centred
            )

    def frame(self) -> Any:
        """Give the numbers as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each layer, the input first: ``layer``, ``units``, ``activation``,
            ``dropout`` (of its units in training) and ``weights`` (that lead to it, with biases).
        """
        pandas = require("pandas", who="NetworkDisplay.frame")
        n_hidden = len(self.layer_widths) - 2
        return pandas.DataFrame(
            {
                "layer": ["input", *(f"hidden {i}" for i in range(1, n_hidden + 1)), "output"],
                "units": self.layer_widths,
                "activation": ["", *[self.activation] * n_hidden, "softmax"],
                "dropout": [0.0, *[self.dropout] * n_hidden, 0.0],
                "weights": [0, *((a + 1) * b for a, b in itertools.pairwise(self.layer_widths))],
            }
        )


def _heights(n_units: int) -> NDArray[np.floating[Any]]:
    """Where to draw units; some stand for many, with a gap in the middle."""
    n_drawn = n_units
    if n_units > _DRAWN_IN_FULL:
        n_drawn = _DRAWN_IN_FULL + 2 * round(math.log(n_units / _DRAWN_IN_FULL, 16))
    places = np.arange(n_drawn) - (n_drawn - 1) / 2
    if n_drawn < n_units:
        places += np.sign(places) * 0.6
    return -places * 0.135
