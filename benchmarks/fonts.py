"""Images per CPU second of all in the font task: drawing, batches, noises, training steps; profile=quick, one thread.

    python benchmarks/fonts.py

Rounds are interleaved and each figure is the median over them: other work on the machine hits all alike. The noise
and the batches must be faster than the training step that waits for them. Writes results/fonts-quick/speed.md.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from composed.config import Config
from composed.datamodules.fonts import outlines
from composed.datamodules.fonts.noise import NOISES
from composed.models.composition import freeze
from composed.runs.folder import environment
from composed.system.files import write_text
from composed.tasks.image import ImageTask

ROUNDS, REPEATS, BATCH = 7, 3, 128


def configuration() -> Config:
    with initialize_config_module("composed.conf", version_base="1.3"):
        return Config.of(OmegaConf.to_container(compose("config", ["task=fonts", "profile=quick"]), resolve=True))  # type: ignore


def works() -> dict[str, tuple[int, Callable[[], Any]]]:
    """What is measured, with the images that one call handles."""
    config = configuration()
    task = ImageTask.open(config)
    rows = list(range(BATCH))
    batch = task.splits.train.batch(rows)
    pi = freeze(task.denoiser(seed=0))
    f = task.predictor(seed=0)
    denoiser = task.denoiser(seed=0)
    drawings = list(outlines.bundled(task.characters))
    face = iter(range(10**9))

    def draw() -> None:
        index = next(face)
        drawing, strokes = drawings[index % len(drawings)]
        outlines.fit(drawing, outlines.Look.draw(np.random.default_rng(index), strokes=strokes), task.size)

    def step(model: torch.nn.Module, source: torch.Tensor, through: torch.nn.Module | None) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.trainer.precision.startswith("bf16")):
            output = model(source)
            loss = ((through(output) if through else output) - batch.target).square().mean()
        loss.backward()
        model.zero_grad()

    found: dict[str, tuple[int, Callable[[], Any]]] = {
        "drawing faces": (len(task.characters), draw),
        "batches of labeled images": (BATCH, lambda: task.splits.train.batch(rows)),
    }
    for name, kind in NOISES.items():
        found[f"noise: {name}"] = BATCH, lambda kind=kind: kind()(batch.target, torch.Generator())
    return found | {
        "denoiser, training step": (BATCH, lambda: step(denoiser, batch.target, None)),
        "f alone, training step": (BATCH, lambda: step(f, batch.source, None)),
        "f through the denoiser, training step": (BATCH, lambda: step(f, batch.source, pi)),
    }


def main() -> None:
    torch.set_num_threads(1)
    measured = works()
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, (images, call) in measured.items():
            call()
            started = time.process_time()
            for _ in range(REPEATS):
                call()
            rates[name].append(images * REPEATS / (time.process_time() - started))
    place = environment()
    lines = [
        "# Fonts: images per CPU second",
        "",
        "    python benchmarks/fonts.py",
        "",
        f"One thread, batches of {BATCH}, profile=quick; median and range of {ROUNDS} interleaved rounds.",
        "",
        "| | images/s | range |",
        "| :-- | --: | --: |",
        *(
            f"| {name} | {statistics.median(of):,.0f} | {min(of):,.0f} to {max(of):,.0f} |"
            for name, of in rates.items()
        ),
        "",
        f"- machine: {place['processor']}; code: {place['git_revision']}; PyTorch {place['packages']['torch']}",
    ]
    print("\n".join(lines))
    write_text(Path("results/fonts-quick/speed.md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
