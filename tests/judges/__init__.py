"""What the tests of the judge share: the tiers that this machine allows, short limits, and short programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from composed.judges import PRELUDE, JudgeError, Limits, Program, Test, containment

HOSTILE = Path(__file__).parent / "hostile"
QUICK = Limits(cpu=1.0, wall=8.0, memory=256 << 20, output=1 << 20, compile_cpu=4.0, compile_memory=1 << 30)


each_tier = pytest.mark.parametrize("tier", ["A", "B"])


def require(tier: str) -> None:
    """Skips the test where the machine does not allow `tier`."""
    try:
        containment(tier)
    except JudgeError as error:
        pytest.skip(f"no tier {tier} here: {error}")


def program(code: str, *tests: tuple[str, str], id: str = "p") -> Program:
    """A program with the prelude before it."""
    return Program(id, PRELUDE + code, tuple(Test(*test) for test in tests))
