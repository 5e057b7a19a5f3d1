"""SansType splits as files in the published format: a line per example, a file per field.

`.src` pseudocode, `.tgt` code, `.inp` values for standard input between tabs, `.out` what the program prints, or in the
place of both `.tests.jsonl`, an object with the texts `input` and `output`, which may have several lines, or a list of
such objects; unlabeled splits have `.tgt` alone. A prepared folder is complete or absent, and is checked by content at
every use. A folder of fairseq-preprocess is read too.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from composed.datamodules import fairseq
from composed.datamodules.sanstype.grammar import Grammar, generate
from composed.datamodules.sanstype.inputs import choose
from composed.datamodules.text import PRELUDE, TEST_SET, TEST_SET_WORDS, Execute, Split, Tests
from composed.errors import DataError
from composed.system.files import read_lines, text_lines

LABELED = ("train", "val", "test", "ood")
UNLABELED = ("unlabeled", "unlabeled_val")
NOT_TESTED = ("train", "val", *UNLABELED)

_OF_FAIRSEQ = {"val": "valid", "ood": "test1"}  # its names of our splits: test1 is the second of --testpref
_NAMES = {"test": "id", "ood": "ood"}  # of test sets in results, where they differ from the files'
_VERSION = 3  # of what the same settings give: raise it when that changes
_MANIFEST = "manifest.json"
_LITERAL = re.compile(r"""(["'])(?:\\.|(?!\1)[^\\])*\1""")
_BEFORE_A_TAB = re.compile(r"(?:^|[;{}$~:)]|\b(?:else|do))\s*$")  # where a statement may begin
_TO_CODE = str.maketrans({"#": " ", "$": " ", "~": "\t"})


@dataclass(frozen=True)
class Sizes:
    """Examples in each split; the defaults are the paper's."""

    train: int = 1000
    val: int = 500
    test: int = 500
    ood: int = 500
    unlabeled: int = 20_000
    unlabeled_val: int = 500


def to_cpp(line: str) -> str:
    """The C++ source text of a `.tgt` line or of a prediction in that format."""
    return PRELUDE + line.replace("<unk>", "unk").translate(_TO_CODE)


def as_source(line: str) -> str:
    """A line of statements that end in `;` in the format of the data, with a `$` between the statements."""
    if "$" in line:
        return line
    statements = [statement.strip() for statement in line.split(";")]
    return " ".join(["$", *(f"{statement}; $" for statement in statements if statement)])


def generated(settings: Mapping[str, Any], execute: Execute) -> tuple[Path, str]:
    """The folder with the data of the settings of a task of this grammar, made where it is missing, and what is to be
    said of them. Raises DataError as `prepare`.
    """
    grammar = Grammar(**settings["grammar"])
    folder = prepare(
        Path(settings["data"]),
        sizes=Sizes(**settings["sizes"]),
        grammar=grammar,
        inputs=settings["inputs"],
        seed=settings["seed"],
        execute=execute,
    )
    return folder, f"programs of at most {grammar.max_variables} variables and {grammar.max_rounds} extra rounds"


def prepare(root: Path, *, sizes: Sizes, grammar: Grammar, inputs: int, seed: int, execute: Execute) -> Path:
    """Return the folder under `root` with the data of these settings, after writing it if it is not there.

    No source or target occurs twice in all its splits. A program that reads is tested on at most so many different
    `inputs`. Expected outputs are what `execute` sees the programs print. Processes that ask for the same data at the
    same time wait for the one that writes it.
    Raises DataError for a program that fails and for an existing folder that differs from its manifest.
    """
    settings = {"version": _VERSION, "seed": seed, "sizes": asdict(sizes), "grammar": asdict(grammar), "inputs": inputs}
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    folder = root / f"sanstype-{key}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{folder.name}.lock"):
        if folder.exists():
            _verify(folder)
            return folder
        contents = _contents(sizes, grammar, inputs, seed, execute)
        manifest = {"settings": settings, "sha256": {name: _sha256(data) for name, data in contents.items()}}
        contents[_MANIFEST] = (json.dumps(manifest, indent=2) + "\n").encode()
        partial = root / f".{folder.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        partial.mkdir()
        for name, data in contents.items():
            (partial / name).write_bytes(data)
        partial.rename(folder)
    return folder


