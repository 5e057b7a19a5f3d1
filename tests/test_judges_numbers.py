"""What is said of staircases, against numbers by hand."""

import pytest

from composed.judges.numbers import MEASURES, score


def row(base: list[float], complexity: float, turns: int, target: tuple[float, ...] = (0, 1)) -> dict:
    entry = {"staircase": [2, 1.0, 0.1], "complexity": complexity, "turns": turns, "x": [0.0, 1.0]}
    return {**entry, "target": [*target], "base": base, "composition": [round(y) for y in base]}


def test_scores_are_means_over_the_staircases():
    rows = [row([0.25, 1.0], 2.0, 3), row([0.0, 2.0], 4.0, 5)]
    scores = score({"id": rows})
    base = {"error": (0.03125 + 0.5) / 2, "wrong steps, %": 25.0, "complexity": 3.0, "turns": 4.0}
    assert scores.values["base"]["id"] == pytest.approx(base)
    assert scores.values["composition"]["id"] == pytest.approx({**base, "error": 0.25})
    assert scores.examples == {"id": 2}
    assert scores.extra["staircases"]["id"][1] == {
        "staircase": [2, 1.0, 0.1],
        "complexity": 4.0,
        "turns": 5,
        "base": {"error": 0.5, "wrong steps, %": 50.0},
        "composition": {"error": 0.5, "wrong steps, %": 50.0},
    }
    assert all(measure.better == "lower" for measure in MEASURES)


def test_the_digest_tells_other_points_and_not_other_predictions():
    one, same, other = ({"id": [row(base, 1.0, 1, target)]} for base, target in (
        ([0.0, 1.0], (0, 1)), ([5.0, 5.0], (0, 1)), ([0.0, 1.0], (0, 2))
    ))  # fmt: skip
    assert score(one).tests == score(same).tests != score(other).tests
