"""fairseq 0.12.2's own transformer as f and Pi: its layers, its initialisation and its incremental state.

Needs `make fairseq`. Answers as an `EncoderDecoder`, reads soft sources. Its ids are ours but for the first two,
`<s>` and `<pad>`, which change places at the door; what is no output of ours, it does not predict either.
Left out: its criterions, its beam search, gradient checkpointing.
Letters: B sources, k rows of each, S and T lengths of source and target, D width, V ids from `eos` on.
"""

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.errors import ConfigError
from composed.models import fairseq_compat
from composed.models.encoder_decoder import EncoderDecoder
from composed.models.fairseq_weights import from_fairseq
from composed.models.sequence import DEFAULT_SPECIALS, Specials

_ALIASES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")  # of embedding.weight
# Parameters of an encoder layer that copy others, for a faster path of torch's which pre-norm layers never take.
_COPIES = ("in_proj", "out_proj", "fc1", "fc2")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sources that the encoder has read."""

    states: Tensor  # (B, S, D)
    pads: Tensor  # (B, S): true at a pad

    def pick(self, rows: Tensor) -> "Encoded":
        return replace(self, states=self.states.index_select(0, rows), pads=self.pads.index_select(0, rows))

    def repeated(self, count: int) -> "Encoded":
        return self.pick(torch.arange(len(self.states), device=self.pads.device).repeat_interleave(count))

    def for_decoder(self) -> dict[str, list[Tensor]]:
        return {"encoder_out": [self.states.transpose(0, 1)], "encoder_padding_mask": [self.pads]}


class FairseqTransformer(EncoderDecoder):
    """Arguments and sizes are those of `Transformer`. `make fairseq` installs what it needs."""

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        specials: Specials = DEFAULT_SPECIALS,
    ) -> None:
        super().__init__()
        assert specials == DEFAULT_SPECIALS
        self.specials = specials
        sizes = {"embed_dim": width, "layers": layers, "attention_heads": heads, "ffn_embed_dim": feedforward}
        model = _build(
            vocabulary,
            Namespace(
                **{f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()},
                dropout=dropout,
                attention_dropout=attention_dropout,
                activation_dropout=activation_dropout,
                encoder_normalize_before=True,
                decoder_normalize_before=True,
                share_all_embeddings=True,
            ),
        )
        self.embedding: nn.Embedding = model.encoder.embed_tokens  # the name it has in our own, in rates of stages
        self.encoder, self.decoder = model.encoder, model.decoder
        self.register_state_dict_post_hook(_drop_aliases)
        self.register_load_state_dict_pre_hook(_add_aliases)

    @property
    def checkpointing(self) -> bool:
        return False

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        if on:
            raise ConfigError(
                "trainer.gradient_checkpointing=true: not with model=fairseq_transformer; set it to false"
            )

    def as_ours(self) -> dict[str, Tensor]:
        """The state of our transformer with fairseq's positions that gives the same answers."""
        state = self.state_dict()
        embedding = state.pop("embedding.weight")
        tensors = {**state, **dict.fromkeys(_ALIASES, embedding)}
        return from_fairseq(tensors, len(self.encoder.layers), len(embedding), Path("this model"))

    def encode(self, source: Tensor | Encoded) -> Encoded:
        """Sources (B, S), or soft ones (B, S, V), as `Transformer.encode` takes them."""
        if isinstance(source, Encoded):
            return source
        if source.dim() == 3:
            pads = ~source.any(-1)
            with torch.autocast(source.device.type, enabled=False):
                embedded = source @ self.embedding.weight[self.specials.eos :]
            read = self.encoder(
                _swapped(torch.where(pads, self.specials.pad, DEFAULT_SPECIALS.unk)), token_embeddings=embedded
            )
        else:
            pads = source == self.specials.pad
            read = self.encoder(_swapped(source))
        return Encoded(read["encoder_out"][0].transpose(0, 1), pads)

    def teacher_forced(self, source: Tensor | Encoded, target: Tensor, real: Tensor) -> Tensor:
        encoded = self.encode(source)
        if len(target) != len(encoded.states):
            encoded = encoded.repeated(len(target) // len(encoded.states))
        eos = self.specials.eos
        given = F.pad(target[:, :-1], (1, 0), value=eos).masked_fill(~F.pad(real[:, :-1], (1, 0), value=True), eos)
        return self.hidden(given, encoded.for_decoder())[real]

    def hidden(self, given: Tensor, encoded: dict[str, list[Tensor]], state: Any = None) -> Tensor:
        """States (B, T, D) after the ids `given` (B, T), no pads; with a `state`, after the last one (B, 1, D)."""
        return self.decoder.extract_features(given, encoded, state, alignment_layer=-1)[0]  # of no layer: it takes time

    def begin(self, encoded: Encoded, count: int) -> "_Decoding":
        return _Decoding(self, encoded.repeated(count))


class _Decoding:
    """Rows on their way, as `decoding.Decoding`, by fairseq's incremental state."""

    def __init__(self, model: FairseqTransformer, encoded: Encoded) -> None:
        self.model, self.specials, self.encoded = model, model.specials, encoded
        self.given = encoded.pads.new_zeros(len(encoded.pads), 0, dtype=torch.long)
        self.state: dict[str, Any] = {}
        self.outputs = len(model.embedding.weight) - model.specials.eos

    def step(self, token: Tensor, at: int) -> Tensor:
        """Scores (B*k, V) after `token` (B*k,) at position `at`."""
        eos = self.specials.eos
        token = token.masked_fill(token < eos, eos)  # where a row begins; and after its end, where no one looks
        self.given = torch.cat([self.given, token[:, None]], 1)
        return self.model.score(self.model.hidden(self.given, self.encoded.for_decoder(), self.state)[:, -1])

    def select(self, rows: Tensor, sources: Tensor | None = None) -> None:
        self.given, self.encoded = self.given[rows], self.encoded.pick(rows)
        self.model.decoder.reorder_incremental_state_scripting(self.state, rows)


def _build(vocabulary: int, args: Namespace) -> Any:
    library = fairseq_compat.transformers()
    from fairseq.data import Dictionary

    dictionary = Dictionary()
    for number in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(str(number))
    library.base_architecture(args)
    args.max_source_positions = args.max_target_positions = 1024  # to begin with: its table grows
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    model = library.TransformerModel.build_model(args, task)
    for layer in model.encoder.layers:
        for name in _COPIES:
            del layer._parameters[f"{name}_weight"], layer._parameters[f"{name}_bias"]
        layer._load_from_state_dict = nn.Module._load_from_state_dict.__get__(layer)  # fairseq's fills the copies
    for layer in model.decoder.layers:
        layer.need_attn = False  # no one looks at the weights of attention
    model.decoder.output_projection = None  # it is the embedding
    for buffer in model.buffers():
        buffer.zero_()  # fairseq's are whatever was in memory, and no one reads them
    return model


def _swapped(rows: Tensor) -> Tensor:
    """`<pad>` and `<s>`, 0 and 1 of ours, are 1 and 0 of fairseq's."""
    return torch.where(rows < DEFAULT_SPECIALS.eos, 1 - rows, rows)


def _drop_aliases(_model: Any, state: dict[str, Tensor], prefix: str, _metadata: Any) -> None:
    """What is shared is saved once."""
    for name in _ALIASES:
        state.pop(prefix + name, None)


def _add_aliases(_model: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    if f"{prefix}embedding.weight" in state:
        state.update({prefix + name: state[f"{prefix}embedding.weight"] for name in _ALIASES})
