"""Estimates on numbers whose answers are known. How often they hold the truth: test_reporting_coverage.py."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.reporting.statistics import Estimate, estimate, estimate_crossed, estimate_of_examples, holm, pooled

T_OF_2 = 4.302653  # the 0.975 quantile of Student's t with 2 degrees of freedom
NUMBERS = st.floats(-100, 100)


def test_interval_and_p_of_three_values_are_the_hand_computed_ones() -> None:
    three = estimate([30.0, 32.0, 34.0])
    assert (three.mean, three.n, three.of_examples) == (32.0, 3, False)
    assert three.half_width == pytest.approx(T_OF_2 * 2 / math.sqrt(3), rel=1e-6)
    t = 32 / (2 / math.sqrt(3))
    assert three.p == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-6)  # of 2 degrees of freedom, in closed form


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_an_interval_ends_at_0_where_p_is_5_in_100(mean: float, spread: float) -> None:
    found = estimate([mean - spread, mean + spread, mean])
    assert (found.p < 0.05) == (abs(found.mean) > found.half_width)


def test_one_value_has_no_interval_and_no_p() -> None:
    assert estimate([5.0]) == Estimate(5.0, None, 1, None)


def test_without_any_spread_there_is_no_p_but_for_nothing_at_all() -> None:
    assert estimate([2.0, 2.0]) == Estimate(2.0, 0.0, 2, None)
    assert estimate([0.0, 0.0]) == Estimate(0.0, 0.0, 2, 1.0)


def test_no_values_are_refused_and_of_none_there_is_no_estimate() -> None:
    with pytest.raises(ValueError, match="no values"):
        estimate([])
    assert pooled({}, {}) is None


def test_of_one_replicate_the_interval_is_that_over_its_examples() -> None:
    found = pooled({4: 50.0}, {4: [0.0, 100.0, 100.0, 0.0]})
    assert found == estimate_of_examples([0.0, 100.0, 100.0, 0.0])
    assert (found.mean, found.n, found.p, found.of_examples) == (50.0, 1, None, True)
    assert found.half_width == pytest.approx(3.182446 * math.sqrt(10_000 / 3) / 2, rel=1e-6)
    assert pooled({4: 50.0}, {4: [50.0]}) == estimate([50.0])


def test_crossed_is_the_table_of_variances_by_hand() -> None:
    """Of two replicates and two examples: mean squares 1, 16 and 0."""
    outcomes = np.array([[1.0, 5.0], [2.0, 6.0]])
    found = estimate_crossed(outcomes)
    assert (found.mean, found.n) == (3.5, 2)
    degrees = 1 * (1 + 16) / 1
    error = math.sqrt((1 + 16) / 4)
    assert degrees == 17
    assert found.half_width == pytest.approx(2.109816 * error, rel=1e-6)  # the 0.975 quantile of 17 degrees


@given(st.lists(NUMBERS, min_size=2, max_size=6), st.integers(2, 5))
def test_where_examples_do_not_differ_crossed_is_the_interval_over_replicates(means: list[float], count: int) -> None:
    outcomes = np.repeat(np.array(means)[:, None], count, axis=1)
    ours, theirs = estimate_crossed(outcomes), estimate(means)
    assert (ours.mean, ours.half_width) == pytest.approx((theirs.mean, theirs.half_width), abs=1e-6)


@given(st.lists(NUMBERS, min_size=2, max_size=30), st.integers(2, 5))
def test_where_replicates_do_not_differ_crossed_is_the_interval_over_examples(
    outcomes: list[float], count: int
) -> None:
    """By the normal distribution, as if the variance of the examples were known."""
    found = estimate_crossed(np.tile(np.array(outcomes), (count, 1)))
    spread = np.std(outcomes, ddof=1) / math.sqrt(len(outcomes))
    assert found.half_width == pytest.approx(1.959964 * spread, rel=1e-4, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_crossed_does_not_depend_on_the_order_of_replicates_or_examples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = rng.normal(size=(3, 7))
    found = estimate_crossed(rng.permutation(outcomes)[:, rng.permutation(7)])
    assert (found.mean, found.half_width) == pytest.approx(
        (estimate_crossed(outcomes).mean, estimate_crossed(outcomes).half_width)
    )


def test_pooled_crosses_where_the_examples_are_the_same_and_known() -> None:
    outcomes = {0: [0.0, 100.0, 100.0], 3: [0.0, 0.0, 100.0]}
    values = {number: sum(of) / 3 for number, of in outcomes.items()}
    assert pooled(values, outcomes, crossed=True) == estimate_crossed(np.array([*outcomes.values()]))
    assert pooled(values, outcomes, crossed=False) == estimate([*values.values()])
    assert pooled(values, {0: outcomes[0]}, crossed=True) == estimate([*values.values()])


def test_replicates_that_agree_by_chance_are_no_certainty() -> None:
    """Two of ten examples each, 6 right in both: the spread over the examples says how little that is."""
    of = [100.0] * 6 + [0.0] * 4
    found = pooled({0: 60.0, 1: 60.0}, {0: of, 1: of[::-1]}, crossed=False)
    assert found.p > 0.05
    assert found.half_width == pytest.approx(12.7062 * math.sqrt(np.var(of, ddof=1) / 20), rel=1e-4)


def test_holm_is_the_hand_computed_one() -> None:
    """Ascending 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, and never below the one before."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_decides_as_its_steps_do(p_values: list[float]) -> None:
    """The procedure itself: go on through the ascending ones until one is above 0.05 by how many are left."""
    accepted = set()
    for left, place in zip(
        range(len(p_values), 0, -1), sorted(range(len(p_values)), key=p_values.__getitem__), strict=True
    ):
        if p_values[place] > 0.05 / left:
            break
        accepted.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p <= 0.05} == accepted


def test_holm_is_wrong_in_at_most_5_of_100_families() -> None:
    rng = np.random.default_rng(0)
    families = rng.uniform(size=(2000, 10))
    assert np.mean([min(holm(family)) <= 0.05 for family in families]) == pytest.approx(0.05, abs=0.015)
