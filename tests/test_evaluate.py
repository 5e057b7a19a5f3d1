"""Predictions become verdicts and a result that counts them; when judging fails, everything before it stays."""

import copy
import io
import json
from dataclasses import replace

import pytest
import yaml

from composed import judges
from composed.cli import evaluate, export, predict
from composed.config import Config
from composed.config.decoding import named
from composed.errors import ComposedError, ConfigError, DataError, Interrupted
from composed.experiment import evaluate as results
from composed.judges import engine
from composed.runs.folder import RunFolder
from composed.system.files import write_json, write_lines
from composed.tasks.reading import loader
from tests.test_configs import node

NODE = node("profile=smoke", "seed=1", "logger=csv", "judge=programs_tokens", "judge.seconds=1.5")
CONFIG = Config.read(NODE)
FACTS = {"updates": 12, "best": {"update": 8, "selection": 0.5}, "seconds": {"training": 3.0}, "splits": ["id", "ood"]}
ABOUT = "programs of at most 2 variables and 3 extra rounds"
FACTS |= {"resumed": False, "denoiser": None, "quality": {}, "kept": {}, "about": ABOUT}
VERDICTS = {
    "id": {"base": ["correct", "compile_error", "wrong_output"], "composition": ["correct", "correct", "time_limit"]},
    "ood": {"base": ["runtime_error", "compile_error"], "composition": ["correct", "memory_limit"]},
}


def rows(split: str) -> list[dict]:
    """The first of each output is the gold program."""
    row = {"tests": [{"input": "1\n", "output": "2"}]}
    return [
        {**row, "id": f"{n}-{output}", "output": output, "code": f"{split} {n}", "strict": n == 0, "known": False}
        for output, verdicts in VERDICTS[split].items()
        for n in range(len(verdicts))
    ]


@pytest.fixture
def run(tmp_path):
    """A run that is trained and predicted."""
    folder = RunFolder(tmp_path / "run")
    folder.describe(CONFIG, ["seed=1"])
    for split in VERDICTS:
        write_lines(folder.predictions(split), rows(split))
    write_json(folder.training, FACTS)
    return folder


@pytest.fixture
def judge(monkeypatch):
    """A judge that knows the verdicts, and what it was given."""
    seen = []

    def known(programs, *, limits, compare, workers, unsafe, shared, earlier, cache, progress):
        seen.append((programs, limits.cpu, compare))
        split = programs[0].code.split()[0]
        verdicts = [verdict for of in VERDICTS[split].values() for verdict in of]
        return [judges.Verdict(p.id, v) for p, v in zip(programs, verdicts, strict=True)]

    monkeypatch.setattr(engine, "judge", known)
    return seen


def test_the_result_counts_each_verdict_of_each_output_and_split(run, judge):
    result = results.conclude(run, CONFIG)
    assert json.loads(run.result.read_text()) == result.to_json()
    seen = {
        (output, split): {name: count for name, count in of.items() if count}
        for output, by_split in result.scores.extra["verdicts"].items()
        for split, of in by_split.items()
    }
    assert seen == {
        ("base", "id"): {"n": 3, "correct": 1, "compile_error": 1, "wrong_output": 1},
        ("composition", "id"): {"n": 3, "correct": 2, "time_limit": 1},
        ("base", "ood"): {"n": 2, "runtime_error": 1, "compile_error": 1},
        ("composition", "ood"): {"n": 2, "correct": 1, "memory_limit": 1},
    }
    assert result.updates == 12
    assert set(result.scores.tests) == {"id", "ood"}
    assert result.scores.tests["id"] != result.scores.tests["ood"]
    assert result.title == "SansType, smoke profile: programs of at most 2 variables and 3 extra rounds"
    assert [json.loads(line)["id"] for line in run.verdicts("id").read_text().splitlines()] == [
        row["id"] for row in rows("id")
    ]
    assert judge[0][1:] == (1.5, "tokens")
    assert judge[0][0][0].tests == (judges.Test("1\n", "2"),)


@pytest.mark.parametrize("reuse", [True, False])
def test_verdicts_are_taken_from_runs_of_the_same_replicate_beside_this_one(tmp_path, monkeypatch, reuse):
    """Of one program the run beside has a verdict, by all that it depends on; the other has another input."""
    runs = [RunFolder(tmp_path / f"sanstype-smoke-{name}") for name in ("standard-r0-a", "baseline-r0-b", "lora-r1-c")]
    compiled: list[int] = []
    work = engine._Bench.work
    monkeypatch.setattr(engine._Bench, "work", lambda bench, tasks: compiled.append(len(tasks)) or work(bench, tasks))
    for run, expected, replicate in zip(runs, ("1", "2", "1"), (0, 0, 1), strict=True):
        config = replace(CONFIG, replicate=replicate, judge=replace(CONFIG.judge, reuse=reuse))
        run.describe(config, [])
        code = "#include <iostream>\nint main() { std::cout << 1; }"
        for split in VERDICTS:
            tests = [{"input": "", "output": "1" if split == "id" else expected}]
            row = {"id": "0-base", "output": "base", "code": code, "strict": True, "known": False, "tests": tests}
            write_lines(run.predictions(split), [row])
        write_json(run.training, FACTS)
        values = results.conclude(run, config).scores.values["base"]
        assert [values[split]["correct"] for split in VERDICTS] == [100, 100 if expected == "1" else 0]
    assert compiled == ([1, 1, 0, 1, 1, 1] if reuse else [1] * 6)


