from __future__ import annotations

import pytest

from composed.judges import Verdict


def test_a_verdict_survives_json():
    verdict = Verdict("a\n\udcff", "wrong_output", 0.5, 0.75, 1 << 20, -9, 3, "é\0", "key")
    line = verdict.to_json()
    assert "\n" not in line
    assert Verdict.from_json(line) == verdict


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"id": "a"}', '{"id": "a", "verdict": "correct", "more": 1}'])
def test_a_line_that_is_no_verdict_is_an_error(line):
    with pytest.raises((ValueError, TypeError)):
        Verdict.from_json(line)
