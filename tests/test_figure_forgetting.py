"""The figure of what is right against what f has lost of Pi: what it reads of a report's file, by hand."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "figure_forgetting.py"
LINES = """row,replicate,split,programs,tests,correct,Pi_repaired_%,f_repaired_%
standard,0,ood,10,a,50,80,30
standard,1,ood,10,b,40,90,20
standard + test-time denoiser,0,ood,10,a,53,80,
frozen,0,ood,10,a,45,80,75
frozen,0,id,10,a,65,80,75
baseline,0,ood,10,a,20,,
"""


@pytest.fixture(scope="module")
def figure():
    spec = importlib.util.spec_from_file_location("figure_forgetting", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_point_is_the_mean_of_what_each_replicate_has_lost_and_has_right(figure, tmp_path):
    (tmp_path / "per_replicate.csv").write_text(LINES)
    points = figure.read(tmp_path / "per_replicate.csv")
    assert {split: [*of_split] for split, of_split in points.items()} == {
        "ood": ["standard", "frozen"],
        "id": ["frozen"],
    }
    lost, right = points["ood"]["standard"]
    assert (lost.mean, right.mean, lost.n) == (60, 45, 2)
    assert right.half_width == pytest.approx(12.706 * 50**0.5 / 2**0.5, rel=1e-4)  # t with one degree of freedom
    assert points["id"]["frozen"][0].mean == 5
    figure.draw(points, tmp_path / "forgetting.png")
    assert (tmp_path / "forgetting.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,replicate,split,correct\nbaseline,0,id,3\n", "no column f_repaired_%.*; write the report anew"),
        (LINES.splitlines()[0] + "\nbaseline,0,ood,10,a,20,,\n", "no row says what f has kept of its denoiser"),
    ],
)
def test_a_file_that_does_not_say_what_was_kept_is_refused(figure, tmp_path, text, message):
    (tmp_path / "per_replicate.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        figure.read(tmp_path / "per_replicate.csv")
