"""What untrusted code can do: nothing, in either tier, while it compiles and while it runs."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from composed.judges import JudgeError, Program, Test, judge
from composed.judges.box import Box, Job, SupervisorError, readable
from composed.judges.toolchain import open_toolchain
from composed.printable import printable
from tests.judges import HOSTILE, QUICK, each_tier, require


def generated() -> list[Program]:
    """Hostile programs that are too long, or not text enough, to lie in files."""
    prints_5 = '#include <cstdio>\nint main() { %s printf("5"); return 0; }\n'
    texts = {
        "correct long_identifier": prints_5 % f"int {'a' * 4_000_000} = 0;",
        "correct nul_in_source": prints_5 % "/* \0 */",
        "correct no_utf8_in_source": prints_5 % "/* \udcff\udcfe */",
        "correct lone_surrogate_in_source": prints_5 % "/* \ud800 */",
        "compile_error deep_nesting": prints_5 % f"int x = {'(' * 200_000}1{')' * 200_000};",
        "compile_error control_characters": "\x00\x01\x02\x1b[2J",
    }
    return [Program(name, text, (Test("", "5"),)) for name, text in texts.items()]


def hostile(home: Path, port: int) -> list[Program]:
    """All hostile programs; an id is the verdicts that may be, and a name."""
    programs = generated()
    for path in sorted(HOSTILE.glob("*.cpp")):
        text = path.read_text().replace("@HOME@", str(home)).replace("@PORT@", str(port))
        text = text.replace("composed-hostile", f"composed-hostile-{port}")
        expected = text.partition("\n")[0].removeprefix("// expect: ").replace(", ", "|")
        programs.append(Program(f"{expected} {path.stem}", text, (Test("", "5"),)))
    return programs


def running(folder: Path) -> list[str]:
    """The processes that run in `folder` or something of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, place = (process / "cmdline").read_bytes(), os.readlink(process / "cwd")
        except OSError:
            continue
        if str(folder) in place or str(folder).encode() in command:
            found.append(f"{process.name} {place} {command!r}")
    return found


def shared_memory() -> str:
    return Path("/proc/sysvipc/shm").read_text()


@each_tier
def test_hostile_programs_get_their_verdict_and_do_no_harm(tier, tmp_path, monkeypatch):
    require(tier)
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious.txt").write_text("a secret of the user\n")
    monkeypatch.setenv("TEMP_OF_JUDGE", "a secret of the judge")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = shared_memory(), set(os.listdir("/tmp"))
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        port = tcp.getsockname()[1]
        unix.bind(f"\0composed-hostile-{port}")
        unix.listen()
        programs = hostile(home, port)
        verdicts = judge(programs, limits=QUICK, tier=tier)
        for listener in (tcp, unix):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
    wrong = [verdict for verdict in verdicts if verdict.verdict not in verdict.id.split()[0].split("|")]
    assert not wrong
    assert [verdict.id for verdict in verdicts] == [program.id for program in programs]
    assert not any("secret" in verdict.diagnostics or "root:" in verdict.diagnostics for verdict in verdicts)
    assert all(verdict.diagnostics == printable(verdict.diagnostics) for verdict in verdicts)
    assert all(len(verdict.diagnostics) < 2100 for verdict in verdicts)
    assert sorted(path.name for path in home.iterdir()) == ["precious.txt"]
    assert (home / "precious.txt").read_text() == "a secret of the user\n"
    assert not running(tmp_path)
    assert shared_memory() == before[0]
    assert not [name for name in set(os.listdir("/tmp")) - before[1] if "hostile" in name]


@each_tier
def test_a_program_that_is_linked_dynamically_reads_its_libraries_and_nothing_else(tier, tmp_path, monkeypatch):
    require(tier)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious.txt").write_text("a secret of the user\n")
    text = (HOSTILE / "looks_for_a_file.cpp").read_text().replace("@HOME@", str(tmp_path / "home"))
    box = Box(open_toolchain(), tier)
    work = tmp_path / "work"
    work.mkdir()
    (work / "program.cpp").write_text(text)
    assert box.compile(work, ["program.cpp", "-o", "program"], QUICK).exit == 0
    (result,) = box.run(work / "program", [Job(0, 0, b"")], QUICK, static=False)
    assert (result.exit, result.output) == (8, b"")