def read(folder: Path, split: str) -> Split:
    """Read one split of a prepared folder, or of any folder in the published format; an unlabeled one has only targets.

    Raises DataError with file and line for a missing file, bad UTF-8, an empty line of code or pseudocode, a program
    that has marks of the format as its own, and files of different lengths.
    """
    targets = _read(folder / f"{split}.tgt", may_be_empty=False)
    _check_marks(str(folder / f"{split}.tgt"), targets)
    if split in UNLABELED:
        return Split([], targets, [])
    columns: dict[str, list[Any]] = {"src": _read(folder / f"{split}.src", may_be_empty=False)}
    if (path := folder / f"{split}.tests.jsonl").exists():
        tests = columns["tests.jsonl"] = _read_tests(path)
    else:
        columns |= {"inp": _read(folder / f"{split}.inp"), "out": _read(folder / f"{split}.out")}
        tests = [
            [(_standard_input(line), output)] for line, output in zip(columns["inp"], columns["out"], strict=False)
        ]
    for suffix, lines in columns.items():
        if len(lines) != len(targets):
            raise DataError(
                f"{folder / split}.{suffix}:{len(lines)}: the last line, but {split}.tgt has {len(targets)}; "
                "line i of every file is about example i: restore the shorter file or cut the longer one"
            )
    return Split(columns["src"], targets, tests)


def _read_tests(path: Path) -> list[Tests]:
    """Of each program. Raises DataError with the line that is no object of two texts and no list of such objects."""
    read: list[Tests] = []
    for number, row in enumerate(read_lines(path), 1):
        tests = []
        for test in row if isinstance(row, list) else [row]:
            match test:
                case {"input": str(given), "output": str(expected)} if len(test) == 2:
                    tests.append((given, expected))
                case _:
                    raise DataError(f'{path}:{number}: expected {{"input": TEXT, "output": TEXT}}, or a list of these')
        if not tests:
            raise DataError(f'{path}:{number}: no test; a program that reads nothing has one, with the input ""')
        read.append(tests)
    return read


def tests_in(folder: Path) -> dict[str, str]:
    """The test sets of a folder, {name in results: split}: test (there: id), ood, then all others by their names.

    Raises DataError for one that is named as another is in results, or whose name can be part of no file's.
    """
    tested = [path.name.removesuffix(end) for end in (".out", ".tests.jsonl") for path in folder.glob(f"*{end}")]
    texts = [name for name in tested if all((folder / f"{name}.{end}").exists() for end in ("src", "tgt"))]
    binarised = [name for name in fairseq.splits(folder) if name.startswith("test")]
    others = sorted({*texts, *binarised} - {*NOT_TESTED, *_NAMES, *_OF_FAIRSEQ.values()})
    for name in others:
        if name in _NAMES.values() or not TEST_SET.fullmatch(name):
            reason = f"is what {folder}/test is called in results" if name in _NAMES.values() else TEST_SET_WORDS
            raise DataError(f"{folder}/{name}.*: no name for a test set: {reason}; rename these files")
    return {**{name: split for split, name in _NAMES.items()}, **{name: name for name in others}}


def _check_marks(where: str, targets: Sequence[str]) -> None:
    """Raises DataError for a program that would be another one once its marks are what they stand for."""
    for number, line in enumerate(targets, start=1):
        code = _LITERAL.sub(_without_inside, line)
        literals = "".join(match.group() for match in _LITERAL.finditer(line))
        tab = next(
            (at.start() for at in re.finditer(r"(?<!\w)~", code) if not _BEFORE_A_TAB.search(code[: at.start()])), None
        )
        if any(mark in literals for mark in "#$~"):
            reason = r"`#`, `$` and `~` stand for blanks and a tab, in literals too; write \043, \044 and \176 there"
        elif any(blank != " " for blank in re.findall(r"\s+", literals)):
            reason = r"blanks side by side become one, in literals too; write \040 for each, and \t for a tab"
        elif "#" in code:
            reason = "`#` stands for a blank, and a program of one line has no directives: take the format of SPoC"
        elif tab is not None:
            reason = f"`~` stands for a tab; write `compl` for the operator in {line[max(0, tab - 20) : tab + 10]!r}"
        else:
            continue
        raise DataError(f"{where}:{number}: {reason}, or leave the program out of all files of the split")


def _without_inside(literal: re.Match[str]) -> str:
    return literal.group()[0] * 2


