import pytest
import torch

from composed.datamodules.staircase import Staircase
from composed.models.staircase import Networks, Rounding, turns


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
