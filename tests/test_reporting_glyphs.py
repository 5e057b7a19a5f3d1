import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from composed.judges.scores import OUTPUTS, Measure
from composed.reporting.background import configurations
from composed.reporting.exhibits.glyphs import Exhibit, faces, strip
from composed.reporting.runs import find_runs
from tests.run_folders import measured, write_run

MEASURED = {
    "task": "fonts",
    **measured({output: {"test": {"MSE": 0.1}} for output in OUTPUTS}, {"test": 3}, [Measure("MSE", "lower")]),
}


def test_a_strip_is_dark_ink_on_white_with_gaps() -> None:
    images = np.stack([np.full((2, 2), ink) for ink in (1.0, -1.0, 0.0)])
    assert strip(images).tolist() == [[0, 0, *[255] * 4, 255, 255, *[255] * 4, 128, 128]] * 2


def test_every_mode_shows_the_same_glyphs_of_a_face_in_the_order_of_characters(tmp_path: Path) -> None:
    labels = np.array([[1, 7], [0, 7], [0, 9]])  # character, face
    target = np.stack([np.full((4, 4), value, np.uint8) for value in (255, 0, 127)])
    for mode in ("baseline", "composed_pathwise"):
        folder = write_run(tmp_path / mode, mode, **MEASURED)
        outputs = {"base": np.zeros((3, 4, 4), np.float16)}
        if mode != "baseline":
            outputs["composition"] = np.ones((3, 4, 4), np.float16)
        np.savez(folder / "predictions-test.npz", target=target, labels=labels, **outputs)
    groups = configurations(find_runs([tmp_path])[0])
    [section] = Exhibit().sections(groups, 0)
    assert (section.anchor, section.shown) == ("images", faces(groups))
    seventh, ninth = faces(groups)
    assert (seventh.number, ninth.number) == (7, 9)
    assert [each.label for each in seventh.strips] == [
        "target",
        "baseline",
        "composed_pathwise",
        "composed_pathwise, base predictor alone",
    ]
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(seventh.strips[0].uri.partition(",")[2]))))
    assert (pixels[0, 0], pixels[0, -1], pixels.shape) == (255, 0, (seventh.height, seventh.width))


def test_runs_without_images_have_no_faces(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "baseline", **MEASURED)
    assert faces(configurations(find_runs([tmp_path])[0])) == []
