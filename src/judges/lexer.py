"""Decides by its tokens whether a program may share a translation unit with others, and rewrites it so that it can.

Sharing may change no verdict. So every name that the standard headers do not know gets a suffix of the program's own,
and what the headers do know may be used but not declared. It is a lexer, not a parser: whatever it does not recognise
as harmless is compiled alone, so its ignorance costs time, never a verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PRELUDE = "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"
LONGEST = 1 << 16  # characters of a program that may share
SUFFIX = "\0"  # stands in a shareable text where each program's own suffix goes

_TOKEN = re.compile(
    r"""(?P<space> \s+ )
    | (?P<name> [A-Za-z_]\w*+ ) (?! ["'] )
    | (?P<literal> \.?[0-9] (?: [eEpP][+-] | [\w.] )*+ (?! ["'] )
        | (?: "(?: [^"\\\n] | \\[^\n] )*" | '(?: [^'\\\n] | \\[^\n] )+' ) (?! [\w"'] ) )
    | (?! \[\s*\[ ) (?P<open> [\[({] )
    | (?P<close> [\])}] )
    | (?! // | /\* | <: | <% | %: ) (?P<other> [-+*/%<>=!&|^~?:;,.] )
    """,
    re.VERBOSE | re.ASCII,
)

# The shape of one declaration at file scope has a letter for each token. A name unknown to this table is n, new; u, a
# harmless type of the program; x, a type with code of the program's own; or h, anything else from the headers. A
# bracket is folded into one letter: A [operands], L {constants}, B {...}, C (safe type), D (parameters), Q (operands),
# and P for anything else.
_WORDS = {
    "m": "main",
    "s": "struct",
    "d": "typedef",
    "k": "const inline volatile",
    "h": "__gcd __lg __builtin_clz __builtin_clzll __builtin_ctz __builtin_ctzll __builtin_popcount "
    "__builtin_popcountll",
    "0": "true false acos atan sqrt EOF INT_MAX INT_MIN LLONG_MAX LLONG_MIN M_PI",
    "t": "auto bool char double float int long short signed unsigned void",
    "v": "bitset deque int16_t int32_t int64_t int8_t list map multimap multiset pair priority_queue queue set size_t "
    "stack string tuple uint16_t uint32_t uint64_t uint8_t unordered_map unordered_multimap unordered_multiset "
    "unordered_set vector",
    "#": "alignas alignof and and_eq bitand bitor break case catch char16_t char32_t class compl const_cast continue "
    "default delete do dynamic_cast else explicit final for if import module mutable new noexcept not not_eq nullptr "
    "or or_eq override private protected public reinterpret_cast return sizeof static_assert static_cast switch this "
    "throw try virtual wchar_t while xor xor_eq",
    # These keep a program alone: they reach beyond it, depend on its place in the file, or cost the compiler time.
    "!": "asm constexpr consteval decltype enum export extern friend goto namespace operator register static template "
    "thread_local typeid typename union using",
}
_LETTERS = {word: letter for letter, words in _WORDS.items() for word in words.split()}

# What is declared at file scope is constructed in the process that all programs of the unit are forked from: there only
# constructors of the library may run.
_SAFE_TYPE = r"k*(?:t[tk]*|v(?:<[tvuk,*&<>0]*>)?k*|uk*)"
_ANY_TYPE = r"k*(?:t[tk]*|v(?:<[tvuxk,*&<>0]*>)?k*|[ux]k*)"
_PARAMETER = rf"{_ANY_TYPE}[*&]*n?A*(?:=0)?"
_OPERAND = r"(?:[0tuL+\-*/%<>&|^~!:]|C(?!D)|[nAQ](?![CDQ]))"
_DECLARATOR = rf"\**nA*(?:={_OPERAND}+)?"
_FUNCTION = re.compile(rf"tm[CD][BL]|{_ANY_TYPE}[*&]*n(?:[CD];|[CDPQ][BL])")
_VARIABLES = re.compile(rf"{_SAFE_TYPE}{_DECLARATOR}(?:,{_DECLARATOR})*;|;")
_TYPEDEF = re.compile(rf"d({_ANY_TYPE})\**nA*;")
_STRUCT = re.compile(r"sn[BL];")
_FIELDS = re.compile(r"[tvuk*&,nhA<>0;]*")
_FOLDS = {
    "[": ((re.compile(rf"{_OPERAND}*"), "A"),),
    "{": ((re.compile(r"[0,L-]*"), "L"), (re.compile(".*"), "B")),
    "(": (
        (re.compile(rf"{_SAFE_TYPE}\**"), "C"),
        (re.compile(rf"(?:{_PARAMETER}(?:,{_PARAMETER})*)?"), "D"),
        (re.compile(rf"(?:{_OPERAND}|,)*"), "Q"),
    ),
}
_MAIN_HEADS = ("tmC", "tmD")
_MAIN = re.compile(r"int\s+main\s*\(\s*(?:void\s*)?\)\s*\{", re.ASCII)
_CLASS = re.compile(r"\b(?:struct|class)\b")
_MEMBER = re.compile(r"(?:\.|->|::)\s*([A-Za-z_]\w*)", re.ASCII)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def is_word(name: str) -> bool:
    """Whether `name` has a meaning in C++ itself or is reserved for the compiler and its library."""
    return name.startswith("_") or "__" in name or name in _LETTERS


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """All identifiers in the preprocessed prelude, macros included, and those that an unqualified name never means."""

    all: frozenset[str]
    hidden: frozenset[str]


def shareable(code: str, header: HeaderNames) -> str | None:
    """The text of `code` after the prelude, ready to share a translation unit; None if it must be compiled alone.

    Wherever the text has SUFFIX, the unit puts two underscores and a number; `main` is a function of such a name.
    """
    if not code.startswith(PRELUDE) or len(code) > LONGEST:
        return None
    # The hidden names are free but where they are, or could become, members that the library knows.
    members = header.hidden if _CLASS.search(code) else header.hidden.intersection(_MEMBER.findall(code))
    position = start = len(PRELUDE)
    text = shape = new_name = ""
    mains = 0
    out: list[str] = []
    outer: list[tuple[str, str]] = []  # each open bracket with the shape before it
    types: dict[str, str] = {}
    while token := _TOKEN.match(code, position):
        position, text, kind = token.end(), token[0], token.lastgroup
        if kind == "space":
            out.append(text)
            continue
        before, start = start, token.start()
        if kind == "name":
            letter = _LETTERS.get(text)
            if letter == "!" or (letter is None and ("__" in text or (text[0] == "_" and text[1:2].isupper()))):
                return None
            if letter == "m":
                mains += 1
                if outer or shape != "t" or not _MAIN.match(code, before):
                    return None
            elif letter is None and text in header.all and (text not in header.hidden or text in members):
                letter = "h"
            elif letter is None:
                letter = types.get(text, "n")
                if not outer:
                    new_name = text
            out.append(text + SUFFIX if letter in "mnux" else text)
        elif kind == "open":
            out.append("{{" if text == "{" and shape in _MAIN_HEADS and not outer else text)
            outer.append((text, shape))
            shape = ""
            continue
        elif kind == "close":
            if not outer or outer[-1][0] != _PAIRS[text]:
                return None
            inside = shape
            opened, shape = outer.pop()
            letter = next((letter for shape_of, letter in _FOLDS[opened] if shape_of.fullmatch(inside)), "P")
            if not outer and shape == "sn":
                types[new_name] = "u" if _FIELDS.fullmatch(inside) else "x"
            out.append("} return 0; }" if text == "}" and shape in _MAIN_HEADS and not outer else text)
        else:
            out.append(text)
            letter = "0" if kind == "literal" else text
        shape += letter
        if outer or text not in ";}":
            continue
        if _FUNCTION.fullmatch(shape) or _VARIABLES.fullmatch(shape) or _STRUCT.fullmatch(shape):
            shape = ""
        elif text == ";":
            typedef = _TYPEDEF.fullmatch(shape)
            if typedef is None:
                return None
            types[new_name] = "x" if "x" in typedef[1] else "u"
            shape = ""
    finished = position == len(code) and mains == 1 and not outer and not shape
    return "".join(out) if finished else None
