"""Runs the compiler and compiled programs through the supervisor, and keeps what is built once for each compiler."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from .lexer import PRELUDE
from .records import JudgeError, Limits

ENDED, TIME_LIMIT, MEMORY_LIMIT, OUTPUT_LIMIT = range(4)
_JOB = struct.Struct("=IIQ")
_RESULT = struct.Struct("=IIiIddQQQ")
_SOURCE = Path(__file__).with_name("supervisor.c")
_READABLE = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/dev/null")


@dataclass(frozen=True, slots=True)
class Result:
    program: int
    test: int
    exit: int
    reason: int
    cpu_seconds: float
    wall_seconds: float
    peak_memory: int
    output: bytes
    errors: bytes


@dataclass(frozen=True)
class Box:
    """The present compiler with all that is built from it: the supervisor, its object file and the precompiled prelude."""

    compiler: str
    built: Path
    unsafe: bool

    @classmethod
    def open(cls, unsafe: bool = False) -> Box:
        compiler = shutil.which("g++")
        if compiler is None:
            raise JudgeError("no C++ compiler: g++ is not on the PATH (Debian, Ubuntu: apt-get install g++)")
        version = subprocess.run([compiler, "-v"], capture_output=True).stderr
        key = hashlib.sha256(b"\0".join([compiler.encode(), version, _SOURCE.read_bytes(), PRELUDE.encode()]))
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "composed" / "judge"
        built = cache / key.hexdigest()[:16]
        if not built.exists():
            _build(compiler, built)
        return cls(compiler, built, unsafe)

    @cached_property
    def version(self) -> str:
        return self.built.name

    def compile(self, folder: Path, arguments: Sequence[str], limits: Limits, programs: int = 1) -> Result:
        """Runs g++ in `folder`, which is all that it can write to."""
        command = ["-x", str(self.built), "-w", str(folder), "--", self.compiler, *arguments]
        cpu, wall = limits.compile_cpu + 0.1 * programs, limits.compile_wall + 0.1 * programs
        figures = (cpu, wall, limits.compile_memory, limits.compile_output, 64 << 20)
        (result,) = self._run([self.built / "supervisor", "compile"], figures, command, folder, [(0, 0, b"")])
        return result

    def run(
        self, binary: Path, jobs: Iterable[tuple[int, int, bytes]], limits: Limits, server: bool = False
    ) -> Iterator[Result]:
        """Runs each job (program, test, input); after a program's first failure its other tests are passed over."""
        command = [] if server else ["-x", str(binary), "--", str(binary)]
        figures = (limits.cpu, limits.wall, limits.memory, limits.output, limits.stack)
        start = [binary if server else self.built / "supervisor", "run"]
        return self._run(start, figures, command, binary.parent, jobs)

    def _run(
        self,
        start: Sequence[str | Path],
        figures: tuple[float, float, int, int, int],
        command: Sequence[str],
        folder: Path,
        jobs: Iterable[tuple[int, int, bytes]],
    ) -> Iterator[Result]:
        words = [*map(str, start), *map(str, figures), *(["-u"] if self.unsafe else [])]
        for path in _READABLE:
            words += ["-x", path]
        words += command
        with tempfile.TemporaryFile() as requests:
            for program, test, text in jobs:
                requests.write(_JOB.pack(program, test, len(text)))
                requests.write(text)
            requests.seek(0)
            environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": str(folder)}
            with subprocess.Popen(
                words,
                stdin=requests,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
            ) as process:
                assert process.stdout is not None
                try:
                    while head := process.stdout.read(_RESULT.size):
                        yield _read_result(head, process.stdout)
                finally:
                    process.kill()


def _read_result(head: bytes, stream: IO[bytes]) -> Result:
    program, test, status, reason, cpu, wall, peak, output, errors = _RESULT.unpack(head)
    exit_code = os.waitstatus_to_exitcode(status)
    return Result(program, test, exit_code, reason, cpu, wall, peak, stream.read(output), stream.read(errors))


def _build(compiler: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
        made = Path(temporary)
        (made / "prelude.hpp").write_text(PRELUDE)
        for arguments in (
            ["-O2", "-x", "c", "-c", str(_SOURCE), "-o", str(made / "supervisor.o")],
            [str(made / "supervisor.o"), "-o", str(made / "supervisor")],
            ["-x", "c++-header", str(made / "prelude.hpp"), "-o", str(made / "prelude.hpp.gch")],
        ):
            done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
            if done.returncode:
                raise JudgeError(f"{compiler} cannot build the judge's own parts:\n{done.stderr[:2000]}")
        try:
            made.rename(folder)
        except OSError:  # another judge was faster
            if not folder.exists():
                raise
