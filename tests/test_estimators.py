"""Estimators by the score function against the exact gradient on a toy whose every output can be enumerated."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from composed.models.composition import as_source, freeze
from composed.models.estimators import Published, posterior, reinforce, rloo, self_critical, vimco
from composed.models.sequence import Draws, training_mode
from composed.models.transformer import Transformer
from tests.enumerable import (
    EOS,
    LONGEST,
    OUTPUTS,
    PAD,
    SOURCE,
    TARGET,
    assert_mean_is,
    bias,
    estimates,
    exact,
    expected,
    flat_gradient,
    model,
)
from tests.enumerable import pair as make_pair


@pytest.fixture
def pair() -> tuple[Transformer, Transformer]:
    return make_pair()


def capped(probability: Tensor, costs: Tensor) -> Tensor:
    return (probability * costs.clamp(max=1.0).sum(1)).sum()


def with_entropy(probability: Tensor, costs: Tensor) -> Tensor:
    """E[c(z)] - 0.7 entropy."""
    return (probability * (costs.sum(1) + 0.7 * probability.log())).sum()


def bound_of_two(probability: Tensor, costs: Tensor) -> Tensor:
    """E[-log mean(Pi(y|z_1), Pi(y|z_2))]."""
    log_pi = -costs.sum(1)
    both = torch.logaddexp(log_pi[:, None], log_pi) - math.log(2)
    return -(probability[:, None] * probability * both).sum()


def bound_of_two_with_entropy(probability: Tensor, costs: Tensor) -> Tensor:
    return bound_of_two(probability, costs) + 0.7 * (probability * probability.log()).sum()


def log_marginal(probability: Tensor, costs: Tensor) -> Tensor:
    """-log E[Pi(y|z)]."""
    return -(probability * (-costs.sum(1)).exp()).sum().log()


@pytest.mark.parametrize(
    ("estimator", "objective"),
    [
        (reinforce(1), expected),
        (reinforce(3), expected),
        (rloo(2), expected),
        (rloo(4), expected),
        (self_critical(1), expected),
        (self_critical(2), expected),
        (vimco(2), bound_of_two),
        (rloo(4, cap=1.0), capped),
        (self_critical(2, cap=1.0), capped),
        (reinforce(1, entropy=0.7), with_entropy),
        (rloo(4, entropy=0.7), with_entropy),
        (vimco(2, entropy=0.7), bound_of_two_with_entropy),
    ],
)
def test_the_mean_of_many_estimates_is_the_exact_gradient(estimator, objective, pair):
    assert_mean_is(exact(*pair, objective)[1], estimates(estimator, *pair, draws=600))


@pytest.mark.parametrize(
    ("estimator", "objective"),
    [
        (rloo(3000), expected),
        (rloo(3000, cap=1.0), capped),
        (rloo(3000, entropy=0.7), with_entropy),
        (posterior(3000), log_marginal),
        (vimco(3000), log_marginal),
    ],
)
def test_the_value_estimates_the_objective(estimator, objective, pair):
    value, _ = exact(*pair, objective)
    generator = torch.Generator().manual_seed(0)
    drawn = estimator.surrogate(*pair, SOURCE, TARGET, draws=Draws(max_length=LONGEST, generator=generator))
    torch.testing.assert_close(drawn.detach(), value, rtol=0.05, atol=0.05)


def test_the_bias_of_the_posterior_vanishes_with_more_samples(pair):
    """Its gradient is too short while the weights of few samples are near each other; its direction is nearly right."""
    _, truth = exact(*pair, log_marginal)
    few, many = (bias(truth, estimates(posterior(k), *pair, draws=300)) for k in (2, 64))
    assert few[0] > 0.95
    assert few[1] < 0.6
    assert many[0] > 0.99
    assert 0.85 < many[1] < 1.1


def test_no_weight_of_the_posterior_exceeds_one_and_those_of_a_pair_cancel():
    costs = torch.tensor([[[0.0], [900.0], [3.0]], [[5.0], [5.0], [5.0]]])
    weights = posterior(3).weigh(costs, None)
    assert weights.abs().max() <= 1
    torch.testing.assert_close(weights.sum(1), torch.zeros(2, 1), atol=1e-6, rtol=0)
    assert torch.equal(weights[1], torch.zeros(3, 1))


def test_the_weights_of_the_bound_are_those_of_its_definition():
    """Plain loops over Mnih and Rezende's equation 10, with a sample that dwarfs the rest."""
    costs = torch.tensor([[1.0, 4.0, 2.0], [0.5, 90.0, 80.0]])
    expected = torch.zeros(2, 3)
    for row, i in itertools.product(range(2), range(3)):
        log_pi = (-costs[row]).tolist()
        bound = math.log(sum(map(math.exp, log_pi)))
        log_pi[i] = sum(log_pi[j] for j in range(3) if j != i) / 2
        expected[row, i] = math.log(sum(map(math.exp, log_pi))) - bound
    torch.testing.assert_close(vimco(3).weigh(costs[..., None], None)[..., 0], expected)


def test_an_endless_reach_is_no_reach_and_a_short_one_is_biased(pair):
    whole, endless = (estimates(rloo(4, reach=reach), *pair, draws=3) for reach in (None, 1e7))
    torch.testing.assert_close(whole, endless)
    cosine, length = bias(exact(*pair)[1], estimates(rloo(4, reach=0.3), *pair, draws=300))
    assert cosine > 0.95
    assert 0.6 < length < 0.9


