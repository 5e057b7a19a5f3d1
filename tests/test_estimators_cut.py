"""The same update has the same gradient, however it is cut into parts and shared among processes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from composed.models.estimators import posterior, reinforce, rloo, self_critical, vimco
from composed.models.relaxations import expected_embedding, gumbel, straight_through
from composed.models.sequence import Draws
from tests.enumerable import EOS, PAD, flat_gradient
from tests.enumerable import pair as make_pair

LONGEST = 5
SOURCE = torch.tensor([[4, 5, EOS, PAD], [3, EOS, PAD, PAD], [5, 5, 3, EOS], [EOS, PAD, PAD, PAD], [4, 3, EOS, PAD]])
TARGET = torch.tensor([[5, EOS, PAD], [3, EOS, PAD], [4, 4, EOS], [EOS, PAD, PAD], [3, 5, EOS]])
KNOBS = [{}, {"cap": 0.5}, {"reach": 1.5}, {"entropy": 0.3}, {"normalize": True}, {"dropout": True}]
KNOBS += [{"normalize": True, "reach": 1.5, "entropy": 0.3, "cap": 2.0, "dropout": True}]
ESTIMATORS = {
    **{
        f"{make.__name__} {' '.join(knobs)}": make(3, **knobs)
        for make in (reinforce, rloo, self_critical, vimco, posterior)
        for knobs in KNOBS
    },
    **{
        f"{make.__name__} {' '.join(knobs)}": make(**knobs)
        for make, names in (
            (straight_through, ("greedy",)),
            (expected_embedding, ("greedy",)),
            (gumbel, ("hard",)),
        )
        for knobs in ({}, {"samples": 3}, {"temperature": 0.5, "samples": 2}, {"dropout": True}, {names[0]: True})
    },
}
CUTS = st.lists(st.integers(0, 2), min_size=len(SOURCE), max_size=len(SOURCE))  # which part has each row


def gradient(estimator, rows: list[int], numbers: Tensor) -> Tensor:
    """Of the sum over these rows, as a part or a process has them: padded as far as these rows need it."""
    base, denoiser = make_pair()
    source, target = SOURCE[rows], TARGET[rows]
    source, target = (side[:, : int((side != PAD).sum(1).max())] for side in (source, target))
    draws = Draws(LONGEST, numbers[rows].flatten(0, 1))
    cost = estimator.surrogate(base, denoiser, source, target, draws=draws)
    return torch.cat([cost.detach().sum()[None], flat_gradient(cost.sum(), base)])


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=8, deadline=None)
@given(cut=CUTS, seed=st.integers(0, 99))
def test_the_parts_of_an_update_add_up_to_the_update(name, cut, seed):
    estimator = ESTIMATORS[name]
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand(len(SOURCE), estimator.samples, LONGEST, dtype=torch.float64, generator=generator)
    whole = gradient(estimator, [*range(len(SOURCE))], numbers)
    parts = [[row for row, part in enumerate(cut) if part == each] for each in sorted({*cut})]
    cut_up = torch.stack([gradient(estimator, rows, numbers) for rows in parts]).sum(0)
    torch.testing.assert_close(cut_up, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max()))


def test_the_bound_reads_every_position_that_reach_gives_costs_to():
    costs = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    weights = vimco(3).weigh(costs, None)
    single = [vimco(3).weigh(costs[..., place, None], None) for place in range(4)]
    torch.testing.assert_close(weights, torch.cat(single, 2))


def test_differences_below_rounding_are_not_enlarged():
    base, denoiser = make_pair()

    class Nearly:
        specials = denoiser.specials

        def token_nll(self, source: Tensor, _target: Tensor) -> Tensor:
            return 3 + 1e-6 * torch.arange(len(source))[:, None]

    def length(normalize: bool) -> float:
        generator = torch.Generator().manual_seed(0)
        target = torch.full((5, 1), EOS)
        draws = Draws(3, generator=generator)
        found = rloo(3, normalize=normalize).surrogate(base, Nearly(), SOURCE, target, draws=draws)  # type: ignore[arg-type]
        return float(flat_gradient(found.sum(), base).norm())

    assert length(True) <= 101 * length(False)


def test_a_single_sample_has_nothing_to_be_normalized_by():
    with pytest.raises(ValueError, match="normalize=true needs at least 2"):
        reinforce(1, normalize=True)
