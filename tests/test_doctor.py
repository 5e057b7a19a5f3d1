import shutil
import subprocess
from types import SimpleNamespace

import pytest

from composed.cli import doctor
from composed.judges import JudgeError


def test_a_healthy_machine_is_described_in_a_line_each(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(doctor, "containment", lambda: "A")
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*doctor.CHECKS]
    for word in ("torch 2.", "g++ ", "tier A (bubblewrap", "GiB free", "trainer="):
        assert any(word in line for line in lines), word


def test_what_is_missing_is_named_with_the_remedy_and_the_rest_still_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    def impossible() -> str:
        raise JudgeError("no containment here")

    monkeypatch.setattr(doctor, "containment", impossible)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    assert doctor.main([]) == 1
    problems = [line for line in capsys.readouterr().out.splitlines() if "PROBLEM" in line]
    assert [line.split()[0] for line in problems] == ["compiler", "judge", "disk"]
    assert "apt-get install g++" in problems[0]
    assert "no containment here" in problems[1]
    assert "1.0 GiB free" in problems[2]


def test_it_answers_in_any_folder(tmp_path) -> None:
    from tests.commands import command

    done: subprocess.CompletedProcess[str] = command("doctor", cwd=tmp_path)
    assert "composed" in done.stdout
    assert not [*tmp_path.iterdir()]
