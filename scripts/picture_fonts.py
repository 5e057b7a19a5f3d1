"""`picture_fonts.py RUNS OUT`: draws OUT/glyphs.png from the font runs below RUNS, and copies the denoiser's examples.

For a few random faces, letters in columns: target, f trained alone, the composition, and its base predictor alone, with
and without L2 penalty and dropout.
"""

import sys
from pathlib import Path

import numpy as np

from composed.errors import ComposedError, DataError
from composed.reporting.pictures import sheet
from composed.reporting.runs import Run, find_runs
from composed.system.files import write_bytes

FACES, LETTERS = 4, 22
ROWS = (
    ("baseline", "base", "direct"),
    ("composed_pathwise", "composition", "composed"),
    ("composed_pathwise", "base", "base predictor"),
    ("baseline-unregularised", "base", "direct, no L2"),
    ("composed_pathwise-unregularised", "composition", "composed, no L2"),
    ("composed_pathwise-unregularised", "base", "base, no L2"),
)


def predictions(runs: Path) -> dict[str, dict[str, np.ndarray]]:
    """Of the first replicate of every mode, by mode. Raises DataError where one of the modes of ROWS is missing."""
    first: dict[str, Run] = {}
    for run in find_runs(sorted(runs.glob("fonts-*"))).runs:
        first.setdefault(run.mode, run)
    if missing := {mode for mode, *_ in ROWS} - first.keys():
        raise DataError(f"{runs} holds no finished run of task=fonts with finetuning={' or '.join(sorted(missing))}")
    if len({first[mode].replicate for mode, *_ in ROWS}) > 1:
        raise DataError(f"{runs}: the modes share no replicate")
    loaded = {}
    for mode, *_ in ROWS:
        with np.load(first[mode].folder / "predictions-test.npz") as saved:
            loaded[mode] = {name: saved[name] for name in saved.files}
    denoising = first["composed_pathwise"].folder / "pictures" / "denoising.png"
    return {**loaded, "": {"denoising": np.frombuffer(denoising.read_bytes(), np.uint8)}}


def draw(loaded: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    any_run = loaded[ROWS[0][0]]
    labels = any_run["labels"]
    groups = []
    for face in np.random.default_rng(0).permutation(labels[:, 1].max() + 1)[:FACES]:
        rows = np.flatnonzero(labels[:, 1] == face)
        rows = rows[np.argsort(labels[rows, 0])][:LETTERS]
        group = [("target", any_run["target"][rows] / 127.5 - 1)]
        group += [(word, loaded[mode][output][rows].astype(np.float32)) for mode, output, word in ROWS]
        groups.append(group)
    sheet(groups, path)


if __name__ == "__main__":
    runs, out = map(Path, sys.argv[1:])
    try:
        loaded = predictions(runs)
        draw(loaded, out / "glyphs.png")
        write_bytes(out / "denoising.png", loaded[""]["denoising"].tobytes())
    except ComposedError as error:
        sys.exit(f"error: {error}")
