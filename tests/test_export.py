"""What a run learned leaves its folder whole, in a folder that held nothing."""

import json
from pathlib import Path

import pytest

from composed.export import main


@pytest.fixture
def run(tmp_path) -> Path:
    """A run with a denoiser, trained to its end; weights are any bytes."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("task: {kind: text}\n")
    (run / "overrides.yaml").write_text("[]\n")
    (run / "checkpoints" / "best.safetensors").write_bytes(b"f")
    (tmp_path / "denoiser").write_bytes(b"pi")
    (run / "training.json").write_text(json.dumps({"denoiser": str(tmp_path / "denoiser")}))
    return run


def test_safetensors_are_those_of_the_run_and_of_its_denoiser(run, tmp_path, capsys):
    assert main(["safetensors", str(run), str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "f.safetensors").read_bytes() == b"f"
    assert (tmp_path / "out" / "pi.safetensors").read_bytes() == b"pi"
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / f"{name}.safetensors") for name in ("f", "pi")]


def test_a_run_without_a_denoiser_has_one_file(run, tmp_path):
    (run / "training.json").write_text(json.dumps({"denoiser": None}))
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
    return json.dumps({"model": {"_target_": f"composed.models.{target}"}, "pretraining": {}, "finetuning": finetuning})


@pytest.mark.parametrize("form", ["fairseq", "huggingface"])
def test_what_a_library_has_no_class_for_is_named(form, run, tmp_path, capsys):
    (run / "config.yaml").write_text(settings("staircase.Networks", adapters=0))
    assert main([form, str(run), str(tmp_path / "out")]) == 2
    (run / "config.yaml").write_text(settings("transformer.Transformer", adapters=8))
    assert main([form, str(run), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    for words in ("can hold; runs of model=fairseq_transformer", "has adapters, which"):
        assert words in said
    assert not (tmp_path / "out").exists()
    assert said.count("composed-export safetensors writes the weights of every run") == 2


def test_a_missing_package_is_named(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("composed.export.find_spec", lambda name: None)
    assert main(["huggingface", str(run), str(tmp_path / "out")]) == 2
    assert "pip install 'composed[hf]'" in capsys.readouterr().err
