"""Images of a table of fonts: the same test glyphs as every mode predicts them, as pictures for a page.

A picture is a strip: dark ink on white, images side by side. Left out: which face a number stands for.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from composed.judges.scores import OUTPUTS
from composed.reporting.background import Configuration, side_by_side
from composed.reporting.exhibits import interface
from composed.reporting.exhibits.interface import Section
from composed.reporting.table import row_name, variant_words

FACES, GLYPHS = 6, 20
GAP = 4  # pixels between images


@dataclass(frozen=True)
class Strip:
    label: str
    uri: str  # a PNG as data:


@dataclass(frozen=True)
class Face:
    number: int
    width: int  # pixels of a strip
    height: int
    strips: list[Strip]


class Exhibit(interface.Exhibit):
    def sections(self, groups: Sequence[Configuration], count: int) -> list[Section]:
        shown = faces(groups)
        return [Section("images", "Images", "glyphs.html", shown)] if shown else []


def faces(groups: Sequence[Configuration]) -> list[Face]:
    """Evenly spaced test faces: the target, and every output of every configuration, in one replicate."""
    loaded = []
    for run in side_by_side(groups).values() if groups else ():
        path = run.folder / "predictions-test.npz"
        if path.is_file():
            with np.load(path) as saved:
                loaded.append((run, {name: saved[name] for name in saved.files}))
    if not loaded:
        return []
    labels = loaded[0][1]["labels"]  # (N, 2): character, face
    present = np.unique(labels[:, 1])
    shown = []
    for number in present[np.linspace(0, len(present) - 1, min(FACES, len(present))).round().astype(int)]:
        rows = np.flatnonzero(labels[:, 1] == number)
        rows = rows[np.argsort(labels[rows, 0])][:GLYPHS]
        images = {"target": loaded[0][1]["target"][rows] / 127.5 - 1}
        for run, arrays in loaded:
            for output in sorted(set(OUTPUTS) & arrays.keys(), key=lambda output: output != run.own_output):
                label = row_name(run, output) + variant_words(run.variant)
                images[label] = arrays[output][rows].astype(np.float32)
        strips = {label: strip(values) for label, values in images.items()}
        height, width = next(iter(strips.values())).shape
        shown.append(Face(int(number), width, height, [Strip(name, _uri(pixels)) for name, pixels in strips.items()]))
    return shown


def strip(images: np.ndarray) -> np.ndarray:
    """Pixels (S, W), 0 to 255, of images (N, S, S) from -1 to 1 (ink)."""
    pixels = np.clip((1 - images) * 127.5, 0, 255).round().astype(np.uint8)
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, GAP)), constant_values=255)
    return np.concatenate([*padded], axis=1)[:, :-GAP]


def _uri(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
