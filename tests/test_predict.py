"""Pseudocode in, programs out; on standard output nothing else."""

import io

import pytest
import torch

from composed.cli.predict import _lines, main
from composed.datamodules.sanstype.files import as_source
from composed.datamodules.text import Split, TextData
from composed.datamodules.tokenizers import train
from composed.errors import DataError
from composed.tasks.task import Request
from composed.tasks.text import TextTask
from tests import toys
from tests.test_configs import config


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
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main([str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert answer in captured.err
    assert captured.out == ""


def piped(data: bytes) -> io.TextIOWrapper:
    """Standard input where the locale is another one."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="latin-1")


@pytest.mark.parametrize("inside", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\u00e9"])
@pytest.mark.parametrize("ended", ["", "\n", "\r\n"])
def test_only_a_newline_ends_a_line_of_the_input(inside, ended):
    data = f"\ufeffa{inside}b\r\nc{ended}"
    assert _lines(piped(data.encode())) == [f"a{inside}b", "c"]


def test_bytes_that_are_no_text_are_named_with_their_line():
    with pytest.raises(DataError, match="line 2 of the input is not UTF-8"):
        _lines(piped(b"a;\ncaf\xe9;\n"))
    with pytest.raises(DataError, match="nothing on standard input"):
        _lines(piped(b""))


def test_an_unknown_word_is_named_once_and_without_its_punctuation(tmp_path, monkeypatch):
    split = Split(["let a be 1;"], ["a"], [()])
    data = TextData(split, split, {}, [], [], as_output=str, as_source=str)
    task = TextTask({}, data, train("word", split.sources), max_length=9)
    with pytest.raises(DataError, match=r"line 2 of the input: no such words in the training data: x, be@$"):
        task.answer(None, None, Request(["let a be 1;", "let x be@ 1; x; (x, x) 1;"]))


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
    data = TextData(split, split, {}, [], [], as_output=str.upper, as_source=str)
    settings = config("profile=smoke", "decoding=beam", "decoding.beams=5")
    task, f = TextTask(settings, data, train("word", ["a b"], 0), max_length=9), Echo()
    answer = task.answer(f, task.composition(f, Echo(), None), Request(["a b"]))
    assert answer == [{"base": "A B", "composition": "A B", "own": "A B"}]
    assert asked == [5, 5]
