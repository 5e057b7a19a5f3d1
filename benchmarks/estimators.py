"""How well each estimator's gradient points, and what it costs, on SansType batches with an f in mid-training.

    python benchmarks/estimators.py [--updates 750] [--batches 3] [--draws 16] [--reference 512] [--out FOLDER]

f starts from the denoiser and learns from the labeled pairs for some of its 1,000 updates (profile=quick). Then, for
batches that it has learned from, the gradient of two losses is found with many samples per pair: of E[c(z)], the mean
loss of Pi, and of -log E[Pi(y|z)], the loss of the composition. Each estimator is held against both:

- `cosine`: of one estimate (one batch) with that gradient;
- `in 1 s`: of the mean of as many estimates as one second of CPU time gives, the bias included;
- `noise`: the variance of one estimate, summed over parameters, divided by the squared length of its mean. Above
  some 30 the mean of the draws is noise itself, and this column says no more than that.

Cosines are corrected for the noise of the references. One thread, so that CPU seconds count work and not waiting.
"""

import argparse
import math
import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from torch import Tensor

from composed.config import Config
from composed.datamodules.batching import Batch, Updates
from composed.experiment.denoiser import denoiser_weights, frozen_denoiser
from composed.models.composition import as_source
from composed.models.estimators import Estimator, posterior, reinforce, rloo, self_critical, vimco
from composed.models.relaxations import expected_embedding, gumbel, straight_through
from composed.models.sequence import Draws
from composed.models.transformer import Transformer
from composed.tasks.text import TextTask

ESTIMATORS: dict[str, Estimator] = {
    "reinforce, 1 sample": reinforce(1),
    "reinforce, 4 samples": reinforce(4),
    "reinforce, 1 sample, published quirks": reinforce(1, published_quirks=True),
    "self_critical, 1 sample": self_critical(1),
    "rloo, 2 samples": rloo(2),
    "rloo, 4 samples": rloo(4),
    "rloo, 8 samples": rloo(8),
    "rloo, 4 samples, dropout": rloo(4, dropout=True),
    "rloo, 4 samples, cap 1": rloo(4, cap=1.0),
    "rloo, 4 samples, reach 4": rloo(4, reach=4.0),
    "rloo, 4 samples, reach 1": rloo(4, reach=1.0),
    "rloo, 2 samples, reach 2": rloo(2, reach=2.0),
    "vimco, 4 samples": vimco(4),
    "posterior, 4 samples": posterior(4),
    "posterior, 8 samples": posterior(8),
    "straight_through, 1 sample": straight_through(1),
    "straight_through, greedy": straight_through(greedy=True),
    "gumbel, 1 sample": gumbel(1),
    "gumbel, 1 sample, temperature 0.3": gumbel(1, temperature=0.3),
    "gumbel, 1 sample, hard": gumbel(1, hard=True),
    "expected_embedding, 1 sample": expected_embedding(1),
    "expected_embedding, greedy": expected_embedding(greedy=True),
}


class Toward(NamedTuple):
    """The gradient of a loss from two independent halves of the samples: their mean, and its squared length."""

    mean: Tensor
    square: float

    @staticmethod
    def of(first: Tensor, second: Tensor) -> "Toward":
        return Toward((first + second) / 2, float(first @ second))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=750, help="that f has learned for")
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--draws", type=int, default=16, help="estimates per estimator and batch")
    parser.add_argument("--reference", type=int, default=512, help="samples per pair of the references")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/estimators"))
    parser.add_argument("settings", nargs="*", help="of the config, such as store=FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with initialize_config_module("composed.conf", version_base="1.3"):
        node = OmegaConf.to_container(compose("config", ["profile=quick", *options.settings]), resolve=True)
    task = TextTask.open(config := Config.of(node))  # type: ignore[arg-type]
    denoiser = frozen_denoiser(task, denoiser_weights(task, "composed-train"))
    assert denoiser is not None
    f, batches = trained(config, task, denoiser, options.updates, options.batches, options.seed)
    torch.manual_seed(options.seed)
    rows: dict[str, list[list[float]]] = {name: [] for name in ESTIMATORS}
    for batch in batches:
        toward = references(f, denoiser, batch, options.reference, task.max_length)
        for name, estimator in ESTIMATORS.items():
            rows[name].append(measured(estimator, f, denoiser, batch, toward, options.draws, task.max_length))
    table = as_table({name: [sum(c) / len(c) for c in zip(*each, strict=True)] for name, each in rows.items()})
    command = (
        f"python benchmarks/estimators.py --updates {options.updates} --batches {options.batches} "
        f"--draws {options.draws} --reference {options.reference} --seed {options.seed}"
    )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, 1 thread, PyTorch {torch.__version__}"
    text = (
        f"# Estimators on SansType, quick profile\n\n    {command}\n\n"
        f"{machine}, {time.strftime('%Y-%m-%d', time.gmtime())}; means over {len(batches)} batches of "
        f"{'/'.join(str(len(batch.source)) for batch in batches)} pairs. What the columns mean: the header of "
        f"`benchmarks/estimators.py`.\n\n{table}"
    )
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "README.md").write_text(text, encoding="utf-8")


