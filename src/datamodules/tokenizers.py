"""Text to ids and back: C++ lexer tokens (`word`), byte-pair pieces (`bpe`, `bpe_bytes`) or another program's symbols
(`dictionary`); one vocabulary for sources and targets.

`decode(encode(text))` differs from `text` by blanks at most, unless part of it is unknown. Callers add bos, eos, pads.
Left out: normalisation of the text, and sampling among segmentations.
"""

import base64
import hashlib
import io
import json
import re
import string
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import sentencepiece

from composed.errors import ConfigError, DataError

SPECIALS = ("<pad>", "<s>", "</s>", "<unk>")
MARK = "\u2581"  # of a blank before a piece, in sentencepiece's pieces

WORD = re.compile(
    r"""
      int\ main\ \(\)\ \{ | return\ 0;\ \}         # the ends of a SansType program, spelled as nowhere else
    | <unk>
    | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'        # literals, with the blanks inside
    | \d+\.\d+\w* | \w+                            # numbers and names
    | <<=? | >>=? | \+\+ | -- | -> | :: | && | \|\| | [-+*/%&|^!=<>]=
    | \S
    """,
    re.VERBOSE,
)


class Tokenizer(ABC):
    """A vocabulary: `pieces[i]` is the text of id i, and the first four are pad, bos, eos and unk.

    `model` is what JSON can hold and the constructor takes.
    """

    kind: ClassVar[str]
    pad, bos, eos, unk = range(len(SPECIALS))
    pieces: Sequence[str]
    model: object

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of `text` without bos and eos; unk for what the vocabulary cannot spell."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids` between single blanks; pad, bos and eos are skipped, unk reads `<unk>`."""

    @property
    def size(self) -> int:
        return len(self.pieces)

    def lacks(self, word: str) -> bool:
        """Whether part of the word is unknown."""
        return self.unk in self.encode(word)

    def bare(self, word: str) -> str:
        """An unknown word without the punctuation around it, unless that is what is unknown."""
        bare = word.strip(string.punctuation)
        return bare if self.lacks(bare) else word

    @cached_property
    def hash(self) -> str:
        """sha256 of all that decides which ids a text has: the kind, the pieces in the order of their ids, the rest."""
        return hashlib.sha256(json.dumps([self.kind, *self.pieces, self.rest()]).encode()).hexdigest()

    def rest(self) -> object:
        """What beside the pieces decides how a text is cut into them, as JSON can hold it: merges, normalisation."""
        return None

    def save(self, path: Path) -> None:
        content = {"kind": self.kind, "hash": self.hash, "model": self.model}
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Tokenizer":
        """Read what `save` wrote, of either kind. Raises DataError for a missing, damaged or edited file."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            tokenizer = _KINDS[content["kind"]](content["model"])
            intact = tokenizer.hash == content["hash"]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DataError(f"{path}: not a saved tokenizer ({error!r}); save it again") from error
        if not intact:
            raise DataError(f"{path}: the vocabulary does not have the recorded hash; save it again")
        return tokenizer


class WordTokenizer(Tokenizer):
    """Tokens of a C++ lexer, which leaves the words of pseudocode whole too."""

    kind = "word"

    def __init__(self, model: Sequence[str]) -> None:
        self.pieces = self.model = tuple(model)
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}

    @classmethod
    def train(cls, texts: Iterable[str], further: Iterable[str] = ()) -> Self:
        """Every token of `texts`: the frequent ones first, equally frequent ones in alphabetical order.

        What only the `further` texts have follows in alphabetical order, so that which of these there are, and how
        often, changes no id.
        """
        counts = Counter(word for text in texts for word in _words(text))
        words = counts.keys() - set(SPECIALS)
        more = {word for text in further for word in _words(text)} - words - set(SPECIALS)
        return cls([*SPECIALS, *sorted(words, key=lambda word: (-counts[word], word)), *sorted(more)])

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(word, self.unk) for word in _words(text)]

    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(self.pieces[i] for i in ids if i not in (self.pad, self.bos, self.eos))


class BpeTokenizer(Tokenizer):
    """Byte-pair pieces of sentencepiece; Xie, Ma and Liang (2021) have 600 on SansType."""

    kind = "bpe"
    in_bytes: ClassVar[bool] = False  # whether characters that the training data lack are spelled in bytes, not unknown

    def __init__(self, model: str) -> None:
        self.model = model  # the serialized sentencepiece model in base64
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(model))
        self.pieces = tuple(self._processor.id_to_piece(list(range(len(self._processor)))))

    @classmethod
    def train(cls, texts: Iterable[str], size: int = 600) -> Self:
        """`size` pieces that cover every character of `texts`, or as many as `texts` give.

        Raises ConfigError if `size` has no room for the characters.
        """
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=map(_single_blanks, texts),
                model_writer=model,
                model_type="bpe",
                vocab_size=size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                byte_fallback=cls.in_bytes,
                normalization_rule_name="identity",
                max_sentence_length=1 << 24,  # bytes; longer lines would be dropped in silence
                num_threads=1,
                minloglevel=2,
                unk_surface=SPECIALS[cls.unk],
                pad_id=cls.pad,
                bos_id=cls.bos,
                eos_id=cls.eos,
                unk_id=cls.unk,
                pad_piece=SPECIALS[cls.pad],
                bos_piece=SPECIALS[cls.bos],
                eos_piece=SPECIALS[cls.eos],
                unk_piece=SPECIALS[cls.unk],
            )
        except RuntimeError as error:
            raise ConfigError(f"tokenizer.size={size}: {_too_small(error)}") from error
        return cls(base64.b64encode(model.getvalue()).decode())

    def rest(self) -> object:
        return self.model

    def encode(self, text: str) -> list[int]:
        known, *rest = self._processor.encode(_single_blanks(text).split(SPECIALS[self.unk]))
        return [*known, *(piece for part in rest for piece in (self.unk, *part))]

    def decode(self, ids: Iterable[int]) -> str:
        return _single_blanks(self._processor.decode(list(ids)))


class ByteBpeTokenizer(BpeTokenizer):
    """Byte-pair pieces, 256 of them single bytes, so that every text comes back as it was."""

    kind = "bpe_bytes"
    in_bytes = True


class DictionaryTokenizer(Tokenizer):
    """The symbols of another program's dictionary, between blanks; fairseq's ids but for pad and bos.

    Where symbols begin with sentencepiece's mark of a blank, text is spelled from them by it, and read by the
    sentencepiece model; without one, text is taken as already in pieces.
    """

    kind = "dictionary"

    def __init__(self, model: Mapping[str, Any]) -> None:
        """`model`: symbols in order, and the serialized sentencepiece model in base64 or null."""
        self.model: dict[str, Any] = dict(model)
        symbols = model["symbols"]
        self.pieces = (*SPECIALS, *symbols)
        self._ids = {symbol: i for i, symbol in enumerate(symbols, len(SPECIALS))}
        self.marked = any(symbol.startswith(MARK) for symbol in symbols)
        serialized = model["sentencepiece"]
        self._processor = serialized and sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(serialized))

    def rest(self) -> object:
        return self.model["sentencepiece"]

    def encode(self, text: str) -> list[int]:
        read = self._processor
        symbols = read.encode(_single_blanks(text), out_type=str) if read else text.split()
        return [self._ids.get(symbol, self.unk) for symbol in symbols]

    def decode(self, ids: Iterable[int]) -> str:
        symbols = [self.pieces[i] for i in ids if i not in (self.pad, self.bos, self.eos)]
        return _single_blanks("".join(symbols).replace(MARK, " ")) if self.marked else " ".join(symbols)


_TRAINED = (WordTokenizer, BpeTokenizer, ByteBpeTokenizer)
_KINDS: dict[str, type[WordTokenizer] | type[BpeTokenizer] | type[DictionaryTokenizer]] = {
    tokenizer.kind: tokenizer for tokenizer in (*_TRAINED, DictionaryTokenizer)
}


def most_pieces(kind: str, texts: Iterable[str], size: int, characters: int) -> int:
    """`size`, or fewer where texts are few: one for every so many `characters`, beside those that spell all of them.

    More of them would be whole texts, which occur nowhere else.
    """
    everything = "".join(texts)
    spelled = len(SPECIALS) + len({*everything, MARK}) + (256 if kind == ByteBpeTokenizer.kind else 0)
    return min(size, spelled + len(everything) // characters)


def train(kind: str, texts: Iterable[str], size: int = 600, outputs: Sequence[str] = ()) -> Tokenizer:
    """Train a tokenizer of `kind` on texts of a task; `size` does not count for `word`, which takes every word.

    `word` begins with the words of unlabeled `outputs`, where there are some: its order is that of these alone, so that
    what is trained on them is the same for any choice of texts with the same words. Raises ConfigError for an unknown
    kind.
    """
    if kind == "word":
        return WordTokenizer.train(outputs, texts) if outputs else WordTokenizer.train(texts)
    if kind == "bpe":
        return BpeTokenizer.train(texts, size)
    if kind == "bpe_bytes":
        return ByteBpeTokenizer.train(texts, size)
    raise ConfigError(
        f"tokenizer kind={kind!r}: unknown; valid are {', '.join(sorted(tokenizer.kind for tokenizer in _TRAINED))}"
    )


def _too_small(error: RuntimeError) -> str:
    """What sentencepiece says in words, with the least that it asks for where it says so."""
    if least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        return f"every character of the data needs a piece; set tokenizer.size={least[1]} or more"
    return f"no BPE vocabulary can be trained ({error})"


def _words(text: str) -> list[str]:
    return WORD.findall(_single_blanks(text))


def _single_blanks(text: str) -> str:
    return " ".join(text.split())
