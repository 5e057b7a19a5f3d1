"""The present C++ compiler, what it has to read, and what the judge builds with it once.

What is built (the supervisor and the precompiled prelude, some 100 MB) lies in the user's cache folder under a hash of
the compiler and the sources. What was not used for a month goes, and of the rest all but the three used last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from composed.judges.lexer import PRELUDE, HeaderNames, is_word
from composed.judges.records import JudgeError

_NAME = re.compile(r"[A-Za-z_]\w*")
_MACRO = re.compile(r"#define (\w+)")
_ERROR = re.compile(r"^uses\.cpp:(\d+):", re.MULTILINE)
_DRIVER = re.compile(r"^COLLECT_GCC=(.*)$", re.MULTILINE)
_INCLUDED = re.compile(r"^ (/\S.*)$", re.MULTILINE)
_LIBRARY = re.compile(r"(?:=> |^\s*)(/\S+) \(0x", re.MULTILINE)
CLEARED = 1 << 15  # bytes of stack below main, which what runs before main has written to
_MAIN = f"""
#include <string.h>
int __real_main(int, char **, char **);
static void clear(void) {{
    char space[{CLEARED}];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}}
int __wrap_main(int count, char **words, char **environment) {{
    clear();
    return __real_main(count, words, environment);
}}
"""
_SUPERVISOR = Path(__file__).with_name("supervisor.c")
_MONTH = 30 * 24 * 3600.0
_VERSIONS_KEPT = 3
SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Toolchain:
    compiler: Path
    folder: Path

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisor"

    @property
    def prelude(self) -> Path:
        """A header to `-include` in the place of the PRELUDE's text."""
        return self.folder / "prelude.hpp"

    @property
    def main(self) -> Path:
        """An object file to link with `--wrap=main`: it clears the stack, as it was at the start, before main."""
        return self.folder / "main.o"

    @cached_property
    def header_names(self) -> HeaderNames:
        files = (self.folder / name for name in ("names", "hidden", "macros"))
        return HeaderNames(*(frozenset(file.read_text().split()) for file in files))

    @cached_property
    def paths(self) -> Paths:
        return Paths(**json.loads((self.folder / "paths.json").read_text()))


@dataclass(frozen=True)
class Paths:
    """What the compiler reads, and the files that a program needs that is linked dynamically, spelled and resolved.

    `static` is whether programs can be linked statically: then they need no file.
    """

    compiler: list[str]
    libraries: list[str]
    static: bool


def open_toolchain() -> Toolchain:
    """Finds g++ and builds what is not built yet. Raises JudgeError if there is no g++ or it cannot build."""
    path = shutil.which("g++")
    if path is None:
        raise JudgeError("no C++ compiler: g++ is not on the PATH (on Debian or Ubuntu: apt-get install g++)")
    compiler = Path(path).absolute()
    version = subprocess.run([compiler, "-v"], capture_output=True).stderr
    parts = (os.fsencode(compiler), version, _SUPERVISOR.read_bytes(), Path(__file__).read_bytes())
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    errors = []
    for folder in _cache_folders():
        try:
            if not (folder / key).exists():
                _build(compiler, folder / key)
            with contextlib.suppress(OSError):  # it may be another's, or read-only
                os.utime(folder / key)
                _sweep(folder, key)
            return Toolchain(compiler, folder / key)
        except OSError as error:
            errors.append(f"{error.filename or folder}: {error.strerror}")
    raise JudgeError(
        "no folder for what the judge builds (set XDG_CACHE_HOME or TMPDIR to one that can be written): "
        + "; ".join(errors)
    )


def _cache_folders() -> Iterator[Path]:
    """The user's cache, and for users without a home that can be written one of their own among temporary files."""
    with contextlib.suppress(RuntimeError):  # no home is known
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        if folder.is_absolute():
            yield folder / "composed" / "judge"
    folder = Path(tempfile.gettempdir()) / f"composed-cache-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
            yield folder / "judge"


