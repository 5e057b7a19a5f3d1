"""fairseq's checkpoints and our weights: which tensor of ours holds which of theirs, there and back.

A checkpoint is a pickle: it is read as tensors, plain containers and argparse's namespaces, and refused by name where
it asks for anything else. Works without fairseq. Left out: post-norm and learned positions, which our transformer does
not have; the optimiser's state.

fairseq's ids are ours but for the first two, `<s>` and `<pad>`, which change places. Its decoder begins a row with
`</s>`, ours with `<s>`: our row of `<s>` is their decoder's of `</s>`. It scores all ids, ours those from `</s>` on:
these scores are equal, and the probabilities too once `<s>` and `<pad>`, which no text has, are left out of theirs.
"""

import pickle
import re
import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from composed.errors import DataError
from composed.models.layers import sinusoids
from composed.system.files import write_atomically

OUR_POSITIONS, FAIRSEQ_POSITIONS = (
    "transformer",
    "transformer_fairseq_positions",
)  # options of conf/model, by whose positions they have
OF_TARGET = {
    "composed.models.transformer.Transformer": OUR_POSITIONS,
    "composed.models.transformer.with_fairseq_positions": FAIRSEQ_POSITIONS,
    "composed.models.fairseq_transformer.FairseqTransformer": FAIRSEQ_POSITIONS,  # by its `as_ours`
}

# What our transformer is, in fairseq's words, and what `transformer` is where a checkpoint does not tell.
_REQUIRED: dict[str, tuple[Any, Any]] = {
    "encoder_normalize_before": (True, False),
    "decoder_normalize_before": (True, False),
    "no_decoder_final_norm": (False, False),
    "no_token_positional_embeddings": (False, False),
    "no_scale_embedding": (False, False),
    "layernorm_embedding": (False, False),
    "no_cross_attention": (False, False),
    "cross_self_attention": (False, False),
    "adaptive_input": (False, False),
    "adaptive_softmax_cutoff": (None, None),
    "base_layers": (0, 0),
    "quant_noise_pq": (0, 0),
    "activation_fn": ("relu", "relu"),
}
# Ours and theirs, for encoder and decoder alike.
_SIZES = {"width": "embed_dim", "layers": "layers", "heads": "attention_heads", "feedforward": "ffn_embed_dim"}
_DROPOUTS = {"dropout": 0.1, "attention_dropout": 0.0, "activation_dropout": 0.0}  # theirs where it does not tell
_SOURCE, _TARGET, _OUTPUT = (
    f"{part}.weight" for part in ("encoder.embed_tokens", "decoder.embed_tokens", "decoder.output_projection")
)
_POSITIONS = tuple(f"{side}.embed_positions.weight" for side in ("encoder", "decoder"))  # where they are learned
# Tensors that say nothing: buffers, and copies that the encoder's layers keep for a faster path of torch's.
_IGNORED = re.compile(
    r"(en|de)coder\.(version|embed_positions\._float_tensor|embed_positions\.weights)"
    r"|encoder\.layers\.\d+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)"
)
_FIRST = 2  # fairseq's number of a row's first position
_EOS = 2  # ids from here on are the same
# What becomes a namespace; old checkpoints hold meters.
_AS_DATA: list[Any] = [
    Namespace,
    *(
        (Namespace, f"fairseq.{module}.{name}Meter")
        for module in ("meters", "logging.meters")
        for name in ("Average", "Time", "Stopwatch")
    ),
]


@dataclass(frozen=True)
class ImportedWeights:
    """A checkpoint as a model of ours."""

    model: str  # the option of conf/model
    settings: dict[str, Any]  # its keys
    state: dict[str, Tensor]  # float32


