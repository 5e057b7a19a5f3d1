"""Pseudocode in, programs out; on standard output nothing else."""

import io
from types import SimpleNamespace

import pytest
import torch

from composed import build
from composed.datamodules.sanstype.files import as_source
from composed.datamodules.text import Split, TextData
from composed.datamodules.tokenizers import train
from composed.models.composition import Composition
from composed.predict import main, predict
from tests import toys


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("set var_1 to 3; print var_1;", "$ set var_1 to 3; $ print var_1; $"),
        ("  print var_1 ", "$ print var_1; $"),
        (" $ print var_1;  $ ", " $ print var_1;  $ "),
        (";", "$"),
    ],
)
def test_statements_are_put_between_separators_unless_they_are(line, source):
    assert as_source(line) == source


@pytest.mark.parametrize(("text", "answer"), [("", "nothing on standard input"), ("print var_1;", "is no run folder")])
def test_what_cannot_be_predicted_is_named(tmp_path, capsys, monkeypatch, text, answer):
    monkeypatch.setattr("composed.predict.raise_on_signals", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main([str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert answer in captured.err
    assert captured.out == ""


def test_a_run_predicts_with_its_own_beams(tmp_path, monkeypatch):
    """As its test programs were predicted, so that both are the same program for the same pseudocode."""
    asked = []

    class Echo(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.specials = toys.model().specials

        def predict(self, source, *, max_length, beams=1):
            asked.append(beams)
            return source

    split = Split(["a b"], ["a b"], [()])
    data = TextData(split, split, {}, [], [], to_cpp=str.upper, as_source=str)
    task = build.TextTask(data, train("word", ["a b"], 0), max_length=9)
    config = {"denoiser": "auto", "task": {"beams": 5}, "finetuning": {"predict_through": "denoiser"}}
    run = SimpleNamespace(checkpoints=tmp_path, command=lambda **_: "")
    monkeypatch.setattr("composed.predict._trained", lambda *_: (run, config))
    monkeypatch.setattr(build, "text_task", lambda _: task)
    monkeypatch.setattr(build, "finished_predictor", lambda *_: Echo())
    monkeypatch.setattr(build, "denoiser_weights", lambda *_: None)
    monkeypatch.setattr(build, "denoiser", lambda *_: Echo())
    monkeypatch.setattr(build, "composition", lambda _config, _task, f, pi, _command: Composition(f, pi))
    assert predict(tmp_path, ["a b"]) == [{"base": "A B", "composition": "A B", "own": "A B"}]
    assert asked == [5, 5]
