"""The tokenizer that comes with a Hugging Face model, as one of ours; and ours as theirs, with the same ids.

Left out: prompts, languages, chat templates.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from composed.datamodules.tokenizers import MARK, SPECIALS, WORD, BpeTokenizer, DictionaryTokenizer, Tokenizer
from composed.errors import ConfigError, DataError

ROUTINE = ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder")  # what happens to a text, in turn
REMEDY = "take another model, or model.own_tokenizer=false with model.pretrained=false, which trains one on your data"


class HuggingFaceTokenizer(Tokenizer):
    """`name`: folder or hub id. A text keeps what the tokenizer puts before it, such as `<s>`; decoding drops it.

    Raises DataError where there is none, where it lacks a pad or an end of sequence, or does not end texts with one.
    """

    kind = "huggingface"

    def __init__(self, name: str) -> None:
        from transformers import AutoTokenizer

        try:
            self.own = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise DataError(
                f"model.name={name}: no tokenizer can be read there ({str(error).splitlines()[0]}); {REMEDY}"
            ) from error
        tokenizer = self.own
        tokenizer.model_max_length = 10**9  # which rows are too long is for the model to say
        for special in ("pad", "eos"):
            if getattr(tokenizer, f"{special}_token_id") is None:
                raise DataError(f"model.name={name}: its tokenizer has no {special} token; {REMEDY}")
        if tokenizer.pad_token_id == tokenizer.eos_token_id:
            raise DataError(f"model.name={name}: its tokenizer has one token for pad and eos; {REMEDY}")
        if tokenizer("a").input_ids[-1:] != [tokenizer.eos_token_id]:
            raise DataError(
                f"model.name={name}: its tokenizer does not end a text with {tokenizer.eos_token}; {REMEDY}"
            )
        self.model = name
        self.pad, self.eos = tokenizer.pad_token_id, tokenizer.eos_token_id
        self.bos = self.eos if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        self.unk = -1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        self.pieces = tuple(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))

    def rest(self) -> object:
        inner = getattr(self.own, "backend_tokenizer", None)
        if inner is not None:
            return {key: value for key, value in json.loads(inner.to_str()).items() if key in ROUTINE}
        with TemporaryDirectory() as folder:
            files = self.own.save_vocabulary(folder) or ()
            return [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]

    def encode(self, text: str) -> list[int]:
        return self.own(" ".join(text.split())).input_ids[:-1]

    def decode(self, ids: Iterable[int]) -> str:
        kept = [token for token in ids if token not in (self.pad, self.bos, self.eos)]
        return " ".join(str(self.own.decode(kept, clean_up_tokenization_spaces=False)).split())


def as_huggingface(tokenizer: Tokenizer, longest: int, texts: Iterable[str]) -> Any:
    """The same ids for the same text, as a tokenizer of transformers: for rows of up to `longest` of them.

    Raises ConfigError for one that has no like there, and DataError where it spells one of `texts` otherwise: merges of
    byte-pair pieces have one order there, and here two that give the same piece go from left to right.
    """
    if isinstance(tokenizer, HuggingFaceTokenizer):
        return tokenizer.own
    from tokenizers import Regex, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = _pieces(tokenizer) if isinstance(tokenizer, BpeTokenizer) else _words(tokenizer)
    blanks = Regex(r"[\s\x1c-\x1f]+")  # as str.split has them
    inner.normalizer = normalizers.Sequence([normalizers.Replace(blanks, " "), normalizers.Strip()])
    pad, bos, eos, unk = SPECIALS
    inner.post_processor = processors.TemplateProcessing(single=f"$A {eos}", special_tokens=[(eos, tokenizer.eos)])
    theirs = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        unk_token=unk,
        # Words are read as words; between pieces, `<unk>` has to stay itself.
        split_special_tokens=not isinstance(tokenizer, BpeTokenizer),
        clean_up_tokenization_spaces=False,
        model_max_length=longest,
    )
    for text in texts:
        if theirs(text).input_ids[:-1] != tokenizer.encode(text):
            raise DataError(f"tokenizer.kind={tokenizer.kind}: transformers spells this text otherwise: {text[:200]!r}")
    return theirs


def _words(tokenizer: Tokenizer) -> Any:
    """Of words; between blanks alone, where they come from a dictionary."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    inner = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(tokenizer.pieces)}, unk_token=SPECIALS[3]))
    if not isinstance(tokenizer, DictionaryTokenizer):
        pattern = WORD.pattern.replace(r"\w", r"[\p{L}\p{N}_]")  # as Python has it
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(f"(?x){pattern}"), "removed", invert=True)
        return inner
    if tokenizer.model["sentencepiece"]:
        raise ConfigError(
            "the dictionary of this run has other ids than the sentencepiece model that reads text for it: "
            "no tokenizer of transformers is made of both. composed-export safetensors writes the weights of every run"
        )
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if tokenizer.marked:
        inner.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.Fuse()])
    return inner


def _pieces(tokenizer: BpeTokenizer) -> Any:
    """Of byte-pair pieces, which sentencepiece has in the order in which it merges them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    ids = {piece: i for i, piece in enumerate(tokenizer.pieces)}
    bytes_ = {f"<0x{byte:02X}>" for byte in range(256)} if tokenizer.in_bytes else set()
    parts = ids.keys() - set(SPECIALS) - bytes_
    merges = [
        (piece[:at], piece[at:])
        for piece in ids
        if piece in parts
        for at in range(1, len(piece))
        if piece[:at] in parts and piece[at:] in parts
    ]
    inner = Tokenizer(models.BPE(ids, merges, unk_token=SPECIALS[3], fuse_unk=True, byte_fallback=tokenizer.in_bytes))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=True)
    inner.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    return inner
