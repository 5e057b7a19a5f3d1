"""A bar on a terminal, lines elsewhere; neither without the other."""

import sys

import pytest

from composed.training import display
from composed.training.display import Display


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_comes_soon_and_then_every_ten_seconds(
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
        "composed  6/100 updates  loss 0.5000  1,000 tokens/s  0:47 left",
        "composed  28/100 updates  loss 0.5000  1,000 tokens/s  0:36 left",
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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0:00"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (60, "1:00"),
        (119.7, "2:00"),
        (3599.7, "1:00:00"),
        (36_000, "10:00:00"),
    ],
)
def test_a_clock_has_no_sixtieth_second_or_minute(seconds: float, words: str) -> None:
    assert display.clock(seconds) == words


def test_the_time_of_cheap_updates_says_nothing_of_costly_ones(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """The composed loss joins at update 50: 50 updates of a second each, then 50 of four."""
    shown = Display("composed", 0, 100, "tokens", changes=[0, 50, 100, 250])
    for done in range(1, 101):
        clock[0] += 1 if done <= 50 else 4
        if done % 20 == 0:
            shown.validated(done, {"loss": 1.0}, "")
        elif done == 50:
            shown.update(done, {"loss": 1.0}, done)
    told = [line.split("1.0000")[1].strip() for line in capsys.readouterr().err.splitlines() if "validation" in line]
    later = "to update 50; from there on they take other time"
    assert told == [f"0:30 {later}", f"0:10 {later}", "2:40 left", "1:20 left", ""]


def test_validations_in_quick_succession_are_told_but_for_the_first_and_the_last(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Display("composed", 0, 10, "tokens")
    for done in range(1, 11):
        clock[0] = 3 * done
        shown.validated(done, {"loss": 1.0}, "")
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["1/10", "5/10", "9/10", "10/10"]


def test_a_helping_process_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Display("composed", 0, 10, "tokens")
    shown.validated(10, {"loss": 0.5}, "sample")
    assert capsys.readouterr().err == ""
