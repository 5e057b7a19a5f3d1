"""Files of a person's own, every fault named by file and line: texts, one a line, or objects of JSON, one a line.

In files of texts, blanks side by side count as one; texts of JSON are kept as they are, with their lines and blanks.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from composed.datamodules.marks import to_line
from composed.datamodules.text import Split, Tests, up_to_blanks
from composed.errors import DataError
from composed.system.files import text_lines

ENDS = (".jsonl", ".src", ".tgt")  # of the files of a split; `.tests.jsonl` goes with the latter two
TESTS = ".tests.jsonl"
TAKEN = ("id", "example", "output", "text", "known", "strict", "code")  # keys of a row of predictions, so none of data


def read_split(folder: Path, name: str) -> Split:
    """The labeled examples of NAME.jsonl, or of NAME.src, NAME.tgt and NAME.tests.jsonl. Raises DataError."""
    records: list[Mapping[str, Any]]
    if _is_json(folder, name):
        path = folder / f"{name}.jsonl"
        rows = [*_objects(path)]
        sources, targets = (texts(path, [_text(path, n, row, key) for n, row in rows]) for key in ("source", "target"))
        records = [_record(row) for _, row in rows]
    else:
        (src, sources), (tgt, targets) = ((path := folder / f"{name}{end}", _lines(path)) for end in (".src", ".tgt"))
        _as_many(src, sources, tgt, targets)
        path = folder / f"{name}{TESTS}"
        records = [*_fields(path)] if path.exists() else []
        if path.exists():
            _as_many(path, records, tgt, targets)
        sources, targets = texts(src, map(up_to_blanks, sources)), texts(tgt, map(up_to_blanks, targets))
    tests = [_tests(path, number, record) for number, record in enumerate(records, 1)]
    records = [{key: record[key] for key in record if key != "tests"} for record in records]
    return Split(sources, targets, tests if any(tests) else [], records if any(records) else [])


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Its further keys, and `gold`, the gold output as it is, where that is no line of its own."""
    further = {key: row[key] for key in row if key not in ("source", "target")}
    return further if to_line(row["target"]) == row["target"] else {"gold": row["target"], **further}


def read_outputs(folder: Path, name: str) -> list[str]:
    """The outputs of NAME.jsonl or NAME.tgt; none where there is no such file. Raises DataError."""
    if _is_json(folder, name):
        path = folder / f"{name}.jsonl"
        return texts(path, [_text(path, number, row, "target") for number, row in _objects(path)])
    path = folder / f"{name}.tgt"
    if not path.exists() and (folder / f"{name}.src").exists():
        raise DataError(f"{path}: no such file, but {name}.src is there; outputs are in {name}.tgt: rename it")
    return texts(path, map(up_to_blanks, _lines(path))) if path.exists() else []


def texts(path: Path, said: Iterable[str]) -> list[str]:
    """As lines, marks in the place of blanks that matter. Raises DataError with the line of an empty or unfit one."""
    lines = []
    for number, text in enumerate(said, 1):
        if not text.strip():
            raise DataError(f"{path}:{number}: empty; drop this example from all files of the split")
        if "\0" in text:
            raise DataError(f"{path}:{number}: a NUL character, which no token spells; take it out")
        try:
            lines.append(to_line(text))
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from None
    return lines


def _is_json(folder: Path, name: str) -> bool:
    """Raises DataError where both formats are there."""
    path, others = folder / f"{name}.jsonl", [f"{name}{end}" for end in (".src", ".tgt", TESTS)]
    beside = [other for other in others if (folder / other).exists()]
    if path.exists() and beside:
        raise DataError(f"{path}: {' and '.join(beside)} too; a split is one or the other: move one of them away")
    return path.exists()


def _lines(path: Path) -> list[str]:
    if not path.exists():
        beside = path.with_suffix(".tgt" if path.suffix == ".src" else ".src").name
        raise DataError(f"{path}: no such file, but {beside} is there; line i of one is about line i of the other")
    lines = text_lines(path)
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            raise DataError(
                f"{path}:{number}: a carriage return within the line; only a line feed ends one here: write them with "
                "`tr '\\r' '\\n'`, or take it out"
            )
    return _some(path, lines)


def _some(path: Path, rows: Sequence[Any]) -> list[Any]:
    if not rows:
        raise DataError(f"{path}: empty; write an example on every line, or remove the file")
    return [*rows]


def _objects(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a file of JSON lines, each with its number. Raises DataError."""
    return [(number, _object(path, number, line)) for number, line in enumerate(_some(path, text_lines(path)), 1)]


def _json(path: Path, number: int, line: str) -> Any:
    try:
        value = json.loads(line)
        if "\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{number}: half of a surrogate pair, which is no character ({error.reason})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: no JSON ({error}); write one object on every line") from None
    return value


def _object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    row = _json(path, number, line)
    if not isinstance(row, dict):
        raise DataError(f'{path}:{number}: {_kind(row)}, not an object such as {{"source": "...", "target": "..."}}')
    if taken := [key for key in TAKEN if key in row]:
        raise DataError(f"{path}:{number}: the key {taken[0]!r} is one of predictions; give it another name")
    return row


def _text(path: Path, number: int, row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        has = f"it has {', '.join(map(repr, row))}" if row else "it has none"
        raise DataError(f"{path}:{number}: no key {key!r} ({has}); every line needs it")
    if not isinstance(row[key], str):
        raise DataError(f"{path}:{number}: {key!r} is {_kind(row[key])}, not a text; write it in quotes")
    return row[key]


def _fields(path: Path) -> Iterator[Mapping[str, Any]]:
    """A row for each example: an object of further fields, a test or a list of tests as SansType has them."""
    for number, line in enumerate(_some(path, text_lines(path)), 1):
        row = _json(path, number, line)
        if isinstance(row, list) or (isinstance(row, dict) and row.keys() == {"input", "output"}):
            row = {"tests": row if isinstance(row, list) else [row]}
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: {_kind(row)}, not an object of fields, a test or a list of tests")
        if taken := [key for key in ("source", "target", *TAKEN) if key in row]:
            raise DataError(f"{path}:{number}: the key {taken[0]!r} is one of predictions; give it another name")
        yield row


def _tests(path: Path, number: int, record: Mapping[str, Any]) -> Tests:
    """What a program has to print. Raises DataError for tests of another form."""
    tests = record.get("tests", [])
    if not isinstance(tests, list):
        raise DataError(f"{path}:{number}: 'tests' is {_kind(tests)}, not a list of tests")
    pairs = []
    for test in tests:
        match test:
            case {"input": str(given), "output": str(expected)} if len(test) == 2:
                pairs.append((given, expected))
            case _:
                said = json.dumps(test)[:80]
                raise DataError(f'{path}:{number}: a test is {{"input": TEXT, "output": TEXT}}, not {said}')
    return pairs


def _as_many(path: Path, rows: Sequence[Any], gold: Path, targets: Sequence[str]) -> None:
    if len(rows) != len(targets):
        raise DataError(
            f"{path}:{len(rows)}: the last line, but {gold.name} has {len(targets)}; line i of every file is about "
            "example i: restore the shorter file or cut the longer one"
        )


def _kind(value: Any) -> str:
    names: Mapping[type, str] = {
        dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"
    }  # fmt: skip
    return names.get(type(value), "null")
