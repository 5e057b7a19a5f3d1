"""Which words may follow the beginning of a SansType program: its syntax, its types, and which variables there are.

The statements are those of the grammar's own table. A state holds every way to read the words so far (Earley 1970, for
a language in which a statement is a row of a table); a word may follow if one of the ways goes on with it and can be
brought to the program's end with the words that are left.

Left out: what the grammar draws beside types, such as which two variables a swap takes of several, and that every
variable is printed at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from composed.datamodules.sanstype.grammar import CODE, FOOTER, FUNCTIONS, HEADER, NAMES, TYPES, VALUES
from composed.datamodules.tokenizers import Tokenizer
from composed.errors import ConfigError

END = "</s>"  # the word after the last
OF_TYPE = {
    **dict.fromkeys(("plus", "minus", "apply"), "int"),
    **dict.fromkeys(("and", "if"), "bool"),
    **dict.fromkeys(("append", "prepend"), "string"),
}  # of the variables of a statement
STATEMENTS = ("init", "instantiate", "set", "plus", "minus", "and", "append", "prepend", "apply", "print", "if")
Scope = tuple[tuple[str, str], ...]  # variables and their types, in order of declaration


def _symbols(template: str) -> tuple[str, ...]:
    """The words of a row of the table; a slot is {t}, {v}, {w}, {x} or {f}."""
    return tuple(template.replace("{{", "{").replace("}}", "}").split())


FORMS = {kind: tuple(map(_symbols, templates)) for kind, templates in CODE.items()}
SHORTEST = {kind: min(map(len, forms)) for kind, forms in FORMS.items()}
# The fewest words from the end of a statement to that of the program: $, the footer, END. Of some kinds it is more.
AFTER = 3
REST = {"over": 0, "end": 1, "next": AFTER - 1, "start": SHORTEST["init"] + AFTER}
REST |= {
    "instantiate": 1 + SHORTEST["read"] + AFTER,
    "if": SHORTEST["swap"] + AFTER,
    "second": SHORTEST["swap"] + AFTER,
}
REST["local"] = 1 + SHORTEST["init"] + REST["second"]
BLOCK = 1 + SHORTEST["init"] + REST["local"]  # from an if whose block has variables of its own


@dataclass(frozen=True, slots=True)
class Way:
    """One reading of the words so far.

    kind: of the statement that it is in, or start, next, local, second, read, end and over.
    todo: symbols of the statement that are still to come.
    scope: the variables that there are.
    bound: what slots of the statement stand for.
    local: the variables of the block that it is in.
    """

    kind: str
    todo: tuple[str, ...]
    scope: Scope = ()
    bound: Scope = ()
    local: Scope = ()

    def words(self) -> tuple[str, ...]:
        """What it goes on with."""
        symbol = self.todo[0]
        if not symbol.startswith("{") or symbol == "{":
            return (symbol,)
        bound = dict(self.bound)
        return (bound[symbol],) if symbol in bound else self._fits(symbol, bound)

    def _fits(self, slot: str, bound: Mapping[str, str]) -> tuple[str, ...]:
        if slot == "{f}":
            return FUNCTIONS
        if slot == "{t}":
            return TYPES if self.kind != "swap" else tuple(kind for kind in TYPES if len(self._of(kind)) > 1)
        if slot == "{x}":
            return VALUES[bound["{t}"] if "{t}" in bound else dict(self.scope)[bound["{v}"]]]
        if self.kind in ("init", "instantiate"):
            declared = dict(self.scope)
            return tuple(name for name in NAMES if name not in declared)
        if self.kind in ("local", "second"):
            return tuple(name for name in NAMES if name not in dict(self.local))
        kind = bound["{t}"] if "{t}" in bound else OF_TYPE.get(self.kind)
        return tuple(name for name in self._of(kind) if slot == "{v}" or name != bound["{v}"])

    def _of(self, kind: str | None) -> list[str]:
        """The variables of a type; None: of every type."""
        return [name for name, its_type in self.scope if kind in (None, its_type)]

    def after(self, word: str) -> "Way":
        """Once it has gone on with one of its words."""
        symbol, *todo = self.todo
        slot = symbol.startswith("{") and symbol != "{" and symbol not in dict(self.bound)
        return replace(self, todo=tuple(todo), bound=(*self.bound, (symbol, word)) if slot else self.bound)

    def least(self) -> int:
        """The fewest words to the end of the program."""
        rest = BLOCK if self.kind == "if" and not self._pair() else REST.get(self.kind, AFTER)
        return len(self.todo) + rest

    def _pair(self) -> bool:
        return any(len(self._of(kind)) > 1 for kind in TYPES)

    def applies(self) -> bool:
        """Whether there are variables, or names, for the slots of a statement that begins here."""
        if self.kind in ("init", "instantiate"):
            return len(self.scope) < len(NAMES)
        return len(self._of(OF_TYPE.get(self.kind))) > (self.kind == "apply")

    def onward(self) -> Iterator["Way"]:
        """The ways that begin where it ends, which has nothing to do any more."""
        bound = dict(self.bound)
        scope = self.scope
        if self.kind in ("init", "instantiate"):
            scope = (*scope, (bound["{v}"], bound["{t}"]))
        if self.kind in ("start", "next"):
            begun = (Way(kind, form, scope) for kind in STATEMENTS for form in FORMS[kind])
            yield from (way for way in begun if way.applies())
            if self.kind == "next":
                yield Way("end", (FOOTER,), scope)
        elif self.kind == "instantiate":
            yield from (Way("read", ("$", *form), scope, (("{v}", bound["{v}"]),)) for form in FORMS["read"])
        elif self.kind == "if":
            yield from (Way("local", ("~", *form), scope) for form in FORMS["init"])
            yield from (Way("swap", form, scope) for form in FORMS["swap"])
        elif self.kind == "local":
            yield from self._second(bound)
        elif self.kind == "second":
            of_slots = zip(("{v}", "{w}"), (*dict(self.local), bound["{v}"]), strict=True)
            yield from (Way("swap", form, scope, (("{t}", bound["{t}"]), *of_slots)) for form in FORMS["swap"])
        elif self.kind == "end":
            yield Way("over", (END,), scope)
        else:
            yield Way("next", ("$",), scope)

    def _second(self, bound: Mapping[str, str]) -> Iterator["Way"]:
        """The block's other variable, of the same type."""
        local = ((bound["{v}"], bound["{t}"]),)
        for form in FORMS["init"]:
            yield Way("second", ("~", *form), self.scope, (("{t}", bound["{t}"]),), local)