def test_within_reach_a_token_answers_for_the_costs_around_it():
    costs = torch.tensor([[[8.0, 0.0, 4.0]]])
    torch.testing.assert_close(
        rloo(2, reach=1.0)._credit(costs, 4), torch.tensor([[[8 + 4 / 4, 8 / 2 + 4 / 2, 8 / 4 + 4, 8 / 8 + 4 / 2]]])
    )


def test_the_baselines_reduce_the_variance_at_equal_samples(pair):
    plain, siblings, greedy = (
        estimates(e, *pair, draws=200).var(0).sum() for e in (reinforce(4), rloo(4), self_critical(4))
    )
    assert siblings < 0.7 * plain
    assert greedy < plain


def test_normalized_gradients_have_one_length_whatever_the_scale_of_the_costs(pair):
    """A cost a thousand times the cost: the same gradient."""
    costs = torch.tensor([[[1.0], [2.0], [4.0]], [[0.0], [7.0], [1.0]]])
    base, denoiser = pair

    class Scaled:
        specials = denoiser.specials

        def __init__(self, scale: float) -> None:
            self.scale = scale

        def token_nll(self, _source, _target):
            return self.scale * costs.flatten(0, 1)

    target = torch.full((2, 1), EOS)
    small, large = (
        flat_gradient(
            rloo(3, normalize=True)
            .surrogate(
                base,
                Scaled(scale),
                SOURCE,
                target,
                draws=Draws(max_length=2, generator=torch.Generator().manual_seed(0)),
            )
            .sum(),
            base,
        )
        for scale in (1.0, 1e3)
    )
    torch.testing.assert_close(small, large)


@pytest.mark.parametrize("estimator", [rloo(2), self_critical(), vimco(2), posterior(2), reinforce(1, True)])
def test_no_gradient_reaches_the_denoiser_and_f_keeps_its_mode(estimator, pair):
    base, denoiser = pair
    base.train()
    estimator.surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=LONGEST)).sum().backward()
    assert base.training
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    assert all(parameter.grad is not None for parameter in base.parameters())


def test_samples_that_do_not_differ_leave_no_gradient(pair):
    base, denoiser = pair
    one = torch.tensor([[4, EOS]]).expand(8, -1)
    base.sample = lambda *_args, **_settings: one  # type: ignore[method-assign]
    for estimator in (rloo(4), vimco(4), posterior(4)):
        loss = estimator.surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=LONGEST))
        torch.testing.assert_close(loss.detach(), denoiser.nll(one[:2], TARGET))
        assert flat_gradient(loss.sum(), base).abs().max() < 1e-6


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


def published_gradient(pair, drawn: Tensor, clamp: float) -> Tensor:
    """Of `Published`, when these are the samples and `clamp` its clamp."""
    base, denoiser = pair
    estimator = Published()
    object.__setattr__(estimator, "clamp", clamp)
    base.sample = lambda *_args, **_settings: drawn
    return flat_gradient(estimator.surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=3)).sum(), base)


def test_the_published_quirks_let_the_denoiser_read_two_ends_of_sequence(pair):
    base, denoiser = pair
    drawn = torch.tensor([[4, EOS, PAD], [3, 4, 5]])
    base.sample = lambda *_args, **_settings: drawn  # type: ignore[method-assign]
    value = reinforce(1, published_quirks=True).surrogate(base, denoiser, SOURCE, TARGET, draws=Draws(max_length=3))
    torch.testing.assert_close(
        value.detach(), denoiser.nll(torch.tensor([[4, EOS, EOS, PAD, PAD], [3, 4, 5, EOS, EOS]]), TARGET)
    )


def test_the_published_clamp_leaves_an_unlikely_sample_without_gradient(pair):
    drawn = torch.tensor([[4, 5, EOS], [3, 4, EOS]])
    assert published_gradient(pair, drawn, clamp=-50.0).abs().max() > 0
    assert torch.equal(published_gradient(pair, drawn, clamp=-0.01), torch.zeros_like(flat(pair[0])))


def test_the_published_quirks_count_pads(pair):
    """The same samples, with pads after them or without: other gradients, where ours are equal."""
    short = torch.tensor([[4, EOS], [3, EOS]])
    padded = torch.nn.functional.pad(short, (0, 3), value=PAD)
    with_pads, without = (published_gradient(make_pair(), drawn, -1e9) for drawn in (padded, short))
    assert (with_pads - without).norm() > 0.1 * without.norm()


def flat(base: Transformer) -> Tensor:
    return torch.cat([parameter.flatten() for parameter in base.parameters()])


@pytest.mark.parametrize(("make", "samples"), [(rloo, 1), (vimco, 1), (posterior, 1), (reinforce, 0)])
def test_too_few_samples_are_refused(make, samples):
    with pytest.raises(ValueError, match=f"estimator.samples={samples}"):
        make(samples)


def test_the_published_quirks_have_no_other_knobs():
    with pytest.raises(ValueError, match="published_quirks"):
        reinforce(1, published_quirks=True, cap=1.0)
    assert isinstance(reinforce(1, published_quirks=True, cap=None, entropy=0.0), Published)


def test_a_mode_for_a_while_ends_as_it_began_even_after_an_error():
    base = model(0).train()
    with training_mode(base, False):
        assert not base.training
    assert base.training
    with pytest.raises(ZeroDivisionError), training_mode(base, False):
        _ = 1 / int(base.training)
    assert base.training


def test_a_frozen_model_stays_in_eval_mode_and_has_no_gradients():
    frozen = freeze(model(0))
    frozen.train()
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_the_toy_has_every_output():
    assert len({tuple(row) for row in OUTPUTS.tolist()}) == 1 + 3 + 9
