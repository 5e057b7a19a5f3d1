from __future__ import annotations

import os
import shutil
import stat
import time

import pytest

from composed.judges import JudgeError, toolchain
from composed.judges.toolchain import in_use, open_toolchain


def test_without_a_compiler_the_message_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JudgeError, match=r"g\+\+.*apt-get install g\+\+"):
        open_toolchain()


def test_a_compiler_that_cannot_build_leaves_nothing_behind(monkeypatch, tmp_path):
    compiler = tmp_path / "bin" / "g++"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{compiler.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(JudgeError, match="no such luck"):
        open_toolchain()
    assert not list((tmp_path / "cache" / "composed" / "judge").iterdir())


def test_what_is_built_is_used_again():
    folder = open_toolchain().folder
    built = (folder / "supervisor").stat().st_mtime_ns
    assert open_toolchain().folder == folder
    assert (folder / "supervisor").stat().st_mtime_ns == built


def test_versions_that_nobody_uses_go(tmp_path):
    def made(name, days):
        (tmp_path / name / "prelude.hpp").mkdir(parents=True)
        os.utime(tmp_path / name, (time.time() - 86400 * days,) * 2)

    for name, days in {"used": 50, "old": 40, "held": 40, "last": 1, "before": 2, "more": 3, "young": 0}.items():
        made(name, days)
    with in_use(tmp_path / "held"):
        toolchain._sweep(tmp_path, "used")
    assert {path.name for path in tmp_path.iterdir()} == {"used", "held", "last", "young"}


def test_without_a_home_that_can_be_written_the_judge_builds_among_temporary_files(monkeypatch, tmp_path):
    def build(compiler, folder):
        if folder.is_relative_to("/proc"):
            folder.mkdir(parents=True)
        folder.mkdir(parents=True)

    monkeypatch.setattr(toolchain, "_build", build)
    monkeypatch.setattr(toolchain.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert open_toolchain().folder.is_relative_to(tmp_path / f"composed-cache-{os.getuid()}")
    shutil.rmtree(tmp_path / f"composed-cache-{os.getuid()}")
    (tmp_path / f"composed-cache-{os.getuid()}").symlink_to("/")  # somebody else's trap
    with pytest.raises(JudgeError, match=r"no folder for what the judge builds.*XDG_CACHE_HOME"):
        open_toolchain()
