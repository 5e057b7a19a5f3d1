"""SansType splits on disk, in the published format: one example per line, a file per field.

`.src` pseudocode, `.tgt` code, `.inp` what is typed on standard input (values between tabs), `.out` what the program prints.
Unlabeled splits have only `.tgt`. A prepared folder is complete or absent, and is checked by content whenever it is used.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from composed.datamodules.sanstype.grammar import Example, Grammar, generate
from composed.errors import DataError

PRELUDE = "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"
LABELED = ("train", "val", "test", "ood")
UNLABELED = ("unlabeled", "unlabeled_val")

_VERSION = 1  # part of the content key: raise it when the same settings give other files
_MANIFEST = "manifest.json"
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


@dataclass(frozen=True)
class Split:
    """One split, its examples in file order; `inputs` are the texts for standard input, one value per line.

    An unlabeled split has only `targets`.
    """

    sources: list[str]
    targets: list[str]
    inputs: list[str]
    outputs: list[str]


class Outcome(Protocol):
    """What became of one program: verdict 'correct' or the way it failed, what it printed, what the compiler said."""

    @property
    def verdict(self) -> str: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def diagnostics(self) -> str: ...


Execute = Callable[[list[str], list[str]], Sequence[Outcome]]
"""(C++ texts, texts for standard input) -> an outcome each."""


def to_cpp(line: str) -> str:
    """The C++ source text of a `.tgt` line or of a prediction in that format."""
    return PRELUDE + line.replace("<unk>", "unk").translate(_TO_CODE)


def prepare(root: Path, *, sizes: Sizes, grammar: Grammar, seed: int, execute: Execute) -> Path:
    """Return the folder under `root` that holds the data of these settings; write it first if it is not there.

    No source and no target occurs twice in all its splits; the expected outputs are what `execute` sees the programs
    print. Several processes may ask at the same time: one writes, the others wait.
    Raises DataError for a program that fails and for an existing folder that differs from its manifest.
    """
    settings = {"version": _VERSION, "seed": seed, "sizes": asdict(sizes), "grammar": asdict(grammar)}
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    folder = root / f"sanstype-{key}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{folder.name}.lock"):
        if folder.exists():
            _verify(folder)
            return folder
        partial = root / f".{folder.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        partial.mkdir()
        seen: set[str] = set()
        # The splits that are compared across runs come first: their examples then depend on no other split's size.
        for split in ("test", "ood", "val", "unlabeled_val", "train", "unlabeled"):
            size = asdict(sizes)[split]
            examples = generate(size, seed=seed, split=split, grammar=grammar, ood=split == "ood", seen=seen)
            _write(partial / f"{split}.tgt", [example.target for example in examples])
            if split in LABELED:
                _write(partial / f"{split}.src", [example.source for example in examples])
                _write(partial / f"{split}.inp", ["\t".join(example.inputs) for example in examples])
                _write(partial / f"{split}.out", _outputs(split, examples, execute))
        digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
        manifest = json.dumps({"settings": settings, "sha256": digests}, indent=2)
        (partial / _MANIFEST).write_text(manifest + "\n", encoding="utf-8")
        partial.rename(folder)
    return folder


def read(folder: Path, split: str) -> Split:
    """Read one split of a prepared folder, or of any folder in the published format.

    Raises DataError with file and line for a missing file, bad UTF-8, an empty program or pseudocode line, and files of
    different lengths.
    """
    targets = _read(folder / f"{split}.tgt", blank_allowed=False)
    if split in UNLABELED:
        return Split([], targets, [], [])
    sources = _read(folder / f"{split}.src", blank_allowed=False)
    inputs = _read(folder / f"{split}.inp")
    outputs = _read(folder / f"{split}.out")
    for suffix, lines in (("src", sources), ("inp", inputs), ("out", outputs)):
        if len(lines) != len(targets):
            raise DataError(
                f"{folder / split}.{suffix}:{len(lines)}: the last line, but {split}.tgt has {len(targets)} lines: "
                "line i of every file belongs to example i, so restore the shorter file or drop the surplus lines"
            )
    return Split(sources, targets, [_standard_input(line) for line in inputs], outputs)


def _outputs(split: str, examples: Sequence[Example], execute: Execute) -> list[str]:
    codes = [to_cpp(example.target) for example in examples]
    inputs = [_standard_input("\t".join(example.inputs)) for example in examples]
    outcomes = execute(codes, inputs)
    for number, (outcome, example) in enumerate(zip(outcomes, examples, strict=True), start=1):
        if outcome.verdict != "correct":
            raise DataError(
                f"split {split}, line {number}: the gold program fails ({outcome.verdict}); check the C++ compiler\n"
                f"{example.target}\n{outcome.diagnostics}"
            )
    return [outcome.stdout.decode() for outcome in outcomes]


def _standard_input(line: str) -> str:
    return line.replace("\t", "\n") + "\n" if line else ""


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def _read(path: Path, blank_allowed: bool = True) -> list[str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; a folder of SansType data has .src .tgt .inp .out a split"
        ) from None
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{number}: not UTF-8 ({error.reason}); write the file again as UTF-8"
        ) from None
    if not lines[-1]:
        lines.pop()  # what follows the last line end
    if not blank_allowed:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise DataError(f"{path}:{number}: empty line; drop this line from the files of all suffixes")
    return lines


def _verify(folder: Path) -> None:
    mend = f"delete the folder {folder}, and it is prepared anew"
    try:
        digests = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder / _MANIFEST}: missing or damaged: {mend}") from None
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise DataError(f"{path}: missing or changed since it was prepared: {mend}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
