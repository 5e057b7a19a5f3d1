"""Estimators through Pi's own derivative: exact where theory says so, their bias elsewhere measured on the toy."""

import pytest
import torch
from torch import Tensor

from composed.models.composition import freeze
from composed.models.relaxations import _exponential, _noise_that_drew, expected_embedding, gumbel, straight_through
from composed.models.sequence import Draws
from composed.models.transformer import Transformer
from tests.enumerable import (
    EOS,
    LONGEST,
    OUTPUTS,
    PAD,
    SOURCE,
    TARGET,
    VOCABULARY,
    assert_mean_is,
    bias,
    estimates,
    exact,
)
from tests.enumerable import pair as make_pair

ALL = [straight_through(2), straight_through(greedy=True), gumbel(2), gumbel(hard=True), expected_embedding(2)]


@pytest.fixture
def pair() -> tuple[Transformer, Transformer]:
    return make_pair()


class Linear:
    """A denoiser whose loss is linear in what it reads at the first position."""

    def __init__(self, like: Transformer) -> None:
        self.specials, self.embedding = like.specials, like.embedding
        self.costs = torch.randn(VOCABULARY - EOS, generator=torch.Generator().manual_seed(3))

    def nll(self, read: Tensor, _target: Tensor) -> Tensor:
        return read[:, 0] @ self.costs

    def token_nll(self, ids: Tensor, _target: Tensor) -> Tensor:
        return self.costs[ids[:, :1] - EOS]


@pytest.mark.parametrize("estimator", [straight_through(3), expected_embedding()])
def test_one_token_and_a_linear_loss_leave_no_bias(estimator, pair):
    base, denoiser = pair[0], Linear(pair[1])
    outputs = torch.arange(EOS, VOCABULARY)[:, None]
    _, truth = exact(base, denoiser, outputs=outputs)  # type: ignore[arg-type]
    drawn = estimates(estimator, base, denoiser, draws=4, longest=1)
    torch.testing.assert_close(drawn, truth.expand_as(drawn), rtol=1e-4, atol=1e-5)


def test_softened_samples_are_exact_for_the_probability_that_a_cold_softmax_gives(pair):
    """A linear loss and one token: E[onehot(z)] is E[softened] in the limit, so the bias goes with the temperature."""
    base, denoiser = pair[0], Linear(pair[1])
    _, truth = exact(base, denoiser, outputs=torch.arange(EOS, VOCABULARY)[:, None])  # type: ignore[arg-type]
    assert_mean_is(truth, estimates(gumbel(200, temperature=0.1), base, denoiser, draws=100, longest=1))


@pytest.mark.parametrize(
    ("estimator", "cosine", "length"),
    [
        (straight_through(4), 0.65, 1.41),
        (straight_through(greedy=True), 0.79, 2.02),
        (gumbel(4), 0.45, 0.55),
        (gumbel(32, temperature=0.3), 0.92, 0.55),
        (gumbel(4, hard=True), 0.46, 1.06),
        (expected_embedding(4), 0.43, 0.34),
        (expected_embedding(greedy=True), 0.74, 0.38),
    ],
)
def test_the_bias_on_the_toy_is_as_measured(estimator, cosine, length, pair):
    """A Pi of random weights, which is far from linear: the worst case."""
    found = bias(exact(*pair)[1], estimates(estimator, *pair, draws=300))
    assert found == (pytest.approx(cosine, abs=0.1), pytest.approx(length, rel=0.15))


@pytest.mark.parametrize("estimator", [straight_through(3000), gumbel(3000, hard=True)])
def test_with_hard_tokens_the_value_is_the_expected_cost(estimator, pair):
    value, _ = exact(*pair)
    drawn = estimator.surrogate(
        *pair, SOURCE, TARGET, draws=Draws(max_length=LONGEST, generator=torch.Generator().manual_seed(0))
    ).detach()
    torch.testing.assert_close(drawn, value, rtol=0.05, atol=0.05)


def test_the_noise_given_a_sample_is_gumbel_noise_that_draws_it():
    """Over samples of the distribution itself: mean and variance of a standard Gumbel, and the argmax is the sample."""
    log_f = torch.tensor([0.1, 0.6, 0.25, 0.05]).log().expand(40_000, 1, 4)
    generator = torch.Generator().manual_seed(0)
    z = torch.multinomial(log_f[:, 0].exp(), 1, generator=generator)
    hot = torch.nn.functional.one_hot(z, 4).float()
    noise = _noise_that_drew(hot, log_f, _exponential(hot, Draws(LONGEST, generator=generator)))
    assert torch.equal((log_f + noise).argmax(2), z)
    torch.testing.assert_close(noise.mean((0, 1)), torch.full((4,), 0.5772), atol=0.03, rtol=0)
    torch.testing.assert_close(noise.var((0, 1)), torch.full((4,), torch.pi**2 / 6), atol=0.08, rtol=0)


@pytest.mark.parametrize("estimator", ALL)
def test_the_gradient_passes_the_denoiser_and_leaves_it_alone(estimator, pair):
    base, denoiser = pair
    base.train()
    estimator.surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=LONGEST)).sum().backward()
    assert base.training
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    assert all(parameter.grad is not None for parameter in base.parameters())


@pytest.mark.parametrize("estimator", [straight_through(1), gumbel(1, hard=True)])
def test_hard_tokens_read_as_their_ids_do(estimator, pair):
    """Finished and unfinished samples alike: the end that a sample lacks is added, pads are no tokens."""
    base, denoiser = pair
    drawn = torch.tensor([[4, EOS, PAD], [3, 4, 5]])
    base.sample = lambda *_args, **_settings: drawn  # type: ignore[method-assign]
    value = estimator.surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=3))
    torch.testing.assert_close(
        value.detach(), denoiser.nll(torch.tensor([[4, EOS, PAD, PAD], [3, 4, 5, EOS]]), TARGET), rtol=1e-4, atol=1e-4
    )


def test_every_output_has_a_soft_twin(pair):
    """One-hot weights over the ids from eos on are read as the ids, and rows of zeros as pads."""
    _, denoiser = pair
    soft = torch.nn.functional.one_hot(OUTPUTS.clamp(min=EOS) - EOS, VOCABULARY - EOS) * (OUTPUTS != PAD)[..., None]
    target = TARGET[:1].expand(len(OUTPUTS), -1)
    torch.testing.assert_close(denoiser.nll(soft.float(), target), denoiser.nll(OUTPUTS, target))


def test_another_vocabulary_is_refused(pair):
    base, _ = pair
    other = freeze(Transformer(VOCABULARY + 1, width=8, layers=1, heads=2, feedforward=8))
    with pytest.raises(ValueError, match="other vocabularies"):
        straight_through().surrogate(base, other, SOURCE, TARGET, draws=Draws(max_length=LONGEST))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "settings", "named"),
    [
        (gumbel, {"temperature": 0.0}, "estimator.temperature=0.0"),
        (straight_through, {"samples": 0}, "estimator.samples=0"),
        (expected_embedding, {"samples": 2, "greedy": True}, "estimator.samples=2"),
    ],
)
def test_impossible_settings_are_refused_by_name(make, settings, named):
    with pytest.raises(ValueError, match=named):
        make(**settings)
