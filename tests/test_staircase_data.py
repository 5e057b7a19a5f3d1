import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.staircase import Staircase

stairs = st.builds(Staircase, st.integers(2, 9), st.floats(0.2, 4), st.floats(0.1, 4))


def test_points_lie_on_the_steps_with_both_edges():
    inputs, targets = Staircase(3, 1.0, 0.5).points(3)
    assert inputs.tolist() == [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert targets.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_further_steps_continue_the_staircase_on_both_sides():
    stair = Staircase(3, 1.0, 0.5)
    assert [side.tolist() for side in stair.points(2, -1, 0)] == [[-3.5, -2.5], [-1, -1]]
    assert [side.tolist() for side in stair.points(2, 3, 4)] == [[2.5, 3.5], [3, 3]]


@given(stairs)
def test_the_line_through_the_middles_rounds_to_every_step_and_leaves_the_room_it_says(stair):
    inputs, targets = stair.points(7, -2, stair.steps + 2)
    slope = stair.line_cost / 2
    line = slope * inputs.double() + (stair.steps - 1) / 2
    assert (line - targets).abs().max().item() == pytest.approx(0.5 - stair.room, rel=1e-4)
    assert torch.equal(line.round(), targets.double())


@given(stairs)
def test_costs_are_integrals_of_the_absolute_second_derivative(stair):
    """The interpolant alternates between slope 0 and 1 / gap, 2 (steps - 1) times; the ratio is the theory's."""
    assert stair.interpolant_cost == pytest.approx(2 * (stair.steps - 1) / stair.gap)
    assert stair.interpolant_cost / stair.line_cost == pytest.approx((stair.steps - 1) * (1 + stair.width / stair.gap))
