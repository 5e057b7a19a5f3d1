"""Images: glyphs of faces. A character and a face to an image, pixels from -1 to 1 (ink)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from composed.config import Config
from composed.config.identity import content_key, of_trainer
from composed.config.instantiate import instantiate
from composed.config.model import Glyphs as Models
from composed.config.optim import AdamImages, DenoiserOfImages
from composed.config.other_tasks import Fonts
from composed.config.structure import narrowed, plain
from composed.datamodules.fonts import faces
from composed.datamodules.fonts.glyphs import Glyphs, Sizes, Splits, split
from composed.errors import DataError
from composed.reporting.pictures import curves, sheet
from composed.runs.folder import RunFolder
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import write_atomically
from composed.tasks.loss import IMAGES, Penalty, SumOfSquares
from composed.tasks.module import Optim
from composed.tasks.task import Request, Task

SHOWN_FACES, SHOWN_CHARACTERS = 4, 20  # of the picture of a run
IMAGES_AT_A_TIME = 512


@dataclass(frozen=True)
class ImageTask(Task):
    """Images of characters; `key` tells one data set, its splits included, from another."""

    config: Config
    splits: Splits
    key: str

    loss = IMAGES
    takes = "text"
    tests = ("test",)

    @classmethod
    def open(cls, config: Config) -> "ImageTask":
        """Draws, converts or finds the faces, and splits them."""
        task = narrowed(config.task, Fonts)
        started = time.monotonic()
        drawn = faces.prepare(
            Path(task.data),
            source=task.faces,
            count=task.count,
            characters=task.characters,
            size=task.size,
            seed=task.seed,
        )
        if drawn.skipped:
            say(f"{len(drawn.skipped)} font files have no usable face, such as {next(iter(drawn.skipped.items()))}")
        sizes = f"{len(drawn)} faces of {len(set(drawn.families))} families, {len(task.characters)} characters"
        say(f"{sizes} ({time.monotonic() - started:.1f} s)")
        key = content_key([drawn.key, drawn.families, task.characters, task.size, task.seed])
        return cls(config, split(drawn.images, drawn.families, Sizes(**plain(task.sizes)), task.seed), key)

    @property
    def settings(self) -> Fonts:
        return narrowed(self.config.task, Fonts)

    @property
    def models(self) -> Models:
        return narrowed(self.config.model, Models)

    @property
    def characters(self) -> str:
        return self.settings.characters

    @property
    def size(self) -> int:
        """Pixels of an image's side."""
        return self.settings.size

    @property
    def signature(self) -> str:  # type: ignore[override]
        """The characters and the size of the images."""
        return content_key([self.characters, self.size])

    def predictor(self, *, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        make = instantiate(self.models.predictor, _partial_=True)
        return make(len(self.characters), self.settings.sizes.faces, self.size)

    def denoiser(self, *, seed: int, dropout: float | None = None) -> nn.Module:
        torch.manual_seed(seed)
        return instantiate(self.models.denoiser)

    def optim(self, settings: DenoiserOfImages) -> Optim:
        """An update is one batch of `batch_size`, at a constant rate from the start."""
        kept = {key: value for key, value in vars(settings).items() if key not in ("l2", "batch_size")}
        return Optim(
            **kept,
            batch_tokens=settings.batch_size,
            accumulate=1,
            warmup=0,
            initial_lr=0.0,
            weight_decay=0.0,
            label_smoothing=0.0,
        )

    def examples(self, split: str) -> Glyphs:
        return {"train": self.splits.train, "val": self.splits.val}[split]

    def denoising(self, split: str, *, seed: int, fresh: bool = False) -> Glyphs:
        """Corrupted anew in every update in any case."""
        return getattr(self.splits, split).corrupted(instantiate(self.config.noise), seed)

    def identity_of_denoiser(self) -> dict[str, Any]:
        sizes = plain(self.settings.sizes)
        return {
            "data": self.key,
            "sizes": {name: sizes[name] for name in ("faces", "families", "train", "unlabeled", "unlabeled_val")},
            "noise": plain(self.config.noise),
            "model": plain(self.models.denoiser),
            "pretraining": plain(self.config.pretraining),
            **of_trainer(self.config.trainer),
        }

    def penalties(self) -> list[Penalty]:
        weight = narrowed(self.config.optim, AdamImages).l2
        return [SumOfSquares(weight)] if weight else []

    @torch.inference_mode()
    def predict(self, folder: RunFolder, f: nn.Module, composition: nn.Module | None) -> None:
        f.eval()
        device, test = next(f.parameters()).device, self.splits.test

        def work(mine: Sequence[range]) -> list[dict[str, np.ndarray]]:
            return [
                {
                    name: output[:, 0].cpu().numpy().astype(np.float16)
                    for name, output in _outputs(f, composition, test.batch(rows).source.to(device)).items()
                }
                for rows in mine
            ]

        count = len(test)
        batches = [range(at, min(at + IMAGES_AT_A_TIME, count)) for at in range(0, count, IMAGES_AT_A_TIME)]
        parts = processes.share(batches, work)
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if main_process():
            pixels = test.images[test.places[:, 0], test.places[:, 1]]
            saved = {"target": pixels, "labels": test.labels, **arrays}
            write_atomically(folder.path / "predictions-test.npz", lambda temporary: _save(temporary, **saved))

    def facts(self, f: nn.Module) -> dict[str, Any]:
        return {"splits": ["test"], "norm": float(SumOfSquares(1.0).value(f).detach().sqrt())}

    @torch.inference_mode()
    def quality(self, pi: nn.Module) -> dict[str, float]:
        """Mean squared errors of pixels, of IMAGES_AT_A_TIME images: what the denoiser leaves of the noise, and does to
        gold images.
        """
        val, test = self.denoising("unlabeled_val", seed=self.config.replicate), self.splits.test
        noised = val.batch(range(min(IMAGES_AT_A_TIME, len(val))))
        gold = test.batch(range(min(IMAGES_AT_A_TIME, len(test)))).target
        device = next(pi.parameters()).device
        repaired, rewritten = (pi(images.to(device)).cpu() for images in (noised.source, gold))
        pairs = {
            "MSE of noised": (noised.source, noised.target),
            "MSE of repaired": (repaired, noised.target),
            "MSE of gold through Pi": (rewritten, gold),
        }
        return {name: float((ours - theirs).square().mean()) for name, (ours, theirs) in pairs.items()}

    @torch.inference_mode()
    def show(self, folder: RunFolder, f: nn.Module, pi: nn.Module | None) -> None:
        """Curves; glyphs of a few faces with what was predicted for them; a few images that the denoiser cleans."""
        curves(folder.metrics, folder.path / "pictures" / "curves.png")
        sheet(self._test_glyphs(folder), folder.path / "pictures" / "test.png")
        if pi is not None:
            val = self.denoising("unlabeled_val", seed=0)
            batch = val.batch(range(min(SHOWN_CHARACTERS, len(val))))
            cleaned = pi(batch.source.to(next(pi.parameters()).device)).cpu()
            images = {"clean": batch.target, "corrupted": batch.source, "denoised": cleaned}
            rows = [(word, image[:, 0].numpy()) for word, image in images.items()]
            sheet([rows], folder.path / "pictures" / "denoising.png")

    def _test_glyphs(self, folder: RunFolder) -> list[list[tuple[str, np.ndarray]]]:
        """Of the first faces that are tested."""
        with np.load(folder.path / "predictions-test.npz") as saved:
            arrays = {name: saved[name] for name in saved.files}
        labels, pixels, groups = arrays["labels"], arrays["target"] / 127.5 - 1, []
        for face in np.unique(labels[:, 1])[:SHOWN_FACES]:
            rows = np.flatnonzero(labels[:, 1] == face)
            rows = rows[np.argsort(labels[rows, 0])][:SHOWN_CHARACTERS]
            named = {"target": pixels[rows], "f(x)": arrays["base"][rows].astype(np.float32)}
            if "composition" in arrays:
                named["Pi(f(x))"] = arrays["composition"][rows].astype(np.float32)
            groups.append([*named.items()])
        return groups

    @torch.inference_mode()
    def answer(self, f: nn.Module, composition: nn.Module | None, request: Request) -> dict[str, np.ndarray]:
        """Each character of `text` in the face with this number; a blank is empty: (N, S, S) by output."""
        text, face = request.text, request.face
        count = self.settings.sizes.faces
        if not 0 <= face < count:
            raise DataError(f"--font {face}: f knows the faces 0 to {count - 1}")
        if unknown := [letter for letter in text if letter not in self.characters and letter != " "]:
            raise DataError(f"--text: f does not know {' '.join(unknown)}, only {self.characters} and blanks")
        if not text.strip():
            raise DataError("--text: is empty, or blanks alone")
        places = [place for place, letter in enumerate(text) if letter != " "]
        labels = torch.tensor([[self.characters.index(text[place]), face] for place in places]).view(-1, 2)
        outputs = _outputs(f.eval(), composition, labels)
        images = {name: np.full((len(text), self.size, self.size), -1.0, np.float32) for name in outputs}
        for name, output in outputs.items():
            images[name][places] = output[:, 0].numpy()
        return images


def _outputs(f: nn.Module, composition: nn.Module | None, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """f, and Pi(f) where there is one, on labels (N, 2): (N, 1, S, S) by output."""
    outputs = {"base": f(labels)}
    if composition is not None:
        outputs["composition"] = composition(outputs["base"])
    return outputs


def _save(path: Path, **arrays: np.ndarray) -> None:
    with open(path, "wb") as file:  # NumPy would add a suffix to the name
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
