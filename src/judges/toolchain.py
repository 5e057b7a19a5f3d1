"""The present C++ compiler and what the judge builds with it once: the supervisor and the precompiled prelude.

Everything built lies in the user's cache folder under a hash of the compiler and the sources.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from composed.judges.lexer import PRELUDE, HeaderNames, is_word
from composed.judges.records import JudgeError

_NAME = re.compile(r"[A-Za-z_]\w*")
_MACRO = re.compile(r"#define (\w+)")
_ERROR = re.compile(r"^uses\.cpp:(\d+):", re.MULTILINE)
_SUPERVISOR = Path(__file__).with_name("supervisor.c")


@dataclass(frozen=True)
class Toolchain:
    compiler: Path
    folder: Path

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisor"

    @property
    def server(self) -> Path:
        """The supervisor as an object file: linked with a unit it becomes the unit's fork server."""
        return self.folder / "supervisor.o"

    @property
    def prelude(self) -> Path:
        """A header to `-include` in the place of the PRELUDE's text."""
        return self.folder / "prelude.hpp"

    @cached_property
    def header_names(self) -> HeaderNames:
        return HeaderNames(*(frozenset((self.folder / name).read_text().split()) for name in ("names", "hidden")))


def open_toolchain() -> Toolchain:
    """Finds g++ and builds what is not built yet. Raises JudgeError if there is no g++ or it cannot build."""
    found = shutil.which("g++")
    if found is None:
        raise JudgeError("no C++ compiler: g++ is not on the PATH (on Debian or Ubuntu: apt-get install g++)")
    compiler = Path(found)
    version = subprocess.run([compiler, "-v"], capture_output=True).stderr
    parts = (os.fsencode(compiler), version, _SUPERVISOR.read_bytes(), Path(__file__).read_bytes())
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "composed" / "judge" / key
    if not folder.exists():
        _build(compiler, folder)
    return Toolchain(compiler, folder)


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
        run("-O2", "-x", "c", "-c", _SUPERVISOR, "-o", "supervisor.o")
        run("supervisor.o", "-o", "supervisor")
        run("-x", "c++-header", "prelude.hpp", "-o", "prelude.hpp.gch")
        macros = run("-x", "c++", "-E", "-dM", "prelude.hpp").stdout
        names = set(_NAME.findall(macros + run("-x", "c++", "-E", "-P", "prelude.hpp").stdout))
        # A name is hidden if to declare it again, in an unnamed namespace, makes no use of it ambiguous.
        hidden = sorted(names.difference(_MACRO.findall(macros)) - {name for name in names if is_word(name)})
        uses = (f"namespace {{ int {name}; }} int f_{i}() {{ return {name}; }}\n" for i, name in enumerate(hidden))
        (made / "uses.cpp").write_text("".join(uses))
        messages = run("-include", "prelude.hpp", "-fsyntax-only", "-w", "uses.cpp", succeeds=False).stderr
        known = {int(line) for line in _ERROR.findall(messages)}
        hidden = [name for line, name in enumerate(hidden, 1) if line not in known]
        (made / "names").write_text("\n".join(sorted(names)))
        (made / "hidden").write_text("\n".join(hidden))
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another judge was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
