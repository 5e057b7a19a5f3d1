"""Pseudocode in, programs out; on standard output nothing else."""

import io

import pytest

from composed.datamodules.sanstype.files import as_source
from composed.predict import main


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
