"""Whole runs of Hugging Face models: judged, and exported as transformers reads them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from composed.datamodules.sanstype.grammar import generate
from composed.export import main
from composed.pipeline import ComposedPipeline
from tests import hf_models
from tests.commands import result

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A BART and a T5 whose words are those of programs, in another order."""
    words = sorted(
        {word for one in generate(300, seed=0, split="train") for word in f"{one.source} {one.target}".split()}
    )
    place = tmp_path_factory.mktemp("models")
    return {
        "bart": hf_models.save(place / "bart", "bart", words, positions=256),
        "t5": hf_models.save(place / "t5", "t5", words[::-1], seed=1),
    }


def predictions(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "predictions-id.jsonl").read_text().splitlines()]


def test_a_composed_run_ends_in_verdicts_and_its_export_predicts_the_same(train, one, folders, tmp_path, capsys):
    train("task=sanstype", "model=huggingface", f"model.name={folders['bart']}", "finetuning=composed")
    assert result(one())["counts"]["composition"]["id"]["n"] == 8
    assert main(["huggingface", str(one()), str(tmp_path / "out")]) == 0
    pipeline = ComposedPipeline(tmp_path / "out")
    for output, denoise in (("base", False), ("composition", True)):
        rows = [row for row in predictions(one()) if row["output"] == output]
        assert pipeline([row["source"] for row in rows], denoise=denoise) == [row["text"] for row in rows]


def test_f_and_pi_with_tokenizers_of_their_own_compose_through_text(train, one, folders):
    """Pi is taken as it is given, f learns low-rank updates of the weights it is given."""
    words = ["pretraining=denoise_huggingface", f"pretraining.model.name={folders['bart']}", "denoiser=model"]
    said = train("task=sanstype", "model=huggingface", f"model.name={folders['t5']}", *words,
                 "finetuning=composed_from_scratch", "finetuning.lora=4").stderr  # fmt: skip
    assert "f and Pi have different tokenizers" in said
    assert result(one())["counts"]["composition"]["ood"]["n"] == 8


def test_a_run_of_our_own_model_is_no_model_of_transformers(train, one, tmp_path, capsys):
    train("task=sanstype", "finetuning=baseline")
    assert main(["huggingface", str(one()), str(tmp_path / "out")]) == 2
    assert "composed-export safetensors writes the weights of every run" in capsys.readouterr().err
