"""result.json: what is written is read, and what no run can have written is refused with the command that mends it."""

import json
from pathlib import Path
from typing import Any

import pytest

from composed.errors import DataError
from composed.judges.scores import Measure, Scores
from composed.runs.result import Result

MEASURES = [Measure("right", "higher", "%", part=True), Measure("wrong", "", "%", part=True), Measure("size")]
SCORES = Scores(
    MEASURES,
    {"base": {"id": {"right": 30.0, "wrong": 70.0, "size": 4.5}}},
    {"id": 10},
    {"id": "abc"},
    extra={"detail": {"id": [1, 2]}},
    noun="labels",
    method="by looking",
    remark="A remark.",
)
RESULT = Result(
    task="t",
    title="T",
    profile="quick",
    mode="baseline",
    seed=3,
    predict_through=None,
    config_key="k",
    updates=12,
    best={"update": 8, "selection": 0.5},
    seconds={"training": 1.5},
    scores=SCORES,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    RESULT.write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == RESULT
    content = json.loads((tmp_path / "result.json").read_text())
    assert content == RESULT.to_json()
    assert content["measures"][0] == {"name": "right", "better": "higher", "unit": "%", "part": True}
    assert content["finetuning"] == "baseline"
    assert content["detail"] == {"id": [1, 2]}


def test_the_output_of_a_mode_is_that_through_which_it_predicts() -> None:
    assert RESULT.own_output == "base"
    content = {**RESULT.to_json(), "predict_through": "denoiser", "values": {"composition": SCORES.values["base"]}}
    assert Result.from_json(content, Path("r")).own_output == "composition"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"config_key": None}, "no entry 'config_key'; write it again with `composed-evaluate run`"),
        (
            {"values": {"base": {"id": {"right": 30.0, "wrong": 50.0, "size": 1}}}},
            "the shares add up to 80",
        ),
        ({"values": {"base": {"id": {"right": 30.0, "size": 1}}}}, "no entry 'wrong'"),
        ({"values": {"base": {"ood": {}}}}, "values.base is of other test sets than examples"),
        ({"values": {"composition": {}}}, "no entry 'base'"),
        ({"values": 3}, "run/result.json: "),
        ({"measures": {"MSE": "lower"}}, "write it again with `composed-evaluate run`"),
        ({"measures": [{"name": "right", "better": "sideways"}]}, "right: 'sideways' is no better side"),
        ({"finetuning": 3, "seed": "1"}, "finetuning, seed of another kind"),
        ({"tests": {"id": 3}}, "tests is not a digest"),
        ({"values": {"base": {}}, "examples": {}}, "it was tested on nothing; train again on data with a test set"),
        ({"examples": {"id": 0}}, "it was tested on nothing"),
        ({"seconds": None}, "no entry 'seconds'"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], complaint: str) -> None:
    content = {name: value for name, value in {**RESULT.to_json(), **change}.items() if value is not None}
    with pytest.raises(DataError, match=complaint):
        Result.from_json({**content, "predict_through": None}, Path("run/result.json"))
