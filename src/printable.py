"""Text that nobody has read, made fit for a terminal, a log and a page."""

import re

# Controls but line feed and tab, marks that turn the direction of writing, ends of lines that only some programs know,
# and halves of characters, which no encoding takes.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with what could control a terminal written as \\x1b or \\u202e."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
