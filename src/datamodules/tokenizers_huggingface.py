"""The tokenizer that comes with a Hugging Face model, as one of ours. Left out: prompts, languages, chat templates."""

from collections.abc import Iterable
from pathlib import Path

from composed.datamodules.tokenizers import Tokenizer
from composed.errors import DataError

REMEDY = "take another model, or model.own_tokenizer=false with model.pretrained=false, which trains one on your data"


class HuggingFaceTokenizer(Tokenizer):
    """`name`: folder or hub id. A text keeps what the tokenizer puts before it, such as `<s>`; decoding drops it.

    Raises DataError where there is none, where it lacks a pad or an end of sequence, or does not end texts with one.
    """

    kind = "huggingface"

    def __init__(self, name: str) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise DataError(
                f"model.name={name}: no tokenizer can be read there ({str(error).splitlines()[0]}); {REMEDY}"
            ) from error
        own = self._tokenizer
        own.model_max_length = 10**9  # which rows are too long is for the model to say
        for which in ("pad", "eos"):
            if getattr(own, f"{which}_token_id") is None:
                raise DataError(f"model.name={name}: its tokenizer has no {which} token; {REMEDY}")
        if own.pad_token_id == own.eos_token_id:
            raise DataError(f"model.name={name}: its tokenizer has one token for pad and eos; {REMEDY}")
        if own("a").input_ids[-1:] != [own.eos_token_id]:
            raise DataError(f"model.name={name}: its tokenizer does not end a text with {own.eos_token}; {REMEDY}")
        self.model = name
        self.pad, self.eos = own.pad_token_id, own.eos_token_id
        self.bos = self.eos if own.bos_token_id is None else own.bos_token_id
        self.unk = -1 if own.unk_token_id is None else own.unk_token_id
        self.pieces = tuple(own.convert_ids_to_tokens(list(range(len(own)))))

    def encode(self, text: str) -> list[int]:
        return self._tokenizer(" ".join(text.split())).input_ids[:-1]

    def export(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)

    def decode(self, ids: Iterable[int]) -> str:
        kept = [token for token in ids if token not in (self.pad, self.bos, self.eos)]
        return " ".join(str(self._tokenizer.decode(kept, clean_up_tokenization_spaces=False)).split())