def test_gold_programs_are_counted_apart_and_their_share_is_in_the_title(run, judge, monkeypatch):
    monkeypatch.setitem(VERDICTS, "id", {"base": ["correct", "correct"], "gold": ["correct", "compile_error"]})
    write_lines(run.predictions("id"), rows("id"))
    result = results.conclude(run, CONFIG)
    assert set(result.scores.values) == {"base", "composition"}
    assert {name: count for name, count in result.scores.extra["gold"]["id"].items() if count} == {
        "n": 2,
        "correct": 1,
        "compile_error": 1,
    }
    assert result.title.endswith("3 extra rounds; the judge accepts 50.0% of the gold programs of ID")


def test_gold_programs_that_the_training_has_are_in_the_title(run, judge):
    write_lines(run.predictions("ood"), [{**row, "known": True} for row in rows("ood")])
    result = results.conclude(run, CONFIG)
    assert result.scores.extra["known"]["ood"]["composition"] == {"n": 2, "correct": 1}
    assert result.title.endswith("3 extra rounds; 2 gold programs of OOD are targets of the training too")


def test_outputs_judged_on_different_programs_are_refused_and_predicting_again_is_named(run, judge, monkeypatch):
    monkeypatch.setitem(VERDICTS, "id", {"base": ["correct", "correct"], "composition": ["correct"]})
    write_lines(run.predictions("id"), rows("id"))
    with pytest.raises(
        DataError, match=f"on different numbers of programs; predict again with\n.*--predict {run.path}"
    ):
        results.conclude(run, CONFIG)
    assert not run.finished()


def test_shares_are_logged_and_summed_up(run, judge):
    result = results.conclude(run, CONFIG)
    shares = results.metrics(result)
    assert shares["test/id/composition/correct"] == pytest.approx(2 / 3)
    assert shares["test/ood/base/compile_error"] == 0.5
    assert shares["test/id/own/correct"] == pytest.approx(2 / 3)
    assert {"seconds/training", "seconds/judging"} <= shares.keys()
    summary = results.summary(result, run.path)
    told = "f(x)      id  33.3% correct,  33.3% are the gold ones,  33.3% do not compile (n 3)   ood   0.0% correct"
    assert told in summary
    assert "Pi(f(x))  id  66.7% correct" in summary
    assert shares["test/ood/own/strict"] == 0.5
    assert f": {result.mode}, replicate 0, seed 1\n" in summary
    run.describe(replace(CONFIG, decoding=named("beam")), [])
    assert f": {result.mode}, beam 4, replicate 0, seed 1\n" in results.summary(result, run.path)


def test_runs_of_other_seeds_share_the_key_of_their_config(run, judge):
    keys = []
    for changed in ({}, {"seed": 2}, {"profile": {"name": "x"}}):
        config = Config.read({**NODE, **changed})
        run.describe(config, [])
        keys.append(results.conclude(run, config).config_key)
    assert keys[0] == keys[1] != keys[2]


def test_a_judge_that_fails_loses_nothing_and_the_message_says_how_to_go_on(run, judge, monkeypatch, capsys):
    working = engine.judge

    def fail(programs, **_):
        raise judges.JudgeError("there is no compiler")

    monkeypatch.setattr(engine, "judge", fail)
    with pytest.raises(ComposedError, match=f"no compiler\n.*\n  composed-evaluate {run.path}"):
        results.conclude(run, CONFIG)
    assert evaluate.main([str(run.path)]) == 1
    assert "error: there is no compiler" in capsys.readouterr().err
    assert not run.finished()
    monkeypatch.setattr(engine, "judge", working)
    assert evaluate.main([str(run.path)]) == 0
    assert run.finished()
    assert str(run.path) in capsys.readouterr().out


def test_a_run_that_is_not_trained_names_the_command_that_goes_on(run, capsys):
    run.training.unlink()
    assert evaluate.main([str(run.path)]) == 1
    assert "go on with the command that began it:\n  composed-train seed=1" in capsys.readouterr().err


