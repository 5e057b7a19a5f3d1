"""Processes that work for a judge on what could crash, hang or take all memory: one item after the other is answered.

A crash or a hang costs the item that it happened on, and no other. What an item is, and how it is answered, a module
says by its function `answerer(settings)`; items, answers and settings are values of JSON.

    python -P -c "from composed.judges.workers import main; main()"    (started by `answers` alone)
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from composed.judges.records import MEBIBYTE, JudgeError

ITEMS_A_CHUNK = 64
STARTING = 120.0  # seconds until a process has begun
_PDEATHSIG = 1  # <sys/prctl.h>
_COMMAND = (sys.executable, "-P", "-c", "from composed.judges.workers import main; main()")

Answerer = Callable[[Any], Any]


@dataclass(frozen=True)
class Failure:
    """In the place of an answer: the process took too long over the item, or died of it twice."""

    slow: bool
    reason: str


def answers(
    module: str, settings: Any, items: Sequence[Any], *, seconds: float, memory: int | None, workers: int | None
) -> list[Any]:
    """The answer to each item, or the Failure, in their order.

    Args:
        module: below `composed`, with `answerer(settings)`.
        seconds: of CPU time that an item may take, twenty times as long by the clock.
        memory: MiB that a process may ask for; None: any.
        workers: processes; None: one on each core.

    Raises JudgeError where none can be started.
    """
    most = workers or len(os.sched_getaffinity(0))
    work = _Work(module, {"module": module, "settings": settings, "memory": memory}, items, seconds)
    threads = [threading.Thread(target=work.run) for _ in range(min(most, -(-len(items) // ITEMS_A_CHUNK)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        work.stop()
        raise
    if work.error:
        raise work.error
    return [work.answers[number] for number in range(len(items))]


class _Work:
    """Items that several threads take chunks of, each for a process of its own."""

    def __init__(self, module: str, start: Any, items: Sequence[Any], seconds: float) -> None:
        self.answers: dict[int, Any] = {}
        self.error: Exception | None = None
        self._module = module
        self._start = start
        self._items = items
        self._seconds = seconds
        numbers = range(len(items))
        self._chunks = deque([*numbers[at : at + ITEMS_A_CHUNK]] for at in range(0, len(items), ITEMS_A_CHUNK))
        self._died: set[int] = set()
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        process = None
        try:
            while not self._stopped and self.error is None:
                try:
                    left = self._chunks.popleft()
                except IndexError:
                    break
                while left and not self._stopped:
                    process = process or _Process(self._start)
                    left, process = self._worked(process, left)
        except OSError as error:
            self.error = JudgeError(f"no process for {self._module}: {error}")
        except Exception as error:  # raised again where it was asked
            self.error = error
        finally:
            if process:
                process.end()

    def _worked(self, process: _Process, numbers: list[int]) -> tuple[list[int], _Process | None]:
        """What is left of a chunk, and the process if it is alive."""
        answered, failure = process.answers([self._items[number] for number in numbers], self._seconds)
        self.answers |= dict(zip(numbers, answered, strict=False))
        left = numbers[len(answered) :]
        if failure is None:
            return left, process
        if failure.slow or left[0] in self._died:
            self.answers[left[0]] = failure
            return left[1:], None
        self._died.add(left[0])
        return left, None


class _Process:
    """One process; its answers come a line each."""

    def __init__(self, start: Any) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=self._said)
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._clock = ((~self._process.pid) << 3) | 2  # of its CPU time: <linux/posix-timers.h>
        failure = None if self._send(start) else Failure(False, self._ended())
        failure = failure or self._wait(time.monotonic() + STARTING, None)
        if failure or (said := json.loads(self._lines.popleft())):
            self.end()
            raise JudgeError(failure.reason if failure else said)

    def answers(self, items: Sequence[Any], seconds: float) -> tuple[list[Any], Failure | None]:
        """Of the items, up to one that it fails on."""
        found: list[Any] = []
        sent = self._send(items)
        while len(found) < len(items):
            failure = self._wait(time.monotonic() + 20 * seconds, self._used() + seconds) if sent else None
            if failure or not sent:
                failure = failure or Failure(False, self._ended())
                self.end()
                return found, failure
            found += [json.loads(self._lines.popleft()) for _ in range(len(self._lines))]
        return found, None

    def _used(self) -> float:
        try:
            return time.clock_gettime(self._clock)
        except OSError:  # it has ended
            return 0.0

    def _send(self, value: Any) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _wait(self, until: float, cpu: float | None) -> Failure | None:
        """Until there is a line; the Failure if there comes none, by the clock or by CPU time."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not self._lines:
                if not selector.select(0.05):
                    if time.monotonic() > until or (cpu is not None and self._used() > cpu):
                        return Failure(True, "took too long")
                    continue
                read = os.read(self._process.stdout.fileno(), 1 << 16)
                if not read:
                    return Failure(False, self._ended())
                *lines, self._rest = (self._rest + read).split(b"\n")
                self._lines.extend(lines)
        return None

    def _ended(self) -> str:
        """How, and the last that it said."""
        code = self._process.wait()
        self._said.seek(0)
        said = self._said.read()[-2000:].decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"was ended by signal {-code}" if code < 0 else f"ended by itself with {code}"
        return f"{how}: {said}" if said else how

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            with contextlib.suppress(OSError):  # what was not read yet
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()


def main() -> None:
    """The process: settings on the first line, lists of items on the others; one line for each item."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)  # ends with whoever started it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever a library prints
    start = json.loads(sys.stdin.buffer.readline())
    if start["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (start["memory"] * MEBIBYTE,) * 2)
    try:
        answer = import_module(f"composed.{start['module']}").answerer(start["settings"])
    except JudgeError as error:
        out.write(json.dumps(str(error)) + "\n")
        out.flush()
        return
    out.write('""\n')
    out.flush()
    for line in sys.stdin.buffer:
        for item in json.loads(line):
            out.write(json.dumps(answer(item)) + "\n")
            out.flush()
