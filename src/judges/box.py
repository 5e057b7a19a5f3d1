"""Containment: runs the compiler and its programs under the supervisor, in tier A inside bubblewrap as well.

Tier A: namespaces; of the file system there is only what the compiler reads, read-only, and the job's own folder. Tier
B, where namespaces are forbidden: the supervisor's rlimits, seccomp and Landlock alone. "unsafe": rlimits only.

What the compiler reads are its programs, headers and libraries. A program reads nothing at all if it is linked
statically, else the shared libraries that it is linked with. Nothing that is or contains the home, the working or the
temporary folder can be read, wherever the compiler was found.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
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
FULL = 1 << 20  # bytes: a disk with less free space is full
_JOB = struct.Struct("=IIQ")
_RESULT = struct.Struct("=IIiIddQQQ")
_FLAGS: dict[Tier, str] = {"A": "-n", "B": "-l", "unsafe": "-u"}


class SupervisorError(JudgeError):
    """The supervisor was killed: what it was to run has no result. What it says itself is a fault of the machine."""


@dataclass(frozen=True, slots=True)
class Job:
    """`program` is a place in the unit; after its first failure its other tests are passed over."""

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


@dataclass(frozen=True)
class Interpreter:
    """`command`: its file and words; `paths`: what it reads; `hidden`: folders in these that nobody reads."""

    command: Sequence[str]
    paths: Sequence[str]
    hidden: Sequence[str] = ()

    def rights(self, tier: Tier) -> list[str]:
        """Words for the supervisor. Landlock alone hides nothing of a folder that it shows: there, a folder with
        something hidden is listed only, and what lies beside that is named one by one.
        """
        around = {str(parent) for path in self.hidden for parent in Path(path).parents} if tier != "A" else {}
        words: list[str] = []
        left = [*self.paths]
        while left:
            path = left.pop()
            words += ["-d" if path in around else "-x", path]
            if path in around:
                left += sorted(str(entry) for entry in Path(path).iterdir() if str(entry) not in self.hidden)
        return words


class Box:
    """The best tier that is possible, or the one asked for; `unsafe` is taken only where A and B are impossible.

    Raises JudgeError if there is none.
    """

    def __init__(self, toolchain: Toolchain, tier: Tier | None = None, unsafe: bool = False) -> None:
        self.toolchain = toolchain
        self.paths = toolchain.paths
        private = private_folders()
        asked = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path.startswith("/")]
        libraries = readable(asked, private)
        self._for_compiler = readable([*self.paths.compiler, *libraries, str(toolchain.folder)], private)
        self._for_program = readable([*self.paths.libraries, *libraries], private)
        self._environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "CCACHE_DISABLE": "1"}
        if libraries:
            self._environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        temporary = tempfile.gettempdir()
        if os.statvfs(temporary).f_flag & os.ST_NOEXEC:
            raise JudgeError(f"nothing can be executed below {temporary}, which is mounted noexec: set TMPDIR")
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            raise JudgeError("SIGCHLD is ignored, so nobody learns how a program ends: start the judge without that")
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
        words = self._confined(self.toolchain.folder, self._for_program)
        command = [*words, str(self.toolchain.supervisor), "probe", _FLAGS[self.tier]]
        if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode:
            return False
        seen = os.fsencode("\n".join([*self._for_compiler, "", *self._for_program]))
        proof = self.toolchain.folder / f"works-in-tier-{self.tier}-{hashlib.sha256(seen).hexdigest()[:8]}"
        if not proof.exists():
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve()
                (folder / "program.cpp").write_text("#include <iostream>\nint main() { std::cout << 5; }\n")
                for static in {self.paths.static, False}:
                    if not self._works(folder, static):
                        return False
            with contextlib.suppress(OSError):  # a cache that cannot be written: next time again
                proof.touch()
        return True

    def _works(self, folder: Path, static: bool) -> bool:
        arguments = ["-static"] if static else []
        try:
            if self.compile(folder, [*arguments, "program.cpp", "-o", "program"], Limits()).exit:
                return False
            jobs = [Job(0, 0, b"")]
            return [result.output for result in self.run(folder / "program", jobs, Limits(), static)] == [b"5"]
        except JudgeError:
            return False

    def compile(self, folder: Path, arguments: Sequence[str | Path], limits: Limits, programs: int = 1) -> Result:
        """Runs g++ in `folder`, all that it can write to, with time for so many programs.

        Raises JudgeError if g++ failed and there is no space left, or if what the judge has built is gone.
        """
        extra = 0.1 * (programs - 1)
        cpu, wall = limits.compile_cpu + extra, limits.compile_wall + extra
        start = [self.toolchain.supervisor, "compile", cpu, wall]
        start += [limits.compile_memory, limits.compile_output, 64 << 20, _FLAGS[self.tier]]
        rights = [*_rights(self._for_compiler), "-w", "/dev/null", "-w", folder]
        words = [*start, *rights, "--", self.toolchain.compiler, *arguments]
        confined = self._confined(folder, self._for_compiler, writable=True)
        (result,) = self._supervise([*confined, *words], folder, [Job(0, 0, b"")])
        if result.exit:
            if shutil.disk_usage(folder).free < FULL:
                raise JudgeError(f"no space left on the device of {folder.parent} (set TMPDIR to another folder)")
            if not self.toolchain.prelude.exists():
                raise JudgeError(f"{self.toolchain.folder} was removed while the judge was at work; start it again")
        return result

    def run(
        self, binary: Path, jobs: Iterable[Job], limits: Limits, static: bool, numbered: bool = False
    ) -> Iterator[Result]:
        """Runs a program afresh for each job; a `numbered` one is told which of its programs the job is about.

        With `static` it needs no file and gets none. If the supervisor is killed, results are missing.
        """
        start = [self.toolchain.supervisor, "serve" if numbered else "run", limits.cpu, limits.wall]
        start += [limits.memory, limits.output, limits.stack, _FLAGS[self.tier]]
        paths = [] if static else self._for_program
        words = [*start, *(["-p"] if static else []), *_rights(paths), "-x", binary, "--", binary]
        return self._supervise([*self._confined(binary.parent, self._for_program), *words], binary.parent, jobs)

    def interpret(self, interpreter: Interpreter, jobs: Iterable[Job], limits: Limits) -> Iterator[Result]:
        """Runs an interpreter afresh for each job, whose input begins with the program. Else as `run`."""
        start = [self.toolchain.supervisor, "interpret", limits.cpu, limits.wall]
        start += [limits.memory, limits.output, limits.stack, _FLAGS[self.tier]]
        words = [*start, *interpreter.rights(self.tier), "--", *interpreter.command]
        folder = self.toolchain.folder
        confined = self._confined(folder, interpreter.paths, hidden=interpreter.hidden)
        return self._supervise([*confined, *words], folder, jobs)

    def tool(self, folder: Path, words: Sequence[str], given: bytes, limits: Limits, paths: Iterable[str]) -> Result:
        """Runs a program of the user's in `folder`, all that it can write to, with the limits of the compiler.

        It reads `paths`, and `given` on its standard input.
        """
        start = [self.toolchain.supervisor, "compile", limits.compile_cpu, limits.compile_wall]
        start += [limits.compile_memory, limits.compile_output, 64 << 20, _FLAGS[self.tier]]
        rights = [*_rights(paths), "-w", "/dev/null", "-w", folder]
        confined = self._confined(folder, paths, writable=True)
        (result,) = self._supervise([*confined, *start, *rights, "--", *words], folder, [Job(0, 0, given)])
        return result

    def stop(self) -> None:
        """Ends whatever runs; nothing can be started any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """The supervisor takes its child with it; bubblewrap, which would not pass a signal on, its whole namespace.

        But not while it begins: then its child, which is to be the first process of the namespace, would wait for it.
        """
        if self.tier != "A":
            process.terminate()
        elif process.poll() is None:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                process.send_signal(signal.SIGSTOP)  # its children are known for certain while it does nothing
                place = Path(f"/proc/{process.pid}")
                while place.joinpath("stat").read_text().rpartition(")")[2].split()[0] not in "TZ":
                    time.sleep(0.001)
                for child in place.joinpath("task", str(process.pid), "children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
            process.kill()

    def _confined(
        self, folder: Path, paths: Iterable[str], writable: bool = False, hidden: Iterable[str] = ()
    ) -> list[str]:
        if self.tier != "A":
            return []
        assert self._bwrap is not None
        words = [self._bwrap, "--unshare-all", "--uid", "65534", "--gid", "65534", "--new-session", "--die-with-parent"]
        for path in [*paths, str(self.toolchain.supervisor)]:
            words += ["--ro-bind-try", path, path]
        for path in hidden:
            words += ["--tmpfs", path]
        words += ["--bind" if writable else "--ro-bind", str(folder), str(folder), "--proc", "/proc"]
        words += ["--dev-bind", "/dev/null", "/dev/null"]
        return [*words, "--remount-ro", "/", "--chdir", str(folder), "--"]

    def _supervise(self, words: Sequence[object], folder: Path, jobs: Iterable[Job]) -> Iterator[Result]:
        with tempfile.TemporaryFile() as requests:
            for job in jobs:
                requests.write(_JOB.pack(job.program, job.test, len(job.input)) + job.input)
            requests.seek(0)
            process = self._start([*map(str, words)], requests, folder)
            with process:
                assert process.stdout is not None
                assert process.stderr is not None
                try:
                    while len(head := process.stdout.read(_RESULT.size)) == _RESULT.size:
                        program, test, status, reason, cpu, wall, peak, output, errors = _RESULT.unpack(head)
                        texts = process.stdout.read(output), process.stdout.read(errors)
                        yield Result(program, test, os.waitstatus_to_exitcode(status), reason, cpu, wall, peak, *texts)
                    if process.wait():
                        message = process.stderr.read(2000).decode("utf-8", "replace").strip()
                        kind = JudgeError if message.startswith(("supervisor: ", "bwrap: ")) else SupervisorError
                        raise kind(f"the supervisor ended early ({process.returncode}): {message}")
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


def _rights(paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in ("-x", path)]


def private_folders() -> set[Path]:
    """The home, the working folder and the temporary folder, as they are spelled and as they resolve."""
    names = [os.environ.get("HOME", ""), os.path.expanduser("~"), os.getcwd(), tempfile.gettempdir()]
    return {path for name in names if name.startswith("/") for path in (Path(name), Path(name).resolve())}


def readable(paths: Iterable[str], private: Iterable[Path]) -> list[str]:
    """`paths` without the root, /usr, what is or contains one of `private`, and what lies below another of them."""
    refused = {Path("/"), Path("/usr")}.union(*({folder, *folder.parents} for folder in private))
    allowed = [path for path in paths if not {Path(path), Path(path).resolve()} & refused]
    return [path for path in dict.fromkeys(allowed) if not {str(p) for p in Path(path).parents}.intersection(allowed)]
