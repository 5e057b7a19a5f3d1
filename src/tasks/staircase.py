"""Numbers: the staircases of the theory. Rounding is the denoiser; training takes seconds and has a loop of its own.

A run that is stopped starts over. Left out: Lightning, devices, checkpoints to resume from.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TextIO

import torch
from torch import Tensor

from composed.config import Config
from composed.config.instantiate import instantiate
from composed.config.optim import FullBatch
from composed.config.other_tasks import Staircase as Settings
from composed.config.pretraining import Rounding as RoundingSettings
from composed.config.structure import narrowed
from composed.datamodules.staircase import Staircase
from composed.errors import TrainingError
from composed.models.pathwise import squared_error
from composed.models.staircase import Networks, Rounding, turns
from composed.models.weights import save_weights
from composed.runs.folder import RunFolder
from composed.system.files import write_lines
from composed.tasks.task import Task, Trained
from composed.tasks.threads import threads

TEST_POINTS = 25  # of a step, both edges included


@contextmanager
def without_subnormals() -> Iterator[None]:
    """They are slow: the squared gradients of units that the penalty has shrunk to nothing."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@dataclass(frozen=True)
class StaircaseTask(Task):
    """Several staircases, each learned by a network of its own, all of them side by side."""

    config: Config
    stairs: Sequence[Staircase]

    learns_denoiser = False
    signature = ""
    tests = ("id", "ood")

    @classmethod
    def open(cls, config: Config) -> "StaircaseTask":
        task = cls(config, [])
        stairs = [Staircase(int(steps), float(width), float(gap)) for steps, width, gap in task.settings.staircases]
        return replace(task, stairs=stairs)

    @property
    def settings(self) -> Settings:
        return narrowed(self.config.task, Settings)

    def predictor(self, *, seed: int) -> Networks:
        torch.manual_seed(seed)
        make = instantiate(self.config.model, _partial_=True)
        return make([stair.half for stair in self.stairs], [(stair.steps - 1) / 2 for stair in self.stairs])

    def denoiser(self, *, seed: int = 0, dropout: float | None = None) -> Rounding:
        """It is not trained."""
        settings = narrowed(self.config.pretraining, RoundingSettings)
        softness = settings.margin * torch.tensor([stair.room for stair in self.stairs])[:, None]
        return Rounding(softness, straight_through=settings.gradient == "straight_through")

    def train_itself(self, folder: RunFolder, loggers: Sequence[Any]) -> Trained:
        """Trains the networks of all staircases at once, each loss its own; writes weights and metrics."""
        with without_subnormals(), threads(self.config.trainer.threads or 1):  # the networks are small
            return _Loop(self, folder, loggers).run()

    def predict(self, folder: RunFolder, f: Any, composition: Any) -> None:
        """f and Pi(f(x)) at points of every step, learned (`id`) and beyond (`ood`)."""
        halves, slopes = [stair.half for stair in self.stairs], [stair.line_cost / 2 for stair in self.stairs]
        about = list(zip(f.complexity().tolist(), turns(f, halves, slopes), strict=True))
        rows: dict[str, list[dict[str, Any]]] = {"id": [], "ood": []}
        for index, stair in enumerate(self.stairs):
            for split, (x, y) in self._points(stair).items():
                with torch.no_grad():
                    base = f(x.expand(len(self.stairs), -1))[index]
                rows[split].append(
                    {
                        "staircase": [stair.steps, stair.width, stair.gap],
                        "complexity": about[index][0],
                        "turns": about[index][1],
                        "x": x.tolist(),
                        "target": y.tolist(),
                        "base": base.tolist(),
                        "composition": base.round().tolist(),
                    }
                )
        for split, lines in rows.items():
            write_lines(folder.predictions(split), lines)

    def _points(self, stair: Staircase) -> dict[str, tuple[Tensor, Tensor]]:
        """Inputs and targets of each test set."""
        beyond = self.settings.beyond
        left = stair.points(TEST_POINTS, -beyond, 0)
        right = stair.points(TEST_POINTS, stair.steps, stair.steps + beyond)
        outside = torch.cat([left[0], right[0]]), torch.cat([left[1], right[1]])
        return {"id": stair.points(TEST_POINTS), "ood": outside}

    def facts(self, f: Any) -> dict[str, Any]:
        return {"splits": [*self.tests]}


class _Loop:
    """The updates of all networks: one batch of all points each, at a rate that falls to 0."""

    def __init__(self, task: StaircaseTask, folder: RunFolder, loggers: Sequence[Any]) -> None:
        config = task.config
        self.folder, self.loggers = folder, loggers
        self.mode, self.settings = config.finetuning, narrowed(config.optim, FullBatch)
        points = [stair.points(task.settings.points // stair.steps) for stair in task.stairs]
        self.inputs, self.targets = (torch.stack(list(side)) for side in zip(*points, strict=True))  # (E, P)
        self.networks = task.predictor(seed=config.seed)
        self.rounding = task.denoiser()
        self.estimator = instantiate(config.estimator)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.settings.lr, fused=True)

    def run(self) -> Trained:
        """Raises TrainingError where the loss is not finite."""
        self.folder.metrics.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.metrics.open("w", encoding="utf-8", buffering=1) as file:  # a line is there once it is written
            return self._run(file)

    def _run(self, file: TextIO) -> Trained:
        count = self.settings.updates
        for update in range(count):
            self.optimizer.param_groups[0]["lr"] = self.settings.lr * (1 - update / count)
            total, metrics = self._losses()
            self.optimizer.zero_grad()
            total.sum().backward()
            self.optimizer.step()
            if (update + 1) % self.settings.record_every == 0:
                file.write(json.dumps(self._record(update, total, metrics)) + "\n")
        save_weights(self.folder.checkpoints / "best.safetensors", self.networks, {"what": "base predictor"})
        best = {"update": count, "selection": total.detach().mean().item()}
        return Trained(self.networks, count, best)

    def _losses(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Of each network, (E,), and what it is made of."""
        total = 2 * self.settings.l2 * self.networks.complexity()
        metrics = {}
        if self.mode.base_weight:
            metrics["loss"] = squared_error(self.networks(self.inputs), self.targets)
            total = total + self.mode.base_weight * metrics["loss"]
        if self.mode.train_through:
            cost = self.estimator.surrogate(self.networks, self.rounding, self.inputs, self.targets)
            metrics["composed_loss"] = cost
            total = total + self.mode.composed_weight * cost
        return total, metrics

    def _record(self, update: int, total: Tensor, metrics: dict[str, Tensor]) -> dict[str, Any]:
        numbers = {name: value.detach().mean().item() for name, value in metrics.items()}
        numbers["lr"] = self.optimizer.param_groups[0]["lr"]
        if not torch.isfinite(total).all():
            raise TrainingError(f"the loss is not finite at update {update}; try a smaller optim.lr")
        for logger in self.loggers:
            logger.log_metrics({f"training/{name}": number for name, number in numbers.items()}, step=update + 1)
        return {"stage": self.mode.name, "split": "training", "update": update + 1, **numbers}
