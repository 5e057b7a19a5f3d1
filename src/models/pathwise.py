"""How the gradient of the loss of Pi(f(x)) reaches f when outputs are continuous: by backpropagation.

Left out: discrete outputs (`estimators.py`). B examples; x, y and f(x) have any shape after B.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pathwise:
    """Plain backpropagation through the frozen denoiser.

    Approximates:  grad |Pi(f(x)) - y|^2, averaged over the components of y.
    With:          that gradient itself; no samples, no bias.
    Requires:      a Pi that is differentiable in its input.
    Source:        the paper's font experiment.
    """

    def surrogate(self, base: Function, denoiser: Function, source: Tensor, target: Tensor) -> Tensor:
        """(B, ...), (B, ...) -> (B,)."""
        return squared_error(denoiser(base(source)), target)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """The mean over all components but the first axis: (B, ...), (B, ...) -> (B,)."""
    return (output - target).square().flatten(1).mean(1)
