"""The staircase of the theory: a univariate target, constant on disjoint intervals, whose valid outputs are integers.

Left out: noise on inputs or targets; between two steps nothing is asked of f.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Staircase:
    """`steps` flats of height 0, 1, 2, ..., each `width` wide, `gap` apart, centred on 0.

    The costs are those of Savarese et al. 2019, Theorem 3.1: the least half sum of squared weights of a two-layer
    ReLU network (any number of units, free biases) that is the function, max(integral |f''|, |f'(-inf) + f'(inf)|).
    """

    steps: int
    width: float
    gap: float

    @property
    def half(self) -> float:
        """Half the length of the training range."""
        return (self.steps * (self.width + self.gap) - self.gap) / 2

    @property
    def interpolant_cost(self) -> float:
        """Of the function that is right on every step and linear in between: direct fitting needs at least that."""
        return 2 * (self.steps - 1) / self.gap

    @property
    def line_cost(self) -> float:
        """Of the straight line through the middle of every step, which rounding turns into the target everywhere."""
        return 2 / (self.width + self.gap)

    @property
    def room(self) -> float:
        """What is left between that line and the next half-integer at the edge of a step."""
        return 0.5 * self.gap / (self.width + self.gap)

    def points(self, count: int, first: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor]:
        """Inputs and targets on the steps first..stop-1 (default: all), `count` to a step, both edges included."""
        heights = torch.arange(first, self.steps if stop is None else stop)
        starts = heights * (self.width + self.gap) - self.half
        inputs = starts[:, None] + torch.linspace(0, self.width, count)
        return inputs.flatten(), heights.repeat_interleave(count).float()
