"""Programs in Python: their verdicts, and that no hostile one does anything."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.judges import python
from composed.judges.box import Box, SupervisorError
from composed.judges.interface import NO_RECORD, Record
from composed.judges.python import Judge
from composed.printable import printable
from tests.judges import each_tier, require
from tests.judges.scripts import HOSTILE
from tests.test_judges_box import running

QUICK = Judge(compare="exact", seconds=1.0, memory=256, workers=2)


def row(name: str, code: str, *tests: tuple[str, str]) -> dict:
    return {"id": name, "code": code, "tests": [{"input": given, "output": expected} for given, expected in tests]}


def verdicts(*rows: dict, judge: Judge = QUICK, record: Record = NO_RECORD) -> list[str]:
    return [each.verdict for each in judge.judge(rows, record)]


@each_tier
def test_hostile_programs_get_their_verdict_and_do_no_harm(tier, tmp_path, monkeypatch):
    require(tier)
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious.txt").write_text("a secret of the user\n")
    monkeypatch.setenv("TEMP_OF_JUDGE", "a secret of the judge")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(python, "Box", lambda toolchain, unsafe: Box(toolchain, tier))
    monkeypatch.setattr(python, "limits", lambda seconds, memory: python.Limits(cpu=0.5, wall=4, memory=256 << 20))
    before = set(os.listdir("/tmp"))
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        port = tcp.getsockname()[1]
        unix.bind(f"\0composed-hostile-{port}")
        unix.listen()
        rows = [
            row(name, text.replace("@HOME@", str(home)).replace("@PORT@", str(port)), ("", "5\n"))
            for name, (_, text) in HOSTILE.items()
        ]
        found = QUICK.judge(rows)
        for listener in (tcp, unix):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
    wrong = {each.id: each for each in found if each.verdict not in HOSTILE[each.id][0].split("|")}
    assert not wrong
    assert [each.id for each in found] == [*HOSTILE]
    assert not any("secret" in each.diagnostics or "root:" in each.diagnostics for each in found)
    assert all(each.diagnostics == printable(each.diagnostics) and len(each.diagnostics) <= 2000 for each in found)
    assert sorted(path.name for path in home.iterdir()) == ["precious.txt"]
    assert (home / "precious.txt").read_text() == "a secret of the user\n"
    assert not running(tmp_path)
    assert not [name for name in set(os.listdir("/tmp")) - before if "hostile" in name]


@each_tier
def test_nothing_that_was_installed_can_be_imported(tier, monkeypatch):
    require(tier)
    monkeypatch.setattr(python, "Box", lambda toolchain, unsafe: Box(toolchain, tier))
    code = "import sys\nfor place in sys.path[:]: sys.path.append(place + '/site-packages')\nimport pip\nprint(5)"
    [found] = QUICK.judge([row("a", code, ("", "5\n"))])
    assert found.verdict == "runtime_error"
    assert "ModuleNotFoundError" in found.diagnostics or "Permission denied" in found.diagnostics


def test_every_test_is_a_process_of_its_own_and_the_first_that_fails_decides():
    code = "import sys\nn = int(input())\nsys.stdout.write(str(n + 1))\n"
    [fine, wrong] = QUICK.judge(
        [row("a", code, ("1\n", "2"), ("2\n", "3")), row("b", code, ("1\n", "2"), ("2\n", "4"), ("x", "0"))]
    )
    assert (fine.id, fine.verdict, fine.failed_test) == ("a", "correct", None)
    assert (wrong.id, wrong.verdict, wrong.failed_test) == ("b", "wrong_output", 1)
    assert 0 < fine.cpu_seconds <= fine.wall_seconds
    assert verdicts(row("c", "print(input() + input())", ("a\nb\n", "ab\n"))) == ["correct"]
    assert verdicts(row("d", "import sys; print(len(sys.stdin.read()))", ("a\nb\n", "4\n"))) == ["correct"]


def test_outputs_are_compared_to_the_byte_or_word_by_word():
    program = row("a", "print(1, 2)\nprint(3)", ("", "1  2 3"))
    assert verdicts(program) == ["wrong_output"]
    assert verdicts(program, judge=Judge(compare="tokens", seconds=1, memory=256)) == ["correct"]


def test_a_program_without_tests_has_to_end_well():
    assert verdicts(row("a", "print(5)"), row("b", "raise SystemExit(1)"), row("c", "print(")) == [
        *("correct", "runtime_error", "invalid")
    ]


def test_what_does_not_compile_is_invalid_and_says_why_without_being_run():
    rows = [row(str(n), code) for n, code in enumerate(["print(1", "1/0", "def f():\nreturn", "é = 1", "return 1"])]
    faults = QUICK.faults(rows)
    assert [bool(each) for each in faults] == [True, False, True, False, True]
    assert faults[0].startswith("SyntaxError: '(' was never closed (program.py, line 1)")
    [verdict, *_] = QUICK.judge(rows)
    assert (verdict.verdict, verdict.diagnostics) == ("invalid", faults[0])


@given(st.text(max_size=30))
@settings(max_examples=20, deadline=None)
def test_what_compiles_here_is_valid(text):
    """Both ask the same compiler."""
    try:
        compile(text.encode("utf-8", "surrogatepass"), "program.py", "exec", dont_inherit=True)
        fine = True
    except (SyntaxError, ValueError):
        fine = False
    assert [not fault for fault in QUICK.faults([{"code": text}])] == [fine]


def test_hashes_are_the_same_each_time():
    code = "print(hash('a'), sorted({'x', 'y', 'z'}, key=hash))"
    assert len({*QUICK.tell([{"code": code}] * 2), *QUICK.tell([{"code": code}])}) == 1


def test_the_module_of_the_program_is_its_own():
    code = (
        "import dataclasses, pickle, sys\n"
        "@dataclasses.dataclass\nclass A:\n    x: int = 3\n"
        "assert __name__ == '__main__' and 'begin' not in globals()\n"
        "print(pickle.loads(pickle.dumps(A())).x + 2)"
    )
    assert verdicts(row("a", code, ("", "5\n"))) == ["correct"]


def test_verdicts_are_kept_and_looked_up(tmp_path, monkeypatch):
    rows = [row("a", "print(5)", ("", "5\n")), row("b", "print(6)", ("", "5\n")), row("c", "print(5)", ("", "5\n"))]
    told = []
    record = Record(tmp_path / "kept", progress=lambda *of: told.append(of))
    assert verdicts(*rows, record=record) == ["correct", "wrong_output", "correct"]
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)
    monkeypatch.setattr(python._Bench, "_run", lambda *of, check: pytest.fail("known already"))
    assert verdicts(*rows, record=record) == ["correct", "wrong_output", "correct"]
    assert verdicts(*rows, record=Record(earlier=[tmp_path / "kept"])) == ["correct", "wrong_output", "correct"]


def test_a_supervisor_that_is_killed_costs_no_verdict_of_others(monkeypatch):
    interpret = Box.interpret

    def killed(box, interpreter, jobs, limits):
        jobs = list(jobs)
        if any(b"kill" in job.input for job in jobs):
            yield from interpret(box, interpreter, [job for job in jobs if b"kill" not in job.input][:1], limits)
            raise SupervisorError("killed")
        yield from interpret(box, interpreter, jobs, limits)

    monkeypatch.setattr(Box, "interpret", killed)
    rows = [row(str(n), f"print({n})", ("", f"{n}\n")) for n in range(4)]
    found = QUICK.judge([*rows, row("kill", "print('kill')", ("", "kill\n"))])
    assert [each.verdict for each in found] == [*["correct"] * 4, "not_judged"]
    assert found[-1].diagnostics == "killed"


def test_an_interpreter_that_does_not_run_in_the_box_is_named(monkeypatch, tmp_path):
    broken = python.Interpreter((python.interpreter().command[0], "-c", "raise SystemExit('no encodings')"),
                                python.interpreter().paths)  # fmt: skip
    monkeypatch.setattr(python, "interpreter", lambda: broken)
    monkeypatch.setattr(python, "_proven", set())
    with pytest.raises(python.JudgeError, match="does not run where programs are judged: no encodings"):
        QUICK.check()
    assert Path(broken.command[0]).is_file()
