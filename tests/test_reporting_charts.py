"""Shapes lie where the numbers say, in per cent of their box."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.reporting.charts import Scale, interval, log_or_linear, path, scale_of, stack, thinned
from composed.reporting.statistics import Estimate


def shapes(svg: str, name: str) -> list[dict[str, str]]:
    return [shape.attrib for shape in ET.fromstring(svg).iter(name)]


def test_a_scale_maps_its_ends_to_the_edges_of_the_box() -> None:
    assert [Scale(2, 4)(x) for x in (2, 3, 4)] == [0, 50, 100]
    assert [Scale(1, 100, log=True)(x) for x in (1, 10, 100)] == [0, 50, 100]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_round_numbers_within_the_scale(low: float, span: float) -> None:
    scale = Scale(low, low + span)
    assert 1 <= len(scale.ticks) <= 7
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in scale.ticks)


def test_ticks_of_a_logarithmic_scale_are_decades_or_their_halves() -> None:
    assert Scale(0.3, 30, log=True).ticks == pytest.approx([0.5, 1, 2, 5, 10, 20])
    assert Scale(1e-4, 1e2, log=True).ticks == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100])


def test_a_scale_holds_every_interval_and_zero_where_wanted() -> None:
    values = [Estimate(50, 5, 3), None, Estimate(70, None, 1)]
    scale = scale_of(values)
    assert 40 < scale.low < 45
    assert 70 < scale.high < 75
    assert scale_of(values, zero=True).low < 0
    assert scale_of([None]).low < scale_of([None]).high
    assert scale_of([Estimate(0, 0, 3)]).low < scale_of([Estimate(0, 0, 3)]).high


def test_a_dot_is_at_the_mean_and_its_line_spans_the_interval() -> None:
    svg = interval(Estimate(5, 2, 3), Scale(0, 10), zero=True)
    lines = {line["class"]: line for line in shapes(svg, "line")}
    assert shapes(svg, "circle")[0]["cx"] == "50.0%"
    assert (lines["reach"]["x1"], lines["reach"]["x2"], lines["zero"]["x1"]) == ("30.0%", "70.0%", "0.0%")
    assert "reach" not in interval(Estimate(5, None, 1), Scale(0, 10))


def test_a_stack_fills_its_box_in_order_and_says_its_shares() -> None:
    svg = stack({"correct": 25.0, "compile error": 75.0})
    first, second = shapes(svg, "rect")
    assert (first["x"], first["width"], second["x"], second["width"]) == ("0.0%", "25.0%", "25.0%", "75.0%")
    assert second["class"] == "compile-error"
    assert ET.fromstring(svg).attrib["aria-label"] == "correct 25.0%, compile error 75.0%"


def test_a_path_goes_up_where_the_numbers_do() -> None:
    assert path([(0, 0.0), (5, 1.0), (10, 0.5)], Scale(0, 10), Scale(0, 1)) == "M0,100L50,0L100,50"


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=500), st.integers(1, 50))
def test_a_thinned_line_keeps_its_mean_within_its_points(heights: list[float], most: int) -> None:
    line = [(float(x), y) for x, y in enumerate(heights)]
    thin = thinned(line, most)
    assert len(thin) <= most
    assert all(min(heights) - 1e-9 <= y <= max(heights) + 1e-9 for _, y in thin)
    if len(line) <= most:
        assert thin == line


def test_losses_that_span_decades_are_drawn_on_a_logarithmic_scale() -> None:
    assert log_or_linear([[(0, 10.0), (1, 0.1)]]).log
    assert not log_or_linear([[(0, 1.0), (1, 0.9)]]).log
    assert not log_or_linear([[(0, 10.0), (1, -0.1)]]).log
    assert math.isfinite(log_or_linear([[(0, 1.0)]])(1.0))
