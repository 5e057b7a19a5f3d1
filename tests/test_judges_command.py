"""composed-judge: what it reads and writes, what it says of bad input, and what is left when it is stopped."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composed.cli import judge as command
from composed.cli.judge import main
from composed.judges import PRELUDE, Limits, Verdict, box
from composed.judges.box import Box
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
        ('{"id": "a", "code": ""}\n', "predictions:1: not a prediction: no field 'tests'"),
        ('{"id": "a", "code": "", "tests": ""}\n', "not a list of objects"),
        ('{"id": "a", "code": "", "tests": {}}\n', "not a list of objects"),
        ('{"id": [], "code": "", "tests": []}\n', "the id [] is not a string"),
        ('{"id": "a", "code": "", "tests": ["x"]}\n', "predictions:1: not a prediction"),
        ("[" * 100_000 + "\n", "predictions:1: not a prediction"),
        ('{"id": ' + "9" * 5000 + "}\n", "predictions:1: not a prediction"),
        (json.dumps("x" * 6_000_000) + "\n", "predictions:1: not a prediction"),
        ('{"id": "a", "code": "", "tests": [{"input": ""}]}\n', "no field 'output'"),
        ('{"id": "a", "code": "", "tests": 5}\n', "predictions:1: not a prediction"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(folder, capsys, text, message):
    (folder / "predictions").write_text(text)
    assert main(["predictions"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said) < 500
    assert main(["predictions", "--keep-going"]) == 1
    assert message in capsys.readouterr().err


def test_texts_beyond_unicode_are_judged_and_written(folder, capsys):
    odd = json.dumps("a\ud800\x1b[2J")
    (folder / "predictions").write_text(f'{{"id": {odd}, "code": {odd}, "tests": []}}\n' + GOOD)
    assert main(["predictions", "--out", "verdicts"]) == 0
    assert [verdict.verdict for verdict in verdicts(folder / "verdicts")] == ["compile_error", "correct"]
    assert verdicts(folder / "verdicts")[0].id == json.loads(odd)
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["verdicts", "verdicts.partial"])
def test_a_damaged_file_of_verdicts_costs_what_is_damaged(folder, capsys, name):
    (folder / "predictions").write_text(GOOD + WRONG)
    assert main(["predictions", "--out", "verdicts"]) == 0
    first, second = (folder / "verdicts").read_text().splitlines()
    fields = json.loads(second)
    damaged = [
        "[" * 100_000,
        '{"id": ' + "9" * 5000 + "}",
        json.dumps({**fields, "verdict": "banana"}),
        json.dumps({**fields, "key": []}),
        json.dumps({**fields, "peak_memory": 10**400}),
        json.dumps({**fields, "failed_test": []}),
        json.dumps({**fields, "wall_seconds": -1}),
        json.dumps({**fields, "cpu_seconds": "much"}),
        json.dumps({**fields, "wall_seconds": float("nan")}),
        "\x00\xff",
        second[:30],
    ]
    (folder / "verdicts").unlink()
    (folder / name).write_text("\n".join([*damaged, first, *damaged]))
    assert main(["predictions", "--out", "verdicts"]) == 0
    assert [verdict.verdict for verdict in verdicts(folder / "verdicts")] == ["correct", "wrong_output"]
    assert (folder / "verdicts").read_text().splitlines()[0] == first  # kept
    assert not (folder / "verdicts.partial").exists()


def test_two_judges_do_not_write_to_one_file(folder, capsys):
    (folder / "predictions").write_text(GOOD)
    with open("verdicts.partial", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(["predictions", "--out", "verdicts"]) == 1
        said = capsys.readouterr().err
        assert "another judge is writing to" in said
        assert str(folder / "verdicts.partial") in said
    assert main(["predictions", "--out", "verdicts"]) == 0


@pytest.mark.parametrize(
    "option",
    [
        "--memory=-1",
        "--memory=0",
        "--cpu=nan",
        "--cpu=inf",
        "--cpu=1e308",
        "--memory=99999999999999999999",
        "--cpu=0",
        "--workers=-1",
        "--workers=x",
    ],
)
def test_limits_are_numbers_above_0(folder, capsys, option):
    (folder / "predictions").write_text(GOOD)
    with pytest.raises(SystemExit) as ended:
        main(["predictions", option])
    assert ended.value.code == 2
    assert option[2:].partition("=")[0] in capsys.readouterr().err
    with pytest.raises(ValueError, match="above 0"):
        Limits(cpu=float("nan"))


def test_what_the_judge_fails_on_is_named_at_the_end(folder, capsys, monkeypatch):
    def compile(self, folder, *rest, **options):
        if any("cout << 2" in path.read_text() for path in folder.glob("*.cpp")):
            raise ValueError("a fault")
        return real(self, folder, *rest, **options)

    real = Box.compile
    monkeypatch.setattr(Box, "compile", compile)
    (folder / "predictions").write_text(WRONG + GOOD)
    assert main(["predictions", "--out", "verdicts"]) == 1
    assert [verdict.verdict for verdict in verdicts(folder / "verdicts")] == ["not_judged", "correct"]
    assert "the judge failed on b" in capsys.readouterr().err


def test_verdicts_go_to_regular_files_alone(folder, capsys):
    (folder / "predictions").write_text(GOOD)
    os.mkfifo("fifo")
    for out in ("", ".", "/", "/dev/null", "fifo", "predictions"):
        with pytest.raises(SystemExit) as ended:
            main(["predictions", "--out", out])
        assert ended.value.code == 2
        assert "--out" in capsys.readouterr().err
    assert (folder / "predictions").read_text() == GOOD
    (folder / "link").symlink_to("verdicts")
    assert main(["predictions", "--out", "link"]) == 0
    assert (folder / "link").is_symlink()
    assert [verdict.verdict for verdict in verdicts(folder / "verdicts")] == ["correct"]


def test_closed_streams_are_named_or_left_alone(folder, capsys, monkeypatch):
    (folder / "predictions").write_text(GOOD)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit):
        main(["-"])
    assert "standard input or output is closed" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["predictions"]) == 0
    assert [json.loads(text)["id"] for text in capsys.readouterr().out.splitlines()] == ["a"]


@pytest.mark.parametrize("room", [0, 1 << 40])
def test_a_full_disk_is_known_by_its_free_space(folder, capsys, monkeypatch, room):
    (folder / "predictions").write_text(GOOD + line("full", "int main() { No space left on device }", ("", "")))
    monkeypatch.setattr(box, "FULL", room)
    assert main(["predictions"]) == (1 if room else 0)
    said = capsys.readouterr()
    assert ("no space left on the device of" in said.err) == bool(room)
    if not room:
        assert json.loads(said.out.splitlines()[1])["verdict"] == "compile_error"


def test_where_there_is_no_terminal_progress_is_told_now_and_then(capsys):
    tell = command._told_now_and_then(seconds=-1.0)
    tell(3, 8)
    assert "3 of 8 judged" in capsys.readouterr().err


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
    command = [sys.executable, "-m", "composed.cli.judge", "predictions", "--out", "verdicts", "--tier", tier]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(Path.home())}
    environment |= {name: value for name, value in os.environ.items() if name == "XDG_CACHE_HOME"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not (Path("verdicts.partial").exists() and Path("verdicts.partial").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert process.returncode == 130
        assert "verdicts.partial" in said
        assert not list(folder.glob("composed-judge-*"))
    assert [verdict.id for verdict in verdicts(folder / "verdicts.partial")] == ["a"]
    deadline = time.monotonic() + 60
    while [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
