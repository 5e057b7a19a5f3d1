"""Our transformer as transformers' Pegasus: the same pre-norm layers, with the same names as fairseq's.

Pegasus keeps its positions with its weights, unlearned, so that it holds ours and fairseq's alike. Its scores are ours
to rounding; pad and bos, which are no outputs of ours, have minus infinity. Needs transformers. Left out: the way back,
as `model=huggingface` takes what is written here.
"""

from typing import Any

import torch

from composed.models.fairseq_weights import OUR_POSITIONS, ImportedWeights, module_names
from composed.models.layers import fairseq_sinusoids, sinusoids
from composed.models.sequence import Specials

_SIDES = ("encoder", "decoder")
_SIZES = {"layers": "layers", "heads": "attention_heads", "feedforward": "ffn_dim"}  # ours and theirs, of each side
_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout")


def pegasus(imported: ImportedWeights, specials: Specials, *, positions: int, max_length: int) -> Any:
    """A `PegasusForConditionalGeneration` that reads and writes rows of up to `positions` ids.

    `max_length`: tokens that its `generate` gives a row, greedily, as `predict` does.
    """
    from transformers import GenerationConfig, PegasusConfig, PegasusForConditionalGeneration

    state, sizes = imported.state, imported.settings
    embedding, width = state["embedding.weight"], sizes["width"]
    ids = {f"{name}_token_id": getattr(specials, name) for name in ("pad", "bos", "eos")}
    ids["decoder_start_token_id"] = specials.bos
    config = PegasusConfig(
        vocab_size=len(embedding),
        d_model=width,
        max_position_embeddings=positions,
        activation_function="relu",
        scale_embedding=True,
        forced_eos_token_id=None,
        **ids,
        **{f"{side}_{theirs}": sizes[ours] for side in _SIDES for ours, theirs in _SIZES.items()},
        **{name: sizes[name] for name in _DROPOUTS},
    )
    tensors = dict.fromkeys(("model.shared.weight", "lm_head.weight"), embedding)
    table = (sinusoids if imported.model == OUR_POSITIONS else fairseq_sinusoids)(positions, width)
    for side in _SIDES:
        tensors |= {f"model.{side}.embed_tokens.weight": embedding, f"model.{side}.embed_positions.weight": table}
    for name, theirs in module_names(sizes["layers"]).items():
        parts = state[name].chunk(len(theirs))
        tensors |= {f"model.{their_name}": part for their_name, part in zip(theirs, parts, strict=True)}
    bias = torch.zeros(1, len(embedding))
    bias[:, : specials.eos] = -torch.inf
    model = PegasusForConditionalGeneration(config)
    model.load_state_dict({**tensors, "final_logits_bias": bias})
    model.generation_config = GenerationConfig(**ids, max_new_tokens=max_length)
    return model.eval()