def test_what_can_be_read_is_never_what_is_private():
    private = [Path("/home/ann"), Path("/usr/lib/app"), Path("/tmp")]
    paths = ["/", "/usr", "/home", "/home/ann", "/home/ann/gcc/lib", "/usr/lib", "/usr/lib/x", "/usr/lib/x/y", "/tmp/c"]
    assert readable(paths, private) == ["/home/ann/gcc/lib", "/usr/lib/x", "/tmp/c"]


def test_a_compiler_in_the_home_gives_nothing_of_the_home_away(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LD_LIBRARY_PATH", f".:/:{tmp_path}:{tmp_path / 'lib'}")
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "g++"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("g++")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    box = Box(open_toolchain())  # it works with this compiler, or the tier would not be possible
    below = {path for path in [*box._for_compiler, *box._for_program] if Path(path).is_relative_to(tmp_path)}
    assert below == {str(wrapper), str(tmp_path / "lib"), str(box.toolchain.folder)}
    assert not {"/", "/usr", str(tmp_path.parent)} & {*box._for_compiler, *box._for_program}
    assert box._environment["LD_LIBRARY_PATH"] == str(tmp_path / "lib")


@each_tier
def test_nothing_outlives_a_judge_that_is_stopped(tier, tmp_path):
    require(tier)
    toolchain = open_toolchain()
    box = Box(toolchain, tier)
    (tmp_path / "program.cpp").write_text("int main() { for (;;) {} }")
    assert box.compile(tmp_path, ["program.cpp", "-o", "program"], QUICK).exit == 0
    results = box.run(tmp_path / "program", [Job(0, 0, b"")], QUICK, static=False)
    box.stop()
    with pytest.raises(JudgeError, match="stopped"):
        next(results)
    time.sleep(0.1)
    assert not running(tmp_path)


def test_a_judge_that_is_stopped_while_a_box_begins_does_not_wait_for_it(tmp_path, monkeypatch):
    """bubblewrap may die between making its child and telling it to go on: the child would wait, holding the pipe."""
    require("A")
    box = Box(open_toolchain(), "A")
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        f"#!/bin/sh\nsleep 1000 &\necho $! > {tmp_path}/child.new\nmv {tmp_path}/child.new {tmp_path}/child\nwait\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setattr(box, "_bwrap", str(bwrap))
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(lambda: list(box.run(Path("/bin/true"), [Job(0, 0, b"")], QUICK, static=True)))
        while not (tmp_path / "child").exists():
            time.sleep(0.01)
        box.stop()
        with pytest.raises(SupervisorError):
            ending.result(timeout=60)
    assert not Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/exe").exists()


@each_tier
def test_resources_are_those_of_the_program_alone(tier, tmp_path):
    require(tier)
    box = Box(open_toolchain(), tier)
    (tmp_path / "program.cpp").write_text(
        "#include <cstdlib>\n#include <cstring>\n#include <ctime>\n"
        "int main() { memset(malloc(64 << 20), 1, 64 << 20); while (clock() < CLOCKS_PER_SEC / 4) {} }"
    )
    assert box.compile(tmp_path, ["program.cpp", "-o", "program"], QUICK).exit == 0
    (result,) = box.run(tmp_path / "program", [Job(0, 0, b"")], QUICK, static=False)
    assert 0.25 <= result.cpu_seconds < 0.5
    assert result.cpu_seconds <= result.wall_seconds + 0.02
    assert 64 << 20 <= result.peak_memory < 80 << 20


@each_tier
def test_a_program_sees_no_environment_of_the_user(tier, tmp_path, monkeypatch):
    require(tier)
    monkeypatch.setenv("API_KEY", "secret")
    box = Box(open_toolchain(), tier)
    (tmp_path / "program.cpp").write_text('#include <cstdlib>\nint main() { return getenv("API_KEY") ? 1 : 0; }')
    assert box.compile(tmp_path, ["program.cpp", "-o", "program"], QUICK).exit == 0
    (result,) = box.run(tmp_path / "program", [Job(0, 0, b"")], QUICK, static=False)
    assert result.exit == 0


def test_without_containment_the_judge_refuses_unless_it_is_told_not_to(monkeypatch):
    monkeypatch.setattr(Box, "_possible", lambda box: box.tier == "unsafe")
    with pytest.raises(JudgeError, match=r"(?s)cannot contain.*bubblewrap.*unsafe=True"):
        Box(open_toolchain())
    assert Box(open_toolchain(), unsafe=True).tier == "unsafe"


def test_where_bubblewrap_is_not_installed_the_tier_is_b(monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else which(name))
    try:
        assert Box(open_toolchain()).tier == "B"
    except JudgeError as error:
        pytest.skip(f"no tier B here: {error}")
