"""Containment: runs the compiler and its programs under the supervisor, in tier A inside bubblewrap as well.

Tier A: namespaces, of the file system only the system's folders, read-only, and the job's own. Tier B, where namespaces
are forbidden: the supervisor's rlimits, seccomp and Landlock alone. "unsafe": rlimits only.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from composed.judges.records import JudgeError, Limits
from composed.judges.toolchain import Toolchain

Tier = Literal["A", "B", "unsafe"]
ENDED, TIME_LIMIT, MEMORY_LIMIT, OUTPUT_LIMIT = range(4)
_ASK_PERSONALITY, _ADDR_NO_RANDOMIZE = 0xFFFFFFFF, 0x0040000  # <sys/personality.h>
_JOB = struct.Struct("=IIQ")
_RESULT = struct.Struct("=IIiIddQQQ")
_FLAGS: dict[Tier, str] = {"A": "-n", "B": "-l", "unsafe": "-u"}
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")


@dataclass(frozen=True, slots=True)
class Job:
    """`program` is an index into the unit's functions; after its first failure its other tests are passed over."""

    program: int
    test: int
    input: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What one job did; `exit` is the exit code or minus a signal, `reason` the limit that was hit, or ENDED."""

    program: int
    test: int
    exit: int
    reason: int
    cpu_seconds: float
    wall_seconds: float
    peak_memory: int
    output: bytes
    errors: bytes


class Box:
    """The best tier that is possible, or the one asked for; `unsafe` is taken only where A and B are impossible.

    Raises JudgeError if there is none.
    """

    def __init__(self, toolchain: Toolchain, tier: Tier | None = None, unsafe: bool = False) -> None:
        self.toolchain = toolchain
        libraries = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path]
        installation = str(toolchain.compiler.resolve().parent.parent)
        self._readable = [*_SYSTEM, *libraries, str(toolchain.folder)]
        if installation != "/" and not installation.startswith("/usr"):
            self._readable.append(installation)
        self._environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
        if libraries:
            self._environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        self._bwrap = shutil.which("bwrap")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        wanted: list[Tier] = [tier] if tier else ["A", "B", "unsafe"] if unsafe else ["A", "B"]
        for self.tier in wanted:
            if self._possible():
                return
        raise JudgeError(
            f"this machine cannot contain untrusted programs (tier {' or '.join(wanted)}): install bubblewrap and "
            "allow user namespaces, or use a kernel with Landlock (5.13 or later), or accept the risk: unsafe=True"
        )

    def _possible(self) -> bool:
        """Whether the tier confines, and (tried once for each compiler) g++ and a program of its making work in it."""
        if self.tier == "unsafe":
            return True
        if self.tier == "A" and self._bwrap is None:
            return False
        words = self._confined(self.toolchain.folder, writable=False)
        command = [*words, str(self.toolchain.supervisor), "probe", _FLAGS[self.tier]]
        if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode:
            return False
        proof = self.toolchain.folder / f"works-in-tier-{self.tier}"
        if not proof.exists():
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "program.cpp").write_text("#include <iostream>\nint main() { std::cout << 5; }\n")
                try:
                    if self.compile(folder, ["program.cpp", "-o", "program"], Limits()).exit:
                        return False
                    if [result.output for result in self.run(folder / "program", [Job(0, 0, b"")], Limits())] != [b"5"]:
                        return False
                except JudgeError:
                    return False
            proof.touch()
        return True

    def compile(self, folder: Path, arguments: Sequence[str | Path], limits: Limits, programs: int = 1) -> Result:
        """Runs g++ in `folder`, all that it can write to, with time for so many programs."""
        extra = 0.1 * (programs - 1)
        cpu, wall = limits.compile_cpu + extra, limits.compile_wall + extra
        figures = (cpu, wall, limits.compile_memory, limits.compile_output, 64 << 20)
        rights = [*self._rights(), "-w", "/dev/null", "-w", folder, "--", self.toolchain.compiler, *arguments]
        start = [self.toolchain.supervisor, "compile", *figures]
        (result,) = self._supervise(start, rights, folder, [Job(0, 0, b"")], writable=True)
        if b"No space left on device" in result.errors:
            raise JudgeError(f"no space left on the device of {folder.parent} (set TMPDIR to another folder)")
        return result

    def run(self, binary: Path, jobs: Iterable[Job], limits: Limits) -> Iterator[Result]:
        """Runs a program that was compiled alone, afresh for each job."""
        start = [self.toolchain.supervisor, "run", *_figures(limits)]
        return self._supervise(start, [*self._rights(), "-x", binary, "--", binary], binary.parent, jobs)

    def serve(self, unit: Path, jobs: Iterable[Job], limits: Limits) -> Iterator[Result]:
        """Runs functions of a unit, each job in a child of its fork server; if the server dies, results are missing."""
        return self._supervise([unit, "run", *_figures(limits)], [], unit.parent, jobs, may_die=True)

    def stop(self) -> None:
        """Ends whatever runs; nothing can be started any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """The supervisor takes its child with it; bubblewrap, which would not pass a signal on, its whole namespace."""
        if self.tier == "A":
            process.kill()
        else:
            process.terminate()

    def _rights(self) -> list[str]:
        return [word for path in self._readable for word in ("-x", path)]

    def _confined(self, folder: Path, writable: bool) -> list[str]:
        if self.tier != "A":
            return []
        assert self._bwrap is not None
        words = [self._bwrap, "--unshare-all", "--uid", "65534", "--gid", "65534", "--new-session", "--die-with-parent"]
        for path in self._readable:
            words += ["--ro-bind-try", path, path]
        words += ["--bind" if writable else "--ro-bind", str(folder), str(folder), "--proc", "/proc"]
        words += ["--dev-bind", "/dev/null", "/dev/null"]
        return [*words, "--remount-ro", "/", "--chdir", str(folder), "--"]

    def _supervise(
        self,
        start: Sequence[object],
        rights: Sequence[object],
        folder: Path,
        jobs: Iterable[Job],
        writable: bool = False,
        may_die: bool = False,
    ) -> Iterator[Result]:
        words = [*self._confined(folder, writable), *map(str, (*start, _FLAGS[self.tier], *rights))]
        with tempfile.TemporaryFile() as requests:
            for job in jobs:
                requests.write(_JOB.pack(job.program, job.test, len(job.input)) + job.input)
            requests.seek(0)
            process = self._start(words, requests, folder)
            with process:
                assert process.stdout is not None
                assert process.stderr is not None
                try:
                    while len(head := process.stdout.read(_RESULT.size)) == _RESULT.size:
                        program, test, status, reason, cpu, wall, peak, output, errors = _RESULT.unpack(head)
                        texts = process.stdout.read(output), process.stdout.read(errors)
                        yield Result(program, test, os.waitstatus_to_exitcode(status), reason, cpu, wall, peak, *texts)
                    if process.wait() and not may_die:
                        message = process.stderr.read(2000).decode("utf-8", "replace").strip()
                        raise JudgeError(f"the supervisor ended early ({process.returncode}): {message}")
                finally:
                    self._end(process)
                    with self._lock:
                        self._running.discard(process)

    def _start(self, words: list[str], requests: IO[bytes], folder: Path) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise JudgeError("the judge was stopped")
            environment = self._environment | {"TMPDIR": str(folder)}
            with _fixed_addresses():
                process = subprocess.Popen(
                    words, stdin=requests, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=environment
                )
            self._running.add(process)
            return process


@contextmanager
def _fixed_addresses() -> Iterator[None]:
    """What this thread starts gets the same addresses each time, where the system allows it.

    A program with undefined behaviour may print or use whatever lies in memory: without this its verdict varies.
    """
    personality = ctypes.CDLL(None).personality
    before = personality(ctypes.c_ulong(_ASK_PERSONALITY))
    personality(ctypes.c_ulong(before | _ADDR_NO_RANDOMIZE))
    try:
        yield
    finally:
        personality(ctypes.c_ulong(before))


def _figures(limits: Limits) -> tuple[float, ...]:
    return limits.cpu, limits.wall, limits.memory, limits.output, limits.stack
