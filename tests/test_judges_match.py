"""What equals the gold output but for blanks is right; labels or a pattern say what is valid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.judges.match import LONGEST, Judge
from composed.judges.records import JudgeError
from tests.predictions import Predicted

WORDS = st.lists(st.text("ab\u00e9(", min_size=1, max_size=3), max_size=4)


def row(number: int, output: str, text: str, target: str) -> dict[str, Any]:
    name = f"{number}-{output}"
    kept = {"id": name, "example": number, "output": output, "source": "x", "target": target, "text": text}
    return {**kept, "known": False, "strict": text == target}


def classes(judge: Judge, *texts: str, target: str = "a") -> list[str]:
    return [each.verdict for each in judge.judge([row(n, "base", text, target) for n, text in enumerate(texts)])]


@given(WORDS, WORDS, st.sampled_from([" ", "  ", "\t", " \n "]))
def test_blanks_are_no_difference_and_all_else_is(words, others, blank):
    rows = [row(0, "base", blank.join(words), " ".join(words)), row(1, "base", "".join(others), "a b")]
    [same, other] = Judge().judge(rows)
    assert same.verdict == "correct"
    assert (other.verdict == "correct") == ("".join(others).split() == ["a", "b"])


def test_what_is_no_label_is_invalid(tmp_path):
    assert classes(Judge(labels=["a", "b  c"]), "a ", "b c", "c", "") == ["correct", "wrong", "invalid", "invalid"]
    (tmp_path / "labels").write_text("a\n\nb c\n", encoding="utf-8")
    from_file = Judge(labels=str(tmp_path / "labels"))
    assert from_file.faults([{"text": "b c"}, {"text": ""}, {"text": "d"}]) == ["", "'' is no label", "'d' is no label"]
    assert from_file.tell([{"text": "a"}, {"text": "d"}]) == ["valid", "invalid: 'd' is no label"]


def test_a_pattern_is_about_the_whole_output():
    judge = Judge(pattern=r"[ab]+( c)?")
    assert classes(judge, "a", "ab  c", "ab c c", "xa", "") == ["correct", "wrong", "invalid", "invalid", "invalid"]
    assert judge.faults([{"text": "a" * (LONGEST + 1)}]) == [f"longer than {LONGEST} characters"]


ENDLESS = "a" * 40 + "b"  # which (a+)+ tries to cut in 2^39 ways


def test_a_pattern_that_never_ends_costs_a_verdict_and_is_named_with_its_output():
    judge = Judge(pattern="(a+)+$", seconds=0.2)
    rows = [row(n, "base", text, "aa") for n, text in enumerate(["aa", ENDLESS, "b", "a"])]
    found = judge.judge(rows)
    assert [(each.id, each.verdict) for each in found] == [
        ("0-base", "correct"),
        ("1-base", "not_judged"),
        ("2-base", "invalid"),
        ("3-base", "wrong"),
    ]
    said = f"judge.pattern=(a+)+$ took longer than 0.2 s of CPU time on {ENDLESS!r}; write it without"
    assert found[1].diagnostics.startswith(said)
    faults = judge.faults([{"text": text} for text in ("a", ENDLESS, "b")])
    assert [faults[0], faults[2]] == ["", "'b' does not match (a+)+$"]
    assert faults[1] == found[1].diagnostics


def test_a_pattern_is_checked_before_any_output():
    Judge(pattern="a+").check()
    Judge().check()
    with pytest.raises(JudgeError, match=r"judge\.pattern=\[: no regular expression"):
        Judge(pattern="[").check()
    with pytest.raises(JudgeError, match=r"judge\.labels=nowhere: no file"):
        Judge(labels="nowhere").check()


@pytest.mark.parametrize("judge", [Judge(labels="nowhere"), Judge(pattern="(")])
def test_what_says_nothing_is_named(judge):
    with pytest.raises(JudgeError, match=r"judge\.(labels=nowhere: no file|pattern=\(: no regular expression)"):
        judge.judge([row(0, "base", "a", "a")])


def test_only_with_labels_or_a_pattern_can_it_tell_what_is_valid():
    assert [Judge().validity, Judge(labels=[]).validity, Judge(pattern="").validity] == [False, True, True]


def test_shares_are_of_each_output_and_test_set():
    rows = [row(0, "base", "a", "a"), row(1, "base", "b", "a"), row(0, "composition", "a ", "a")]
    rows.append(row(1, "composition", " a", "a"))
    predictions = {"id": rows, "hard": rows[:1]}
    judge = Judge(labels=["a"])
    scores = judge.score(Predicted(predictions))
    assert scores.values["base"] == {
        "id": {"correct": 50.0, "invalid": 50.0, "wrong": 0.0},
        "hard": {"correct": 100.0, "invalid": 0.0, "wrong": 0.0},
    }
    assert scores.values["composition"] == {"id": {"correct": 100.0, "invalid": 0.0, "wrong": 0.0}}
    assert scores.examples == {"id": 2, "hard": 1}
    assert scores.extra["verdicts"]["base"]["id"] == {"n": 2, "correct": 1, "invalid": 1, "wrong": 0, "not_judged": 0}
    assert scores.tests["id"] != scores.tests["hard"]
