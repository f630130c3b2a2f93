"""What fused calls did."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FusedReport", "TrainedStack"]


@dataclass(frozen=True)
class TrainedStack:
    """One stack of networks that were trained together.

    ``layer_widths`` are the units of the input, the hidden layers and the output; ``engine`` is
    "numpy" or "xla"; ``seconds`` is wall time, in which other stacks may have been trained too.
    """

    layer_widths: tuple[int, ...]
    n_fits: int
    engine: str
    seconds: float


@dataclass
class FusedReport:
    """What :func:`~sk_mnist_mlp.model_selection.fused` did; printed, it is a sentence or two.

    >>> print(FusedReport([TrainedStack((64, 32, 10), 6, "numpy", 0.2)], n_rounds=1))
    6 fits in 1 stack of up to 6 (NumPy), in 1 round.
    """

    stacks: list[TrainedStack] = field(default_factory=list)  # in the order in which they ended
    n_rounds: int = 0  # how often fits were trained together
    n_keras: int = 0  # fits that only Keras's own loop could train

    @property
    def n_fits(self) -> int:
        """Fits trained in stacks."""
        return sum(stack.n_fits for stack in self.stacks)

    def __str__(self) -> str:
        parts = []
        if self.stacks:
            largest = max(stack.n_fits for stack in self.stacks)
            names = {"numpy": "NumPy", "xla": "XLA"}
            engines = " and ".join(sorted({names[stack.engine] for stack in self.stacks}))
            parts.append(
                f"{_count(self.n_fits, 'fit')} in {_count(len(self.stacks), 'stack')} of up to "
                f"{largest} ({engines}), in {_count(self.n_rounds, 'round')}."
            )
        if self.n_keras:
            parts.append(f"{_count(self.n_keras, 'fit')} by Keras's own loop, one at a time.")
        return " ".join(parts) or (
            "No fit was handed in: nothing inside called Parallel with n_jobs other than 1."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
