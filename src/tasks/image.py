"""Runs of `task.kind=image`, the fonts: data, denoiser, fine-tuning, predictions, pictures and measures.

The counterpart of build.py, for images: the one other place where a config becomes objects.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from composed.config.instantiate import instantiate
from composed.datamodules.fonts import faces
from composed.datamodules.fonts.glyphs import Sizes, Splits, split
from composed.errors import ComposedError, ConfigError, DataError
from composed.judges.images import BETTER, MEASURES
from composed.models.composition import fingerprint, freeze
from composed.models.weights import load_weights
from composed.reporting.pictures import curves, sheet
from composed.runs.folder import RunFolder, content_key, of_trainer, provenance, shaping, without_later
from composed.runs.store import Store
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import read_json, write_atomically, write_json
from composed.tasks.loss import IMAGES, ComposedTerm, SumOfSquares
from composed.tasks.module import Optim, Training
from composed.training.fit import train

NORM = "L2 norm of f"
SHOWN_FACES, SHOWN_CHARACTERS = 4, 20  # of the picture of a run


@dataclass(frozen=True)
class ImageData:
    splits: Splits
    characters: str
    size: int
    key: str  # tells one data set, its splits included, from another

    @property
    def metadata(self) -> dict[str, str]:
        """What weights must agree with: the characters and the size of the images."""
        return {"vocabulary": content_key([self.characters, self.size])}


def image_data(config: dict[str, Any]) -> ImageData:
    """Draws, converts or finds the faces, and splits them. Raises DataError."""
    task = config["task"]
    started = time.monotonic()
    found = faces.prepare(
        Path(task["data"]),
        source=task["faces"],
        count=task["count"],
        characters=task["characters"],
        size=task["size"],
        seed=task["seed"],
    )
    if found.skipped:
        say(f"{len(found.skipped)} font files have no usable face, such as {next(iter(found.skipped.items()))}")
    say(f"{len(found)} faces of {len(task['characters'])} characters ({time.monotonic() - started:.1f} s)")
    key = content_key([found.key, task["characters"], task["size"], task["seed"]])
    splits = split(found.images, Sizes(**task["sizes"]), task["seed"])
    return ImageData(splits, task["characters"], task["size"], key)


def make_predictor(config: dict[str, Any], data: ImageData, *, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    make = instantiate(config["model"]["predictor"], _partial_=True, _convert_="all")
    return make(len(data.characters), config["task"]["sizes"]["faces"], data.size)


def make_denoiser(config: dict[str, Any], *, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return instantiate(config["model"]["denoiser"], _convert_="all")


def optim(settings: dict[str, Any]) -> Optim:
    """Of images: an update is one batch of `batch_size`, at a constant rate from the start."""
    kept = {key: value for key, value in settings.items() if key not in ("l2", "batch_size", "betas")}
    return Optim(
        **kept,
        batch_tokens=settings["batch_size"],
        betas=tuple(settings["betas"]),
        accumulate=1,
        warmup=0,
        initial_lr=0.0,
        weight_decay=0.0,
        label_smoothing=0.0,
    )


def denoiser_weights(config: dict[str, Any], data: ImageData, command: str) -> Path | None:
    """The denoiser's file: of the store (trained first where it is missing), of a path, or none."""
    settings = config["pretraining"]
    if config["denoiser"] not in ("auto", "store"):
        path = Path(config["denoiser"])
        return path / "best.safetensors" if path.is_dir() else path
    if settings["name"] == "none":
        return None
    sizes = config["task"]["sizes"]
    shape = {
        "data": data.key,
        "sizes": {name: sizes[name] for name in ("faces", "train", "unlabeled", "unlabeled_val")},
        "noise": config["noise"],
        "model": config["model"]["denoiser"],
        "pretraining": without_later(config)["pretraining"],
        **of_trainer(config),
    }
    make = (lambda folder: _pretrain(config, data, folder)) if config["denoiser"] == "auto" else None
    return Store(Path(config["store"])).find("denoiser", "best.safetensors", shape, make, command, leads=main_process())


def denoiser(config: dict[str, Any], data: ImageData, weights: Path | None) -> nn.Module | None:
    """The frozen denoiser from its file."""
    if weights is None:
        return None
    pi = make_denoiser(config, seed=0)
    load_weights(weights, pi, vocabulary=data.metadata["vocabulary"])
    return freeze(pi)


