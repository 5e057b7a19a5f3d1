from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.printable import printable
from composed.system.console import say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc é 中 \U0001f600", "a\tb\nc é 中 \U0001f600"),
        ("\x1b]52;c;YQ==\x07", r"\x1b]52;c;YQ==\x07"),
        ("a\rb\x7f\x9b2J", r"a\rb\x7f\x9b2J"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\ud800", r"\ud800"),
    ],
)
def test_controls_are_written_out(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_what_is_printable_is_and_stays_so(text):
    shown = printable(text)
    assert printable(shown) == shown
    assert not [one for one in shown if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") and one not in "\n\t"]
    shown.encode()


def test_what_is_said_is_printable(capsys):
    say("error: \x1b[2J")
    assert capsys.readouterr().err == "error: \\x1b[2J\n"
