"""composed-judge: what it reads and writes, what it says of bad input, and what is left when it is stopped."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composed.judges import PRELUDE, Verdict
from composed.judges.command import main
from tests.judges import each_tier, require


def line(id: str, code: str, *tests: tuple[str, str]) -> str:
    fields = {"id": id, "code": PRELUDE + code, "tests": [{"input": text, "output": output} for text, output in tests]}
    return json.dumps(fields) + "\n"


GOOD = line("a", "int main() { cout << 1; }", ("", "1"))
WRONG = line("b", "int main() { cout << 2; }", ("", "1"))
SLEEPS_ALONE = line("c", "#define X\nint main() { for (;;) pause(); }", ("", ""))


def verdicts(path: Path) -> list[Verdict]:
    return [Verdict.from_json(text) for text in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; main's handler of SIGTERM is taken back afterwards."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def test_verdicts_go_where_they_are_asked_for_and_the_tier_is_said(folder, capsys, monkeypatch):
    (folder / "predictions").write_text(WRONG + "\n" + GOOD)
    assert main(["predictions"]) == 0
    printed, said = capsys.readouterr()
    assert [Verdict.from_json(text).verdict for text in printed.splitlines()] == ["wrong_output", "correct"]
    assert "tier" in said.splitlines()[0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((GOOD + WRONG).encode())))
    assert main(["-", "--out", "verdicts"]) == 0
    assert [verdict.id for verdict in verdicts(folder / "verdicts")] == ["a", "b"]
    assert not (folder / "verdicts.partial").exists()


def test_finished_programs_are_not_judged_again_but_changed_ones_are(folder, capsys):
    (folder / "predictions").write_text(GOOD + WRONG)
    assert main(["predictions", "--out", "verdicts"]) == 0
    first = verdicts(folder / "verdicts")
    (folder / "predictions").write_text(line("b", "int main() { cout << 1; }", ("", "1")) + GOOD)
    assert main(["predictions", "--out", "verdicts"]) == 0
    second = verdicts(folder / "verdicts")
    assert second[1] == first[0]
    assert (second[0].id, second[0].verdict) == ("b", "correct")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "{\n", "predictions:2: not a prediction"),
        ("[]\n", "predictions:1: not a prediction: [] is not an object"),
        ('\n{"id": "a"}\n', "predictions:2: not a prediction: no field 'code'"),
        ('{"id": "a", "code": 3}\n', "predictions:1: not a prediction: 3 is not a string"),
        ('{"id": "a", "code": "", "tests": [{"input": ""}]}\n', "no field 'output'"),
        ('{"id": "a", "code": "", "tests": 5}\n', "predictions:1: not a prediction"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(folder, capsys, text, message):
    (folder / "predictions").write_text(text)
    assert main(["predictions"]) == 2
    assert message in capsys.readouterr().err
    assert main(["predictions", "--keep-going"]) == 1
    assert message in capsys.readouterr().err


def test_bytes_that_are_no_utf8_are_a_bad_line(folder, capsys):
    (folder / "predictions").write_bytes(b'{"id": "\xff"}\n')
    assert main(["predictions"]) == 2
    assert "predictions:1:" in capsys.readouterr().err


def test_files_that_cannot_be_read_or_written_are_named(folder, capsys):
    assert main(["nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    (folder / "predictions").write_text(GOOD)
    (folder / "file").touch()
    assert main(["predictions", "--out", "file/verdicts"]) == 1
    assert "file" in capsys.readouterr().err


@each_tier
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_judge_leaves_its_verdicts_and_nothing_that_runs(folder, tier, how):
    require(tier)
    (folder / "predictions").write_text(GOOD + SLEEPS_ALONE)
    command = [sys.executable, "-m", "composed.judges.command", "predictions", "--out", "verdicts", "--tier", tier]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(Path.home())}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 30
    while not (Path("verdicts.partial").exists() and Path("verdicts.partial").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(how)
    _, said = process.communicate(timeout=10)
    if how != signal.SIGKILL:
        assert process.returncode == 130
        assert "verdicts.partial" in said
        assert not list(folder.glob("composed-judge-*"))
    assert [verdict.id for verdict in verdicts(folder / "verdicts.partial")] == ["a"]
    deadline = time.monotonic() + 5
    while [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