def _pretrain(config: dict[str, Any], data: ImageData, folder: Path) -> None:
    settings = config["pretraining"]
    noise = instantiate(config["noise"], _convert_="all")
    say(f"training the denoiser {folder}")
    train(
        Training(make_denoiser(config, seed=settings["seed"]), optim(settings["optim"]), IMAGES, seed=settings["seed"]),
        [data.splits.unlabeled.corrupted(noise, settings["seed"])],  # type: ignore[list-item]
        data.splits.unlabeled_val.corrupted(noise, settings["seed"] + 1),  # type: ignore[arg-type]
        stage="denoising",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata={**data.metadata, "what": "denoiser", **provenance(read_json(folder / "key.json"))},
        trainer=config["trainer"],
        loggers=[],
    )


def image_task(config: dict[str, Any], data: ImageData, pi: nn.Module | None) -> Training:
    """What fine-tuning trains."""
    mode, settings = config["finetuning"], optim(config["optim"])
    f = make_predictor(config, data, seed=config["seed"])
    if mode["start_from"] != "scratch":
        start = RunFolder.existing(Path(mode["start_from"])).checkpoints / "best.safetensors"
        load_weights(start, f, vocabulary=data.metadata["vocabulary"])
    term = None
    if mode["train_through"] is not None:
        if pi is None:
            raise ConfigError("finetuning.train_through=denoiser, but there is no denoiser")
        estimator = instantiate(config["estimator"], _convert_="all")
        after = round(mode["compose_after"] * settings.updates)
        term = ComposedTerm(pi, estimator, mode["composed_weight"], after)
    return Training(
        f,
        settings,
        IMAGES,
        seed=config["seed"],
        base_weight=mode["base_weight"],
        term=term,
        penalties=[SumOfSquares(config["optim"]["l2"])] if config["optim"]["l2"] else (),
    )


def train_and_predict(folder: RunFolder, config: dict[str, Any], loggers: list[Any]) -> None:
    """Raises ComposedError, and Interrupted, as the training of text does."""
    data = image_data(config)
    weights = denoiser_weights(config, data, folder.command(denoiser="auto"))
    pi = denoiser(config, data, weights)
    before = fingerprint(pi.state_dict().values()) if pi is not None else None
    task = image_task(config, data, pi)
    resumed = (folder.checkpoints / "last.ckpt").exists()
    started = time.monotonic()
    best = train(
        task,
        [data.splits.train],  # type: ignore[list-item]
        data.splits.val,  # type: ignore[arg-type]
        stage=config["finetuning"]["name"],
        checkpoints=folder.checkpoints,
        metrics=folder.metrics,
        metadata={**data.metadata, "what": "base predictor", **provenance(shaping(config))},
        trainer=config["trainer"],
        loggers=loggers,
    )
    seconds = {"training": round(time.monotonic() - started, 1)}
    if pi is not None and fingerprint(pi.state_dict().values()) != before:
        raise ComposedError(
            "the frozen denoiser changed during fine-tuning: a defect of this program, please report it"
        )
    seconds["prediction"] = predict(folder, config, data, task.model, pi)
    if main_process():
        curves(folder.metrics, folder.path / "pictures" / "curves.png")
        norm = float(SumOfSquares(1.0).value(task.model).detach().sqrt())
        facts = {"updates": task.updates, "best": best, "resumed": resumed, "seconds": seconds}
        kept = {"splits": ["test"], "norm": norm, "denoiser": str(weights) if weights else None}
        write_json(folder.training, {**facts, **kept})


@torch.inference_mode()
def predict(
    folder: RunFolder, config: dict[str, Any], data: ImageData, model: nn.Module, pi: nn.Module | None
) -> float:
    """Writes f and, where there is a denoiser, Pi(f) on every test image, and pictures. Returns the seconds it took.

    Joined processes share the images; all of them have to call.
    """
    started = time.monotonic()
    model.eval()
    device = next(model.parameters()).device
    test = data.splits.test

    def work(own: Sequence[range]) -> list[dict[str, np.ndarray]]:
        found = []
        for rows in own:
            outputs = {"base": model(test.batch(rows).source.to(device))}
            if pi is not None:
                outputs["composition"] = pi.to(device)(outputs["base"])
            found.append({name: output[:, 0].cpu().numpy().astype(np.float16) for name, output in outputs.items()})
        return found

    parts = processes.share([range(start, min(start + 512, len(test))) for start in range(0, len(test), 512)], work)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not main_process():
        return round(time.monotonic() - started, 1)
    pixels = test.images[test.places[:, 0], test.places[:, 1]]
    path = folder.path / "predictions-test.npz"
    write_atomically(path, lambda temporary: _save(temporary, target=pixels, labels=test.labels, **arrays))
    _draw(folder, config, data, pi, arrays)
    return round(time.monotonic() - started, 1)


