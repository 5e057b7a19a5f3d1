"""The published files are read as they are, and whatever is wrong in one is named with its line."""

import csv
import re
from pathlib import Path

import pytest

from composed.datamodules.spoc.release import COLUMNS, LONGEST, Line, Skipped, read
from composed.datamodules.spoc.release import tests as cases
from composed.errors import DataError

ROWS = [
    ("", "int main() {", "01", "1A", "77", "0", "0"),
    ('print "it" and\u00e9', 'cout << "it";', "01", "1A", "77", "1", "1"),
    ("", "}", "01", "1A", "77", "2", "0"),
    ("make n", "int n;", "02", "1A", "77", "0", "0"),
    ("", "int main() { cin >> n; }", "02", "1A", "77", "1", "0"),
]


def write(folder: Path, rows=ROWS, header=COLUMNS) -> Path:
    path = folder / "part.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)), encoding="utf-8")
    return path


def changed(number: int, **fields: str):
    """The rows with some fields of one changed."""
    row = [fields.get(name, value) for name, value in zip(COLUMNS, ROWS[number], strict=True)]
    return [*ROWS[:number], row, *ROWS[number + 1 :]]


def test_a_program_is_what_one_worker_wrote_about_one_submission(tmp_path):
    first, second = read(write(tmp_path), Skipped(False))
    assert first.key == ("1A", "77", "01")
    assert first.lines[1] == Line('print "it" and\u00e9', 'cout << "it" ;', 1)
    assert first.target == 'int main ( ) { $ ~ cout << "it" ; $ }'
    assert first.source("code") == 'int main ( ) { $ ~ print "it" and\u00e9 $ }'
    assert first.source("omit") == '~ print "it" and\u00e9'
    assert (second.key.worker, len(second.lines)) == ("02", 2)


def test_tabs_inside_code_belong_to_it(tmp_path):
    program = read(write(tmp_path, changed(1, code='cout\t<< "a\tb";')), Skipped(False))[0]
    assert program.lines[1].code == 'cout << "a\u2409b" ;'


def by_name(*names: str) -> list[list[str]]:
    """The rows in columns of another order, or with further ones."""
    return [[dict(zip(COLUMNS, row, strict=True)).get(name, str(place)) for name in names]
            for place, row in enumerate(ROWS)]  # fmt: skip


@pytest.mark.parametrize("names", [("", *COLUMNS), COLUMNS[::-1], ("line", "more", *COLUMNS[:5], "indent", "")])
def test_columns_are_where_their_names_are(tmp_path, names):
    there = read(write(tmp_path), Skipped(False))
    assert read(write(tmp_path, by_name(*names), names), Skipped(False)) == there
    tabbed = [[cell.replace("<<", "<<\t") for cell in row] for row in by_name(*names)]
    code = read(write(tmp_path, tabbed, names), Skipped(False))[0].lines[1].code
    assert code == there[0].lines[1].code


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_csv_and_pandas_quote_is_what_was_quoted(tmp_path, quoting, end):
    there = read(write(tmp_path), Skipped(False))
    with open(tmp_path / "quoted.tsv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=quoting, lineterminator=end).writerows([COLUMNS, *ROWS])
    assert read(tmp_path / "quoted.tsv", Skipped(False)) == there


def test_a_column_that_is_there_twice_and_one_without_a_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"part.tsv:1: the column text is there twice"):
        read(write(tmp_path, by_name("text", *COLUMNS), ("text", *COLUMNS)), Skipped(True))
    with pytest.raises(DataError, match=r"part.tsv:1: 7 names of columns, but 8 fields in every row"):
        read(write(tmp_path, by_name("", *COLUMNS)), Skipped(True))


def test_files_of_windows_are_the_same_programs_and_cases(tmp_path):
    there = read(path := write(tmp_path), Skipped(False))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(path, Skipped(False)) == there
    text = "1\n###ENDINPUT###\n2\n3\n###ENDOUTPUT###\n"
    write_cases(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    assert cases(tmp_path, "1A", "all") == (("1\n", "2\n3"),)


BAD = [
    (changed(1, code='cout << "it;'), "3: the quote at column 9 has no partner"),
    (changed(1, code="x " * 100_000), "3: a line of 200,000 characters"),
    (changed(1, line="7"), "3: line 7, indent 1: expected line 1"),
    (changed(1, indent="one"), "3: line 1, indent one"),
    (changed(1, subid="78"), "2: rows of several programs"),
    ([ROWS[0], ROWS[1][:5], *ROWS[2:]], "3: 5 fields, not 7"),
]


@pytest.mark.parametrize(("rows", "what"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_line_is_named_or_its_program_counted_and_left_out(tmp_path, rows, what):
    path = write(tmp_path, rows)
    with pytest.raises(DataError, match=re.escape(f"{path}:{what}")):
        read(path, Skipped(False))
    skipped = Skipped(True)
    assert [program.key.worker for program in read(path, skipped)] == ["02"]
    assert len(skipped.reasons) == 1


def test_a_missing_column_or_file_is_named_whatever_may_be_skipped(tmp_path):
    path = write(tmp_path, header=[name for name in COLUMNS if name != "probid"])
    with pytest.raises(DataError, match=re.escape(f"{path}:1: the column probid is missing")):
        read(path, Skipped(True))
    with pytest.raises(DataError, match=r"none\.tsv: No such file"):
        read(tmp_path / "none.tsv", Skipped(True))
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        read(path, Skipped(True))


def test_the_longest_line_is_read(tmp_path):
    assert read(write(tmp_path, changed(1, code="x" * LONGEST)), Skipped(False))


CASE = "{}\n###ENDINPUT###\n{}\n###ENDOUTPUT###\n"


def write_cases(folder: Path, text: str, suffix: str = "") -> None:
    path = folder / "testcases" / "1A" / f"1A_testcases{suffix}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_cases_keep_their_lines(tmp_path):
    write_cases(tmp_path, CASE.format("\n 1 2\n", "3\n\n4"))
    write_cases(tmp_path, CASE.format("", "5") + CASE.format("6", ""), "_hidden")
    assert cases(tmp_path, "1A", "all") == (("\n 1 2\n\n", "3\n\n4"),)
    assert cases(tmp_path, "1A", "hidden") == (("\n", "5"), ("6\n", ""))


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ("1\n", 2), ("1\n###ENDOUTPUT###\n", 2), (CASE.format(1, 2) + "3\n###ENDINPUT###\n", 7)],
)
def test_damaged_or_missing_cases_are_named(tmp_path, text, line):
    write_cases(tmp_path, text)
    with pytest.raises(DataError, match=rf"1A_testcases.txt:{line}: no test case"):
        cases(tmp_path, "1A", "all")
    with pytest.raises(DataError, match=r"2B_testcases_public\.txt: No such file"):
        cases(tmp_path, "2B", "public")
