"""composed-judge --judge: rows of any kind in, verdicts out, and what is wrong is named."""

import json
import sys

import pytest

from composed.cli.judge import main


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def of(*rows: object) -> str:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return "rows.jsonl"

    return of


def verdicts(text: str) -> list[tuple[str, str]]:
    return [(each["id"], each["verdict"]) for each in map(json.loads, text.splitlines())]


ROWS = [{"id": 1, "text": "a b", "target": "a  b"}, {"id": "2", "text": "c", "target": "a"}]


def test_text_is_compared_and_labels_are_valid(write, capsys, tmp_path):
    assert main([write(*ROWS), "--judge", "match"]) == 0
    out, err = capsys.readouterr()
    assert verdicts(out) == [("1", "correct"), ("2", "wrong")]
    assert "2 outputs in " in err
    (tmp_path / "labels").write_text("a b\na\n")
    assert main([write(*ROWS), "--judge", "match", "--set", "labels=labels", "--out", "verdicts"]) == 0
    assert verdicts((tmp_path / "verdicts").read_text()) == [("1", "correct"), ("2", "invalid")]
    assert not (tmp_path / "verdicts.partial").exists()


def test_queries_programs_and_own_verdicts(write, capsys, tmp_path):
    row = {"id": "a", "text": "SELECT n FROM t", "target": "SELECT 3", "database": {"t": [{"n": 3}]}}
    assert main([write(row), "--judge", "sql", "--workers", "1"]) == 0
    program = {"id": "b", "code": "print(int(input()) + 1)", "tests": [{"input": "1", "output": "2\n"}]}
    assert main([write(program), "--judge", "python", "--set", "seconds=5"]) == 0
    (tmp_path / "check.py").write_text(
        "import json, sys\nfor line in sys.stdin:\n"
        "    print(json.dumps({'id': json.loads(line)['id'], 'verdict': 'correct'}))\n"
    )
    own = ["--judge", "command", "--set", f"program={sys.executable} check.py", "--unsafe"]
    assert main([write(row), *own]) == 0
    assert verdicts(capsys.readouterr().out) == [("a", "correct"), ("b", "correct"), ("a", "correct")]


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        ([{"id": 1}], ["match"], "rows.jsonl:1: not a prediction: no field 'text' (--keep-going"),
        ([{"id": 1, "text": "a"}], ["match"], "no field 'target'"),
        ([{"id": 1, "text": 3, "target": "a"}], ["match"], "3 is not a string"),
        ([*ROWS, ROWS[0]], ["match"], 'rows.jsonl:3: not a prediction: another line has the id "1"'),
        ([{"id": 1, "code": "1", "tests": 3}], ["python"], "the tests are 3, not a list"),
        (ROWS, ["labels"], "judge.labels=train: there is no training here; give --set labels=FILE"),
        (ROWS, ["match", "--set", "labels=nowhere"], "judge.labels=nowhere: no such file"),
        (ROWS, ["match", "--set", "label=x"], "--set label=x: --judge match takes labels=VALUE, pattern=VALUE"),
        (ROWS, ["sql", "--set", "seconds=0"], "judge.seconds=0: must be above 0"),
        (ROWS, ["sql", "--cpu", "3"], "--cpu: is for programs in C++"),
        (ROWS, ["command"], "judge.program=null: judge=command runs a program of yours"),
        (ROWS, ["images"], "judges no lines of text"),
        (ROWS, ["rust"], "--judge rust: valid values are command, images"),
        (ROWS, ["programs", "--set", "seconds=3"], "--set: programs in C++ are judged by the other flags"),
    ],
)
def test_what_cannot_be_judged_is_named(write, capsys, rows, words, said):
    assert main([write(*rows), "--judge", *words]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_lines_that_cannot_be_read_are_left_out_if_asked(write, capsys):
    assert main([write({"id": 7}, *ROWS), "--judge", "match", "--keep-going"]) == 1
    assert verdicts(capsys.readouterr().out) == [("1", "correct"), ("2", "wrong")]
