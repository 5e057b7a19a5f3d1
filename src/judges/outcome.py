"""What the runs of one program on its tests come to: its verdict, and what it printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from composed.judges.box import ENDED, MEMORY_LIMIT, OUTPUT_LIMIT, TIME_LIMIT, Result
from composed.judges.grouping import equal
from composed.judges.records import Class, Compare, Limits, Verdict
from composed.printable import printable

LIMIT_CLASSES: dict[int, Class] = {
    TIME_LIMIT: "time_limit",
    MEMORY_LIMIT: "memory_limit",
    OUTPUT_LIMIT: "output_limit",
}
Outcome = tuple[Verdict, tuple[bytes, ...]]  # a verdict without its id; what each test up to the deciding one printed


def encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def shortened(text: str, limits: Limits) -> str:
    """Messages, fit for a terminal."""
    return printable(text[: limits.diagnostics])[: limits.diagnostics]


def outcome(
    results: Iterable[Result],
    count: int,
    expected: Sequence[bytes],
    compare: Compare | None,
    limits: Limits,
    readable: Callable[[str], str] = str,
) -> Outcome | None:
    """What the first of `count` tests that failed decides, or that none did; None if tests are missing.

    Reads all results. Without `compare` what was printed is kept, and otherwise not, since outputs can be large.
    `readable` is applied to what the program said.
    """
    cpu = wall = 0.0
    peak = 0
    decided = None
    printed: list[bytes] = []
    for result in results:
        if decided:
            continue
        if not compare:
            printed.append(result.output)
        cpu += result.cpu_seconds
        wall += result.wall_seconds
        peak = max(peak, result.peak_memory)
        verdict = _class(result, expected, compare)
        if verdict != "correct" or result.test == count - 1:
            failed = None if verdict == "correct" else result.test
            text = shortened(readable(result.errors.decode("utf-8", "replace")), limits)
            decided = Verdict("", verdict, cpu, wall, peak, result.exit, failed, text), tuple(printed)
    return decided


def _class(result: Result, expected: Sequence[bytes], compare: Compare | None) -> Class:
    if result.reason != ENDED:
        return LIMIT_CLASSES[result.reason]
    if result.exit:
        return "runtime_error"
    if not expected:
        return "correct"
    return "correct" if equal(result.output, expected[result.test], compare or "exact") else "wrong_output"
