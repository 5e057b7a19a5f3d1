"""A reader never sees half a file, an error names file and line, and a folder is one process's at a time."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from composed.errors import ComposedError, DataError
from composed.system.files import locked, read_json, read_lines, write_atomically, write_bytes, write_json, write_lines


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    write_json(path, {"a": [1, "ä"]})
    assert read_json(path) == {"a": [1, "ä"]}
    write_lines(path, [{"a": 1}, "two\nlines", None])
    assert list(read_lines(path)) == [{"a": 1}, "two\nlines", None]
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, monkeypatch, when):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when != "write":
        monkeypatch.setattr(os, when, full)
    with pytest.raises(ComposedError, match=r"cannot write .*file: No space left on device.*run the same command"):
        write_atomically(path, full if when == "write" else lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_another_error_passes_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "file", lambda _temporary: 1 / 0)
    assert not os.listdir(tmp_path)


def test_broken_json_is_named_with_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: no JSON"):
        list(read_lines(path))
    with pytest.raises(DataError, match=r"rows\.jsonl is no JSON"):
        read_json(path)
    with pytest.raises(DataError, match=r"none\.json is missing"):
        read_json(tmp_path / "none.json")
    with pytest.raises(DataError, match=r"none\.jsonl is missing"):
        list(read_lines(tmp_path / "none.jsonl"))


def test_a_second_process_is_told_and_waits(tmp_path):
    code = (
        "import sys, pathlib; from composed.system.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), lambda: None):\n    print('in', flush=True); sys.stdin.readline()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "in\n"  # type: ignore[union-attr]
        told = threading.Event()
        order: list[str] = []

        def let_go() -> None:
            told.wait(20)
            time.sleep(0.1)
            order.append("released")
            other.stdin.write("\n")  # type: ignore[union-attr]
            other.stdin.flush()  # type: ignore[union-attr]

        thread = threading.Thread(target=let_go)
        thread.start()
        with locked(tmp_path, told.set):
            order.append("entered")
        thread.join()
    assert order == ["released", "entered"]


def test_a_lock_is_free_again_after_an_error(tmp_path):
    def never() -> None:
        raise AssertionError("still locked")

    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), locked(tmp_path, never):
            raise ValueError("inside")


@pytest.mark.parametrize("place", ["/dev/null/run", "/proc/run"])
def test_a_folder_that_cannot_be_made_is_named(place):
    from pathlib import Path

    with pytest.raises(ComposedError, match=f"cannot write into the folder {place}"), locked(Path(place), lambda: None):
        pass
