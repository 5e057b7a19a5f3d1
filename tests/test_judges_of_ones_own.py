"""A program of one's own as a judge: what it is given and may answer, and what its faults cost."""

import json
import sys

import pytest

from composed.judges import command
from composed.judges.command import Judge, read_answers
from composed.judges.interface import Record
from composed.judges.records import JudgeError
from tests.judges import require

LENGTHS = """\
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    text, target = row["text"], row.get("target")
    verdict = "invalid" if "#" in text else "correct" if text == target else "wrong"
    print(json.dumps({"id": row["id"], "verdict": verdict, "diagnostics": "a #" if verdict == "invalid" else ""}))
"""


@pytest.fixture(params=[False, True], ids=["box", "unsafe"])
def judge(request, tmp_path):
    """Of a text that is a program in Python."""
    if not request.param:
        require("A")

    def of(text: str, **keys: object) -> Judge:
        (tmp_path / "check.py").write_text(text)
        program = f"{sys.executable} {tmp_path / 'check.py'}"
        settings: dict = {"seconds": 0.2, "memory": 2048, "workers": 2, "unsafe": request.param, **keys}
        return Judge(program=program, **settings)

    return of


def rows(*texts: str) -> list[dict]:
    return [{"id": f"{n}-base", "text": text, "target": "b", "more": [n]} for n, text in enumerate(texts)]


def test_its_verdicts_are_taken(judge):
    found = judge(LENGTHS).judge(rows("b", "c", "#"))
    assert [each.id for each in found] == ["0-base", "1-base", "2-base"]
    assert [each.verdict for each in found] == ["correct", "wrong", "invalid"]
    assert found[2].diagnostics == "a #"
    assert judge(LENGTHS).faults([{"id": "x", "text": "#"}, {"id": "y", "text": "b", "target": "c"}]) == ["a #", ""]
    assert judge(LENGTHS).tell([{"text": "b"}, {"text": "#"}]) == ["valid", "invalid: a #"]


def test_it_reads_all_of_a_row_and_answers_in_any_order(judge):
    text = (
        "import json, sys\nrows = [json.loads(line) for line in sys.stdin]\n"
        "for row in reversed(rows):\n"
        "    print(json.dumps({'id': row['id'], 'verdict': 'correct', 'diagnostics': str(sorted(row))}))\n"
    )
    found = judge(text).judge(rows(*"abc"))
    assert {each.diagnostics for each in found} == {"['id', 'more', 'target', 'text']"}


def test_many_rows_are_shared_out(judge):
    texts = ["b" if n % 3 else f"c{n}" for n in range(200)]
    found = judge(LENGTHS).judge(rows(*texts))
    assert [each.verdict for each in found] == ["correct" if text == "b" else "wrong" for text in texts]


def test_where_it_dies_one_row_is_not_judged(judge):
    found = judge(LENGTHS.replace("    text, ", "    1 / (row['text'] != 'die')\n    text, ")).judge(
        rows("b", "die", "b", "die", "c")
    )
    assert [each.verdict for each in found] == ["correct", "not_judged", "correct", "not_judged", "wrong"]
    assert found[1].diagnostics == (
        "the program ended with exit code 1 without an answer for this row: ZeroDivisionError: division by zero"
    )


def test_what_it_leaves_out_is_not_judged(judge):
    found = judge(LENGTHS.replace("    text, ", "    if row['text'] == 'x': continue\n    text, ")).judge(rows(*"bxc"))
    assert [each.verdict for each in found] == ["correct", "not_judged", "wrong"]
    assert "ended with exit code 0 without an answer" in found[1].diagnostics


def test_one_that_never_answers_is_given_up(judge):
    found = judge("raise SystemExit(3)").judge(rows(*"abcdef"))
    assert {each.verdict for each in found} == {"not_judged"}
    with pytest.raises(JudgeError, match="exit code 3"):
        judge("raise SystemExit(3)").faults(rows("a"))


def test_a_script_whose_interpreter_is_not_there_is_told_with_the_remedy(tmp_path):
    require("A")
    hidden = tmp_path / "hidden" / "python"
    hidden.parent.mkdir()
    hidden.symlink_to(sys.executable)
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nexec {hidden} "$@"\n')
    shim.chmod(0o755)
    (tmp_path / "check.py").write_text(LENGTHS)
    words = f"{shim} {tmp_path / 'check.py'}"
    [found] = Judge(program=words, seconds=0.2, memory=2048).judge(rows("b"))
    assert found.verdict == "not_judged"
    assert "exit code 127" in found.diagnostics
    assert "Name the interpreter's own path in judge.program" in found.diagnostics
    [seen] = Judge(program=words, seconds=0.2, memory=2048, unsafe=True).judge(rows("b"))
    assert seen.verdict == "correct"


