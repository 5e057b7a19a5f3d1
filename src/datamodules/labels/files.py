"""Files of labels: `LABEL<TAB>text` a line (.tsv), or TREC's own, `COARSE:fine text` a line in Latin-1 (.label).

Source of the latter: Li and Roth 2002, "Learning question classifiers", whose files are train_5500.label and
TREC_10.label.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from composed.datamodules.files.folder import Layout
from composed.datamodules.text import Split, up_to_blanks
from composed.errors import DataError
from composed.system.files import text_lines

ENDS = (".tsv", ".label")
OF_TREC = {"train": "train", "TREC": "test", "test": "test", "val": "val"}  # how names begin, and what they are of
HEADER = ({"label", "labels", "class"}, {"text", "sentence", "question", "input"})


def layout(fineness: str) -> Layout:
    """`fineness`: coarse or fine, of TREC's labels; those of .tsv files are taken as they are."""
    return _Named(ENDS, partial(_read, {".tsv": _of_tabs, ".label": partial(_of_trec, fineness)}), lambda *_: [])


class _Named(Layout):
    """As `Layout`, with splits of TREC by how the names of its files begin."""

    def splits(self, folder: Path) -> set[str]:
        return {*_paths(folder)}


def _paths(folder: Path) -> Mapping[str, Path]:
    """The file of each split. Raises DataError for two of one split."""
    named: dict[str, Path] = {}
    for path in sorted(path for end in ENDS for path in folder.glob(f"[!.]*{end}")):
        begins = path.suffix == ".label" and next((name for name in OF_TREC if path.stem.startswith(name)), "")
        name = OF_TREC[begins] if begins else path.stem
        if name in named:
            raise DataError(f"{path}: the split {name} is in {named[name].name} too; move one of them away")
        named[name] = path
    return named


def _read(rows: Mapping[str, Callable[[str, str], tuple[str, str]]], folder: Path, name: str) -> Split:
    path = _paths(folder)[name]
    lines = text_lines(path) if path.suffix == ".tsv" else _latin_1(path)
    if not lines:
        raise DataError(f"{path}: empty; write a label and a text on every line")
    pairs = [rows[path.suffix](line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    if path.suffix == ".tsv" and all(word.lower() in words for word, words in zip(pairs[0], HEADER, strict=True)):
        raise DataError(f"{path}:1: {lines[0]!r} is a heading, not an example; drop the line")
    return Split([text for _, text in pairs], [label for label, _ in pairs])


def _latin_1(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode("latin-1").removesuffix("\n").split("\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _of_tabs(line: str, where: str) -> tuple[str, str]:
    label, tab, text = (up_to_blanks(part) if part != "\t" else part for part in line.partition("\t"))
    if not tab:
        raise DataError(f"{where}: no tab; a line is a label, a tab and a text")
    return _both(label, text, where)


def _of_trec(fineness: str, line: str, where: str) -> tuple[str, str]:
    label, _, text = line.partition(" ")
    coarse, colon, fine = label.partition(":")
    if not (colon and coarse and fine):
        raise DataError(f"{where}: {label[:40]!r} is no label such as LOC:city; a line is COARSE:fine, a blank, a text")
    return _both(coarse if fineness == "coarse" else label, up_to_blanks(text), where)


def _both(label: str, text: str, where: str) -> tuple[str, str]:
    if not label or not text:
        raise DataError(f"{where}: no {'text' if label else 'label'}; write one, or drop the line")
    return label, text
