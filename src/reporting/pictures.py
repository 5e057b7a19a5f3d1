"""Glyphs as PNG: rows of images side by side, dark ink on white, with a word before each row; and learning curves.

Images are (N, S, S) arrays from -1 (black) to 1 (ink).
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from composed.reporting.plot import save
from composed.system.files import write_atomically

GAP = 2  # pixels between images
BAND = 8  # pixels between groups of rows


def sheet(groups: Sequence[Sequence[tuple[str, np.ndarray]]], path: Path, scale: int = 1) -> None:
    """Writes groups of rows (word, images (N, S, S)) as one PNG; every image `scale` times as large."""
    font = ImageFont.load_default(12)
    words = max((font.getlength(word) for group in groups for word, _ in group), default=0)
    left = int(words) + 10
    rows = [row for group in groups for row in group]
    count, side = max(len(images) for _, images in rows), rows[0][1].shape[-1] * scale
    height = len(rows) * (side + GAP) + (len(groups) - 1) * BAND
    canvas = Image.new("L", (left + count * (side + GAP), height), 255)
    pen = ImageDraw.Draw(canvas)
    top = 0
    for group in groups:
        for word, images in group:
            pen.text((2, top + side / 2), word, fill=0, font=font, anchor="lm")
            for index, image in enumerate(images):
                pixels = np.clip((1 - image) * 127.5, 0, 255).round().astype(np.uint8)
                tile = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
                canvas.paste(tile, (left + index * (side + GAP), top))
            top += side + GAP
        top += BAND
    write_atomically(path, partial(canvas.save, format="PNG", optimize=True))


def curves(metrics: Path, path: Path) -> None:
    """The losses of a training, from its metrics.jsonl, as a PNG."""
    import matplotlib.style
    from matplotlib.figure import Figure

    lines: dict[str, list[tuple[int, float]]] = {}
    for row in map(json.loads, metrics.read_text(encoding="utf-8").splitlines()):
        for name in ("loss", "composed_loss"):
            if name in row:
                lines.setdefault(f"{row['split']} {name.replace('_', ' ')}", []).append((row["update"], row[name]))
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.add_subplot()
        for name, points in sorted(lines.items()):
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
        axes.set_yscale("log")
        axes.set_xlabel("updates")
        axes.set_ylabel("mean squared error")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        save(figure, path, 100)
