"""The figure of gains against the denoiser's quality: what it reads of a report's file, by hand."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "figure_quality.py"
LINES = """row,replicate,split,programs,tests,correct,Pi_repaired_%
standard,0,ood,10,a,50,80
standard,1,ood,10,b,40,90
standard + test-time denoiser,0,ood,10,a,53,80
standard + test-time denoiser,1,ood,10,b,45,90
"standard, updates 9",0,ood,10,a,60,95
"standard + test-time denoiser, updates 9",0,ood,10,a,61.5,95
composed,1,ood,10,b,47.5,90
baseline,0,ood,10,a,20,
"""


@pytest.fixture(scope="module")
def figure():
    spec = importlib.util.spec_from_file_location("figure_quality", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def values(figure, tmp_path):
    (tmp_path / "per_replicate.csv").write_text(LINES)
    return figure.read(tmp_path / "per_replicate.csv")


def test_gains_are_of_the_same_replicate_and_variant(figure, values):
    test_time = figure.gains(values, "ood", figure.TEST_TIME, "standard")
    assert test_time == {"": [(80, 3), (90, 5)], "updates 9": [(95, 1.5)]}
    assert figure.gains(values, "ood", "composed", figure.TEST_TIME) == {"": [(90, 2.5)]}
    assert figure.gains(values, "ood", "composed", "composed_identity") == {}


def test_it_is_drawn(figure, values, tmp_path):
    figure.draw(values, tmp_path / "quality.png")
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_without_denoisers_is_refused(figure, tmp_path):
    path = tmp_path / "per_replicate.csv"
    path.write_text("row,replicate,split,correct\nbaseline,0,id,3\n")
    with pytest.raises(ValueError, match="no column Pi_repaired_% or correct; write the report anew"):
        figure.read(path)
