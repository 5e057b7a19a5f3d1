from __future__ import annotations

import stat

import pytest

from composed.judges import JudgeError
from composed.judges.toolchain import open_toolchain


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
