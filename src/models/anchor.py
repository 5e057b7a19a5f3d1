"""A quadratic penalty that holds a model near where it started: L2-SP, and EWC where weights matter unequally.

Left out: a Fisher information that is more than diagonal.
"""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from composed.models.sequence import SequenceModel


class Anchor:
    """stiffness / 2 * sum_i F_i (theta_i - theta_i at the start)^2; its value is in the unit of the loss.

    Args:
        model: at its start.
        stiffness: weighs the penalty.
        importance: F_i by parameter name; None: 1 for all (L2-SP, Li, Grandvalet and Davoine 2018).
            With `fisher` it is EWC (Kirkpatrick et al. 2017).
    """

    name: ClassVar[str] = "anchor"
    weight = 1.0  # of the value, which has the stiffness in it

    def __init__(self, model: nn.Module, stiffness: float, importance: dict[str, Tensor] | None = None) -> None:
        self.stiffness = stiffness
        self.start = {name: value.detach().clone() for name, value in model.named_parameters()}
        self.importance = importance

    def value(self, model: nn.Module) -> Tensor:
        """A scalar."""
        parameters = dict(model.named_parameters())
        device = next(model.parameters()).device
        if self.start[next(iter(self.start))].device != device:
            self.start = {name: value.to(device) for name, value in self.start.items()}
            if self.importance is not None:
                self.importance = {name: value.to(device) for name, value in self.importance.items()}
        total = torch.zeros((), device=device)
        for name, start in self.start.items():
            square = (parameters[name] - start).square()
            total = total + (square if self.importance is None else square * self.importance[name]).sum()
        return self.stiffness / 2 * total


def fisher(model: SequenceModel, examples: Iterable[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """The diagonal empirical Fisher information by parameter name, scaled to a mean of 1 over all parameters.

    `examples` are single pairs, source (1, S) and target (1, T); per example the squared gradient of its negative
    log-likelihood counts. Scaled, so that one penalty weight means as much stiffness as in L2-SP, on average.
    """
    training = model.training
    model.eval()
    total = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for source, target in examples:
        gradients = torch.autograd.grad(model.nll(source, target).sum(), list(model.parameters()))
        for square, gradient in zip(total.values(), gradients, strict=True):
            square += gradient.square()
    model.train(training)
    mean = sum(square.sum() for square in total.values()) / sum(square.numel() for square in total.values())
    return {name: square / mean for name, square in total.items()}
