"""What a run learned leaves its folder whole, in a folder that held nothing."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save

from composed.cli import evaluate, predict, report
from composed.cli.export import main
from composed.exchange.export import FORMATS
from composed.experiment.run import run as train_run
from composed.runs.folder import RunFolder
from tests.commands import BASELINE
from tests.test_configs import config
from tests.test_evaluate import CONFIG, FACTS, NODE

F, PI = (save({"weight": torch.full((2,), float(value))}) for value in (1, 2))


@pytest.fixture
def run(tmp_path) -> Path:
    """A run with a denoiser, trained to its end; the weights fit no model."""
    run = tmp_path / "run"
    RunFolder(run).describe(CONFIG, [])
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.safetensors").write_bytes(F)
    (tmp_path / "denoiser").write_bytes(PI)
    (run / "training.json").write_text(json.dumps({**FACTS, "denoiser": str(tmp_path / "denoiser")}))
    return run


def test_safetensors_are_those_of_the_run_and_of_its_denoiser(run, tmp_path, capsys):
    assert main(["safetensors", str(run), str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "f.safetensors").read_bytes() == F
    assert (tmp_path / "out" / "pi.safetensors").read_bytes() == PI
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / f"{name}.safetensors") for name in ("f", "pi")]


def test_a_run_without_a_denoiser_has_one_file(run, tmp_path):
    (run / "training.json").write_text(json.dumps({**FACTS, "denoiser": None}))
    assert main(["safetensors", str(run), str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["f.safetensors"]


def test_what_cannot_be_exported_is_named(run, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    assert main(["safetensors", str(run), str(tmp_path / "out")]) == 2
    (tmp_path / "denoiser").unlink()
    assert main(["safetensors", str(run), str(tmp_path / "new")]) == 1
    (run / "training.json").unlink()
    assert main(["safetensors", str(run), str(tmp_path / "other")]) == 1
    said = capsys.readouterr().err
    for words in ("holds something already", "composed-train denoiser=auto", "not trained to its end"):
        assert words in said


def settings(target: str, **finetuning: object) -> str:
    model = {**NODE["model"], "_target_": f"composed.models.{target}"}
    return yaml.safe_dump({**NODE, "model": model, "finetuning": {**NODE["finetuning"], **finetuning}})


@pytest.mark.parametrize("form", ["fairseq", "huggingface"])
def test_what_a_library_has_no_class_for_is_named(form, run, tmp_path, capsys):
    (run / "config.yaml").write_text(settings("classifier.Classifier", adapters=0))
    assert main([form, str(run), str(tmp_path / "out")]) == 2
    (run / "config.yaml").write_text(settings("transformer.Transformer", adapters=8))
    assert main([form, str(run), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    for words in ("can hold; runs of model=fairseq_transformer", "has adapters, which"):
        assert words in said
    assert not (tmp_path / "out").exists()
    assert said.count("composed-export safetensors writes the weights of every run") == 2


def test_a_missing_package_is_named(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("composed.exchange.export.find_spec", lambda name: None)
    assert main(["huggingface", str(run), str(tmp_path / "out")]) == 2
    assert "pip install 'composed[hf]'" in capsys.readouterr().err


def test_a_file_that_is_no_weights_leaves_no_folder_whoever_names_it(run, tmp_path, capsys):
    (tmp_path / "secret").write_text("a key")
    (run / "training.json").write_text(json.dumps({**FACTS, "denoiser": str(tmp_path / "secret")}))
    assert main(["safetensors", str(run), str(tmp_path / "out")]) == 1
    assert f"cannot read the weights {tmp_path / 'secret'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["staircase", "fonts"])
@pytest.mark.parametrize("mode", [(), BASELINE], ids=["composed", "baseline"])
def test_every_command_takes_every_kind_of_run_or_says_what_does(tmp_path, capsys, monkeypatch, task, mode):
    monkeypatch.chdir(tmp_path)
    words = [f"task={task}", "profile=smoke", "logger=csv", *(mode if task == "fonts" else mode[:1])]
    run = train_run(config(*words), words)
    path, kind = str(run.path), run.trained().task.kind
    weights = {"f.safetensors"} | ({"pi.safetensors"} if run.facts().denoiser else set())
    for form in FORMATS:
        code = main([form, path, str(tmp_path / form)])
        assert code == (0 if form == "safetensors" else 2)
    assert {each.name for each in (tmp_path / "safetensors").iterdir()} == weights
    assert capsys.readouterr().err.count("composed-export safetensors writes the weights of every run") == 2
    assert evaluate.main([path]) == evaluate.main(["--predict", path]) == report.main([path]) == 0
    assert report.main([path, "--programs", "1"]) == 2
    assert predict.main([path, "--font", "0", "--text", "A", "-o", "a.png"]) == (0 if kind == "image" else 2)
