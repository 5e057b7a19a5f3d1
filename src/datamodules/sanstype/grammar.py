"""SansType: random C++ programs and pseudocode for them that names no type (Xie, Ma and Liang 2021).

A program is one line, `$` between its statements and `~` for an indent. Three tables are the whole language:
code, and pseudocode in and out of distribution; alternatives in a table are equally likely.
Left out: the authors' negation of booleans, which no published program has.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from composed.errors import ConfigError

HEADER = "int main () {"
FOOTER = "return 0; }"
TYPES = ("int", "bool", "string")
NAMES = tuple(f"var_{i}" for i in range(10))

_Table = dict[str, tuple[str, ...]]

CODE: _Table = {
    "init": ("{t} {v} = {x} ;", "{t} {v} ; {v} = {x} ;"),
    "instantiate": ("{t} {v} ;",),
    "read": ("cin >> {v} ;",),
    "set": ("{v} = {x} ;",),
    "plus": ("{v} += {x} ;", "{v} = {v} + {x} ;"),
    "minus": ("{v} -= {x} ;", "{v} = {v} - {x} ;"),
    "and": ("{v} = {v} && {x} ;",),
    "append": ("{v} += {x} ;", "{v} = {v} + {x} ;"),
    "prepend": ("{v} = {x} + {v} ;",),
    "apply": ("{v} = {f} ( {v} , {w} ) ;",),
    "print": ("cout << {v} ;",),
    "if": ("if ( {v} ) {{",),
    "swap": ("{t} temp = {v} ; {v} = {w} ; {w} = temp ; }}",),
}
_ID: _Table = {
    "init": ("set {v} to {x};",),
    "instantiate": ("instantiate {v};",),
    "read": ("read {v} from stdin;",),
    "set": ("set {v} to {x};",),
    "plus": ("set {v} to {x} plus {v};",),
    "minus": ("set {v} to {x} minus {v};",),
    "and": ("set {v} to the and with {x};",),
    "append": ("add {x} to the end of {v};",),
    "prepend": ("add {x} to the beginning of {v};",),
    "apply": ("set {v} to {f} applied to {v} and {w};",),
    "print": ("print {v};", "output {v} to stdout;"),
    "if": ("if {v} is true,",),
    "swap": ("set {v} to the value of {w} and {w} to the value of {v};", "swap the values of {v} and {w};"),
}
_OOD: _Table = _ID | {
    "read": ("read {v};", "{v} from stdin;"),
    "plus": ("set {v} to {v} plus {x};", "{v} to {x} plus {v};", "set {v} to {x} plus the value of {v};"),
    "minus": ("{v} to {x} minus {v};", "set {v} to {x} minus the value of {v};"),
    "and": ("set {v} to {v} and {x};", "and {v} with {x};", "{v} and {x};"),
    "append": ("add {x} to {v} end;", "add {x} to end of {v};"),
    "prepend": ("add {x} to {v} beginning;", "add {x} to beginning of {v};"),
    "print": ("print {v} to stdout;", "output {v};", "stdout {v};"),
    "if": ("if {v} true,", "if {v},"),
    "swap": (
        "set {v} to {w} and set {w} to {v};",
        "set {v} to the value of {w} and {w} to {v};",
        "swap {v} and {w};",
    ),
}
VALUES = {
    "int": tuple(map(str, range(100))),
    "bool": ("true", "false"),
    "string": tuple(f'"str_{i}"' for i in range(10)),
}
FUNCTIONS = ("max", "min")
_KEYED = {"true": "1", "false": "0"}
_UPDATES = {
    "int": ("plus", "minus", "set"),
    "bool": ("and", "set", "if"),
    "string": ("append", "prepend", "set"),
}


def _as_read(value: str) -> str:
    """A value as standard input has it."""
    return _KEYED.get(value, value.strip('"'))


READ_VALUES = {type_: tuple(map(_as_read, values)) for type_, values in VALUES.items()}


@dataclass(frozen=True)
class Grammar:
    """1..`max_variables` variables to begin with, then 1..`max_rounds` rounds; the defaults are the paper's.

    Raises ConfigError for a bound below 1 and for more variables than there are names.
    """

    max_variables: int = 3
    max_rounds: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.max_variables <= len(NAMES):
            raise ConfigError(f"grammar.max_variables={self.max_variables}: must be from 1 to {len(NAMES)}")
        if self.max_rounds < 1:
            raise ConfigError(f"grammar.max_rounds={self.max_rounds}: must be at least 1")


@dataclass(frozen=True, slots=True)
class Example:
    """A line of pseudocode, its program as a line of code, and the values that the program reads."""

    source: str
    target: str
    inputs: tuple[str, ...]


def generate(
    count: int,
    *,
    seed: int,
    split: str,
    grammar: Grammar = Grammar(),
    ood: bool = False,
    seen: set[str] | None = None,
    accept: Callable[[str], bool] = lambda target: True,
) -> list[Example]:
    """Draw `count` examples, `ood` ones with the other pseudocode.

    A function of its arguments alone, in every process; each (`seed`, `split`) is an independent stream, and
    a longer list begins with the shorter one. No source or target is in `seen` or occurs twice; `seen` grows
    by them. `accept` says of a target whether it may be drawn.
    """
    rng = random.Random(f"sanstype/{seed}/{split}")
    wording = _OOD if ood else _ID
    seen = set() if seen is None else seen
    examples: list[Example] = []
    while len(examples) < count:
        example = _draw(rng, grammar, wording)
        if accept(example.target) and seen.isdisjoint((example.source, example.target)):
            seen.update((example.source, example.target))
            examples.append(example)
    return examples


def vocabulary(*, seed: int, grammar: Grammar) -> list[str]:
    """Texts for a tokenizer: every word of programs and of in-distribution pseudocode, then a thousand examples.

    They are a function of the arguments alone, so that no size of a split changes a vocabulary.
    """
    values = (value for of_type in VALUES.values() for value in of_type)
    words = " ".join((HEADER, FOOTER, "$ ~ TAB", *TYPES, *NAMES, *FUNCTIONS, *values))
    examples = generate(1000, seed=seed, split="vocabulary", grammar=grammar)
    texts = (text for example in examples for text in (example.source, example.target))
    return [words, *_phrases(CODE), *pseudocode(), *texts]


def pseudocode() -> list[str]:
    """A statement in every in-distribution wording."""
    return _phrases(_ID)


def _phrases(table: _Table) -> list[str]:
    parts = {"t": TYPES[0], "v": NAMES[0], "w": NAMES[1], "x": VALUES["int"][0], "f": FUNCTIONS[0]}
    return [form.format(**parts) for forms in table.values() for form in forms]


def _draw(rng: random.Random, grammar: Grammar, wording: _Table) -> Example:
    program = _Program(rng, wording)
    first = rng.sample(NAMES, rng.randint(1, grammar.max_variables))
    for name in first:
        program.declare(name, read=rng.random() < 0.5)
    for name in rng.sample(first, len(first)):  # every variable is used in a way that shows its type
        program.update(name)
    integers = [name for name in first if program.types[name] == "int"]
    for _ in range(rng.randint(1, grammar.max_rounds)):
        unused = [name for name in NAMES if name not in program.types]
        if unused and rng.random() < 0.2:
            program.declare(rng.choice(unused), read=False)
        else:
            if len(integers) >= 2 and rng.random() < 0.1:
                v, w = rng.sample(integers, 2)
                program.say("apply", v=v, w=w, f=rng.choice(FUNCTIONS))
            program.update(rng.choice(list(program.types)))
    for name in program.types:
        program.say("print", v=name)
    return program.example()


class _Program:
    """A program under construction: its variables, its statements so far and the values that it reads."""

    def __init__(self, rng: random.Random, wording: _Table) -> None:
        self.rng = rng
        self.wording = wording
        self.types: dict[str, str] = {}  # in order of declaration
        self.statements: list[tuple[str, str]] = []  # (pseudocode, code)
        self.inputs: list[str] = []

    def phrase(self, kind: str, **parts: str) -> tuple[str, str]:
        choice = self.rng.choice
        return choice(self.wording[kind]).format(**parts), choice(CODE[kind]).format(**parts)

    def say(self, kind: str, **parts: str) -> None:
        self.statements.append(self.phrase(kind, **parts))

    def declare(self, name: str, *, read: bool) -> None:
        type_ = self.types[name] = self.rng.choice(TYPES)
        value = self.rng.choice(VALUES[type_])
        if read:
            self.say("instantiate", t=type_, v=name)
            self.say("read", v=name)
            self.inputs.append(_as_read(value))
        else:
            self.say("init", t=type_, v=name, x=value)

    def update(self, name: str) -> None:
        type_ = self.types[name]
        kind = self.rng.choice(_UPDATES[type_])
        if kind == "if":
            self.swap_if(name)
        else:
            self.say(kind, v=name, x=self.rng.choice(VALUES[type_]))

    def swap_if(self, condition: str) -> None:
        """Swap the first two variables of the first type that has two; else two of the block's own."""
        locals_: list[tuple[str, str]] = []
        for type_ in TYPES:
            pair = [name for name, its_type in self.types.items() if its_type == type_][:2]
            if len(pair) == 2:
                break
        else:
            type_ = self.rng.choice(TYPES)
            pair = self.rng.sample(NAMES, 2)
            locals_ = [self.phrase("init", t=type_, v=v, x=self.rng.choice(VALUES[type_])) for v in pair]
        head = self.phrase("if", v=condition)
        swap = self.phrase("swap", t=type_, v=pair[0], w=pair[1])
        source = " ".join([head[0], *(f"TAB {source}" for source, _ in locals_), swap[0]])
        code = " ".join([head[1], *(f"~ {code}" for _, code in locals_), swap[1]])
        self.statements.append((source, code))

    def example(self) -> Example:
        sources, codes = zip(*self.statements, strict=True)
        return Example(
            source="".join(f" $ {source} " for source in sources) + " $ ",
            target=" $ ".join([HEADER, *codes, FOOTER]),
            inputs=tuple(self.inputs),
        )