def trained(
    config: Config, task: TextTask, denoiser: Transformer, updates: int, batches: int, seed: int
) -> tuple[Transformer, list[Batch]]:
    """An f after some updates of standard fine-tuning, and batches of its training data."""
    f: Any = task.model(seed=seed)
    f.load_state_dict(denoiser.state_dict())
    f.requires_grad_(True).train()
    settings = task.optim(config.optim)
    optimizer = torch.optim.AdamW(
        f.parameters(), betas=settings.betas, weight_decay=settings.weight_decay, fused=True, lr=settings.lr
    )
    stream = Updates(task.pairs(task.data.train), batch_tokens=settings.batch_tokens, accumulate=1, seed=seed)
    stream.stop = updates
    for batch in stream:
        optimizer.param_groups[0]["lr"] = settings.rate(batch.update)
        with autocast():
            loss = f.nll(batch.source, batch.target).sum() / batch.tokens
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stream.position, stream.stop = updates, updates + batches
    return f, list(stream)


def references(f: Transformer, denoiser: Transformer, batch: Batch, samples: int, max_length: int) -> list[Toward]:
    """Of E[c(z)] and of -log E[Pi(y|z)]."""
    halves: list[list[Tensor]] = [[], []]
    f.eval()
    for _half in range(2):
        chunks, costs = [], []
        with torch.no_grad(), autocast():
            for _ in range(samples // 2 // 16):
                z = f.sample(batch.source, 16, draws=Draws(max_length=max_length))
                chunks.append(z)
                source = as_source(z, denoiser.specials.pad, denoiser.specials.eos)
                costs.append(denoiser.nll(source, batch.target.repeat_interleave(16, 0)).view(-1, 16, 1))
        for which, make in enumerate((rloo, posterior)):
            weights = make(len(chunks) * 16).weigh(torch.cat(costs, 1), None)[..., 0].split(16, 1)
            f.zero_grad()
            for z, weight in zip(chunks, weights, strict=True):
                with autocast():
                    (-f.nll(batch.source, z).view(-1, 16) * weight).sum().backward()
            halves[which].append(flat(f))
    f.train()
    return [Toward.of(*pair) for pair in halves]


def measured(
    estimator: Estimator,
    f: Transformer,
    denoiser: Transformer,
    batch: Batch,
    toward: list[Toward],
    draws: int,
    max_length: int,
) -> list[float]:
    """CPU milliseconds of an estimate, its noise, and per reference the cosine of one and of a second's."""

    def estimate() -> Tensor:
        f.zero_grad()
        with autocast():
            loss = estimator.surrogate(
                f, denoiser, batch.source, batch.target, draws=Draws(max_length=max_length)
            ).sum()
        loss.backward()
        return flat(f)

    estimate()  # kernels are made for shapes they have not met
    began = time.process_time()
    drawn = torch.stack([estimate() for _ in range(draws)])
    seconds = (time.process_time() - began) / draws
    mean = drawn.mean(0)
    variance = float(drawn.var(0).sum())
    square = max(float(mean @ mean) - variance / draws, 1e-12)  # of the true mean

    def cosine(to: Toward, count: float) -> float:
        return float(mean @ to.mean) / math.sqrt(max(to.square, 1e-12) * (square + variance / count))

    return [seconds * 1e3, variance / square, *(cosine(to, n) for to in toward for n in (1, max(1, 1 / seconds)))]


def as_table(rows: dict[str, list[float]]) -> str:
    lines = [
        "| estimator | CPU ms | noise | cosine with grad E[c] | in 1 s | with grad -log E[Pi] | in 1 s |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    for name, (ms, noise, *cosines) in rows.items():
        columns = [name, f"{ms:.0f}", f"{noise:.1f}" if noise < 200 else "> 200", *(f"{c:.2f}" for c in cosines)]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def flat(f: Transformer) -> Tensor:
    return torch.cat([p.grad.flatten() for p in f.parameters() if p.grad is not None])


def autocast() -> torch.autocast:
    """As in training on this machine."""
    return torch.autocast("cpu", torch.bfloat16)


if __name__ == "__main__":
    main()