def read_any(folder: Path, split: str, execute: Execute) -> Split | None:
    """A split of a folder, as text or as fairseq-preprocess binarised it; None where there is neither.

    Beside a binarised split may lie its `.inp` and `.out`; without the latter a test's expected outputs are what
    `execute` sees its programs print. Raises DataError as `read` does, and for a program that fails.
    """
    if (folder / f"{split}.tgt").exists():
        return read(folder, split)
    pair = fairseq.find(folder, _OF_FAIRSEQ.get(split, split))
    if pair is None:
        return None
    sources, targets = ([] if side is None else fairseq.read_text(*side) for side in pair)
    _check_marks(str(pair.target[0]), targets)
    if split in UNLABELED:
        return Split([], targets, [])
    lines = _read(path) if (path := folder / f"{split}.inp").exists() else [""] * len(targets)
    outputs = _read(path) if (path := folder / f"{split}.out").exists() else None
    for noun, column in (("sources", sources), (f"lines of {split}.inp", lines), (f"lines of {split}.out", outputs)):
        if column is not None and len(column) != len(targets):
            raise DataError(f"{folder}: {split} has {len(targets)} targets, but {len(column)} {noun}")
    inputs = [_standard_input(line) for line in lines]
    if outputs is None and split not in NOT_TESTED:
        return Split(sources, targets, _tests(split, targets, [[given] for given in inputs], execute))
    return Split(sources, targets, [[pair] for pair in zip(inputs, outputs or [""] * len(targets), strict=True)])


def _contents(sizes: Sizes, grammar: Grammar, inputs: int, seed: int, execute: Execute) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    seen: set[str] = set()
    # The splits that measure come first: the sizes of those that train cannot change them, nor each other, since the
    # target alone says which of both may have it.
    for split in ("test", "ood", "val", "unlabeled_val", "train", "unlabeled"):
        examples = generate(
            getattr(sizes, split),
            seed=seed,
            split=split,
            grammar=grammar,
            ood=split == "ood",
            seen={*seen} if split in _ACCEPT else seen,
            accept=_ACCEPT.get(split, lambda target: True),
        )
        contents[f"{split}.tgt"] = _lines(example.target for example in examples)
        if split in LABELED:
            contents[f"{split}.src"] = _lines(example.source for example in examples)
            targets = [example.target for example in examples]
            values = [choose(example.target, example.inputs, inputs) for example in examples]
            given = [[_standard_input("\t".join(fields)) for fields in of_program] for of_program in values]
            contents[f"{split}.tests.jsonl"] = _lines(
                json.dumps([{"input": text, "output": printed} for text, printed in tests])
                for tests in _tests(split, targets, given, execute)
            )
    return contents


def _may_be_labeled(target: str) -> bool:
    """True of a quarter of all programs."""
    return hashlib.sha256(target.encode()).digest()[0] < 64


_ACCEPT = {"train": _may_be_labeled, "unlabeled": lambda target: not _may_be_labeled(target)}


def _tests(split: str, targets: Sequence[str], inputs: Sequence[Sequence[str]], execute: Execute) -> list[Tests]:
    """Each program's inputs, and what it prints on them."""
    outcomes = execute([to_cpp(target) for target in targets], [*inputs])
    for number, (outcome, target) in enumerate(zip(outcomes, targets, strict=True), start=1):
        if outcome.verdict != "correct":
            raise DataError(
                f"split {split}, line {number}: this correct program fails with {outcome.verdict}; "
                f"does the C++ compiler work?\n{target}\n{outcome.diagnostics}"
            )
    printed = [[text.decode() for text in outcome.printed] for outcome in outcomes]
    return [[*zip(given, texts, strict=True)] for given, texts in zip(inputs, printed, strict=True)]


def _standard_input(line: str) -> str:
    return line.replace("\t", "\n") + "\n" if line else ""


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _read(path: Path, *, may_be_empty: bool = True) -> list[str]:
    if not path.exists():
        raise DataError(f"{path}: No such file; prepare the data, or name a folder that has it")
    lines = text_lines(path)
    for number, line in enumerate(lines, start=1):
        if not may_be_empty and not line.strip():
            raise DataError(f"{path}:{number}: empty; drop this line from all files of the split")
    return lines


def _verify(folder: Path) -> None:
    mend = f"delete the folder {folder}, then it is prepared anew"
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        digests = dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder / _MANIFEST}: missing or damaged; {mend}") from None
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or _sha256(path.read_bytes()) != digest:
            raise DataError(f"{path}: missing or changed since it was prepared; {mend}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
