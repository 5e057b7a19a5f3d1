"""A Hugging Face encoder-decoder (BART, T5, CodeT5, ...) that answers as a `SequenceModel`.

Everything inside it is transformers' own, decoding and its cache too; LoRA is peft's. Left out: code that a checkpoint
brings along (`trust_remote_code`), decoder-only models, prefixes of languages and tasks.
Letters: B sources, k rows of each, S and T lengths, D width, V ids of the model, of which the tokenizer may have fewer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from composed.errors import ConfigError, DataError
from composed.models.decoding import draw
from composed.models.sequence import Draws, SequenceModel, Specials
from composed.system.files import digest as content_digest
from composed.system.files import plain_files

DROPOUTS = ("dropout", "dropout_rate")  # what configs call the dropout after each sublayer


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sources that the encoder has read."""

    states: Tensor  # (B, S, D)
    mask: Tensor  # (B, S): 1 where there is no pad

    def repeated(self, count: int) -> "Encoded":
        if count == 1:
            return self
        return Encoded(self.states.repeat_interleave(count, 0), self.mask.repeat_interleave(count, 0))


class HuggingFace(SequenceModel):
    """Rows are those of the model's tokenizer, with whatever it puts before a text.

    Args:
        vocabulary: number of ids of the tokenizer. The model's further ids, and its pad, are no outputs.
        name: folder or hub id; without `pretrained` also a kind of model, such as bart.
        pretrained: its weights; else random ones.
        own_tokenizer: the one that comes with it; else the model is made for another's vocabulary and `specials`.
        settings: of its config, in place of its own.
        dropout: after each sublayer, in place of its config's.

    Raises ConfigError for what is no encoder-decoder, and DataError for a model that cannot be found or read.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        name: str,
        specials: Specials,
        pretrained: bool = True,
        own_tokenizer: bool = True,
        settings: Mapping[str, Any] | None = None,
        dropout: float,
    ) -> None:
        super().__init__()
        from transformers import GenerationConfig

        self.specials = specials
        config = read_config(name, pretrained)
        ids = {f"{name_of_token}_token_id": getattr(specials, name_of_token) for name_of_token in ("pad", "bos", "eos")}
        for key in settings or {}:
            if not hasattr(config, key):
                raise ConfigError(
                    f"model.settings.{key}: {type(config).__name__} has no such key; see its documentation"
                )
        changes: dict[str, Any] = {**(settings or {}), **{key: dropout for key in DROPOUTS if hasattr(config, key)}}
        if not own_tokenizer:
            changes |= {**ids, "vocab_size": vocabulary, "decoder_start_token_id": specials.bos}
        config.update(changes)
        if vocabulary > config.vocab_size:
            raise DataError(
                f"{name}: its tokenizer has {vocabulary} ids, its model {config.vocab_size}: they do not belong "
                "together. Copy both from one place, or set model.own_tokenizer=false with model.pretrained=false."
            )
        bare = _model(name, config, pretrained)
        start = getattr(config, "decoder_start_token_id", None)
        self.start: int = specials.pad if start is None else start  # T5's, where its config does not say
        # Alone, so that no length, repetition or first token is forced: samples are those of the model's distribution.
        bare.generation_config = GenerationConfig(
            pad_token_id=specials.pad, eos_token_id=specials.eos, decoder_start_token_id=self.start
        )
        self.embedding = bare.get_input_embeddings()  # the name it has in our own models too, in rates of stages
        self.bare = bare
        self.no_output = [specials.pad, *range(vocabulary, config.vocab_size)]
        self.longest: int | None = getattr(config, "max_position_embeddings", None)  # row
        self._checkpointing = False
        self.register_state_dict_post_hook(_drop_aliases)
        self.register_load_state_dict_pre_hook(_add_aliases)
        self.train()

    @property
    def checkpointing(self) -> bool:
        return self._checkpointing

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        if on != self._checkpointing:
            switch = self.bare.activation_checkpointing_enable if on else self.bare.activation_checkpointing_disable
            switch()
        self._checkpointing = on

    # -- teacher forcing ----------------------------------------------------------------------------------------

    def encode(self, source: Tensor | Encoded) -> Encoded:
        if isinstance(source, Encoded):
            return source
        self._fits(source)
        mask = (source != self.specials.pad).long()
        return Encoded(self.bare.get_encoder()(input_ids=source, attention_mask=mask).last_hidden_state, mask)

    def token_nll(self, source: Tensor | Encoded, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        self._fits(target)
        pad = self.specials.pad
        encoded = self.encode(source)
        encoded = encoded.repeated(len(target) // len(encoded.states))
        scores = self.bare(
            encoder_outputs=(encoded.states,),
            attention_mask=encoded.mask,
            decoder_input_ids=F.pad(target[:, :-1], (1, 0), value=self.start),
            use_cache=False,
        ).logits  # (B*k, T, V)
        # Behind autograd's back, which costs nothing: what has no probability has no gradient either.
        scores.detach()[..., self.no_output] = -torch.inf
        losses = F.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=pad, reduction="none")
        if label_smoothing:
            outputs = scores > -torch.inf
            logs = scores.float().log_softmax(-1).masked_fill(~outputs, 0.0)
            uniform = -(logs.sum(-1) / outputs.sum(-1)).flatten()
            losses = (1 - label_smoothing) * losses + label_smoothing * uniform * (target != pad).flatten()
        return losses.view(target.shape)

    def _fits(self, rows: Tensor) -> None:
        if self.longest is not None and rows.shape[1] > self.longest:
            raise DataError(
                f"a row of {rows.shape[1]} tokens, and this model has positions for {self.longest}: leave out what is "
                "longer (task.longest, task.max_length), or take a model without that limit, such as T5"
            )

    # -- decoding -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, source: Tensor | Encoded, count: int = 1, *, draws: Draws) -> Tensor:
        encoded = self.encode(source).repeated(count)
        uniforms = draws.of(len(encoded.states), encoded.states.device)

        def drawn(rows: Tensor, scores: Tensor) -> Tensor:
            chosen = draw(scores, uniforms[:, rows.shape[1] - 1])
            return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

        return self._generate(encoded, draws.max_length, logits_processor=[drawn])

    @torch.no_grad()
    def predict(self, source: Tensor | Encoded, *, max_length: int, beams: int = 1) -> Tensor:
        return self._generate(self.encode(source), max_length, num_beams=beams)

    def _generate(self, encoded: Encoded, max_length: int, **how: Any) -> Tensor:
        """Rows without the token that starts them all, and without the columns that are pads in every row."""
        from transformers.modeling_outputs import BaseModelOutput

        rows = self.bare.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded.states),
            attention_mask=encoded.mask,
            max_new_tokens=self._room(max_length),
            suppress_tokens=self.no_output,
            **how,
        )[:, 1:]
        return rows[:, : int((rows != self.specials.pad).sum(1).max())]

    def _room(self, max_length: int) -> int:
        """A row without an end gets one before it is read as a source."""
        return max_length if self.longest is None else min(max_length, self.longest - 1)

    def export(self, folder: Path, max_length: int) -> None:
        """As transformers reads it; `generate` then does what `predict` does with this `max_length`."""
        self.bare.generation_config.update(suppress_tokens=self.no_output, max_new_tokens=self._room(max_length))
        self.bare.save_pretrained(folder)

    # -- low-rank updates, by peft -------------------------------------------------------------------------------

    def add_low_rank(self, rank: int) -> None:
        """Gives every linear layer but the last one a low-rank update, with alpha = rank. In place."""
        from peft import LoraConfig, inject_adapter_in_model

        constant = {id(parameter) for parameter in self.parameters() if not parameter.requires_grad}
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear"), self.bare)
        for parameter in self.parameters():  # which of the others learn is for the stages' rates to say
            parameter.requires_grad_(id(parameter) not in constant)

    def merge_low_rank(self) -> None:
        for name, layer in self._low_rank().items():
            layer.merge()
            parent, _, child = name.rpartition(".")
            setattr(self.get_submodule(parent), child, layer.get_base_layer())

    def merged_state(self) -> dict[str, Tensor]:
        state = {name: value for name, value in self.state_dict().items() if ".lora_" not in name}
        for name, layer in self._low_rank().items():
            state[f"{name}.base_layer.weight"] = layer.weight.detach() + layer.get_delta_weight("default").detach()
        return {name.replace(".base_layer.", "."): value for name, value in state.items()}

    def _low_rank(self) -> dict[str, Any]:
        return {name: module for name, module in self.named_modules() if hasattr(module, "get_delta_weight")}


def read_config(name: str, pretrained: bool) -> Any:
    """Of an encoder-decoder. Raises ConfigError for another kind of model, DataError where none can be found."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, AutoConfig

    if not pretrained and name in CONFIG_MAPPING:
        config = AutoConfig.for_model(name)
    else:
        try:
            config = AutoConfig.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise DataError(
                f"model.name={name}: no folder with a config.json, and no model of that id can be reached "
                f"({str(error).splitlines()[0]}). Give a folder that save_pretrained wrote, or connect to the hub "
                "once: what it downloads stays"
            ) from error
    if type(config) not in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f"model.name={name} is of kind {config.model_type}, which is no encoder-decoder with an output layer, as f "
            "and Pi have to be; take one such as BART, T5, CodeT5 or Pegasus"
        )
    if not (config.is_encoder_decoder and hasattr(config, "vocab_size")):
        raise ConfigError(
            f"model.name={name} is of kind {config.model_type}, whose config is one of several models, with no "
            "vocabulary that both sides have; take one such as BART, T5, CodeT5 or Pegasus"
        )
    return config


