"""A training step of each backend on the same batch: our transformer, and others' bare and adapted: fairseq, BART, T5.

    python benchmarks/backends.py [--rounds 5] [--threads 2] [--width 256] [--rows 40] [--length 90] [--out FILE.md]

Same width, layers, heads and vocabulary; a step is forward, backward and fused AdamW, fp32. Every round takes all of
them in turn, and a ratio is taken within a round, of CPU seconds: so the load of the machine falls on both sides.
fairseq's rows need `make fairseq`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch
from contenders import Fairseq
from torch import Tensor

from composed.models.fairseq_transformer import FairseqTransformer
from composed.models.huggingface import HuggingFace
from composed.models.sequence import Specials
from composed.models.transformer import Transformer

VOCABULARY, LAYERS, HEADS = 600, 3, 2
Loss = Callable[[Tensor, Tensor], Tensor]


def settings(kind: str, width: int) -> dict[str, Any]:
    """Of the config of a Hugging Face model, for our sizes."""
    if kind == "t5":
        return {"d_model": width, "d_ff": 4 * width, "d_kv": width // HEADS, "num_layers": LAYERS,
                "num_decoder_layers": LAYERS, "num_heads": HEADS}  # fmt: skip
    sizes = {"layers": LAYERS, "attention_heads": HEADS, "ffn_dim": 4 * width}
    return {
        "d_model": width,
        **{f"{side}_{key}": size for side in ("encoder", "decoder") for key, size in sizes.items()},
    }


def contenders(width: int) -> dict[str, tuple[torch.nn.Module, Loss]]:
    """Each a model and its loss, summed over the target's tokens. Weights are random."""
    sizes = {"width": width, "layers": LAYERS, "heads": HEADS, "feedforward": 4 * width}
    torch.manual_seed(0)
    ours = Transformer(VOCABULARY, **sizes, dropout=0.1)
    found: dict[str, tuple[torch.nn.Module, Loss]] = {"transformer": (ours, lambda x, y: ours.nll(x, y).sum())}
    if find_spec("fairseq"):
        adapted = FairseqTransformer(VOCABULARY, **sizes, dropout=0.1)
        bare = Fairseq({"sizes": sizes, "dropouts": [0.1, 0.0, 0.0], "vocabulary": VOCABULARY, "batches": []})
        found["fairseq, bare"] = (bare.model, bare.loss)
        found["fairseq, adapted"] = (adapted, lambda x, y: adapted.nll(x, y).sum())
    for kind in ("bart", "t5"):
        for kept in ("bare", "adapted"):
            torch.manual_seed(0)
            model = HuggingFace(VOCABULARY, name=kind, pretrained=False, own_tokenizer=False, specials=Specials(),
                                settings=settings(kind, width), dropout=0.1)  # fmt: skip

            def alone(source: Tensor, target: Tensor, model: HuggingFace = model) -> Tensor:
                labels = target.masked_fill(target == 0, -100)
                given = model.bare(input_ids=source, attention_mask=(source != 0).long(), labels=labels)
                return given.loss * (target != 0).sum()

            def through(source: Tensor, target: Tensor, model: HuggingFace = model) -> Tensor:
                return model.nll(source, target).sum()

            found[f"{kind}, {kept}"] = (model, through if kept == "adapted" else alone)
    return found


def batch(rows: int, length: int) -> Tensor:
    """Random rows of half to all of the length that end in eos."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, VOCABULARY, (rows, length), generator=generator)
    for row, end in zip(ids, torch.randint(length // 2, length, (rows,), generator=generator).tolist(), strict=True):
        row[end], row[end + 1 :] = 2, 0
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, default in {"rounds": 5, "threads": 2, "width": 256, "rows": 40, "length": 90}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="where the table is written, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    source, target = batch(options.rows, options.length), batch(options.rows, options.length).flip(0)
    tokens = int((target != 0).sum())
    models = contenders(options.width)
    optimizers = {name: torch.optim.AdamW(model.parameters(), 1e-4, fused=True) for name, (model, _) in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(options.rounds + 1):
        for name, (_, loss) in models.items():
            started = time.process_time()
            optimizers[name].zero_grad()
            (loss(source, target) / tokens).backward()
            optimizers[name].step()
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - started)
    lines = [
        "| backend | target tokens per CPU second | CPU time, of that of ours | of that of the bare model |",
        "| :-- | --: | --: | --: |",
    ]
    for name, taken in seconds.items():
        against = ["transformer", name.replace("adapted", "bare") if "adapted" in name else None]
        ratios = [
            f"{statistics.median(a / b for a, b in zip(taken, seconds[other], strict=True)):.3f}" if other else ""
            for other in against
        ]
        lines.append(f"| {name} | {tokens / statistics.median(taken):,.0f} | {ratios[0]} | {ratios[1]} |")
    if "fairseq, bare" not in models:
        lines += ["", "fairseq is not installed here: `make fairseq` adds its rows."]
    print("\n".join(lines))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
