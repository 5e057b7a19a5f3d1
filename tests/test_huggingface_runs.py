"""Whole runs of Hugging Face models: judged, and exported as transformers reads them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from composed.cli.export import main
from composed.datamodules.sanstype.grammar import generate
from composed.errors import DataError
from composed.pipeline import ComposedPipeline
from tests import hf_models
from tests.commands import BASELINE, result

pytestmark = pytest.mark.slow("trains, predicts and judges with each kind of model")


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
    assert result(one())["verdicts"]["composition"]["id"]["n"] == 8
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
    assert result(one())["verdicts"]["composition"]["ood"]["n"] == 8


ALONE = """
import json, sys
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
model, tokenizer = (auto.from_pretrained(sys.argv[1]) for auto in (AutoModelForSeq2SeqLM, AutoTokenizer))
rows = model.generate(**tokenizer(json.load(sys.stdin), padding=True, return_tensors="pt"))
assert not [name for name in sys.modules if name.partition(".")[0] == "composed"]
print(json.dumps([" ".join(text.split()) for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["finetuning=composed"],
        ["finetuning=lora", "model=transformer_fairseq_positions", "tokenizer.kind=bpe_bytes", "model.width=16",
         "model.layers=1", "model.heads=2", "model.feedforward=32"],
    ],
    ids=["words", "bytes"],
)  # fmt: skip
def test_a_run_of_our_own_model_is_two_models_of_transformers(train, one, words, tmp_path):
    train("task=sanstype", *words)
    out = tmp_path / "out"
    assert main(["huggingface", str(one()), str(out)]) == 0
    rows = {name: [row for row in predictions(one()) if row["output"] == name] for name in ("base", "composition")}
    sources = [row["source"] for row in rows["base"]]
    pipeline = ComposedPipeline(out)
    for name, denoise in (("base", False), ("composition", True)):
        assert pipeline(sources, denoise=denoise) == [" ".join(row["text"].split()) for row in rows[name]]
    done = subprocess.run([sys.executable, "-c", ALONE, str(out / "f")], input=json.dumps(sources), text=True,
                          capture_output=True, check=False, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [" ".join(row["text"].replace("<unk>", " ").split()) for row in rows["base"]]
    assert json.loads(done.stdout) == shown
    train("task=sanstype", "model=huggingface", f"model.name={out / 'f'}", *BASELINE, "runs=again")
    assert result(one("again"))["verdicts"]["base"]["id"]["n"] == 8


def test_a_text_longer_than_the_positions_is_named(folders, tmp_path):
    for name in ("f", "pi"):
        (tmp_path / name).symlink_to(folders["bart"])
    with pytest.raises(DataError, match="a text of 302 tokens, and the model has positions for 256"):
        ComposedPipeline(tmp_path)(["; " * 300])
