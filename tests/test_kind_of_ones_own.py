"""A kind of output from outside: data, model, loss and judge in one file, and no line of the package changed.

f maps two numbers to one; its outputs are whole numbers, and the denoiser learns to round what noise has moved.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from torch import Tensor, nn

from composed.config import Config
from composed.config.options import with_own_options
from composed.config.structure import plain
from composed.datamodules.batching import Batch
from composed.experiment.run import run
from composed.judges.scores import OUTPUTS, Measure, Scores
from composed.reporting.report import write_report
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.files import read_lines, write_lines
from composed.tasks.loss import ComposedTerm, Terms
from composed.tasks.module import Optim
from composed.tasks.task import Task

OPTION = """\
# @package _global_
# Whole numbers from two others.
defaults:
  - override /finetuning: composed_pathwise
  - override /estimator: pathwise
  - override /pretraining: denoise_images
  - override /model: relu
  - override /optim: adam_images
task: {name: toy, kind: toy, judge: toy, title: Toy, examples: 64}
"""
SIZES = """\
# @package _global_
pretraining: {optim: {updates: 60, batch_size: 16, lr: 0.01, validate_every: 30, checkpoint_every: 30}}
optim: {updates: 60, batch_size: 16, lr: 0.01, validate_every: 30, checkpoint_every: 30}
"""


# -- data and model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Points:
    """sources (N, D), targets (N, 1)."""

    sources: Tensor
    targets: Tensor

    @classmethod
    def drawn(cls, count: int, seed: int) -> "Points":
        sources = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 3
        return cls(sources, sources.sum(1, keepdim=True).round())

    def noised(self, seed: int) -> "Points":
        noise = torch.rand(self.targets.shape, generator=torch.Generator().manual_seed(seed)) - 0.5
        return Points(self.targets + noise, self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def cost(self) -> np.ndarray:
        return np.ones(len(self))

    def size(self, row: int) -> int:
        return 1

    def batch(self, rows: Sequence[int], tokens: int = 0, update: int = 0, part: int = 0) -> Batch:
        return Batch(self.sources[rows], self.targets[rows], torch.tensor(rows), tokens, update, part)


def network(inputs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, 1))


# -- loss -------------------------------------------------------------------------------------------------------------


class Distance:
    unit = "points"
    remedy = "Try a smaller optim.lr."

    def terms(
        self, f: Any, batch: Batch, term: ComposedTerm | None, *, smoothing: float, uniforms: Callable[[], Tensor]
    ) -> Terms:
        base = (f(batch.source) - batch.target).abs().flatten(1).mean(1)
        composed = term and term.estimator.surrogate(f, term.denoiser, batch.source, batch.target)
        return Terms(base, composed, len(base))

    def sums(self, f: Any, batch: Batch, term: ComposedTerm | None) -> Tensor:
        outputs = f(batch.source)
        read = outputs if term is None else term.denoiser(outputs)
        sums = [(values - batch.target).abs().sum().double() for values in (outputs, read)]
        return torch.stack([*sums, torch.tensor(len(outputs), dtype=torch.float64)])


# -- the kind ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Toy(Task):
    config: Config
    train: Points

    loss = Distance()
    signature = "two numbers"
    tests = ("near", "far", "farther")

    @classmethod
    def open(cls, config: Config) -> "Toy":
        return cls(config, Points.drawn(config.task.examples, seed=0))

    def predictor(self, *, seed: int) -> nn.Module:
        return network(2, seed)

    def denoiser(self, *, seed: int, dropout: float | None = None) -> nn.Module:
        return network(1, seed)

    def optim(self, settings: Any) -> Optim:
        names = ("updates", "lr", "decay", "clip", "validate_every", "select", "checkpoint_every")
        kept = {name: getattr(settings, name) for name in names}
        more = {"accumulate": 1, "warmup": 0, "initial_lr": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0}
        return Optim(**kept, **more, batch_tokens=settings.batch_size, betas=settings.betas)

    def examples(self, split: str) -> Points:
        return self.train if split == "train" else Points.drawn(32, seed=1)

    def denoising(self, split: str, *, seed: int, fresh: bool = False) -> Points:
        return self.examples("train" if split == "unlabeled" else "val").noised(seed)

    def identity_of_denoiser(self) -> dict[str, Any]:
        return {"toy": self.config.task.examples, "pretraining": plain(self.config.pretraining)}

    @torch.no_grad()
    def predict(self, folder: RunFolder, f: nn.Module, composition: Any) -> None:
        for seed, test in enumerate(self.tests, 2):
            points = Points.drawn(20, seed)
            points = replace(points, sources=points.sources + seed - 2, targets=points.targets + 2 * (seed - 2))
            outputs = {"base": f(points.sources)}
            if composition is not None:
                outputs["composition"] = composition(outputs["base"])
            rows = [
                {"output": output, "target": target, "value": value}
                for output, values in outputs.items()
                for value, target in zip(values[:, 0].tolist(), points.targets[:, 0].tolist(), strict=True)
            ]
            write_lines(folder.predictions(test), rows)

    def facts(self, f: nn.Module) -> dict[str, Any]:
        return {"splits": [*self.tests]}


# -- the judge --------------------------------------------------------------------------------------------------------


def score(predictions: dict[str, list[dict[str, Any]]]) -> Scores:
    values: dict[str, dict[str, dict[str, float]]] = {}
    for test, rows in predictions.items():
        for output in OUTPUTS:
            if errors := [abs(row["value"] - row["target"]) for row in rows if row["output"] == output]:
                values.setdefault(output, {})[test] = {"distance": float(np.mean(errors))}
    count = {test: sum(row["output"] == "base" for row in rows) for test, rows in predictions.items()}
    return Scores([Measure("distance", "lower")], values, count, dict.fromkeys(predictions, "always the same"))


# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Iterator[Callable[..., RunFolder]]:
    """Puts the kind and its judge into the package, and their options into a folder; trains with some overrides."""
    kind, judge = ModuleType("composed.tasks.toy"), ModuleType("composed.judges.toy")
    kind.Toy, judge.score = Toy, score  # type: ignore[attr-defined]
    for module in (kind, judge):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(Toy, "__module__", kind.__name__)
    for place, text in (("task/toy", OPTION), ("sizes/toy_smoke", SIZES)):
        path = tmp_path / "mine" / f"{place}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    places = with_own_options(["--config-dir", str(tmp_path / "mine")])

    def train(*words: str) -> RunFolder:
        kept = [f"runs={tmp_path}/runs", f"store={tmp_path}/store", "logger=csv", "trainer.precision=32-true"]
        settings = [*places, "task=toy", "profile=smoke", *kept, *words]
        with initialize_config_module("composed.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("config", settings), resolve=True)
        return run(Config.of(config), settings)  # type: ignore[arg-type]

    yield train
    with_own_options([])


def test_it_goes_from_a_config_to_a_table_and_a_page(toy, tmp_path, capsys):
    alone, through = toy("finetuning=baseline"), toy()
    for folder, outputs in ((alone, {"base", "composition"}), (through, {"base", "composition"})):
        result = Result.read(folder.result)
        assert result.scores.values.keys() == outputs
        assert result.scores.examples == {"near": 20, "far": 20, "farther": 20}
        stages = {row["split"] for row in read_lines(folder.metrics)}
        assert stages == {"training", "validation"}
    composed = [row["composed_loss"] for row in read_lines(through.metrics) if row["split"] == "validation"]
    assert composed[-1] < composed[0]
    assert len([*(tmp_path / "store").glob("denoiser-*/best.safetensors")]) == 1  # one for both runs
    write_report([tmp_path / "runs"], tmp_path / "report")
    assert "Toy" in capsys.readouterr().out
    table = (tmp_path / "report" / "table.csv").read_text()
    for cell in ("baseline", "composed_pathwise", "near", "far", "farther", "distance"):
        assert cell in table
    assert "Toy" in (tmp_path / "report" / "report.html").read_text()


def test_this_file_is_short():
    assert len(Path(__file__).read_text().splitlines()) < 250
