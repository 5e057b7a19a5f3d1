"""f and Pi of the staircases: two-layer ReLU networks, and rounding in a version that has a gradient.

E staircases are learned side by side, each by a network of its own. P inputs of each, H hidden units.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Networks(nn.Module):
    """E networks sum_j a_j relu(w_j x + b_j) + c.

    Args:
        halves: of the training ranges, which are centred on 0.
        centres: of the targets, where the outputs start.
        width: H.
        scale: standard deviation of w at the start; that of a is scale / sqrt(H).
        kinks: standard deviation of b at the start over scale * half: how far out the kinks -b/w begin.
    """

    def __init__(
        self, halves: Sequence[float], centres: Sequence[float], *, width: int, scale: float, kinks: float
    ) -> None:
        super().__init__()
        shape = (len(halves), width)
        self.inner_weight = nn.Parameter(scale * torch.randn(shape))  # (E, H)
        self.inner_bias = nn.Parameter(scale * kinks * torch.tensor(halves)[:, None] * torch.randn(shape))
        self.outer_weight = nn.Parameter(scale * width**-0.5 * torch.randn(shape))
        self.outer_bias = nn.Parameter(torch.tensor(centres)[:, None])  # (E, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(E, P) -> (E, P)."""
        affine = torch.stack([self.inner_weight, self.inner_bias], 1)  # (E, 2, H)
        hidden = torch.relu(torch.stack([inputs, torch.ones_like(inputs)], 2) @ affine)  # (E, P, H)
        return (hidden @ self.outer_weight[..., None])[..., 0] + self.outer_bias

    def complexity(self) -> Tensor:
        """Half the sum of the squared weights, biases free: (E,)."""
        return (self.inner_weight.square() + self.outer_weight.square()).sum(1) / 2


class Rounding(nn.Module):
    """To the nearest integer, with ramps of half-width `softness` at the half-integers, so that there is a gradient.

    Args:
        softness: (E, 1), from 0 (rounding) to 0.5 (the identity); a correct output closer than 0.5 - softness to its
            integer costs nothing.
        straight_through: the gradient of the identity instead of that of the ramps, which is 0 off them.
    """

    def __init__(self, softness: Tensor, *, straight_through: bool) -> None:
        super().__init__()
        self.softness = softness
        self.straight_through = straight_through

    def forward(self, outputs: Tensor) -> Tensor:
        """(E, P) -> (E, P)."""
        nearest = outputs.detach().round()
        past = (outputs - nearest).abs() - (0.5 - self.softness)  # above 0 on a ramp
        rounded = nearest + (outputs - nearest).sign() * past.clamp(min=0) / (2 * self.softness)
        return outputs + (rounded - outputs).detach() if self.straight_through else rounded


def turns(networks: Networks, halves: Sequence[float], slopes: Sequence[float], count: int = 4001) -> list[int]:
    """How often each network goes from steep to flat or back within its training range.

    Steep is above 1.5 times, flat below half of the given slope (of the straight line); so wiggles do not count.
    """
    at = torch.linspace(-1, 1, count)[None] * torch.tensor(halves)[:, None]  # (E, count)
    with torch.no_grad():
        relative = networks(at).diff(dim=1) / at.diff(dim=1) / torch.tensor(slopes)[:, None]
    counts = []
    for row in relative:
        states = torch.where(row > 1.5, 1, torch.where(row < 0.5, -1, 0))
        states = states[states != 0]
        counts.append(int((states[1:] != states[:-1]).sum()))
    return counts


def least_complexity(inputs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> float:
    """The least complexity of a network of any width whose outputs are from `low` to `high` at some inputs: exact.

    A unit a relu(w x + b) costs |a w| at its best scaling, so this is the least sum of the absolute weights of ramps to
    either side (Savarese et al. 2019), a linear program. Ramps that begin at the inputs are enough: of all functions
    with the same values there, and the same slopes far out, the linear interpolant turns least.
    """
    from scipy.optimize import linprog

    x = np.asarray(inputs, float)
    away = x[:, None] - x[None]
    ramps = np.concatenate([away.clip(0), (-away).clip(0)], 1)  # (P, 2P)
    outputs = np.concatenate([ramps, -ramps, np.ones((len(x), 1))], 1)  # positive and negative weights, the constant
    cost = np.append(np.ones(4 * len(x)), 0.0)
    bounds = [(0, None)] * (4 * len(x)) + [(None, None)]
    limits = np.concatenate([np.asarray(high, float), -np.asarray(low, float)])
    solved = linprog(cost, A_ub=np.concatenate([outputs, -outputs]), b_ub=limits, bounds=bounds, method="highs")
    if not solved.success:
        raise ValueError(f"no network is between these bounds: {solved.message}")
    return float(solved.fun)