def read(path: Path, vocabulary: int, *, trust: bool) -> ImportedWeights:
    """The model of a checkpoint whose dictionary has so many ids, the four implicit ones among them.

    Raises DataError without `trust`, for a file that is damaged, asks for code or is no checkpoint of fairseq, and for
    a model that ours cannot hold; it names why.
    """
    content = _load(path, trust)
    settings = content.get("args") or (content.get("cfg") or {}).get("model")
    if not isinstance(content.get("model"), Mapping) or settings is None:
        raise DataError(f"{path} is no checkpoint of fairseq: it needs `model`, and `args` or `cfg.model`")
    settings = dict(vars(settings) if isinstance(settings, Namespace) else settings)
    tensors = {name: value.float() for name, value in content["model"].items() if isinstance(value, Tensor)}
    sizes = _settings(settings, path)
    state = from_fairseq(tensors, sizes["layers"], vocabulary, path)
    learned = [tensors[name] for name in _POSITIONS if name in tensors]
    for table in learned:
        if not torch.allclose(table[_FIRST:], sinusoids(len(table) - _FIRST, sizes["width"]), atol=1e-6):
            raise DataError(f"{path}: our transformer cannot hold this one: its positions are learned")
    return ImportedWeights(OUR_POSITIONS if learned else FAIRSEQ_POSITIONS, sizes, state)


