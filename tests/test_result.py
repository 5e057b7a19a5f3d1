"""result.json: what is written is read, and what no run can have written is refused with the command that mends it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.errors import DataError
from composed.judges.scores import Measure, Scores
from composed.runs.result import Result

MEASURES = [Measure("right", "higher", "%", part=True), Measure("wrong", "", "%", part=True), Measure("size")]
SCORES = Scores(
    MEASURES,
    {"base": {"id": {"right": 30.0, "wrong": 70.0, "size": 4.5}}},
    {"id": 10},
    {"id": "abc"},
    outcomes={"base": {"id": {"right": [100.0, 0.0, 100.0] + 6 * [0.0] + [100.0], "size": [1.0, 8.0]}}},
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
    replicate=3,
    seeds={"seed": 3, "task.seed": 7},
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
    assert content["outcomes"]["base"]["id"] == {"right": "1010000001", "size": "[1.0, 8.0]"}


@given(st.lists(st.one_of(st.sampled_from([0.0, 1.0, 100.0]), st.floats(-1e6, 1e6)), min_size=1))
def test_outcomes_are_read_as_they_were_to_seven_digits(numbers: list[float]) -> None:
    values = {**SCORES.values["base"]["id"], "size": sum(numbers) / len(numbers)}
    outcomes = {"base": {"id": {"size": numbers}}}
    scores = dataclasses.replace(SCORES, values={"base": {"id": values}}, outcomes=outcomes)
    content = json.loads(json.dumps(dataclasses.replace(RESULT, scores=scores).to_json()))
    [of_size] = (
        Result.from_json({**content, "values": content["values"]}, Path("r")).scores.outcomes["base"]["id"].values()
    )
    assert of_size == pytest.approx(numbers, rel=1e-6, abs=1e-9)


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
        ({"finetuning": 3, "replicate": "1"}, "finetuning, replicate of another kind"),
        ({"outcomes": {"base": {"id": {"right": "1111"}}}}, "their mean is not the right of values"),
        ({"outcomes": {"base": {"id": {"right": ""}}}}, "run/result.json: "),
        ({"outcomes": {"base": {"id": {"right": "102"}}}}, "run/result.json: "),
        ({"seeds": {"task.seed": 1}}, "no seed of fine-tuning"),
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
