"""From files to results, without code: labels, texts of several lines, the mistakes of one run as noise of another."""

import json
from collections.abc import Callable

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from composed.cli.check import main as composed_check
from composed.config import Config
from composed.config.command_line import check
from composed.config.identity import noise_shape, run_name
from composed.errors import ConfigError
from composed.experiment.answer import mistakes, programs
from composed.experiment.run import run
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.files import read_lines, write_lines
from composed.tasks.text import TextTask
from tests.test_files_task import SMALL, lines, rows, write


@pytest.fixture
def config(tmp_path) -> Callable[..., Config]:
    """Of some words, under the smallest profile, in a folder of the test's own."""
    kept = [f"runs={tmp_path}/runs", f"store={tmp_path}/store", "logger=csv", "trainer.precision=32-true"]

    def read(*words: str) -> Config:
        with initialize_config_module("composed.conf", version_base="1.3"):
            node = OmegaConf.to_container(compose("config", ["profile=smoke", *kept, *words]), resolve=True)
        return check(node)  # type: ignore[arg-type]

    return read


def trained(config: Config) -> RunFolder:
    return run(config, [])


BASELINE = ("finetuning=baseline", "pretraining=none")


def test_labels_go_from_generated_questions_to_a_result(config):
    folder = trained(config("task=labels", "finetuning=composed"))
    result = Result.read(folder.result)
    assert result.scores.examples == {"id": 8, "ood": 8}
    shares = result.scores.values["composition"]["id"]
    parts = [measure.name for measure in result.scores.measures if measure.part]
    assert {"correct", "invalid"} <= {*parts}
    assert sum(shares[name] for name in parts) == pytest.approx(100)
    assert "5 labels" in result.title
    assert "targets of the training" not in result.title
    gold = {row["target"] for row in read_lines(folder.predictions("ood"))}
    assert gold <= {"PLACE", "PERSON", "NUMBER", "THING", "REASON"}


def test_python_and_sql_go_from_generated_examples_to_a_result(config, tmp_path):
    python, sql = trained(config("task=python", f"task.data={tmp_path}")), trained(config("task=sql"))
    assert Result.read(python.result).scores.examples == {"id": 8, "ood": 8}
    assert Result.read(sql.result).scores.examples == {"id": 8, "ood_joins": 8, "ood_wordings": 8}
    rows = [*read_lines(python.predictions("ood"))]
    assert all(row["tests"] and row["code"].endswith("\n") and "$" not in row["code"] for row in rows)
    assert all("CREATE TABLE" in row["database"] for row in read_lines(sql.predictions("ood_joins")))


def test_a_text_of_several_lines_is_learned_as_a_line_and_judged_and_told_as_it_is(config, tmp_path):
    text = "def f():\n    return 1"
    row = json.dumps({"source": "one", "target": text})
    write(tmp_path, {"train.jsonl": [row] * 30 + rows(2), "test_a.jsonl": [row], "test_b.jsonl": rows(3)})
    folder = trained(config("task=files", f"task.folder={tmp_path}", *BASELINE, "schedules.scratch.updates=60"))
    assert Result.read(folder.result).scores.examples == {"test_a": 1, "test_b": 3}
    [row] = [row for row in read_lines(folder.predictions("test_a")) if row["output"] == "base"]
    assert row["target"] == "def f(): \u21b5\u2423\u2423\u2423\u2423 return 1"
    assert row["text"].replace(" \u21b5\u2423\u2423\u2423\u2423 ", "\n    ") == row["code"]
    assert programs(folder.path, ["one"])[0]["own"] == row["code"]


def test_the_mistakes_of_a_run_are_noise_for_another_on_the_same_data_alone(config, tmp_path):
    data = tmp_path / "mine"
    data.mkdir()
    words = ("task=files", f"task.folder={write(data, SMALL)}")
    first = trained(config(*words, *BASELINE))
    learned = (*words, "noise=from_errors", f"noise.run={first.path}")
    with pytest.raises(ConfigError, match=rf"(?s)no errors.jsonl.*composed-predict {first.path} --errors"):
        config(*learned)
    file, count, wrong = mistakes(first.path)
    head, *said = read_lines(file)
    assert (count, wrong) == (3, sum(row["text"] != row["target"] for row in said))
    assert [row["target"] for row in said] == SMALL["val.tgt"]
    asked = config(*learned, "finetuning=standard")
    assert Result.read(trained(asked).result).scores.examples == {"test": 4}
    shape, name = noise_shape(asked), run_name(asked)
    moved = tmp_path / "moved"
    first.path.rename(moved)
    elsewhere = config(*words, "noise=from_errors", f"noise.run={moved}", "finetuning=standard")
    assert (noise_shape(elsewhere), run_name(elsewhere)) == (shape, name)
    write_lines(moved / file.name, [head, *said[1:], {"target": "w 9", "text": "x"}])
    assert run_name(elsewhere) != name
    for key, says in (("task", "task=other"), ("data", "other data"), ("vocabulary", "another tokenizer")):
        write_lines(moved / file.name, [{**head, key: "other"}, *said])
        with pytest.raises(ConfigError, match=f"its outputs are of {says}.*finetuning=baseline"):
            TextTask.open(elsewhere)


def test_what_any_text_cannot_have_is_refused_before_anything_is_read(config, tmp_path):
    write(tmp_path, {**SMALL, "train.src": lines(3)})  # which nobody reads
    for words, says in (
        (("task=files",), r"task=files has no data of its own: .*task\.folder=FOLDER"),
        (("task=files", f"task.folder={tmp_path}/none"), "no such folder"),
        (("task=labels", "task.folder=/none"), "no such folder"),
        (("task=files", f"task.folder={tmp_path}", "noise=template"), "noise=template: it knows .*noise=words"),
        (
            ("task=python", "noise=template"),
            "what task=python has as it is; valid here is noise=template_python, and for",
        ),
        (
            ("task=sanstype", "noise=template_python"),
            "knows the statements of task=python.*valid here is noise=template,",
        ),
        (("task=sql", "noise=template"), "what task=sql has as it is; valid for any text are noise=words"),
        (("task=files", f"task.folder={tmp_path}", "task.tests=[]"), "nothing would be tested"),
        (("task=labels", "noise=from_errors", "noise.run=none"), "noise.run=none: no folder of a run"),
    ):
        with pytest.raises(ConfigError, match=says):
            config(*words)


def test_queries_of_several_lines_are_judged_on_the_database_of_their_example(tmp_path, capsys):
    query = "SELECT name\nFROM city\nWHERE n > 1 -- more than one\nORDER BY name"
    database = {"city": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}
    row = json.dumps({"source": "which have more than one", "target": query, "database": database})
    write(tmp_path, {"train.jsonl": [row] * 12 + rows(2), "val.jsonl": [row], "test.jsonl": [row]})
    assert composed_check([str(tmp_path), "--judge", "sql", "profile=smoke", "task.max_length=200"]) == 1
    told = capsys.readouterr().out
    assert "judge=sql: 12 of 14 gold outputs of train are correct" in told  # the others are no queries
    assert "judge=sql: 1 of 1 gold outputs of test are correct" in told
