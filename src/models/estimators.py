"""How the gradient of E[loss(Pi(z), y)], z ~ f(.|x), reaches f when z is discrete: estimators by the score function.

Every estimator answers `surrogate(f, Pi, source, target) -> (B,)`: its *value* estimates the loss of the composition,
its *gradient* with respect to f the gradient of that loss. A pair's depends on no other pair, so that an update is the
same however it is cut into parts and among processes (but for `Published`, whose faults are of a batch). Those that
differentiate Pi are in `relaxations.py`; left out: baselines that are learned. Letters: B pairs, k samples per pair, S,
T and Z lengths of x, y and z.

Pi copies the *style* of z (`int a = 1` or `int a ; a = 1`), and x does not tell the style of y: most of the variance of
c(z) = -log Pi(y|z) over z is this toss of a coin. `posterior`, `cap` and `reach` are answers to it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from composed.models.composition import as_source
from composed.models.encoder_decoder import EncoderDecoder
from composed.models.sequence import Draws, SequenceModel, training_mode

NOISE = 0.01  # nats: smaller weights of samples are no differences that normalize should enlarge


class Estimator(Protocol):
    @property
    def samples(self) -> int: ...

    def surrogate(
        self,
        base: SequenceModel,
        denoiser: SequenceModel,
        source: Tensor,
        target: Tensor,
        *,
        draws: Draws,
    ) -> Tensor:
        """source (B, S), target (B, T) -> (B,); `draws` as for `sample`."""


# From the costs of k samples (B, k, ...), and of the greedy output (B, 1, ...) where it is asked for, to what each
# sample's log f(z|x) is multiplied by. In the trailing dimensions stand positions of z, where they have own costs.
Weigh = Callable[[Tensor, Tensor | None], Tensor]


def _plain(costs: Tensor, _greedy: Tensor | None) -> Tensor:
    return costs / costs.shape[1]


def _against_siblings(costs: Tensor, _greedy: Tensor | None) -> Tensor:
    return (costs - costs.mean(1, keepdim=True)) / (costs.shape[1] - 1)


def _against_greedy(costs: Tensor, greedy: Tensor | None) -> Tensor:
    assert greedy is not None
    return (costs - greedy) / costs.shape[1]


def _of_bound(costs: Tensor, _greedy: Tensor | None) -> Tensor:
    k = costs.shape[1]
    log_pi = -costs  # (B, k, ...)
    others = (log_pi.sum(1, keepdim=True) - log_pi) / (k - 1)  # mean of the siblings' logarithms
    itself = torch.eye(k, dtype=torch.bool, device=costs.device).view(k, k, *[1] * (costs.ndim - 2))
    without = torch.where(itself, others[:, None], log_pi[:, None])  # (B, k, k, ...)
    return without.logsumexp(2) - log_pi.logsumexp(1, keepdim=True)


def _of_posterior(costs: Tensor, _greedy: Tensor | None) -> Tensor:
    return 1 / costs.shape[1] - (-costs).softmax(1)


_MARGINAL: tuple[Weigh, ...] = (_of_bound, _of_posterior)
_COMPARING: tuple[Weigh, ...] = (_against_siblings, _of_bound, _of_posterior)


@dataclass(frozen=True)
class ScoreFunction:
    """Samples of f, judged by Pi: each is made likelier or less likely. Pi gives its likelihood, no gradient.

    The functions below make one, and say what each approximates. Pi may have a tokenizer of its own (`Translated`): it
    then judges the text of a sample, whatever tokens spelled it. The gradient is that of E[c(text of z)], no more
    biased than before; what it costs is time (each sample is decoded and tokenised anew), and what Pi cannot spell.

    Args:
        weigh: what multiplies a sample's score, from the costs c of a pair's samples.
        samples: k.
        cap: most that one token of y adds to c (nats): then c is no likelihood, and no token outweighs many others.
            null: no cap.
        reach: tokens of distance between a token of z and one of y over which the share of the latter's cost that
            the former answers for halves. Biased, since what is far counts less; the noise of what is far goes too.
            null: each token of z answers for all of c.
        entropy: weight of the entropy of f(.|x) (nats), which is then maximised too: entropy * log f(z|x) joins c.
        normalize: divide what multiplies the scores of a pair's samples by k times its root mean square over their
            tokens: every pair pulls alike, whatever its costs, which is what GRPO does. Biased, most in length.
        dropout: score f with its dropout on; samples are drawn with it off, so they are then slightly off-policy.
    """

    weigh: Weigh
    samples: int
    cap: float | None = None
    reach: float | None = None
    entropy: float = 0.0
    normalize: bool = False
    dropout: bool = False

    def __post_init__(self) -> None:
        least = 2 if self.weigh in _COMPARING else 1
        if self.samples < least:
            raise ValueError(f"estimator.samples={self.samples}: this estimator needs at least {least}")
        if self.normalize and self.samples < 2:
            raise ValueError(f"estimator.samples={self.samples}: estimator.normalize=true needs at least 2")

    def surrogate(
        self,
        base: SequenceModel,
        denoiser: SequenceModel,
        source: Tensor,
        target: Tensor,
        *,
        draws: Draws,
    ) -> Tensor:
        """source (B, S), target (B, T) -> (B,)."""
        k = self.samples
        with training_mode(base, False), torch.set_grad_enabled(not self.dropout):
            encoded = base.encode(source)  # to sample from, and to score what was sampled
        with torch.no_grad(), training_mode(base, False):
            drawn = base.sample(encoded, k, draws=draws)  # (B*k, Z)
            costs = self._costs(denoiser, drawn, target)  # (B, k, T)
            total = costs.sum(2)  # (B, k)
            value = total.mean(1) if self.weigh not in _MARGINAL else math.log(k) - (-total).logsumexp(1)
            greedy = None
            if self.weigh is _against_greedy:
                output = base.predict(encoded, max_length=draws.max_length)
                greedy = self._credit(self._costs(denoiser, output, target), drawn.shape[1])
            weights = self.weigh(self._credit(costs, drawn.shape[1]), greedy)  # (B, k, Z or 1)
        with training_mode(base, base.training and self.dropout):
            log_f = -base.token_nll(source if self.dropout else encoded, drawn).view(-1, k, drawn.shape[1])  # (B, k, Z)
        if self.entropy:
            surprise = self.entropy * log_f.detach().sum(2, keepdim=True)  # (B, k, 1)
            value = value + surprise.mean((1, 2))
            weights = weights + (_against_siblings if k > 1 else _plain)(surprise, None)
        if self.normalize:
            real = (drawn != base.specials.pad).view(
                -1, k, drawn.shape[1]
            )  # a pad has no score, so no part in the mean
            mean = (weights.square() * real).sum((1, 2)) / real.sum((1, 2))  # (B,)
            weights = weights / (k * mean.sqrt()).clamp(min=NOISE)[:, None, None]
        return value + (weights * (log_f - log_f.detach())).sum((1, 2))  # of which the latter has value 0

    def _costs(self, denoiser: SequenceModel, drawn: Tensor, target: Tensor) -> Tensor:
        """c of each token of y, as Pi reads y, and 0 at pads: (B, k, T)."""
        k, special = len(drawn) // len(target), denoiser.specials
        costs = denoiser.token_nll(as_source(drawn, special.pad, special.eos), target.repeat_interleave(k, 0))
        return costs.clamp(min=0.0, max=self.cap).view(len(target), k, -1)

    def _credit(self, costs: Tensor, length: int) -> Tensor:
        """What each of `length` tokens of z answers for: (B, k, length), or (B, k, 1) where all answer for all."""
        if self.reach is None:
            return costs.sum(2, keepdim=True)
        of_y, of_z = (torch.arange(n, device=costs.device) for n in (costs.shape[2], length))
        with torch.autocast(costs.device.type, enabled=False):  # rounded costs would be noise
            return costs @ torch.exp2(-(of_y[:, None] - of_z).abs() / self.reach)


def reinforce(samples: int = 1, published_quirks: bool = False, **knobs: Any) -> "ScoreFunction | Published":
    """The published estimator without its faults: pads are masked, Pi reads one end of sequence, no clamp.

    Approximates:  grad E[c(z)].
    With:          mean over k of  c(z_i) grad log f(z_i|x).
    Requires:      k >= 1. Unbiased. As c >= 0, every sample is made less likely, the good ones less so.
    Source:        Williams 1992; Xie, Ma and Liang 2021 (k = 1). `published_quirks`: `Published`, without the knobs
                   of `ScoreFunction`.
    """
    if published_quirks and any(knobs.values()):
        raise ValueError(f"estimator.published_quirks=true: the published term has no knobs such as {knobs}")
    return Published(samples) if published_quirks else ScoreFunction(_plain, samples, **knobs)


def rloo(samples: int = 4, **knobs: Any) -> ScoreFunction:
    """REINFORCE with the leave-one-out baseline.

    Approximates:  grad E[c(z)].
    With:          mean over k of  (c(z_i) - b_i) grad log f(z_i|x),  b_i = mean of the other samples' c.
    Requires:      k >= 2. Unbiased: b_i is independent of z_i.
    Source:        Kool, van Hoof and Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free".
    """
    return ScoreFunction(_against_siblings, samples, **knobs)


def self_critical(samples: int = 1, **knobs: Any) -> ScoreFunction:
    """REINFORCE with the cost of f's greedy output, which is what evaluation uses, as baseline.

    Approximates:  grad E[c(z)].
    With:          mean over k of  (c(z_i) - c(greedy)) grad log f(z_i|x).
    Requires:      k >= 1, and one greedy decoding more. Unbiased: the baseline depends on x alone.
    Source:        Rennie et al. 2017, "Self-critical sequence training".
    """
    return ScoreFunction(_against_greedy, samples, **knobs)


def vimco(samples: int = 4, **knobs: Any) -> ScoreFunction:
    """The k-sample bound on the composition's log-likelihood: one good sample suffices, in any style.

    Approximates:  grad E[L],  L = -log mean_i Pi(y|z_i)  over z_1..z_k: at least -log p(y|x) of the composition,
                   p(y|x) = E Pi(y|z), at most E[c(z)], and nearer to the former as k grows.
    With:          sum over k of  (L - L_i) grad log f(z_i|x),  where L_i has in place of log Pi(y|z_i) the mean of
                   the other samples' logarithms.
    Requires:      k >= 2. Unbiased for this k: L_i is independent of z_i. One weight may be as large as E[c(z)].
    Source:        Mnih and Rezende 2016, "Variational inference for Monte Carlo objectives".
    """
    return ScoreFunction(_of_bound, samples, **knobs)


def posterior(samples: int = 4, **knobs: Any) -> ScoreFunction:
    """Samples against each other: those by which Pi explains y are made likelier, in proportion.

    Approximates:  grad -log p(y|x),  p(y|x) = E Pi(y|z) the likelihood of the composition.
    With:          sum over k of  (1/k - p_i) grad log f(z_i|x),  p_i = Pi(y|z_i) / sum_j Pi(y|z_j).
    Requires:      k >= 2. Biased at finite k (the p_i are self-normalised importance weights), right in the limit. No
                   weight exceeds 1, whatever the costs: its scale is that of f's own loss.
    Source:        Bornschein and Bengio 2015, "Reweighted wake-sleep"; Guu et al. 2017, "From language to programs".
    """
    return ScoreFunction(_of_posterior, samples, **knobs)


@dataclass(frozen=True)
class Published:
    """The published term with the faults of its code, for comparison.

    Approximates:  grad E[c(z)], badly.
    With:          mean over k of  c(z_i) grad max(l_i, -50),  where l_i sums log f over all positions of the longest
                   sample, pads too, and Pi reads one end of sequence more than in its training and at test time. A
                   row that is some tokens shorter than the longest has no gradient: its pads take l_i below -50.
    Requires:      k >= 1. Here f learns no pad either; after the first, a pad's score is read after ends of sequence.
    Source:        the code of Xie, Ma and Liang 2021, as read.
    """

    samples: int = 1
    clamp = -50.0  # nats

    def surrogate(
        self,
        base: EncoderDecoder,
        denoiser: SequenceModel,
        source: Tensor,
        target: Tensor,
        *,
        draws: Draws,
    ) -> Tensor:
        """source (B, S), target (B, T) -> (B,)."""
        special = base.specials
        with training_mode(base, False):
            encoded = base.encode(source)
            with torch.no_grad():
                drawn = base.sample(encoded, self.samples, draws=draws)  # (B*k, Z)
                ended = F.pad(as_source(drawn, special.pad, special.eos), (0, 1), value=special.pad)
                ended[torch.arange(len(ended)), (ended != special.pad).sum(1)] = special.eos
                cost = denoiser.nll(ended, target.repeat_interleave(self.samples, 0))  # (B*k,)
            scores = base.logits(encoded, drawn.masked_fill(drawn == special.pad, special.eos))  # (B*k, Z, V-eos)
        pads = scores.new_zeros(*drawn.shape, special.eos)  # what their embedding, which stays zero, gives
        log_f = torch.cat([pads, scores], 2).log_softmax(2).gather(2, drawn[..., None]).sum((1, 2))
        score = log_f.clamp(min=self.clamp)
        return (cost * (1 + score - score.detach())).view(-1, self.samples).mean(1)
