"""Runs of `task.kind=curve`, the staircases: training in seconds, predictions, and what they say about complexity.

A run that is stopped starts over. Left out: Lightning, devices, checkpoints to resume from.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from composed.config.instantiate import instantiate
from composed.datamodules.staircase import Staircase
from composed.errors import TrainingError
from composed.models.pathwise import squared_error
from composed.models.staircase import Networks, Rounding, turns
from composed.models.weights import load_weights, save_weights
from composed.runs.folder import RunFolder
from composed.system.files import read_json, read_lines, write_json, write_lines, write_text
from composed.training.fit import threads

TEST_POINTS = 25  # of a step, both edges included
MEASURES = {"error": "lower", "wrong steps, %": "lower", "complexity": "lower", "turns": "lower"}


def staircases(config: dict[str, Any]) -> list[Staircase]:
    return [Staircase(int(steps), float(width), float(gap)) for steps, width, gap in config["task"]["staircases"]]


@contextmanager
def without_subnormals() -> Iterator[None]:
    """They are slow: the squared gradients of units that the penalty has shrunk to nothing."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train_and_predict(folder: RunFolder, config: dict[str, Any], loggers: list[Any]) -> None:
    """Trains the networks of all staircases at once, each loss its own, and writes weights, metrics and predictions."""
    with without_subnormals(), threads(config["trainer"]["threads"] or 1):  # the networks are small
        _train_and_predict(folder, config, loggers)


def _train_and_predict(folder: RunFolder, config: dict[str, Any], loggers: list[Any]) -> None:
    stairs, mode, settings = staircases(config), config["finetuning"], config["optim"]
    started = time.monotonic()
    points = [stair.points(config["task"]["points"] // stair.steps) for stair in stairs]
    inputs, targets = (torch.stack(list(side)) for side in zip(*points, strict=True))  # (E, P)
    torch.manual_seed(config["seed"])
    networks = make_networks(config, stairs)
    rounding, estimator = make_rounding(config, stairs), instantiate(config["estimator"], _convert_="all")
    optimizer = torch.optim.Adam(networks.parameters(), lr=settings["lr"], fused=True)
    rows = []
    for update in range(settings["updates"]):
        optimizer.param_groups[0]["lr"] = settings["lr"] * (1 - update / settings["updates"])
        total = 2 * settings["l2"] * networks.complexity()  # (E,)
        metrics = {}
        if mode["base_weight"]:
            metrics["loss"] = squared_error(networks(inputs), targets)
            total = total + mode["base_weight"] * metrics["loss"]
        if mode["train_through"]:
            metrics["composed_loss"] = estimator.surrogate(networks, rounding, inputs, targets)
            total = total + mode["composed_weight"] * metrics["composed_loss"]
        optimizer.zero_grad()
        total.sum().backward()
        optimizer.step()
        if (update + 1) % settings["record_every"] == 0:
            numbers = {name: value.detach().mean().item() for name, value in metrics.items()}
            numbers["lr"] = optimizer.param_groups[0]["lr"]
            if not torch.isfinite(total).all():
                raise TrainingError(f"the loss is not finite at update {update}; try a smaller optim.lr")
            rows.append({"stage": mode["name"], "split": "training", "update": update + 1, **numbers})
            for logger in loggers:
                logger.log_metrics({f"training/{name}": number for name, number in numbers.items()}, step=update + 1)
    write_text(folder.metrics, "".join(json.dumps(row) + "\n" for row in rows))
    save_weights(folder.checkpoints / "best.safetensors", networks, {"what": "base predictor"})
    seconds = {"training": round(time.monotonic() - started, 1)}
    seconds["prediction"] = predict(folder, config, networks)
    best = {"update": settings["updates"], "selection": total.detach().mean().item()}
    facts = {
        "updates": settings["updates"],
        "best": best,
        "resumed": False,
        "seconds": seconds,
        "splits": ["id", "ood"],
        "denoiser": None,  # rounding has no weights
    }
    write_json(folder.training, facts)


def predict(folder: RunFolder, config: dict[str, Any], networks: Networks) -> float:
    """Writes f and Pi(f) at points of every step, learned (`id`) and beyond (`ood`). Returns the seconds it took."""
    started = time.monotonic()
    stairs, beyond = staircases(config), config["task"]["beyond"]
    halves, slopes = [stair.half for stair in stairs], [stair.line_cost / 2 for stair in stairs]
    found = zip(networks.complexity().tolist(), turns(networks, halves, slopes), strict=True)
    about = [{"complexity": complexity, "turns": count} for complexity, count in found]
    rows: dict[str, list[dict[str, Any]]] = {"id": [], "ood": []}
    for index, stair in enumerate(stairs):
        inside, targets = stair.points(TEST_POINTS)
        left = stair.points(TEST_POINTS, -beyond, 0)
        right = stair.points(TEST_POINTS, stair.steps, stair.steps + beyond)
        outside = torch.cat([left[0], right[0]]), torch.cat([left[1], right[1]])
        for split, (x, y) in {"id": (inside, targets), "ood": outside}.items():
            with torch.no_grad():
                base = networks(x.expand(len(stairs), -1))[index]
            rows[split].append(
                {
                    "staircase": [stair.steps, stair.width, stair.gap],
                    **about[index],
                    "x": x.tolist(),
                    "target": y.tolist(),
                    "base": base.tolist(),
                    "composition": base.round().tolist(),
                }
            )
    for split, lines in rows.items():
        write_lines(folder.predictions(split), lines)
    return round(time.monotonic() - started, 1)


def predict_again(folder: RunFolder, config: dict[str, Any]) -> None:
    networks = make_networks(config, staircases(config))
    load_weights(folder.checkpoints / "best.safetensors", networks)
    predict(folder, config, networks)


def measure(folder: RunFolder, _config: dict[str, Any]) -> dict[str, Any]:
    """The part of the result that is the task's own: each measure as a mean over the staircases, and per staircase."""
    values: dict[str, dict[str, dict[str, float]]] = {"base": {}, "composition": {}}
    single: dict[str, list[dict[str, Any]]] = {}
    for split in read_json(folder.training)["splits"]:
        rows = list(read_lines(folder.predictions(split)))
        single[split] = []
        for row in rows:
            targets = torch.tensor(row["target"])
            entry = {name: row[name] for name in ("staircase", "complexity", "turns")}
            for output in values:
                predicted = torch.tensor(row[output])
                wrong = (predicted.round() != targets).float().mean()
                error = (predicted - targets).square().mean()
                entry[output] = {"error": float(error), "wrong steps, %": 100 * float(wrong)}
            single[split].append(entry)
        for output, by_split in values.items():
            by_split[split] = {
                name: sum(entry[output].get(name, entry.get(name)) for entry in single[split]) / len(rows)
                for name in MEASURES
            }
    examples = {split: len(entries) for split, entries in single.items()}
    return {"measures": MEASURES, "values": values, "examples": examples, "staircases": single}


def make_networks(config: dict[str, Any], stairs: list[Staircase]) -> Networks:
    make = instantiate(config["model"], _partial_=True, _convert_="all")
    return make([stair.half for stair in stairs], [(stair.steps - 1) / 2 for stair in stairs])


def make_rounding(config: dict[str, Any], stairs: list[Staircase]) -> Rounding:
    settings = config["pretraining"]
    softness = settings["margin"] * torch.tensor([stair.room for stair in stairs])[:, None]
    return Rounding(softness, straight_through=settings["gradient"] == "straight_through")