State = frozenset[Way]
START: State = frozenset([Way("start", (HEADER, "$"))])


def possible(state: State, left: int) -> set[str]:
    """The words that may follow where `left` words are left, END among them."""
    return {word for way in state if way.least() <= left for word in way.words()}


@lru_cache(2**16)
def advance(state: State, word: str) -> State:
    """After one more word; empty where it cannot follow."""
    gone = {way.after(word) for way in state if word in way.words()}
    ways: set[Way] = set()
    while gone:
        way = gone.pop()
        if way.todo or way.kind == "over":
            ways.add(way)
        else:
            gone |= {*way.onward()}
    return frozenset(way for way in ways if not way.todo or way.words())


class Checker:
    """A `Guide` by the ids of a tokenizer of words. Raises ConfigError for another one, which splits words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        if tokenizer.kind != "word":
            raise ConfigError(
                f"decoding=constrained: a tokenizer of kind {tokenizer.kind} cuts words into pieces, and this says "
                "which words may follow; use tokenizer.kind=word"
            )
        self._words = [*tokenizer.pieces]
        self._words[tokenizer.eos] = END
        self._ids = {word: i for i, word in enumerate(self._words) if i >= tokenizer.eos and i != tokenizer.unk}

    start = START

    def allowed(self, state: State, left: int) -> Sequence[int]:
        """Ascending. Raises ConfigError where so few tokens make no program of the vocabulary's words."""
        ids = sorted(self._ids[word] for word in possible(state, left) if word in self._ids)
        if not ids:
            raise ConfigError(
                f"decoding=constrained: no program of this vocabulary goes on here and ends within {left} tokens; "
                "raise task.max_length, or train the tokenizer on data that have every word of the language"
            )
        return ids

    def after(self, state: State, token: int) -> State:
        return advance(state, self._words[token])