def test_one_that_hangs_ends(judge, monkeypatch):
    monkeypatch.setattr(command, "STARTING", 4.0)
    text = LENGTHS.replace("    text, ", "    sys.stdout.flush()\n    while row['text'] == 'x': pass\n    text, ")
    found = judge(text).judge(rows(*"bxc"))
    assert [each.verdict for each in found] == ["correct", "not_judged", "wrong"]
    assert "too long" in found[1].diagnostics or "signal" in found[1].diagnostics


def answer(**fields: object) -> str:
    return json.dumps({"id": "a", "verdict": "correct", **fields})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (answer(id="c"), 'has an id that no row has: "c"'),
        (answer(id=3), "has an id that no row has: 3"),
        (answer(verdict="right"), 'has the verdict "right", which is none of correct, invalid, wrong'),
        (answer(verdict=["correct"]), 'has the verdict ["correct"], which is none of'),
        (answer(diagnostics=3), "has diagnostics that are no text"),
        ("[]", "is no object"),
        ("{", "is no JSON"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_an_answer_that_is_none_is_named_and_ends_what_counts(line, problem):
    output = f"{answer(id='b')}\n\n{line}\n{answer()}\n".encode("latin-1")
    found, said = read_answers(output, {"a", "b"})
    assert found.keys() == {"b"}
    assert said.startswith(f"line 3 of its answers {problem}")


def test_a_row_is_answered_once():
    found, said = read_answers(f"{answer()}\n{answer(verdict='wrong')}".encode(), {"a"})
    assert found["a"].verdict == "correct"
    assert said == "line 2 of its answers answers row a again"


def test_verdicts_are_kept_and_looked_up(judge, tmp_path, monkeypatch):
    one = judge(LENGTHS)
    record = Record(tmp_path / "kept")
    assert [each.verdict for each in one.judge(rows(*"bcb"), record)] == ["correct", "wrong", "correct"]
    monkeypatch.setattr(Judge, "_answered", None)
    assert [each.verdict for each in one.judge(rows(*"bcb"), record)] == ["correct", "wrong", "correct"]
    with pytest.raises(TypeError):  # another program judges anew
        judge(LENGTHS + "\n").judge(rows(*"bcb"), record)


@pytest.mark.parametrize(
    ("program", "said"),
    [("nowhere check.py", "there is no program nowhere"), ("'x", "no words of a shell"), ("", "no words of a shell")],
)
def test_a_program_that_is_none_is_named(program, said):
    with pytest.raises(JudgeError, match=said):
        Judge(program=program, seconds=1, memory=100).judge(rows("a"))


def test_in_the_box_it_reads_what_it_was_given_and_reaches_nobody(tmp_path, monkeypatch):
    require("A")
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious.txt").write_text("a secret of the user")
    (tmp_path / "words.txt").write_text("b")
    monkeypatch.setenv("API_KEY", "secret")
    text = (
        "import json, os, socket, sys\n"
        "def tried(what):\n    try: return str(what())\n    except OSError as error: return type(error).__name__\n"
        f"said = [tried(lambda: open('{home}/precious.txt').read()), tried(lambda: open('{home}/x', 'w')),\n"
        "        tried(socket.socket), str('API_KEY' in os.environ),\n"
        f"        tried(lambda: open('{tmp_path}/words.txt').read()), tried(lambda: open('own', 'w').write('x'))]\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'id': json.loads(line)['id'], 'verdict': 'wrong', 'diagnostics': ' '.join(said)}))\n"
    )
    (tmp_path / "check.py").write_text(text)
    judge = Judge(
        program=f"{sys.executable} {tmp_path / 'check.py'}",
        seconds=1,
        memory=2048,
        reads=[str(tmp_path / "words.txt")],
    )
    [found] = judge.judge(rows("a"))
    assert found.diagnostics == "FileNotFoundError FileNotFoundError PermissionError False b 1"
    assert [path.name for path in home.iterdir()] == ["precious.txt"]
