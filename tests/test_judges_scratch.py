from __future__ import annotations

import os
import tempfile

import pytest

from composed.judges.scratch import Workplace


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def age(path):
    os.utime(path, (0, 0))


def test_a_folder_lasts_until_the_last_user_leaves():
    workplace = Workplace()
    folder = workplace.folder()
    with folder as path:
        folder.share(2)
    for _ in range(2):
        assert path.exists()
        with folder:
            pass
    assert not path.exists()
    workplace.remove()
    assert not workplace.path.exists()


def test_what_a_killed_judge_left_is_swept_and_nothing_else(tmp_path):
    live = Workplace()
    (tmp_path / "composed-judge-left" / "program").mkdir(parents=True)
    (tmp_path / "composed-judge-young").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "composed-judge-link").symlink_to(tmp_path / "others")
    for path in (live.path, tmp_path / "composed-judge-left", tmp_path / "others"):
        age(path)
    Workplace().remove()
    assert {path.name for path in tmp_path.iterdir()} == {
        live.path.name,
        "composed-judge-young",
        "composed-judge-link",
        "others",
    }
    live.remove()
