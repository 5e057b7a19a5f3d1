"""What Hydra does not read as a person means it is refused with the same value in quotes, or in words."""

import shlex

import pytest

from composed.config.command_line import check_command_line, every_job
from composed.config.options import CONF, options
from composed.errors import ConfigError

MIXTURE = (CONF / "noise" / "mixture.yaml").read_text(encoding="utf-8")
TEXT_NOISES = [name for name in options("noise") if f"parts.{name}:" in MIXTURE]


@pytest.mark.parametrize(
    "value", ["a=b", "a'b", "a(b", "{a", "a#b", '"a', "caf\u00e9", "a b'c\\", "a\\'b", "[x", "a;b", "a,b c]", "\u2713"]
)
def test_a_value_that_hydra_does_not_read_is_refused_with_the_same_value_in_quotes(value):
    with pytest.raises(ConfigError, match="quote it twice") as refused:
        check_command_line([f"task.title={value}"])
    (word,) = shlex.split(str(refused.value).rpartition("for the shell: ")[2])
    check_command_line([word])
    ((_, config),) = every_job([word])
    assert config.task.title == value


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("seed", "seed: is neither KEY=VALUE nor GROUP=OPTION"),
        ("", "an empty word: is neither"),
        ("a b=1", "a b=1: is neither"),
        ("runs=~/r", r"runs=~/r: nothing expands ~ there; write runs=\$HOME/r"),
    ],
)
def test_what_is_no_override_is_told_in_words(word, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line([word])