def _sweep(folder: Path, used: str) -> None:
    """Removes versions that nobody uses: old ones, and more than a few."""
    others = sorted((path for path in folder.iterdir() if path.name != used), key=lambda path: -path.stat().st_mtime)
    for place, path in enumerate(others):
        age = time.time() - path.stat().st_mtime
        if age > _MONTH or (place >= _VERSIONS_KEPT - 1 and age > 3600):  # one that is being built is younger
            with contextlib.suppress(BlockingIOError), in_use(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def in_use(folder: Path, how: int = fcntl.LOCK_SH) -> Iterator[None]:
    """While this lasts, no other judge removes `folder`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _build(compiler: Path, folder: Path) -> None:
    def run(*arguments: str | Path, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"LC_ALL": "C"}
        done = subprocess.run([compiler, *arguments], cwd=made, env=environment, capture_output=True, text=True)
        if succeeds and done.returncode:
            raise JudgeError(f"{compiler} cannot build the parts of the judge:\n{done.stderr[:2000]}")
        return done

    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        (made / "prelude.hpp").write_text(PRELUDE)
        (made / "trial.cpp").write_text("#include <iostream>\nint main() { std::cout << 5; }\n")
        static = run("trial.cpp", "-static", "-o", "trial", succeeds=False).returncode == 0
        supervisor: list[str | Path] = ["-O2", "-x", "c", _SUPERVISOR, "-o", "supervisor"]
        if not static or run(*supervisor, "-static", succeeds=False).returncode:
            run(*supervisor)
        (made / "main.c").write_text(_MAIN)
        run("-x", "c", "-c", "main.c", "-o", "main.o")
        run("trial.cpp", "-o", "trial")
        libraries = _libraries(made / "trial")
        paths = Paths(_read_by_compiler(compiler, run), libraries, static)
        (made / "paths.json").write_text(json.dumps(paths.__dict__))
        run("-x", "c++-header", "prelude.hpp", "-o", "prelude.hpp.gch")
        macros = set(_MACRO.findall(run("-x", "c++", "-E", "-dM", "prelude.hpp").stdout))
        names = macros.union(_NAME.findall(run("-x", "c++", "-E", "-P", "prelude.hpp").stdout))
        # A name is hidden if to declare it again, in an unnamed namespace, makes no use of it ambiguous.
        hidden = sorted(names - macros - {name for name in names if is_word(name)})
        uses = (f"namespace {{ int {name}; }} int f_{i}() {{ return {name}; }}\n" for i, name in enumerate(hidden))
        (made / "uses.cpp").write_text("".join(uses))
        messages = run("-include", "prelude.hpp", "-fsyntax-only", "-w", "uses.cpp", succeeds=False).stderr
        known = {int(line) for line in _ERROR.findall(messages)}
        hidden = [name for line, name in enumerate(hidden, 1) if line not in known]
        for name, words in {"names": sorted(names), "hidden": hidden, "macros": sorted(macros)}.items():
            (made / name).write_text("\n".join(words))
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another judge was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _libraries(binary: Path) -> list[str]:
    """The files of shared libraries, and the loader, that the system would load for `binary`, which is ours."""
    environment = os.environ | {"LD_TRACE_LOADED_OBJECTS": "1"}
    listed = subprocess.run([binary], env=environment, capture_output=True, text=True).stdout
    return _both([*_LIBRARY.findall(listed), "/etc/ld.so.cache"])


def _read_by_compiler(compiler: Path, run: Callable[..., subprocess.CompletedProcess[str]]) -> list[str]:
    """The compiler's programs, its headers and libraries, and the system's libraries, which its programs need."""
    tools = [run(f"-print-prog-name={name}").stdout.strip() for name in ("cc1plus", "collect2", "as", "ld", "ld.bfd")]
    programs = [shutil.which(tool) or tool for tool in tools]
    searched = run("-print-search-dirs").stdout
    folders = [path for line in searched.splitlines() for path in line.partition(": ")[2].lstrip("=").split(":")]
    told = run("-x", "c++", "-E", "-v", "-o", os.devnull, os.devnull).stderr
    drivers = [shutil.which(name) or name for name in _DRIVER.findall(told)]  # the one behind a wrapper
    return _both([*_wrapper(compiler), *drivers, *programs, *_INCLUDED.findall(told), *folders, *SYSTEM])


def _wrapper(compiler: Path) -> list[str]:
    """The compiler's file, and what interprets it if it is a script."""
    with compiler.open("rb") as file:
        line = file.readline(256)
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    return [str(compiler), *filter(None, map(shutil.which, words))]


def _both(paths: Iterable[str]) -> list[str]:
    """Those that exist, as they are spelled and as they resolve."""
    absolute = [Path(os.path.normpath(path)) for path in paths if path.startswith("/") and Path(path).exists()]
    return [
        str(path)
        for path in dict.fromkeys(path for path_given in absolute for path in (path_given, path_given.resolve()))
    ]
