from __future__ import annotations

import dataclasses

import pytest

from composed.judges import JudgeError, Limits, Program, Test, Verdict
from composed.judges.cache import Cache

PROGRAM = Program("a", "int main() {}", (Test("1", "2"),))


def filled(path):
    cache = Cache(path, "g++", Limits())
    cache.put(Verdict("a", "correct", key=cache.key(PROGRAM)))
    cache.close()


def test_a_verdict_is_found_again_whatever_the_id(tmp_path):
    filled(tmp_path / "new" / "verdicts")
    cache = Cache(tmp_path / "new" / "verdicts", "g++", Limits())
    found = cache.get(cache.key(dataclasses.replace(PROGRAM, id="b")))
    assert found.verdict == "correct"
    cache.close()


@pytest.mark.parametrize(
    ("program", "context", "limits"),
    [
        (dataclasses.replace(PROGRAM, code="int main() { }"), "g++", Limits()),
        (dataclasses.replace(PROGRAM, tests=(Test("1", "3"),)), "g++", Limits()),
        (dataclasses.replace(PROGRAM, tests=(Test("12", ""),)), "g++", Limits()),
        (dataclasses.replace(PROGRAM, tests=()), "g++", Limits()),
        (PROGRAM, "g++ 13", Limits()),
        (PROGRAM, "g++", Limits(cpu=3.0)),
    ],
)
def test_whatever_a_verdict_depends_on_changes_its_key(tmp_path, program, context, limits):
    filled(tmp_path / "verdicts")
    cache = Cache(tmp_path / "verdicts", context, limits)
    assert cache.get(cache.key(program)) is None
    cache.close()


def test_what_a_judge_failed_on_is_judged_again_and_other_files_are_only_read(tmp_path):
    other, failed = tmp_path / "other", Program("b", "int main() { return 0; }")
    filled(other)
    cache = Cache(other, "g++", Limits())
    cache.put(Verdict("b", "not_judged", key=cache.key(failed)))
    cache.close()
    before = other.read_bytes()
    cache = Cache(None, "g++", Limits(), [tmp_path / "none", tmp_path, other])
    assert cache.get(cache.key(PROGRAM)) is not None
    assert cache.get(cache.key(failed)) is None
    cache.close()
    assert other.read_bytes() == before


def test_a_half_written_line_costs_only_itself(tmp_path):
    path = tmp_path / "verdicts"
    filled(path)
    path.write_bytes(path.read_bytes() + b'{"id": "b", "verd')
    filled(path)
    cache = Cache(path, "g++", Limits())
    assert cache.get(cache.key(PROGRAM)) is not None
    cache.close()
    assert path.read_bytes().count(b"\n") == 3


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(JudgeError, match=str(tmp_path)):
        Cache(tmp_path, "g++", Limits())
