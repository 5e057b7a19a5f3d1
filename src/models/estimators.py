"""How the gradient of E[loss(Pi(z), y)], z ~ f(.|x), reaches f when z is discrete.

Each estimator answers `surrogate(f, Pi, source, target) -> (B,)`: its *value* estimates the expected loss of the
composition, its *gradient* with respect to f the gradient of that expectation. Left out: baselines that are learned.
Letters: B pairs, k samples per pair, S and T lengths.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from composed.models.composition import as_source
from composed.models.transformer import Transformer


@dataclass(frozen=True)
class ScoreFunction:
    """The score-function estimator with or without a leave-one-out baseline.

    Approximates:  grad E[c(z)],  c(z) = -log Pi(y|z) summed over y's tokens (nats),  z ~ f(.|x).
    With:          mean over k samples of  (c(z_i) - b_i) grad log f(z_i|x),
                   b_i = mean of the other samples' c  (`leave_one_out`),  or 0.
    Requires:      nothing of Pi but its likelihood; k >= 2 with `leave_one_out`. Unbiased in both cases: b_i is
                   independent of z_i. With `dropout` the samples, drawn without, are slightly off-policy.
    Source:        Williams 1992 (REINFORCE; section 5 of the paper's criterion uses k = 1 and no baseline);
                   Kool, van Hoof, Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free" (leave-one-out).

    Args:
        samples: k.
        leave_one_out: subtract from each sample's cost the mean cost of its siblings.
        dropout: score f with its dropout on; off, samples and scores come from the same f.
    """

    samples: int = 1
    leave_one_out: bool = False
    dropout: bool = False

    def __post_init__(self) -> None:
        if self.samples < (2 if self.leave_one_out else 1):
            raise ValueError(
                f"estimator.samples={self.samples}: a leave-one-out baseline needs at least 2, REINFORCE at least 1"
            )

    def surrogate(
        self,
        base: Transformer,
        denoiser: Transformer,
        source: Tensor,
        target: Tensor,
        *,
        max_length: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """source (B, S), target (B, T) -> (B,)."""
        training = base.training
        base.eval()
        with torch.no_grad():
            drawn = base.sample(source, self.samples, max_length=max_length, generator=generator)  # (B*k, T')
            special = base.specials
            cost = denoiser.nll(
                as_source(drawn, special.pad, special.eos), target.repeat_interleave(self.samples, 0)
            ).view(-1, self.samples)  # (B, k)
        base.train(training and self.dropout)
        log_likelihood = -base.nll(source, drawn).view(-1, self.samples)  # (B, k)
        base.train(training)
        advantage = cost
        if self.leave_one_out:
            advantage = (cost - cost.mean(1, keepdim=True)) * (self.samples / (self.samples - 1))
        score = (advantage * (log_likelihood - log_likelihood.detach())).mean(1)  # value 0, gradient of the estimate
        return cost.mean(1) + score


def reinforce(samples: int = 1, dropout: bool = False) -> ScoreFunction:
    """The published estimator, without its faults: pads are masked, one end of sequence, no clamp."""
    return ScoreFunction(samples, leave_one_out=False, dropout=dropout)


def rloo(samples: int = 4, dropout: bool = False) -> ScoreFunction:
    """REINFORCE with the leave-one-out baseline."""
    return ScoreFunction(samples, leave_one_out=True, dropout=dropout)
