"""Decides by its tokens whether a program may share a translation unit with others, and rewrites it so that it can.

A lexer, not a parser: what it does not know for harmless is compiled alone, so its mistakes cost time and no verdict.
"""

from __future__ import annotations

import re

PRELUDE = "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"

_TOKEN = re.compile(
    r"""\s+
    | (?P<name> [A-Za-z_]\w* ) (?!["'])
    | \.?[0-9] (?: [eEpP][+-] | [\w.] )*
    | (?P<quoted> "(?: [^"\\\n] | \\[^\n] )*" | '(?: [^'\\\n] | \\[^\n] )+' ) (?![\w"'])
    | (?P<bracket> [][(){}] )
    | [-+*/%<>=!&|^~?:;,.]
    """,
    re.VERBOSE | re.ASCII,
)
_ALONE = frozenset(
    ["main", "asm", "goto", "static", "extern", "template", "operator", "namespace", "using", "friend", "typeid", "export"]
)
_HEAD = re.compile(r"\s*int\s+main\s*\(\s*(?:void\s*)?\)\s*\{", re.ASCII)
_CLOSES = {")": "(", "]": "[", "}": "{"}


def body_of_main(code: str) -> str | None:
    """The inside of main's braces if `code` is the prelude and then only `int main() {...}` of harmless tokens."""
    if not code.startswith(PRELUDE):
        return None
    head = _HEAD.match(code, len(PRELUDE))
    if head is None:
        return None
    position, opened, start = head.end(), ["{"], head.end()
    if (
        "/*" in code
        or "//" in code
        or "<:" in code
        or "<%" in code
        or "%:" in code
        or ":>" in code
        or "%>" in code
    ):
        return None
    while opened:
        token = _TOKEN.match(code, position)
        if token is None:
            return None
        position = token.end()
        if name := token["name"]:
            if name in _ALONE or "__" in name or (name[0] == "_" and name[1:2].isupper()):
                return None
        elif bracket := token["bracket"]:
            if bracket in "([{":
                opened.append(bracket)
            elif opened.pop() != _CLOSES[bracket]:
                return None
    return code[start : position - 1] if not code[position:].strip() else None
