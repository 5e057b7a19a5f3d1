"""Estimators against the exact gradient on a toy whose every output can be enumerated."""

import itertools

import pytest
import torch

from composed.models.composition import as_source, freeze
from composed.models.estimators import reinforce, rloo
from composed.models.transformer import Transformer

PAD, EOS = 0, 2
LONGEST, VOCABULARY = 2, 6
SOURCE = torch.tensor([[4, 5, EOS], [3, EOS, PAD]])
TARGET = torch.tensor([[5, EOS], [3, EOS]])
WORDS = range(3, VOCABULARY)
OUTPUTS = torch.tensor([[EOS, PAD], *([word, EOS] for word in WORDS), *map(list, itertools.product(WORDS, WORDS))])


def model(seed: int) -> Transformer:
    torch.manual_seed(seed)
    built = Transformer(VOCABULARY, width=8, layers=1, heads=2, feedforward=8).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(2)  # away from uniform, so that costs differ
    return built


@pytest.fixture
def pair() -> tuple[Transformer, Transformer]:
    return model(0), freeze(model(1))  # type: ignore[return-value]


def exact(base: Transformer, denoiser: Transformer) -> tuple[torch.Tensor, torch.Tensor]:
    """E[c(z)] per pair by enumeration, and the gradient of its sum with respect to f."""
    expected = []
    for source, target in zip(SOURCE, TARGET, strict=True):
        source = source[source != PAD][None].expand(len(OUTPUTS), -1)
        probability = (-base.nll(source, OUTPUTS)).exp()
        assert probability.sum().item() == pytest.approx(1, abs=1e-4)
        cost = denoiser.nll(as_source(OUTPUTS, PAD, EOS), target[None].expand(len(OUTPUTS), -1))
        expected.append((probability * cost).sum())
    value = torch.stack(expected)
    return value.detach(), flat_gradient(value.sum(), base)


def flat_gradient(loss: torch.Tensor, base: Transformer) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(base.parameters()))])


def estimates(estimator, base, denoiser, draws: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack(
        [
            flat_gradient(
                estimator.surrogate(base, denoiser, SOURCE, TARGET, max_length=LONGEST, generator=generator).sum(), base
            )
            for _ in range(draws)
        ]
    )


@pytest.mark.parametrize("estimator", [reinforce(1), reinforce(3), rloo(2), rloo(4)], ids=str)
def test_the_mean_of_many_estimates_is_the_exact_gradient(estimator, pair):
    """Chi-square of the mean error, over directions that vary: within 6 standard deviations of what chance gives."""
    _, truth = exact(*pair)
    drawn = estimates(estimator, *pair, draws=600)
    error = drawn.mean(0) - truth
    scale = drawn.std(0) / len(drawn) ** 0.5
    varied = scale > 1e-4 * scale.max()
    z = (error / scale)[varied]
    assert z.abs().max() < 6
    assert (error.norm() / scale.norm()).item() < 2  # the root mean square error is what the sample count gives


def test_the_value_estimates_the_expected_loss_of_the_composition(pair):
    expected, _ = exact(*pair)
    generator = torch.Generator().manual_seed(0)
    drawn = rloo(3000).surrogate(*pair, SOURCE, TARGET, max_length=LONGEST, generator=generator)
    torch.testing.assert_close(drawn.detach(), expected, rtol=0.05, atol=0.05)


def test_the_leave_one_out_baseline_reduces_the_variance_at_equal_samples(pair):
    plain, against = (estimates(e, *pair, draws=200).var(0).sum() for e in (reinforce(4), rloo(4)))
    assert against < 0.7 * plain


def test_no_gradient_reaches_the_denoiser_and_f_keeps_its_mode(pair):
    base, denoiser = pair
    base.train()
    rloo(2).surrogate(base, denoiser, SOURCE, TARGET, max_length=LONGEST).sum().backward()
    assert base.training
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    assert all(parameter.grad is not None for parameter in base.parameters())


def test_pads_after_a_sample_do_not_count(pair):
    """A finished sample's score is the same whether it was drawn beside longer ones or not."""
    base, _ = pair
    short, padded = torch.tensor([[4, EOS]]), torch.tensor([[4, EOS, PAD, PAD]])
    torch.testing.assert_close(base.nll(SOURCE[:1], short), base.nll(SOURCE[:1], padded))


def test_the_denoiser_reads_exactly_one_end_of_sequence():
    rows = torch.tensor([[4, EOS, PAD], [3, 4, 5], [EOS, PAD, PAD]])
    expected = torch.tensor([[4, EOS, PAD, PAD], [3, 4, 5, EOS], [EOS, PAD, PAD, PAD]])
    assert torch.equal(as_source(rows, PAD, EOS), expected)
    finished = rows[[0, 2]]
    assert as_source(finished, PAD, EOS) is finished


@pytest.mark.parametrize(("make", "samples"), [(rloo, 1), (reinforce, 0)])
def test_too_few_samples_are_refused(make, samples):
    with pytest.raises(ValueError, match=f"estimator.samples={samples}"):
        make(samples)


def test_a_frozen_model_stays_in_eval_mode_and_has_no_gradients():
    frozen = freeze(model(0))
    frozen.train()
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
