import json
from pathlib import Path

import numpy as np
from PIL import Image

from composed.reporting.pictures import curves, sheet


def test_a_sheet_shows_ink_dark_on_white_in_rows_with_their_words(tmp_path: Path) -> None:
    ink, paper = np.ones((2, 8, 8)), -np.ones((2, 8, 8))
    sheet([[("ink", ink), ("paper", paper)], [("ink", ink)]], tmp_path / "sheet.png", scale=2)
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape[0] == 3 * 18 + 8
    assert (pixels[:16, -18:-2] == 0).all()
    assert (pixels[18:34, -18:-2] == 255).all()
    assert (pixels[:16, :20] < 128).any()
    sheet([[("ink", ink), ("paper", paper)], [("ink", ink)]], tmp_path / "again.png", scale=2)
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()


def test_curves_are_drawn_from_what_a_training_wrote(tmp_path: Path) -> None:
    rows = [{"split": split, "update": n, "loss": 1 / n} for n in (1, 2, 3) for split in ("training", "validation")]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (600, 300)
