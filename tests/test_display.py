"""A bar on a terminal, lines elsewhere; neither without the other."""

import sys

import pytest

from composed.tasks import display
from composed.tasks.display import Display


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_comes_every_ten_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Display("composed", 0, 100, "tokens")
    for second in range(1, 25):
        clock[0] = second
        shown.update(2 * second, {"loss": 0.5}, 1000 * second)
    shown.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "composed  22/100 updates  loss 0.5000  1,000 tokens/s  0:39 left",
        "composed  44/100 updates  loss 0.5000  1,000 tokens/s  0:28 left",
    ]


def test_time_left_counts_from_where_a_training_went_on(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Display("composed", 90, 100, "tokens")
    clock[0] = 50
    shown.validated(95, {"loss": 1.0}, "")
    shown.validated(100, {"loss": 1.0}, "")
    assert capsys.readouterr().err.splitlines() == [
        "composed  95/100 updates  validation loss 1.0000  0:50 left",
        "composed  100/100 updates  validation loss 1.0000",
    ]


def test_a_validation_shows_what_the_model_says(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Display("composed", 0, 10, "tokens")
    shown.validated(10, {"composed_loss": 2.0}, "    x  print a\n    f(x)  cout << a")
    assert capsys.readouterr().err.splitlines()[1:] == ["    x  print a", "    f(x)  cout << a"]


def test_on_a_terminal_lines_stand_above_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Display("composed", 0, 10, "images")
    shown.update(5, {"loss": 0.25}, 40)
    shown.validated(5, {"loss": 0.5}, "")
    shown.close()
    said = capsys.readouterr().err
    assert "5/10" in said
    assert "images/s" in said
    assert "composed  5/10 updates  validation loss 0.5000" in said
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1  # the cursor is given back


def test_a_helping_process_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Display("composed", 0, 10, "tokens")
    shown.validated(10, {"loss": 0.5}, "sample")
    assert capsys.readouterr().err == ""
