from itertools import pairwise

import pytest
import torch

from composed.datamodules.staircase import Staircase
from composed.models.staircase import Networks, Rounding, least_complexity, turns


def networks(*of: list[tuple[float, float, float]], start: float = 0.0) -> Networks:
    """One network for each list of units (w, b, a)."""
    made = Networks([1.0] * len(of), [start] * len(of), width=max(map(len, of)), scale=1.0, kinks=1.0)
    with torch.no_grad():
        for parameter, place in ((made.inner_weight, 0), (made.inner_bias, 1), (made.outer_weight, 2)):
            parameter.zero_()
            for row, units in zip(parameter, of, strict=True):
                row[: len(units)] = torch.tensor([unit[place] for unit in units])
    return made


def test_each_network_is_its_own_sum_of_units():
    made = networks([(1.0, 0.0, 2.0), (-1.0, 0.5, 1.0)], [(2.0, 1.0, -1.0)], start=0.25)
    outputs = made(torch.tensor([[1.0, -1.0], [1.0, -1.0]]))
    assert outputs.tolist() == [[2.25, 1.75], [-2.75, 0.25]]


def test_complexity_is_half_the_squared_weights_without_biases():
    assert networks([(3.0, 100.0, 4.0)], [(1.0, 0.0, 1.0), (0.0, 1.0, 2.0)]).complexity().tolist() == [12.5, 3.0]


@pytest.mark.parametrize("straight_through", [True, False])
def test_rounding_is_exact_off_the_ramps_and_half_way_at_a_half_integer(straight_through):
    rounding = Rounding(torch.tensor([[0.1]]), straight_through=straight_through)
    outputs = torch.tensor([[-0.55, -0.3, 0.0, 0.39, 0.45, 0.55, 1.2]])
    expected = torch.tensor([[-0.75, 0.0, 0.0, 0.0, 0.25, 0.75, 1.0]])
    torch.testing.assert_close(rounding(outputs), expected)


def test_the_gradient_is_the_identitys_or_that_of_the_ramps():
    for straight_through, expected in ((True, [1.0, 1.0]), (False, [0.0, 5.0])):
        outputs = torch.tensor([[0.2, 0.45]], requires_grad=True)
        Rounding(torch.tensor([[0.1]]), straight_through=straight_through)(outputs).sum().backward()
        torch.testing.assert_close(outputs.grad, torch.tensor([expected]))


def test_softness_of_a_half_is_the_identity():
    outputs = torch.linspace(-3, 3, 50)[None]
    torch.testing.assert_close(Rounding(torch.tensor([[0.5]]), straight_through=False)(outputs), outputs)


def test_turns_count_the_interpolants_slope_changes_and_none_of_a_line_with_wiggles():
    stair = Staircase(3, 1.0, 0.5)  # steps at -2..-1, -0.5..0.5, 1..2
    interpolant = [(1.0, -kink, sign * 2.0) for kink, sign in ((-1.0, 1), (-0.5, -1), (0.5, 1), (1.0, -1))]
    line = [(1.0, 3.0, 1 / 1.5), (1.0, 0.2, 0.05), (1.0, 0.0, -0.05)]
    made = networks(interpolant, line)
    assert turns(made, [stair.half] * 2, [1 / 1.5] * 2) == [4, 0]


def least(stair: Staircase, slack: float) -> float:
    inputs, targets = stair.points(4)
    return least_complexity(inputs.tolist(), (targets - slack).tolist(), (targets + slack).tolist())


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ([0, 1], [0, 1], 1.0),  # one ramp, flat before it
        ([0, 1, 2], [0, 1, 2], 1.0),
        ([0, 1, 0], [0, 1, 0], 2.0),  # up, and down again: a ramp before the middle and one after it, to either side
        ([0, 0, 1], [0, 0, 1], 1.0),
        ([0, 0, 0], [1, 0.5, 2], 0.0),  # a constant
        ([0, 9, 0.6], [0, 9, 0.6], 17.4),
        ([0, 1], [0.25, 1], 0.75),
    ],
)
def test_the_least_complexity_of_small_cases_is_exact(low, high, expected):
    assert least_complexity([0.0, 1.0, 2.0][: len(low)], low, high) == pytest.approx(expected)


@pytest.mark.parametrize("stair", [Staircase(6, 1.0, 0.5), Staircase(6, 2.0, 0.25), Staircase(3, 1.0, 0.125)])
def test_f_alone_costs_at_least_the_interpolant(stair):
    assert least(stair, 0.0) == pytest.approx(stair.interpolant_cost)


def test_through_rounding_no_network_is_less_complex_than_the_least_and_the_line_is_one():
    stair = Staircase(6, 1.0, 0.5)
    assert 0 < least(stair, 0.5 - 0.5 * stair.room) <= stair.line_cost / 2  # flat beyond its data it costs half


def test_the_ratio_grows_with_one_over_the_gap():
    """The theory's point: without bound, about twice as much for half the gap."""
    ratios = []
    for gap in (1.0, 0.5, 0.25, 0.125, 0.0625):
        stair = Staircase(6, 1.0, gap)
        ratios.append(least(stair, 0.0) / least(stair, 0.5 - 0.5 * stair.room))
    growth = [after / before for before, after in pairwise(ratios)]
    assert all(1.4 < each < 2 for each in growth), ratios
    assert ratios[-1] > 8 * ratios[0]


def test_bounds_that_cross_are_refused():
    with pytest.raises(ValueError, match="no network is between"):
        least_complexity([0.0, 1.0], [1.0, 0.0], [0.0, 1.0])
