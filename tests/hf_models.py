"""Tiny Hugging Face models and tokenizers, made here and saved as their users have them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BartConfig, PreTrainedTokenizerFast, T5Config, set_seed
from transformers import BartForConditionalGeneration as Bart
from transformers import T5ForConditionalGeneration as T5

WORDS = ("int", "main", "var", "=", "+", ";", "1", "2", "cout", "<<", "{", "}")


def tokenizer(kind: str, words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """Words between blanks; special ids are where BART (`<s> text </s>`) or T5 (`text </s>`) have them."""
    specials = {"bart": ["<s>", "<pad>", "</s>", "<unk>"], "t5": ["<pad>", "</s>", "<unk>"]}[kind]
    vocabulary = {word: i for i, word in enumerate([*specials, *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.decoder = decoders.WordPiece(cleanup=False)  # blanks between words
    ends = [(token, vocabulary[token]) for token in specials if token in ("<s>", "</s>")]
    single = "<s> $A </s>" if kind == "bart" else "$A </s>"
    inner.post_processor = processors.TemplateProcessing(single=single, special_tokens=ends)
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **named, **({"bos_token": "<s>"} if kind == "bart" else {}))


def model(kind: str, vocabulary: int, seed: int = 0, dropout: float = 0.0, positions: int = 64) -> Bart | T5:
    """Two ids more than the tokenizer has, as T5 does, and a BART that forces and forbids what generation allows."""
    set_seed(seed)
    if kind == "bart":
        sizes = {"layers": 1, "attention_heads": 2, "ffn_dim": 24}
        sides = {f"{side}_{key}": size for side in ("encoder", "decoder") for key, size in sizes.items()}
        config = BartConfig(
            vocab_size=vocabulary + 2, d_model=16, max_position_embeddings=positions, dropout=dropout, **sides
        )
        config.update({"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2})
        built = Bart(config)
        built.generation_config.update(num_beams=3, no_repeat_ngram_size=2, forced_bos_token_id=0)
    else:
        built = T5(T5Config(vocab_size=vocabulary + 2, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2,
                            dropout_rate=dropout, decoder_start_token_id=0))  # fmt: skip
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return built


def save(folder: Path, kind: str, words: Sequence[str] = WORDS, seed: int = 0, positions: int = 64) -> Path:
    words_and_specials = tokenizer(kind, words)
    model(kind, len(words_and_specials), seed, positions=positions).save_pretrained(folder)
    words_and_specials.save_pretrained(folder)
    return folder
