import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.reporting.statistics import Estimate, estimate, t_quantile


@pytest.mark.parametrize(
    ("probability", "degrees", "tabled"),
    [
        (0.95, 1, 6.3138),
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 3, 3.1824),
        (0.975, 4, 2.7764),
        (0.975, 9, 2.2622),
        (0.975, 30, 2.0423),
        (0.975, 120, 1.9799),
        (0.995, 7, 3.4995),
        (0.9995, 2, 31.5991),
    ],
)
def test_quantiles_are_those_of_the_tables(probability: float, degrees: int, tabled: float) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(tabled, abs=5e-5)


@given(st.floats(0.51, 0.999))
def test_quantiles_of_one_and_two_degrees_have_closed_forms(probability: float) -> None:
    q = 2 * probability - 1
    assert t_quantile(probability, 1) == pytest.approx(math.tan(math.pi * q / 2), rel=1e-9)
    assert t_quantile(probability, 2) == pytest.approx(q * math.sqrt(2 / (1 - q * q)), rel=1e-9)


@given(st.integers(1, 200))
def test_quantiles_fall_towards_the_normal_one(degrees: int) -> None:
    assert t_quantile(0.975, degrees) > t_quantile(0.975, degrees + 1) > 1.959963


def test_interval_of_three_values_is_the_hand_computed_one() -> None:
    three = estimate([30.0, 32.0, 34.0])
    assert three.mean == 32.0
    assert three.half_width == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-6)


def test_one_value_has_no_interval_and_no_sign() -> None:
    assert estimate([5.0]) == Estimate(5.0, None, 1)
    assert estimate([5.0]).sign == 0


def test_sign_needs_an_interval_that_excludes_zero() -> None:
    assert [estimate(values).sign for values in ([2.0, 2.0], [-2.0, -2.1], [0.0, 2.0], [0.0, 0.0])] == [1, -1, 0, 0]


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        estimate([])
