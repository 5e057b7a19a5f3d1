"""Plain mappings to frozen dataclasses and back: types, choices, ranges, null and unknown keys are checked on the way.

A field with the default `LEFT_OUT` may be left out, any other has to be given: defaults of values stand in conf/ alone.
"""

import difflib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from composed.config.rules import Bound, Check, Choice, Rest
from composed.errors import ConfigError

T = TypeVar("T")
TYPE_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    types.NoneType: "null",
}


class LeftOut(Enum):
    """The value of a field whose key is not there."""

    LEFT_OUT = "left out"

    def __bool__(self) -> Literal[False]:
        return False


LEFT_OUT = LeftOut.LEFT_OUT


class UnknownKeyError(ConfigError):
    """A key that no field is for; `siblings` are the keys beside it that there are."""

    def __init__(self, key: str, siblings: Sequence[str]) -> None:
        super().__init__(f"there is no key {key}{nearest(key, siblings)}")
        self.key, self.siblings = key, siblings


class MissingKeyError(ConfigError):
    """A key that has to be there."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is missing: give it, or begin with an option that has it")


class WrongTypeError(ConfigError):
    """A value of another type than `expected` says in words; `list_of_kind` where it is a list of the wrong entries."""

    def __init__(self, key: str, value: Any, expected: str, *, list_of_kind: bool = False) -> None:
        super().__init__(f"{key}={text(value)}: expected {expected}")
        self.key, self.value, self.expected, self.list_of_kind = key, value, expected, list_of_kind


@dataclass(frozen=True)
class Form:
    """A type taken apart: its alternatives without `Annotated`, and all that stands beside them."""

    kinds: tuple[Any, ...]
    rules: tuple[Any, ...]

    def rule(self, kind: type[T]) -> T | None:
        """The last rule of that class, which is the outermost."""
        return next((rule for rule in reversed(self.rules) if isinstance(rule, kind)), None)


@cache
def form(kind: Any) -> Form:
    if get_origin(kind) is Annotated:
        inner = form(kind.__origin__)
        return Form(inner.kinds, (*inner.rules, *kind.__metadata__))
    if get_origin(kind) in (Union, types.UnionType):
        parts = [form(part) for part in get_args(kind)]
        return Form(
            tuple(kind for part in parts for kind in part.kinds), tuple(r for part in parts for r in part.rules)
        )
    if kind is LeftOut:
        return Form((), (LEFT_OUT,))
    return Form((kind,), ())


@cache
def forms(kind: type) -> dict[str, Form]:
    """{key: its form} of a dataclass, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: form(hints[field.name]) for field in fields(kind)}


@cache
def rest_of(kind: type) -> str:
    """The field that holds further keys, or ""."""
    return next((name for name, shape in forms(kind).items() if shape.rule(Rest)), "")


@cache
def _required(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.default is not LEFT_OUT and field.name != rest_of(kind))


def structure(kind: type[T], node: Any, where: str = "") -> T:
    """The node as a value of `kind`, which stands at the dotted key `where` of the config.

    Raises ConfigError that names key and value, and what is valid or nearest.
    """
    return cast(T, _structure(form(cast(Any, kind)), node, where))


def chosen(shape: Form, node: Any) -> Form:
    """The form with the class that the node is of, where it names several."""
    choice = shape.rule(Choice)
    if choice is None or not isinstance(node, Mapping):
        return shape
    return Form((choice.select(node),), tuple(rule for rule in shape.rules if rule is not choice))


def _structure(shape: Form, node: Any, where: str) -> Any:
    shape = chosen(shape, node)
    for kind in shape.kinds:
        if _fits(kind, node):
            break
    else:
        raise _refusal(shape, node, where)
    for rule in shape.rules:
        if isinstance(rule, Check):
            rule.run(where, node)
        elif isinstance(rule, Bound) and is_number(node) and not rule.holds(node):
            raise ConfigError(f"{where}={node}: must be {rule.words}")
    if is_dataclass(kind):
        return _fields(cast(type, kind), node, where)
    if get_origin(kind) in (list, tuple):
        return _entries(kind, node, where)
    if get_origin(kind) is not None and isinstance(node, Mapping):
        inner = form(get_args(kind)[1])
        return {key: _structure(inner, value, _below(where, key)) for key, value in node.items()}
    return node


def _fields(kind: type, node: Mapping[str, Any], where: str) -> Any:
    known, rest = forms(kind), rest_of(kind)
    for key in node:
        if not rest and key not in known:
            raise UnknownKeyError(_below(where, key), [_below(where, name) for name in known])
    for name in _required(kind):
        if name not in node:
            raise MissingKeyError(_below(where, name))
    values = {
        name: _structure(known[name], node[name], _below(where, name))
        for name in known
        if name in node and name != rest
    }
    if rest:
        values[rest] = {key: value for key, value in node.items() if key not in known or key == rest}
    return kind(**values)


def _entries(kind: Any, node: Sequence[Any], where: str) -> Any:
    inner = get_args(kind)
    shapes = [form(part) for part in (inner if get_origin(kind) is tuple else inner * len(node))]
    try:
        values = [_structure(shape, value, where) for shape, value in zip(shapes, node, strict=True)]
    except WrongTypeError as error:
        raise WrongTypeError(where, node, "a list of other entries", list_of_kind=True) from error
    return tuple(values) if get_origin(kind) is tuple else values


