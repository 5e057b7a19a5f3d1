"""Whether an output needs the denoiser: a linear layer on the denoiser's encoder, learned from the denoising pairs.

Xie, Ma and Liang 2021 let it decide where Pi(f(x)) takes the place of f(x). Left out: a decoder, which it does not use.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.models.transformer import Transformer


class Classifier(nn.Module):
    """Probability that the clean output differs from a source: read off the encoder's state at the end of the source.

    It has the `nll` of a model of pairs, so that whatever trains one trains this. It takes the denoiser for its own.
    """

    def __init__(self, denoiser: Transformer) -> None:
        super().__init__()
        self.specials = denoiser.specials
        denoiser.decoder = nn.ModuleList()  # type: ignore[assignment]
        self.denoiser = denoiser
        self.head = nn.Linear(denoiser.width, 1)

    def forward(self, source: Tensor) -> Tensor:
        """Log-odds (B,) for sources (B, S) that end in `eos`."""
        states = self.denoiser.encode(source).states  # (B, S, D)
        last = (source != self.specials.pad).sum(1) - 1
        return self.head(states[torch.arange(len(source), device=source.device), last])[:, 0]

    def nll(self, source: Tensor, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood (nats) of whether each target row differs from its source; (B,)."""
        length = max(source.shape[1], target.shape[1])
        pad = self.specials.pad
        same = F.pad(source, (0, length - source.shape[1]), value=pad) == F.pad(
            target, (0, length - target.shape[1]), value=pad
        )
        needed = (~same.all(1)).float()
        return F.binary_cross_entropy_with_logits(self(source).float(), needed, reduction="none")
