"""composed-check: what is told of good data, and that what has to be mended is named and ends in exit code 1."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from composed.cli.check import main
from tests.commands import command
from tests.test_files_task import SMALL, Folder, rows, write

PLENTY: Folder = {**SMALL, "test.src": ["t 0", "x 1", "x  2", "v 1"], "test.tgt": ["z 0", "y 1", "z 2", "z 3"]}


@pytest.fixture
def check(tmp_path, capsys):
    """Exit code, standard output and what was said of some contents of a folder."""

    def run(contents: Folder, *words: str) -> tuple[int, str, str]:
        code = main([str(write(tmp_path, contents)), "profile=smoke", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_good_data_are_counted_and_pass(check):
    code, out, said = check(SMALL)
    assert (code, said.strip().endswith("nothing to mend")) == (0, True)
    lines = [line.split() for line in out.splitlines() if line.strip()]
    counts = {line[0]: int(line[1]) for line in lines if len(line) > 2 and line[1].isdigit()}
    splits = {"train": 20, "val": 3, "test": 4, "unlabeled": 30, "unlabeled_val": 2}
    assert {split: counts[split] for split in splits} == splits
    assert "judge=match: 4 of 4 gold outputs of test are correct" in out
    shown = out.partition("what noise makes of outputs:\n")[2].splitlines()
    assert [line.strip() for line in shown[::2]] == SMALL["unlabeled_val.tgt"]


def test_what_splits_share_is_named_and_no_fault(check):
    code, out, _ = check({**PLENTY, "train.src": ["same", "same", *SMALL["train.src"][:18]]})
    assert code == 0
    assert "2 of 4 inputs of test are in train, too: examples 2, 3" in out
    assert "1 of 4 inputs of test are in val, too: examples 4" in out
    assert "1 of 4 outputs of test are among those that the denoiser learns from" in out
    assert "1 training inputs have several different outputs, such as 'same'" in out


def test_gold_outputs_that_the_judge_refuses_are_listed(check):
    """A label of the test set that no training example has is invalid."""
    contents = {"train.tsv": ["a\tx", "b\ty"] * 9, "val.tsv": ["a\tz"], "test.tsv": ["a\tw", "c\tv"]}
    code, out, said = check(contents)
    assert code == 1, said
    assert "judge=match: 1 of 2 gold outputs of test are correct" in out, said
    assert "example 2  c\n        invalid: 'c' is no label" in out
    assert "1 of 2 gold outputs of test are not correct: examples 2" in said
    assert said.strip().endswith(" to mend")


def test_outputs_that_the_denoiser_should_not_learn_are_listed(check):
    code, out, said = check(SMALL, "judge.pattern='[yzw] .*'")
    assert code == 0
    code, out, said = check({**SMALL, "unlabeled.tgt": ["y 1", "q"]}, "judge.pattern='[yzw] .*'")
    assert code == 1
    assert "invalid: 'q' does not match [yzw] .*" in out
    assert "1 of 2 outputs that the denoiser learns from are not valid: examples 2" in said


def test_outputs_without_room_are_told(check):
    code, _, said = check({**SMALL, "test.tgt": ["z"] * 3 + ["long " * 30]}, "task.max_length=20")
    assert code == 1
    assert "1 of 4 gold outputs of test are longer than a prediction may be, 20 tokens; task.max_length=" in said


def test_a_judge_that_is_not_for_such_outputs_refuses_the_gold_ones(check):
    code, out, said = check(SMALL, "--judge", "sql")
    assert code == 1
    assert "judge=sql: 0 of 4 gold outputs of test are correct" in out
    assert "4 of 4 gold outputs of test are not correct: examples 1, 2, 3, 4\n" in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--judge", "matsch"], 2, "judge=matsch: valid values are .*did you mean judge=match"),
        (["--task", "fonts"], 2, "task.faces|there is no key task.folder"),
        (["tokenizer.size=99"], 2, "set tokenizer.size="),
        (["second"], 2, "second: one folder at a time"),
        (["task.tests=[none]"], 1, "has no test set none"),
    ],
)
def test_what_cannot_be_is_refused(check, words, code, says):
    got, _, said = check(SMALL, *words)
    assert got == code
    assert re.search(says, said), said


def test_a_fault_of_a_file_is_told_as_training_would_tell_it(check):
    code, out, said = check({**SMALL, "val.src": ["one"]})
    assert (code, out) == (1, "")
    assert "val.src:1: the last line, but val.tgt has 3" in said


def test_it_loads_no_torch(tmp_path):
    folder = write(tmp_path, SMALL)
    code = f"import sys; from composed.cli.check import main; main([{str(folder)!r}]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_runs_as_a_command_on_a_folder_with_a_strange_name(tmp_path):
    folder = tmp_path / "it's, my = data"
    folder.mkdir()
    row = json.dumps({"source": "s", "target": "def f():\n    return 1"})
    write(folder, {"train.jsonl": rows(12), "test.jsonl": [row]})
    done = command("check", folder.name, "profile=smoke", "task.max_length=90", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "def f(): \u21b5\u2423\u2423\u2423\u2423 return 1" not in done.stderr
    assert "1 of 1 gold outputs of test are correct" in done.stdout
    assert not [path for path in Path(tmp_path).iterdir() if path != folder]
