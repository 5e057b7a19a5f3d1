"""Training, scoring and sampling speed of the transformer, against torch.nn.Transformer of the same size.

    python benchmarks/engine.py [--rounds 5] [--width 128 --layers 2 --heads 4 --rows 32 --length 60]

Each round times every contender once, in turn; the table gives medians and the ratio round by round, in CPU seconds
(robust on a busy machine) and wall seconds. The peer decodes without a cache, as torch.nn.Transformer has none.
"""

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.conf import cpu_precision
from composed.models.composition import freeze
from composed.models.estimators import reinforce, rloo
from composed.models.transformer import Transformer, sinusoids

VOCABULARY = 180


class Peer(nn.Module):
    """torch.nn.Transformer with the same embedding, positions, sizes and loss."""

    def __init__(self, width: int, layers: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(VOCABULARY, width, padding_idx=0)
        self.core = nn.Transformer(
            width, heads, layers, layers, feedforward, dropout, batch_first=True, norm_first=True
        )
        self.register_buffer("positions", sinusoids(1024, width))

    def embed(self, ids: Tensor) -> Tensor:
        return self.embedding(ids) * math.sqrt(self.width) + self.positions[: ids.shape[1]]

    def scores(self, source: Tensor, shifted: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(shifted.shape[1])
        hidden = self.core(self.embed(source), self.embed(shifted), tgt_mask=mask, tgt_is_causal=True)
        return F.linear(hidden, self.embedding.weight)

    def nll(self, source: Tensor, target: Tensor) -> Tensor:
        scores = self.scores(source, F.pad(target[:, :-1], (1, 0), value=1))
        return F.cross_entropy(scores.flatten(0, 1).float(), target.flatten(), ignore_index=0, reduction="sum")

    @torch.no_grad()
    def predict(self, source: Tensor, max_length: int) -> Tensor:
        rows = torch.ones(len(source), 1, dtype=torch.long)
        for _ in range(max_length):
            rows = torch.cat([rows, self.scores(source, rows)[:, -1].argmax(-1, keepdim=True)], 1)
        return rows[:, 1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("width", 128), ("layers", 2), ("heads", 4), ("rows", 32), ("length", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    sizes = {"layers": options.layers, "heads": options.heads, "feedforward": 4 * options.width, "dropout": 0.1}
    torch.manual_seed(0)
    ours = Transformer(VOCABULARY, width=options.width, **sizes)
    denoiser = freeze(Transformer(VOCABULARY, width=options.width, **sizes))
    peer = Peer(options.width, **sizes)
    source = torch.randint(4, VOCABULARY, (options.rows, options.length))
    target = torch.randint(4, VOCABULARY, (options.rows, options.length))
    tokens = target.numel()
    optimizers = {model: torch.optim.AdamW(model.parameters(), 1e-4, fused=True) for model in (ours, peer)}

    def step(model: nn.Module, precision: str, term: Callable[[], Tensor] | None = None) -> Callable[[], None]:
        def run() -> None:
            model.train()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
                loss = model.nll(source, target).sum() + (term() if term else 0.0)
            optimizers[model].zero_grad()
            (loss / tokens).backward()
            optimizers[model].step()

        return run

    def composed(estimator) -> Callable[[], Tensor]:
        return lambda: estimator.surrogate(ours, denoiser, source, target, max_length=options.length).sum()

    def decode(model: nn.Module) -> Callable[[], None]:
        def run() -> None:
            model.eval()
            with torch.no_grad():
                model.predict(source, max_length=options.length)

        return run

    best = cpu_precision()
    contenders = {
        "training step, torch.nn.Transformer, fp32": step(peer, "32-true"),
        "training step, fp32": step(ours, "32-true"),
        f"training step, {best}": step(ours, best),
        f"composed step, reinforce 1 sample, {best}": step(ours, best, composed(reinforce(1))),
        f"composed step, rloo 4 samples, {best}": step(ours, best, composed(rloo(4))),
        "greedy decoding, torch.nn.Transformer (no cache)": decode(peer),
        "greedy decoding": decode(ours),
    }
    against = {
        "training step, fp32": "training step, torch.nn.Transformer, fp32",
        f"training step, {best}": "training step, torch.nn.Transformer, fp32",
        f"composed step, reinforce 1 sample, {best}": f"training step, {best}",
        f"composed step, rloo 4 samples, {best}": f"training step, {best}",
        "greedy decoding": "greedy decoding, torch.nn.Transformer (no cache)",
    }
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for round_ in range(options.rounds + 1):
        for name, run in contenders.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            if round_:  # the first round warms up
                seen[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"load {os.getloadavg()[0]:.1f}; {options.rows} rows of {options.length} tokens, width {options.width}, "
        f"{options.layers}+{options.layers} layers; {options.rounds} rounds"
    )
    print(f"{'':<52} {'CPU ms':>8} {'wall ms':>8} {'tokens/s':>9}   CPU time relative to")
    for name, times in seen.items():
        cpu, wall = (statistics.median(column) for column in zip(*times, strict=True))
        line = f"{name:<52} {cpu * 1e3:8.0f} {wall * 1e3:8.0f} {tokens / wall:9,.0f}"
        if name in against:
            ratios = sorted(mine[0] / other[0] for mine, other in zip(times, seen[against[name]], strict=True))
            middle = statistics.median(ratios)
            line += f"   {middle:.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}] x {against[name]}"
        print(line)


if __name__ == "__main__":
    main()
