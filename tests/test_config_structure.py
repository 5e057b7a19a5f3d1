"""Mappings become values and mappings again; what is wrong is named with what is valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.config.rules import Choice, Rest, Silent, Unit, above, at_least, within
from composed.config.structure import (
    LEFT_OUT,
    LeftOut,
    MissingKeyError,
    UnknownKeyError,
    WrongTypeError,
    form_at,
    keys_where,
    plain,
    structure,
)
from composed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: Annotated[float, within(0, 1)]
    folder: Annotated[str, Silent()]


@dataclass(frozen=True, kw_only=True)
class Free:
    _target_: str
    more: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)


def _select(node: Mapping[str, Any]) -> type:
    return Free if "_target_" in node else Inner


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: Annotated[int, above(0), Unit("things")]
    cap: Annotated[float, above(0)] | None
    mode: Literal["a", "b"] | None
    on: bool
    pair: tuple[float, float]
    devices: int | str | list[int]
    inner: Inner
    either: Annotated[Inner | Free, Choice(_select)]
    named: Mapping[str, Inner]
    free: Mapping[str, Any] | None
    late: int | LeftOut = LEFT_OUT


INNER = {"share": 0.5, "folder": "here"}
NODE: dict[str, Any] = {
    "count": 2,
    "cap": None,
    "mode": "a",
    "on": True,
    "pair": [0.9, 1],
    "devices": "auto",
    "inner": INNER,
    "either": {"_target_": "x.Y", "size": [1, {"a": 2}]},
    "named": {"first": INNER},
    "free": {"any": {"thing": 1}},
}


def test_a_value_has_the_fields_and_comes_back_as_the_mapping_it_was() -> None:
    value = structure(Outer, NODE)
    assert (value.count, value.inner.share, value.pair, value.late) == (2, 0.5, (0.9, 1), LEFT_OUT)
    assert isinstance(value.either, Free)
    assert value.either.more == {"size": [1, {"a": 2}]}
    assert plain(value) == NODE
    assert [*plain(value)] == [*NODE]
    assert plain(structure(Outer, {**NODE, "late": 3}))["late"] == 3


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"count": 0}, ConfigError, "a.count=0: must be above 0"),
        ({"count": True}, WrongTypeError, "a.count=true: expected a whole number"),
        ({"count": 1.5}, WrongTypeError, "a.count=1.5: expected a whole number"),
        ({"count": None}, WrongTypeError, "a.count=null: expected a whole number"),
        ({"cap": "x"}, WrongTypeError, "a.cap=x: expected a number or null"),
        ({"cap": float("nan")}, ConfigError, "a.cap=nan: must be above 0"),
        ({"mode": "c"}, ConfigError, "a.mode=c: valid values are a and b and null"),
        ({"on": 1}, WrongTypeError, "a.on=1: expected true or false"),
        ({"pair": [1]}, WrongTypeError, "a.pair=[1]: expected a list"),
        ({"pair": [1, "x"]}, WrongTypeError, "a.pair=[1, 'x']: expected a list"),
        ({"devices": 1.5}, WrongTypeError, "a.devices=1.5: expected a whole number or a word or a list"),
        ({"inner": 3}, ConfigError, "a.inner=3: a.inner has keys of its own, such as a.inner.share"),
        ({"inner": {**INNER, "shar": 1}}, UnknownKeyError, "there is no key a.inner.shar; did you mean a.inner.share?"),
        ({"inner": {"share": 0}}, MissingKeyError, "a.inner.folder is missing"),
        ({"inner": {**INNER, "share": 1}}, ConfigError, "a.inner.share=1: must be from 0 to below 1"),
        ({"named": {"first": {**INNER, "share": -1}}}, ConfigError, "a.named.first.share=-1: must be from 0 to below"),
        ({"free": 3}, WrongTypeError, "a.free=3: expected a mapping or null"),
        ({"either": {"folder": "x"}}, MissingKeyError, "a.either.share is missing"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_valid(changed, error, says) -> None:
    with pytest.raises(ConfigError) as refused:
        structure(Outer, {**NODE, **changed}, "a")
    assert type(refused.value) is error
    assert str(refused.value).startswith(says)


@given(st.floats(allow_nan=True) | st.integers(), st.floats(-5, 5), st.floats(0, 5))
def test_bounds_hold_where_their_words_say_so(value, low, more) -> None:
    high = low + more
    assert above(low).holds(value) == (value > low)
    assert at_least(low).holds(value) == (value >= low)
    assert within(low, high).holds(value) == (low <= value < high)
    assert within(low, high, low_open=True, high_open=False).holds(value) == (low < value <= high)


def test_bounds_speak() -> None:
    assert [bound.words for bound in (above(0), at_least(1))] == ["above 0", "at least 1"]
    assert within(0, 1).words == "from 0 to below 1"
    assert within(0, 1, high_open=False).words == "from 0 to 1"
    assert within(0, 1, low_open=True, high_open=False).words == "above 0 and at most 1"


FREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner),
)


@given(
    st.integers(1),
    st.sampled_from(["a", "b", None]),
    st.booleans(),
    st.floats(0, 0.99),
    st.dictionaries(st.text(), FREE),
)
def test_every_valid_mapping_comes_back(count, mode, on, share, free) -> None:
    inner = {"share": share, "folder": "x"}
    free = {key: value for key, value in free.items() if key not in ("_target_", "more")}
    node = {**NODE, "count": count, "mode": mode, "on": on, "inner": inner, "free": free}
    node = {**node, "either": {"_target_": "x", **free}, "named": {"a": inner, "b": INNER}}
    assert plain(structure(Outer, node)) == node


def test_keys_are_found_by_what_stands_beside_their_type_in_mappings_that_need_not_be_valid() -> None:
    node = {"count": "wrong", "inner": {"folder": 3}, "either": INNER, "further": {"folder": 1}}
    found = keys_where(Outer, node, lambda shape: shape.rule(Silent) is not None)
    assert [*found] == ["inner.folder", "either.folder"]


def test_a_key_has_the_form_of_its_field() -> None:
    unit = form_at(Outer, NODE, ["count"])
    assert unit is not None
    assert unit.rule(Unit) == Unit("things")
    named = form_at(Outer, NODE, ["named", "other", "share"])
    assert named is not None
    assert named.kinds == (float,)
    assert form_at(Outer, NODE, ["inner", "nothing"]) is None
    assert form_at(Outer, NODE, ["either", "size"]) is None