def _save(path: Path, **arrays: np.ndarray) -> None:
    with open(path, "wb") as file:  # NumPy would add a suffix to the name
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _draw(
    folder: RunFolder, config: dict[str, Any], data: ImageData, pi: nn.Module | None, arrays: dict[str, np.ndarray]
) -> None:
    """Test glyphs of a few faces with what was predicted for them, and a few images that the denoiser cleans."""
    test = data.splits.test
    pixels = test.images[test.places[:, 0], test.places[:, 1]] / 127.5 - 1
    groups = []
    for face in np.unique(test.labels[:, 1])[:SHOWN_FACES]:  # the first that are tested, in a small test set any
        rows = np.flatnonzero(test.labels[:, 1] == face)
        rows = rows[np.argsort(test.labels[rows, 0])][:SHOWN_CHARACTERS]
        named = {"target": pixels[rows], "f(x)": arrays["base"][rows].astype(np.float32)}
        if "composition" in arrays:
            named["Pi(f(x))"] = arrays["composition"][rows].astype(np.float32)
        groups.append([*named.items()])
    sheet(groups, folder.path / "pictures" / "test.png")
    if pi is not None:
        noise = instantiate(config["noise"], _convert_="all")
        batch = data.splits.unlabeled_val.corrupted(noise, 0).batch(
            range(min(SHOWN_CHARACTERS, len(data.splits.unlabeled_val)))
        )
        cleaned = pi(batch.source.to(next(pi.parameters()).device)).cpu()
        images = {"clean": batch.target, "corrupted": batch.source, "denoised": cleaned}
        rows_of = [(word, image[:, 0].numpy()) for word, image in images.items()]
        sheet([rows_of], folder.path / "pictures" / "denoising.png")


def predict_again(folder: RunFolder, config: dict[str, Any]) -> None:
    data = image_data(config)
    model = make_predictor(config, data, seed=0)
    load_weights(folder.checkpoints / "best.safetensors", model, vocabulary=data.metadata["vocabulary"])
    stored = {**config, "denoiser": "store"} if config["denoiser"] == "auto" else config
    weights = denoiser_weights(stored, data, folder.command(denoiser="auto", redo="true"))
    predict(folder, config, data, model, denoiser(stored, data, weights))


@torch.inference_mode()
def write(folder: RunFolder, config: dict[str, Any], text: str, face: int) -> dict[str, np.ndarray]:
    """f, and Pi(f) where there is a denoiser, on each character of `text` in the face with this number; a blank is
    empty. (N, S, S) from -1 to 1 (ink) by output.

    Raises DataError for characters and faces that f does not know.
    """
    faces, known = config["task"]["sizes"]["faces"], config["task"]["characters"]
    if not 0 <= face < faces:
        raise DataError(f"--font {face}: f knows the faces 0 to {faces - 1}")
    if unknown := [each for each in text if each not in known and each != " "]:
        raise DataError(f"--text: f does not know {' '.join(unknown)}, only {known} and blanks")
    if not text.strip():
        raise DataError("--text: is empty, or blanks alone")
    data = image_data(config)
    model = make_predictor(config, data, seed=0).eval()
    load_weights(folder.checkpoints / "best.safetensors", model, vocabulary=data.metadata["vocabulary"])
    stored = {**config, "denoiser": "store"} if config["denoiser"] == "auto" else config
    pi = denoiser(stored, data, denoiser_weights(stored, data, folder.command(denoiser="auto", redo="true")))
    places = [place for place, each in enumerate(text) if each != " "]
    outputs = {"base": model(torch.tensor([[known.index(text[place]), face] for place in places]).view(-1, 2))}
    if pi is not None:
        outputs["composition"] = pi(outputs["base"])
    images = {name: np.full((len(text), data.size, data.size), -1.0, np.float32) for name in outputs}
    for name, output in outputs.items():
        images[name][places] = output[:, 0].numpy()
    return images


def measure(folder: RunFolder, _config: dict[str, Any]) -> dict[str, Any]:
    """The part of the result that is the task's own: every measure of every output."""
    with np.load(folder.path / "predictions-test.npz") as saved:
        arrays = {name: saved[name] for name in saved.files}
    target = arrays["target"] / 127.5 - 1
    norm = read_json(folder.training)["norm"]
    values = {
        name: {
            "test": {**{each: of(arrays[name].astype(np.float64), target) for each, of in MEASURES.items()}, NORM: norm}
        }
        for name in ("base", "composition")
        if name in arrays
    }
    return {"measures": {**BETTER, NORM: "lower"}, "values": values, "examples": {"test": len(target)}}