def _fits(kind: Any, node: Any) -> bool:
    origin = get_origin(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(node) and value == node for value in get_args(kind))
    if is_dataclass(kind) or origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return isinstance(node, Mapping)
    if origin is tuple:
        return isinstance(node, list | tuple) and len(node) == len(get_args(kind))
    if origin is list:
        return isinstance(node, list | tuple)
    if isinstance(node, bool):
        return kind is bool
    return is_number(node) if kind is float else isinstance(node, kind)


def _refusal(shape: Form, node: Any, where: str) -> ConfigError:
    if literals := choices(shape):
        return ConfigError(f"{where}={text(node)}: valid values are {' and '.join(map(text, literals))}")
    if len(shape.kinds) == 1 and is_dataclass(kind := shape.kinds[0]):
        first = next(iter(forms(cast(type, kind))))
        return ConfigError(f"{where}={text(node)}: {where} has keys of its own, such as {_below(where, first)}")
    wrong_entries = isinstance(node, list | tuple) and any(get_origin(kind) is tuple for kind in shape.kinds)
    return WrongTypeError(where, node, " or ".join(kind_words(shape)), list_of_kind=wrong_entries)


def choices(shape: Form) -> list[Any]:
    """The values that a form lists, null last; none where it takes others, too."""
    literals = [value for kind in shape.kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if not literals or any(get_origin(kind) is not Literal and kind is not types.NoneType for kind in shape.kinds):
        return []
    return [*literals, *([None] if types.NoneType in shape.kinds else [])]


def kind_words(shape: Form) -> list[str]:
    """What a value may be, in words, null last."""

    def word(kind: Any) -> str:
        origin = get_origin(kind)
        if is_dataclass(kind) or (origin is not None and origin not in (list, tuple)):
            return TYPE_NAMES[dict]
        return TYPE_NAMES[origin or kind]

    null = [TYPE_NAMES[types.NoneType]] if types.NoneType in shape.kinds else []
    return [*dict.fromkeys(word(kind) for kind in shape.kinds if kind is not types.NoneType), *null]


def narrowed(value: Any, kind: type[T]) -> T:
    """An option of a group as the class that its reader needs. Raises ConfigError for another."""
    if not isinstance(value, kind):
        raise ConfigError(f"{type(value).__name__} is none of the options that this kind of output takes")
    return value


def plain(value: Any) -> Any:
    """The mapping that `structure` was given: the same keys and values, keys in the order of the fields."""
    if is_dataclass(value) and not isinstance(value, type):
        rest = rest_of(type(value))
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.name != rest}
        kept = {key: plain(entry) for key, entry in named.items() if entry is not LEFT_OUT}
        return kept | (plain(getattr(value, rest)) if rest else {})
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def keys_where(kind: Any, node: Any, holds: Callable[[Form], bool], where: str = "") -> Iterator[str]:
    """The dotted keys of a node, which need not be valid, whose form `holds`; what lies below one is not looked at."""
    shape = chosen(form(kind) if not isinstance(kind, Form) else kind, node)
    kind_of_node = next((cast(type, kind) for kind in shape.kinds if is_dataclass(kind)), None)
    if kind_of_node is None or not isinstance(node, Mapping):
        return
    for key, inner in forms(kind_of_node).items():
        if key in node:
            place = _below(where, key)
            if holds(inner):
                yield place
            else:
                yield from keys_where(inner, node[key], holds, place)


def form_at(kind: Any, node: Any, keys: Sequence[str], *, named: bool = False) -> Form | None:
    """What a key may be; `node` is where it stands, as far as that is known. None: no class says.

    `named`: None, too, where the key need not be there in every config of the same classes.
    """
    shape = chosen(form(kind) if not isinstance(kind, Form) else kind, node)
    if named and LEFT_OUT in shape.rules:
        return None
    if not keys:
        return shape
    inner = node.get(keys[0]) if isinstance(node, Mapping) else None
    for alternative in shape.kinds:
        if is_dataclass(alternative):
            known = forms(cast(type, alternative))
            if keys[0] in known and keys[0] != rest_of(cast(type, alternative)):
                return form_at(known[keys[0]], inner, keys[1:], named=named)
        elif (
            not named
            and get_origin(alternative) not in (None, list, tuple, Literal)
            and get_args(alternative)[1] is not Any
        ):
            return form_at(form(get_args(alternative)[1]), inner, keys[1:])
    return None


def nearest(key: str, valid: Sequence[str]) -> str:
    """A question that names up to three keys: alike as a whole, or alike in the last part."""
    ends = difflib.get_close_matches(key.rsplit(".", 1)[-1], {name.rsplit(".", 1)[-1] for name in valid}, 3, 0.7)
    near = {
        *difflib.get_close_matches(key, valid, 3, 0.75),
        *(name for name in valid if name.rsplit(".", 1)[-1] in ends),
    }
    best = sorted(near, key=lambda name: (-difflib.SequenceMatcher(None, key, name).ratio(), name))[:3]
    return f"; did you mean {' or '.join(best)}?" if best else "; `--cfg job` prints every key"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(value: Any) -> str:
    """As it is written on the command line."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else str(key)