def _load(path: Path, trust: bool) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if not trust:
        raise DataError(
            f"{path} was not read: a checkpoint of fairseq is a pickle, which can carry code. With --trust its "
            "tensors, lists, dictionaries and namespaces are read, and whatever else it asks for is refused."
        )
    try:
        with torch.serialization.safe_globals(_AS_DATA), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        problem = f"asks for {asked[1]}" if asked else "is no pickle of tensors and plain containers"
        raise DataError(
            f"{path} {problem}, which is refused; nothing of it was run. Keep only its `model` and its `args` or `cfg`."
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is truncated, damaged or no checkpoint; copy it again") from error
    return content if isinstance(content, dict) else {}


def _settings(theirs: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The keys of our model group."""
    sides = {ours: (f"encoder_{name}", f"decoder_{name}") for ours, name in _SIZES.items()}
    missing = [key for pair in sides.values() for key in pair if key not in theirs]
    if missing:
        raise DataError(
            f"{path}: a {theirs.get('arch', 'model')} without {', '.join(missing)}: only transformers with an encoder "
            "and a decoder are imported"
        )
    wrong = [
        f"{key}={value} ({needed} is needed)"
        for key, (needed, default) in _REQUIRED.items()
        if ((value := theirs.get(key, default)) or None) != (needed or None)
    ]
    wrong += [
        f"{encoder}={theirs[encoder]} and {decoder}={theirs[decoder]} differ"
        for encoder, decoder in sides.values()
        if theirs[encoder] != theirs[decoder]
    ]
    if wrong:
        raise DataError(f"{path}: our transformer cannot hold this one: {'; '.join(wrong)}")
    dropouts = {name: theirs.get(name, default) or 0.0 for name, default in _DROPOUTS.items()}
    dropouts["activation_dropout"] = dropouts["activation_dropout"] or theirs.get("relu_dropout") or 0.0
    return {**{ours: theirs[encoder] for ours, (encoder, _) in sides.items()}, **dropouts}


def module_names(layers: int) -> dict[str, tuple[str, ...]]:
    """Every tensor of ours but the embedding, and those of theirs that it joins in its first dimension."""
    modules: dict[str, tuple[str, ...]] = {}
    for side in ("encoder", "decoder"):
        attentions = {"attention": "self_attn"} | ({"cross": "encoder_attn"} if side == "decoder" else {})
        for layer in range(layers):
            ours, theirs = f"{side}.{layer}", f"{side}.layers.{layer}"
            for name, attention in attentions.items():
                modules[f"{ours}.{name}.query"] = (f"{theirs}.{attention}.q_proj",)
                modules[f"{ours}.{name}.key_value"] = (f"{theirs}.{attention}.k_proj", f"{theirs}.{attention}.v_proj")
                modules[f"{ours}.{name}.out"] = (f"{theirs}.{attention}.out_proj",)
            modules[f"{ours}.feed_forward.inner"] = (f"{theirs}.fc1",)
            modules[f"{ours}.feed_forward.outer"] = (f"{theirs}.fc2",)
            for number, norm in enumerate([*attentions.values(), "final"]):
                modules[f"{ours}.norms.{number}"] = (f"{theirs}.{norm}_layer_norm",)
        modules[f"{side}_norm"] = (f"{side}.layer_norm",)
    return {
        f"{ours}.{kind}": tuple(f"{part}.{kind}" for part in theirs)
        for ours, theirs in modules.items()
        for kind in ("weight", "bias")
    }


def from_fairseq(tensors: Mapping[str, Tensor], layers: int, vocabulary: int, path: Path) -> dict[str, Tensor]:
    """The state of our transformer of so many layers and ids. Raises DataError that names what does not fit."""
    names = module_names(layers)
    wanted = {_SOURCE, _TARGET, *(layer for theirs in names.values() for layer in theirs)}
    known = wanted | {_OUTPUT, *_POSITIONS}
    unknown = sorted(name for name in tensors.keys() - known if not _IGNORED.fullmatch(name))
    for problem, odd in (("unknown layers", unknown), ("layers missing", sorted(wanted - tensors.keys()))):
        if odd:
            more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            raise DataError(
                f"{path}: {problem}: {', '.join(odd[:5])}{more}. Only fairseq's pre-norm `transformer` is imported; is "
                "this another architecture?"
            )
    source, target = tensors[_SOURCE], tensors[_TARGET]
    embedding = tensors.get(_OUTPUT, target)  # old checkpoints leave out what is shared
    if {len(source), len(target), len(embedding)} != {vocabulary}:
        raise DataError(
            f"{path} has {len(source)} symbols in its sources and {len(target)} in its targets, the dictionary "
            f"{vocabulary}, with the 4 implicit ones. Give the dict.txt of the data that this model was trained on; "
            "sources and targets have to share it."
        )
    if not torch.equal(source[_EOS:], embedding[_EOS:]) or not torch.equal(target[_EOS + 1 :], embedding[_EOS + 1 :]):
        raise DataError(
            f"{path}: our transformer cannot hold this one: sources, targets and outputs do not share an embedding "
            "(share_all_embeddings)"
        )
    start = target[_EOS]
    return {
        "embedding.weight": torch.stack([torch.zeros_like(start), start, *embedding[_EOS:]]),
        **{ours: torch.cat([tensors[layer] for layer in theirs]) for ours, theirs in names.items()},
    }


def write(path: Path, imported: ImportedWeights, longest: int = 1024) -> None:
    """A checkpoint that fairseq 0.12.2 loads; it looks for its dictionaries, dict.src.txt and dict.tgt.txt, beside it.

    Sources, targets and outputs share an embedding, unless ours has learned to tell `<s>`, with which rows begin, from
    `</s>`; their score of `<s>` is 0. Our own positions become learned ones, `longest` of them.
    """
    state, sizes = imported.state, imported.settings
    tensors: dict[str, Tensor] = {}
    for ours, theirs in module_names(sizes["layers"]).items():
        tensors.update(zip(theirs, (part.clone() for part in state[ours].chunk(len(theirs))), strict=True))
    embedding = state["embedding.weight"].clone()
    embedding[:_EOS] = 0.0
    begun = embedding.clone()
    begun[_EOS] = state["embedding.weight"][1]
    tensors |= {_SOURCE: embedding, _TARGET: begun, _OUTPUT: embedding}
    learned = imported.model == OUR_POSITIONS
    for name, side in zip(_POSITIONS, ("encoder", "decoder"), strict=True):
        tensors[f"{side}.version"] = torch.tensor([3.0])
        if learned:
            tensors[name] = torch.cat([torch.zeros(_FIRST, sizes["width"]), sinusoids(longest, sizes["width"])])
        else:
            tensors[f"{side}.embed_positions._float_tensor"] = torch.zeros(1)
    shared = torch.equal(begun, embedding)
    args = Namespace(
        arch="transformer",
        task="translation",
        criterion="cross_entropy",
        data=str(path.parent),
        source_lang="src",
        target_lang="tgt",
        left_pad_source=True,
        left_pad_target=False,
        max_source_positions=longest,
        max_target_positions=longest,
        share_all_embeddings=shared,
        share_decoder_input_output_embed=shared,
        encoder_learned_pos=learned,
        decoder_learned_pos=learned,
        **{f"{side}_{theirs}": sizes[ours] for side in ("encoder", "decoder") for ours, theirs in _SIZES.items()},
        **{key: needed for key, (needed, _) in _REQUIRED.items()},
        **{name: sizes[name] for name in _DROPOUTS},
    )
    history = {"criterion_name": "CrossEntropyCriterion", "optimizer_name": "FairseqAdam", "num_updates": 0}
    content = {
        "args": args,
        "model": tensors,
        "optimizer_history": [{**history, "lr_scheduler_state": {}}],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
    }
    write_atomically(path, lambda temporary: torch.save(content, temporary))