def _model(name: str, config: Any, pretrained: bool) -> Any:
    from transformers import AutoModelForSeq2SeqLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not pretrained:
        return AutoModelForSeq2SeqLM.from_config(config)
    try:
        model, info = AutoModelForSeq2SeqLM.from_pretrained(
            name, config=config, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise DataError(f"model.name={name}: its weights cannot be read: {str(error).splitlines()[0]}") from error
    if missing := sorted(info["missing_keys"]):
        raise DataError(
            f"model.name={name}: its weights lack {', '.join(missing[:3])}, which its config asks for; "
            "model.pretrained=false starts from random weights"
        )
    if unknown := sorted(info["unexpected_keys"]):
        raise DataError(
            f"model.name={name}: its weights have {', '.join(unknown[:3])}, for which a {type(model).__name__} of its "
            "config has no place. Is the config.json that of another model? If they can be left out, do so: "
            "AutoModelForSeq2SeqLM.from_pretrained(FOLDER).save_pretrained(OTHER)"
        )
    with torch.device("meta"):
        built = AutoModelForSeq2SeqLM.from_config(config)
    learned = {key: parameter.requires_grad for key, parameter in built.named_parameters(remove_duplicate=False)}
    for key, parameter in model.named_parameters():  # loading marks all as learned: tables of sinusoids would be, too
        parameter.requires_grad_(learned[key])
    return model


def digest(name: str) -> str | None:
    """Of the files of a local folder, which say what the model and its tokenizer are; None for a hub id."""
    return content_digest(plain_files(Path(name))) if Path(name).is_dir() else None


def _aliases(model: torch.nn.Module) -> dict[str, str]:
    """Names of tied parameters, and the first name of each."""
    first: dict[int, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {name: known for name, value in named if (known := first.setdefault(id(value), name)) != name}


def _drop_aliases(model: Any, state: dict[str, Tensor], prefix: str, _metadata: Any) -> None:
    """What is tied is saved once."""
    for name in _aliases(model):
        state.pop(prefix + name, None)


def _add_aliases(model: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for name, first in _aliases(model).items():
        if prefix + first in state:
            state[prefix + name] = state[prefix + first]
