"""What fairseq-preprocess leaves, read without fairseq: `dict.txt`, and pairs as ids in `.bin` and `.idx` files.

Ids become text again, so that a task takes them as it takes any lines. Left out: what is not memory-mapped
(`--dataset-impl` other than mmap).
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from composed.datamodules.tokenizers import MARK, SPECIALS, DictionaryTokenizer
from composed.errors import DataError
from composed.system.files import text_lines, write_text

_MAGIC = b"MMIDIDX\x00\x00"
_TYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2", 9: "<u4", 10: "<u8"}  # of ids
_HEADER = "<9sQBQ"  # magic, version, type of the ids, number of rows; then each row's length and its place in the .bin


class Pair(NamedTuple):
    """The two sides of a split: each the path of an `.idx` without its suffix, and its dictionary. No source: None."""

    source: tuple[Path, Path] | None
    target: tuple[Path, Path]


def read_dictionary(path: Path) -> list[str]:
    """The symbols of a `dict.txt` in the order of their ids; `<s>`, `<pad>`, `</s>` and `<unk>` come before them.

    Raises DataError with the line that is no symbol and count, or has a symbol again.
    """
    if not path.exists():
        raise DataError(f"{path}: No such file; it is the dict.txt that fairseq-preprocess wrote")
    lines = text_lines(path) or [""]
    symbols: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        symbol, _, count = line.rstrip().removesuffix(" #fairseq:overwrite").rpartition(" ")
        if not symbol or not _is_number(count):
            raise DataError(f"{path}:{number}: {line!r} is not a symbol, a blank and a count: this is no dict.txt")
        if symbols.setdefault(symbol, number) != number:
            raise DataError(f"{path}:{number}: the symbol {symbol!r} is in line {symbols[symbol]} already")
    return [*symbols]


def _is_number(text: str) -> bool:
    """As fairseq reads it: its counts may be below 0 where a model's scores were made into counts."""
    try:
        int(text)
    except ValueError:
        return False
    return True


def write_dictionary(path: Path, pieces: Sequence[str]) -> None:
    """The `dict.txt` of one of our vocabularies. Blanks in a piece become sentencepiece's mark; counts are all 1."""
    write_text(path, "".join(f"{piece.replace(' ', MARK)} 1\n" for piece in pieces[len(SPECIALS) :]))


def splits(folder: Path) -> list[str]:
    """The names of the splits that a folder of fairseq-preprocess has, sorted."""
    return sorted({path.name.split(".")[0] for path in folder.glob("*.*-*.*.idx")})


def find(folder: Path, split: str) -> Pair | None:
    """The binarised split of a folder, `SPLIT.src-tgt.src.idx` and so on; None where there is none.

    Raises DataError where there are several.
    """
    # SPLIT.SOURCE-TARGET.LANGUAGE.idx, and a name of a language may have dots and hyphens of its own.
    pairs: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob(f"{split}.*-*.*.idx")):
        words = path.name.removeprefix(f"{split}.").removesuffix(".idx")
        for dot in (place for place, letter in enumerate(words) if letter == "."):
            pair, language = words[:dot], words[dot + 1 :]
            if pair.startswith(f"{language}-"):
                pairs[pair] = language, pair.removeprefix(f"{language}-")
            elif pair.endswith(f"-{language}"):
                pairs.setdefault(pair, (pair.removesuffix(f"-{language}"), language))
    if not pairs:
        return None
    if len(pairs) > 1:
        raise DataError(f"{folder}: {split} is there for several pairs of languages, {', '.join(pairs)}; keep one")
    ((pair, (source, target)),) = pairs.items()
    if target == "None":  # of --only-source
        source, target = "None", source

    def side(language: str) -> tuple[Path, Path]:
        return folder / f"{split}.{pair}.{language}", folder / f"dict.{language}.txt"

    return Pair(None if source == "None" else side(source), side(target))


def read_text(prefix: Path, dictionary: Path) -> list[str]:
    """The lines of `prefix`.idx and .bin, spelled by a `dict.txt`; pieces of sentencepiece are joined again.

    Raises DataError for files that are damaged or of another kind, and for ids that the dictionary does not have.
    """
    tokenizer = DictionaryTokenizer({"symbols": read_dictionary(dictionary), "sentencepiece": None})
    index, data = (prefix.with_name(f"{prefix.name}{suffix}") for suffix in (".idx", ".bin"))
    try:
        header, content = index.read_bytes(), data.read_bytes()
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; .idx and .bin belong together") from error
    start = struct.calcsize(_HEADER)
    if not header.startswith(_MAGIC) or len(header) < start:
        raise DataError(
            f"{index}: no index of fairseq's memory-mapped format; run fairseq-preprocess --dataset-impl mmap again"
        )
    _, version, code, rows = struct.unpack_from(_HEADER, header)
    if version != 1 or code not in _TYPES or len(header) != start + 12 * rows:
        raise DataError(f"{index}: damaged, or of another version of fairseq; run fairseq-preprocess again")
    lengths = np.frombuffer(header, "<i4", rows, start)
    places = np.frombuffer(header, "<i8", rows, start + 4 * rows)
    kind = np.dtype(_TYPES[code])
    if rows and (lengths.min() < 0 or places.min() < 0 or (places + lengths * kind.itemsize).max() > len(content)):
        raise DataError(f"{data}: shorter than {index.name} says; copy it again")
    lines = []
    for number, (place, length) in enumerate(zip(places.tolist(), lengths.tolist(), strict=True), 1):
        ids = np.frombuffer(content, kind, length, place).tolist()
        if ids and not 0 <= min(ids) <= max(ids) < tokenizer.size:
            raise DataError(
                f"{data}, row {number}: id {max(ids)}, but {dictionary} ends at {tokenizer.size - 1}: it belongs to "
                "other data; give the dict.txt that fairseq-preprocess wrote beside these files"
            )
        lines.append(tokenizer.decode(ids))  # fairseq's ids are ours but for pad and bos, which rows do not have
    return lines
