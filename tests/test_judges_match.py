"""What equals the gold output but for blanks is right, and nothing else is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from composed.judges.match import judge, score

WORDS = st.lists(st.text("ab\u00e9(", min_size=1, max_size=3), max_size=4)


def row(number: int, output: str, text: str, target: str) -> dict[str, Any]:
    name = f"{number}-{output}"
    return {"id": name, "example": number, "output": output, "source": "x", "target": target, "text": text}


@given(WORDS, WORDS, st.sampled_from([" ", "  ", "\t", " \n "]))
def test_blanks_are_no_difference_and_all_else_is(words, others, blank):
    [same, other] = judge([row(0, "base", blank.join(words), " ".join(words)), row(1, "base", "".join(others), "a b")])
    assert same.verdict == "correct"
    assert (other.verdict == "correct") == ("".join(others).split() == ["a", "b"])


def test_shares_are_of_each_output_and_test_set():
    rows = [row(0, "base", "a", "a"), row(1, "base", "b", "a"), row(0, "composition", "a ", "a")]
    rows.append(row(1, "composition", " a", "a"))
    scores = score({"id": rows, "hard": rows[:1]})
    assert scores.values["base"] == {
        "id": {"correct": 50.0, "wrong output": 50.0},
        "hard": {"correct": 100.0, "wrong output": 0.0},
    }
    assert scores.values["composition"] == {"id": {"correct": 100.0, "wrong output": 0.0}}
    assert scores.examples == {"id": 2, "hard": 1}
    assert scores.extra["verdicts"]["base"]["id"] == {"n": 2, "correct": 1, "wrong_output": 1}
    assert scores.tests["id"] != scores.tests["hard"]
