"""A denoiser that repairs nothing: the control that tells training through Pi from training on f's own samples."""

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from composed.models.sequence import Draws, SequenceModel, Specials

WRONG = 0.01  # probability that a token is not copied: what a wrong one costs is finite


class Identity(SequenceModel):
    """Says its source again. A token of the target that stands at the same place in the source costs next to nothing.

    Each token is copied with probability 1 - `wrong`, otherwise it is one of the others, alike; beyond the end of the
    source it is any, alike. So the composed loss is, up to factor and constant, how many tokens of f's samples are not
    those of the target: the objective without anything that a denoiser knows.

    Args:
        size: of the vocabulary, the pad included, which is no output.
        specials: of the vocabulary.
    """

    def __init__(self, size: int, specials: Specials, wrong: float = WRONG) -> None:
        super().__init__()
        self.specials = specials
        self.right_cost, self.wrong_cost = -math.log1p(-wrong), math.log(size - 2) - math.log(wrong)
        self.beyond_cost = math.log(size - 1)

    def token_nll(self, source: Any, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        if label_smoothing:
            raise ValueError("it has nothing to learn, so no label smoothing")
        pad, length = self.specials.pad, target.shape[1]
        source = F.pad(source, (0, max(0, length - source.shape[1])), value=pad)[:, :length]
        source = source.repeat_interleave(len(target) // len(source), 0)
        costs = (source == target).float() * (self.right_cost - self.wrong_cost) + self.wrong_cost
        return costs.masked_fill(source == pad, self.beyond_cost).masked_fill(target == pad, 0.0)

    def encode(self, source: Any) -> Any:
        return source

    def sample(self, source: Any, count: int = 1, *, draws: Draws) -> Tensor:
        """Without the errors that its likelihood allows for."""
        return self.predict(source, max_length=draws.max_length).repeat_interleave(count, 0)

    def predict(self, source: Any, *, max_length: int, beams: int = 1) -> Tensor:
        return source[:, :max_length]
