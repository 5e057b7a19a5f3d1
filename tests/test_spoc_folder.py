"""A person's own .cpp files become programs like those of the release."""

import pytest

from composed.datamodules.spoc.folder import programs_below
from composed.datamodules.spoc.release import Skipped
from composed.errors import DataError

PROGRAM = """#include <iostream>
using namespace std;
/* two
lines */
#define HALF(x) ((x) / 2)

int main() {   // it's here
    if (true) {
        cout << "// no comment";
    } else cout << 'a';
    return 0;
}
"""


def test_comments_and_what_the_prelude_has_go_and_braces_indent(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.cpp").write_text(PROGRAM)
    (tmp_path / "a.txt").write_text("no program")
    assert programs_below(tmp_path, Skipped(False)) == [
        '#define HALF(x) ((x) / 2) $ int main ( ) { $ ~ if ( true ) { $ ~~ cout << "//\u2423no\u2423comment" ; $ '
        "~ } else cout << 'a' ; $ ~ return 0 ; $ }"
    ]


def test_a_file_of_windows_is_the_same_program(tmp_path):
    for name, content in (("a", PROGRAM.encode()), ("b", b"\xef\xbb\xbf" + PROGRAM.replace("\n", "\r\n").encode())):
        (tmp_path / f"{name}.cpp").write_bytes(content)
    first, second = programs_below(tmp_path, Skipped(False))
    assert first == second


def test_a_bad_file_is_named_with_its_line_or_left_out(tmp_path):
    (tmp_path / "a.cpp").write_text("int a;\n")
    (tmp_path / "b.cpp").write_text('/* 1\n2 */\nint main() { cout << "x; }\n')
    (tmp_path / "c.cpp").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"b.cpp:3: the quote at column 22"):
        programs_below(tmp_path, Skipped(False))
    skipped = Skipped(True)
    assert programs_below(tmp_path, skipped) == ["int a ;"]
    assert len(skipped.reasons) == 2


def test_a_folder_without_programs_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no \.cpp file"):
        programs_below(tmp_path, Skipped(False))
    with pytest.raises(DataError, match="no such folder"):
        programs_below(tmp_path / "none", Skipped(False))