def test_predictions_that_are_missing_are_named(run, judge, capsys):
    run.predictions("ood").unlink()
    assert evaluate.main([str(run.path)]) == 1
    assert "predictions-ood.jsonl is missing" in capsys.readouterr().err
    assert not run.finished()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("task.kind", "doctor", "task.kind=doctor: valid values are text and image and staircase; train again"),
        ("task.kind", ["text"], "task.kind=['text']: valid values are"),
        ("task.name", 3, "task.name=3: expected a word"),
        ("task", None, "task=null: expected a mapping"),
        ("judge", {}, "judge.name is missing"),
        ("trainer.num_nodes", "many", "trainer.num_nodes=many: expected a whole number"),
        ("optim.momentun", 0.9, "there is no key optim.momentun"),
        ("", [], "is no config of a run"),
        ("finetuning", 7, "is no config of a run"),
    ],
)
@pytest.mark.parametrize(
    "command", ["evaluate", "evaluate --predict", "predict", "export safetensors", "export huggingface"]
)
def test_every_command_takes_a_run_folder_for_what_somebody_else_may_have_written(
    run, judge, tmp_path, monkeypatch, capsys, command, path, value, said
):
    config = copy.deepcopy(NODE)
    group, _, key = path.partition(".")
    if key:
        config[group][key] = value
    (run.path / "config.yaml").write_text(
        yaml.safe_dump({**config, group: config[group] if key else value} if path else value)
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("set a to 1;\n"))
    name, *words = command.split()
    words += [str(run.path)] + ([str(tmp_path / "out")] if name == "export" else [])
    main = {"evaluate": evaluate.main, "predict": predict.main, "export": export.main}[name]
    assert main(words) == 1
    assert said in capsys.readouterr().err
    assert not judge


def test_a_task_that_a_folder_names_is_one_of_the_list(run, capsys):
    with pytest.raises(ConfigError, match=r"task\.name=spoc\.release: no task of text has this name"):
        loader("spoc.release")


@pytest.mark.parametrize("wrong", [{"splits": None}, {"about": 3}, {"seconds": 3}])
def test_what_a_training_says_of_itself_is_checked(run, judge, capsys, wrong):
    write_json(run.training, {**FACTS, **wrong})
    assert evaluate.main([str(run.path)]) == 1
    assert "training.json" in capsys.readouterr().err


def test_a_line_that_is_no_prediction_is_told_as_that(run, judge, capsys):
    write_lines(run.predictions("ood"), [*rows("ood"), {"output": "base", "tests": 5}])
    assert evaluate.main([str(run.path)]) == 1
    assert "predictions-ood.jsonl: a line is no prediction" in capsys.readouterr().err


def test_containment_is_switched_off_by_the_command_alone(run, judge, monkeypatch):
    (run.path / "config.yaml").write_text(yaml.safe_dump({**NODE, "judge": {**NODE["judge"], "unsafe": True}}))
    seen = []
    known = engine.judge
    monkeypatch.setattr(
        engine, "judge", lambda *of, unsafe, **how: seen.append(unsafe) or known(*of, unsafe=unsafe, **how)
    )
    assert evaluate.main([str(run.path)]) == evaluate.main(["--unsafe", str(run.path)]) == 0
    assert {*seen[:2]} == {False}
    assert {*seen[2:]} == {True}


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    assert evaluate.main([str(tmp_path)]) == 1
    assert "is no run folder" in capsys.readouterr().err


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_while_judging_ends_with_its_code(run, monkeypatch, number):
    def interrupted(programs, **_):
        raise Interrupted(number)

    monkeypatch.setattr(engine, "judge", interrupted)
    assert evaluate.main([str(run.path)]) == 128 + number
    assert not run.finished()


def test_prediction_keeps_the_order_of_the_data_and_feeds_the_denoiser_what_f_said(tmp_path):
    """f repeats its source, Pi what it is given; rows of unequal length are batched in another order than they come."""
    import torch

    from composed.datamodules.text import Split, TextData
    from composed.datamodules.tokenizers import train
    from composed.models.composition import Composition
    from composed.tasks.text import TextTask
    from tests import toys

    class Echo(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.specials = toys.model().specials
            self.calls = 0

        def predict(self, source, *, max_length, beams):
            self.calls += 1
            return source

    lines = [" ".join(["a"] * (1 + 7 * n % 5) + [f"w{n}"]) for n in range(9)]
    split = Split(lines, [f"t{n}" for n in range(9)], [[("", str(n))] for n in range(9)])
    data = TextData(split, split, {"id": split}, [], [], as_output=str.upper, as_source=str)
    task = TextTask(CONFIG, data, train("word", lines, 0), max_length=9)
    run, f, pi = RunFolder(tmp_path), Echo(), Echo()
    task.predict(run, f, Composition(f, pi))  # type: ignore[arg-type]
    found = [json.loads(line) for line in run.predictions("id").read_text().splitlines()]
    assert [row["id"] for row in found] == [f"{n}-{output}" for output in ("base", "composition") for n in range(9)]
    assert [row["text"] for row in found] == lines * 2
    assert [row["code"] for row in found] == [line.upper() for line in lines] * 2
    assert [row["tests"][0]["output"] for row in found] == [str(n) for n in range(9)] * 2
    assert f.calls == pi.calls > 0


def test_a_machine_that_cannot_judge_is_told_before_the_training(run, monkeypatch, capsys):
    def without(**_):
        raise judges.JudgeError("there is no compiler")

    results.warn_of_no_judge(CONFIG, run)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(engine, "containment", without)
    results.warn_of_no_judge(CONFIG, run)
    said = capsys.readouterr().err
    assert said.startswith("warning: there is no compiler\nThe training goes on, but its predictions cannot be judged")
    assert said.endswith(f"composed-evaluate {run.path}\n")
