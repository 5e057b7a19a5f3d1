"""The pairs that a table compares come from files."""

import pytest

from composed.reporting.compare import Compare, default, pairs_of


def test_a_further_mode_goes_with_the_last_beginning_that_fits() -> None:
    compare = Compare([("a", "b")], ["a"], {"": "plain", "deep": "deep"})
    rows = ["a", "deep_one", "other", "other + test-time denoiser"]
    assert compare.of(rows) == [("a", "b"), ("deep_one", "deep"), ("other", "plain")]
    assert sorted(["other", "deep_one", "a", "another"], key=compare.place) == ["a", "another", "other", "deep_one"]


def test_pairs_alone_compare_nothing_else() -> None:
    assert Compare([("a", "b")]).of(["a", "b", "c"]) == [("a", "b")]


def test_the_default_puts_the_modes_of_a_table_in_order() -> None:
    names = ["lora", "composed_deep", "composed", "baseline", "ewc", "standard"]
    assert sorted(names, key=default().place) == ["baseline", "standard", "composed", "ewc", "lora", "composed_deep"]


@pytest.mark.parametrize("entries", [{"a": "b"}, [["a"]], ["ab"], "ab"])
def test_what_is_no_list_of_pairs_is_refused(entries) -> None:
    with pytest.raises(ValueError, match=r"list of \[row, reference\]"):
        pairs_of(entries)
