"""Every fault is announced with its seed, which COMPOSED_FAULT_SEED repeats; the end says how many were survived."""

import os
import random
import re
from collections import defaultdict
from typing import Any

import pytest

FAULTS = 12


@pytest.fixture
def chance(request) -> random.Random:
    """The randomness of a fault."""
    seed = int(os.environ.get("COMPOSED_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nfault: {request.node.name.removeprefix('test_').replace('_', ' ')}; seed {seed}")
    return random.Random(seed)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A fault is survived where none of its tests failed and none was skipped."""
    ends = defaultdict(list)
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            if found := re.search(r"faults/.*::test_(\d\d)_", report.nodeid):
                ends[found[1]].append(outcome)
    if ends:
        survived = [number for number, outcomes in ends.items() if {*outcomes} == {"passed"}]
        tests = ", ".join(f"{number}: {ends[number].count('passed')}/{len(ends[number])}" for number in sorted(ends))
        terminalreporter.write_line(f"survived {len(survived)} of {FAULTS} faults (tests passed of each: {tests})")
