"""SansType's programs in Python: from C++, statement by statement, and as the text that is run.

A program is one line, `$` between its lines and `~` for each level of indentation. What C++ says with types, Python
says where values are read and printed; a declaration without a value says nothing. A block with variables of its own
is a function, since Python has no other scope in which a name may be another variable.
"""

import re
from collections.abc import Sequence

from composed.datamodules.sanstype.grammar import FUNCTIONS, NAMES, TYPES, VALUES, Grammar, generate, pseudocode
from composed.datamodules.text import up_to_blanks

INDENT = "    "
READ = {"int": "int ( input ( ) )", "bool": "bool ( int ( input ( ) ) )", "string": "input ( )"}
PRINT = {type_: 'print ( {} , end = "" )' for type_ in TYPES} | {"bool": 'print ( int ( {} ) , end = "" )'}
VALUES_OF = VALUES | {"bool": ("True", "False")}
WORDS = '$ ~ = += -= + - and ( ) , : if def block print end "" input int bool'
_WORD = {"true": "True", "false": "False", "&&": "and"}
_SWAP = 14  # words of `t temp = v ; v = w ; w = temp ; }`
_SHORT = re.compile(r"((?:~ )*)(\w+) ([+-])= (\S+)")
_INDENTED = re.compile(r"[\s~]*")


def translate(target: str) -> str:
    """The line of Python for a line of C++, which the grammar has written."""
    types: dict[str, str] = {}
    statements = [statement.split() for statement in target.split(" $ ")[1:-1]]
    return " $ ".join(line for words in statements for line in _lines(words, types))


def _lines(words: Sequence[str], types: dict[str, str]) -> list[str]:
    """Of one statement; `types` are those of the variables so far, and grow."""
    match words:
        case [type_, name, ";"]:
            types[name] = type_
            return []
        case ["cin", ">>", name, ";"]:
            return [f"{name} = {READ[types[name]]}"]
        case ["cout", "<<", name, ";"]:
            return [PRINT[types[name]].format(name)]
        case ["if", "(", name, ")", "{", *block]:
            return [f"if {name} :", *(f"~ {line}" for line in _block(block))]
    return [_assignment(words, types)]


def _assignment(words: Sequence[str], types: dict[str, str]) -> str:
    match words:
        case [("int" | "bool" | "string") as type_, name, "=", value, ";"]:
            types[name] = type_
        case [("int" | "bool" | "string") as type_, name, ";", _, "=", value, ";"]:
            types[name] = type_
        case _:
            return " ".join(_WORD.get(word, word) for word in words[:-1])
    return f"{name} = {_WORD.get(value, value)}"


def _block(words: Sequence[str]) -> list[str]:
    """A swap, perhaps of variables of the block's own."""
    first, second = words[-_SWAP + 3], words[-_SWAP + 7]
    swap = f"{first} , {second} = {second} , {first}"
    own = " ".join(words[:-_SWAP]).split("~")[1:]
    if not own:
        return [swap]
    inside = [_assignment(declared.split(), {}) for declared in own]
    return ["def block ( ) :", *(f"~ {line}" for line in (*inside, swap)), "block ( )"]


def to_python(line: str) -> str:
    """The Python text of a line, or of a prediction in that format."""
    return "".join(f"{_indented(part)}\n" for part in line.replace("<unk>", "unk").split("$"))


def _indented(part: str) -> str:
    marks = _INDENTED.match(part)
    blanks = marks.group() if marks else ""
    return INDENT * blanks.count("~") + part[len(blanks) :].rstrip()


def normal_form(line: str) -> str:
    """The program with `x = x + y` for `x += y`, the one style choice that Python leaves of the grammar's."""
    return " $ ".join(_SHORT.sub(r"\1\2 = \2 \3 \4", up_to_blanks(part)) for part in line.split("$"))


def vocabulary(*, seed: int, grammar: Grammar) -> list[str]:
    """Texts for a tokenizer, as those of SansType: every word, then a thousand examples."""
    values = (value for of_type in VALUES_OF.values() for value in of_type)
    spoken = (value for of_type in VALUES.values() for value in of_type)
    words = " ".join((WORDS, "TAB", *NAMES, *FUNCTIONS, *values, *spoken))
    examples = generate(1000, seed=seed, split="vocabulary", grammar=grammar)
    return [words, *pseudocode(), *(text for each in examples for text in (each.source, translate(each.target)))]
