"""How the gradient of E[loss(Pi(z), y)], z ~ f(.|x), reaches f through Pi itself: z made continuous.

Pi reads weights over tokens in place of tokens, and its derivative by them is passed on to f's probabilities: every
token of z gets a gradient of its own, of all tokens that could stand in its place. Biased, all of them: Pi is
linearised around z, and f's later tokens are taken as they were drawn, though they would differ after another token.
Left out: feeding f its own weights. Letters as in `estimators.py`; V is the number of ids from `eos` on.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from composed.models.composition import as_source
from composed.models.encoder_decoder import EncoderDecoder
from composed.models.sequence import Draws, training_mode


@dataclass(frozen=True)
class Relaxation:
    """z is decoded without a gradient; then f, given z, says for each position how likely each token is.

    What Pi reads at a position is, with p = softmax((log f(.|x, z before it) + g) / temperature):

    |         | g = 0: no noise      | g: the Gumbel noise by which z was drawn |
    | ------- | -------------------- | ---------------------------------------- |
    | soft: p | `expected_embedding` | `gumbel`                                 |
    | hard: z | `straight_through`   | `gumbel` with `hard`                     |

    Hard: Pi reads z, and the gradient is passed to p. An end of sequence that z lacks is added as a token.

    Args:
        hard, noise: the table.
        samples: k.
        greedy: f's greedy output in place of a sample; k is 1 then.
        temperature: above 0.
        dropout: f's probabilities with its dropout on; z is decoded with it off.
    """

    hard: bool
    noise: bool
    samples: int = 1
    greedy: bool = False
    temperature: float = 1.0
    dropout: bool = False

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"estimator.temperature={self.temperature}: must be above 0")
        if self.samples < 1 or (self.greedy and self.samples > 1):
            raise ValueError(f"estimator.samples={self.samples}: must be at least 1, and 1 with estimator.greedy=true")

    def surrogate(
        self,
        base: EncoderDecoder,
        denoiser: EncoderDecoder,
        source: Tensor,
        target: Tensor,
        *,
        draws: Draws,
    ) -> Tensor:
        """source (B, S), target (B, T) -> (B,). Raises ValueError where f and Pi have other vocabularies."""
        special, k = base.specials, self.samples
        if len(base.embedding.weight) != len(denoiser.embedding.weight):
            raise ValueError("weights over f's tokens are none over Pi's: they have other vocabularies")
        with training_mode(base, False), torch.set_grad_enabled(not self.dropout):
            encoded = base.encode(source)
        with torch.no_grad(), training_mode(base, False):
            if self.greedy:
                drawn = base.predict(encoded, max_length=draws.max_length)
            else:
                drawn = base.sample(encoded, k, draws=draws)  # (B*k, Z)
        with training_mode(base, base.training and self.dropout):
            log_f = base.logits(source if self.dropout else encoded, drawn).log_softmax(2)  # (B*k, Z, V)
        z = _one_hot(drawn, special.pad, special.eos, log_f.shape[2])
        noise = 0.0 if not self.noise else _noise_that_drew(z, log_f.detach(), _exponential(z, draws))
        p = ((log_f + noise) / self.temperature).softmax(2)
        read = torch.where((drawn != special.pad)[..., None], z + p - p.detach() if self.hard else p, 0.0)
        ended = as_source(drawn, special.pad, special.eos)  # (B*k, Z or Z+1)
        if ended is not drawn:
            last = _one_hot(ended, special.pad, special.eos, log_f.shape[2])
            lacks = ended != F.pad(drawn, (0, 1), value=special.pad)
            read = torch.where(lacks[..., None], last, F.pad(read, (0, 0, 0, 1)))
        return denoiser.nll(read, target.repeat_interleave(k, 0)).view(-1, k).mean(1)


def _one_hot(rows: Tensor, pad: int, eos: int, size: int) -> Tensor:
    """(B, Z) -> (B, Z, V), zeros at pads."""
    hot = F.one_hot((rows - eos).clamp(min=0), size).float()
    return hot * (rows != pad)[..., None]


def _exponential(like: Tensor, draws: Draws) -> Tensor:
    """Standard exponential noise of the shape of `like` (B, Z, V); uniform draws give a row its own wherever it is."""
    uniforms = draws.uniforms
    if uniforms is None:
        return torch.empty_like(like).exponential_(generator=draws.generator)
    shape = uniforms.shape[1], like.shape[2]  # as long as a row can be, however long the others are
    seeds = (uniforms[:, 0].cpu() * 2**53).long().tolist()
    rows = [torch.empty(shape).exponential_(generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)[:, : like.shape[1]].to(like)


def _noise_that_drew(z: Tensor, log_f: Tensor, exponential: Tensor) -> Tensor:
    """Standard Gumbel noise g, given that argmax(log f + g) is z: (B, Z, V), of standard exponential noise."""
    at_z = (exponential * z).sum(2, keepdim=True)
    return -(exponential * (1 - z) + at_z * log_f.exp()).clamp(min=torch.finfo(log_f.dtype).tiny).log()


def straight_through(
    samples: int = 1, greedy: bool = False, temperature: float = 1.0, dropout: bool = False
) -> Relaxation:
    """Pi reads tokens, f gets the gradient that its probabilities would.

    Approximates:  grad E[c(z)].
    With:          mean over k of  sum over positions of  (dc / d one-hot(z_i)) . grad p.
    Requires:      Pi's gradient by its input; one vocabulary. Biased: exact where c is linear in each token's
                   embedding and f's tokens are independent of each other.
    Source:        Bengio, Leonard and Courville 2013. The paper's code once had it, with `greedy`.
    """
    return Relaxation(True, False, samples, greedy, temperature, dropout)


def gumbel(samples: int = 1, temperature: float = 1.0, hard: bool = False, dropout: bool = False) -> Relaxation:
    """Pi reads a softened sample, of which the noise is held fixed.

    Approximates:  grad E[c(z)].
    With:          mean over k of  d c(p) / d f,  p as in `Relaxation`; near a token's one-hot as temperature -> 0.
                   With `hard`, c and its derivative are taken at z.
    Requires:      Pi's gradient by its input; one vocabulary. Biased at every temperature, as Pi reads mixtures it
                   never saw; the variance grows as the temperature falls. The noise is drawn given z, so that z is
                   decoded as always, and once.
    Source:        Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017; the noise given z: Tucker et al. 2017.
    """
    return Relaxation(hard, True, samples, False, temperature, dropout)


def expected_embedding(
    samples: int = 1, greedy: bool = False, temperature: float = 1.0, dropout: bool = False
) -> Relaxation:
    """Pi reads, at each position, the mean embedding under f.

    Approximates:  grad E[c(z)].
    With:          d c(p) / d f,  p = f's probabilities along a sampled (or greedy) z, which decides what they are
                   conditioned on and how long the soft sequence is. With `greedy` it has no variance but the batch's.
    Requires:      Pi's gradient by its input; one vocabulary. Biased: Pi's loss of a mean is no mean of losses.
    Source:        Hu et al. 2017, "Toward controlled generation of text" (with samples for the conditioning).
    """
    return Relaxation(False, False, samples, greedy, temperature, dropout)
