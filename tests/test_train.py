"""What composed-train says to do next is a command that works as it stands."""

import shlex

import pytest
import yaml

from composed.cli import train


@pytest.mark.parametrize(("characters", "text"), [("ABCDEFGH", "ABCDE"), ("Helo W", "Hello"), ("' $", "' $")])
def test_the_next_command_writes_what_the_run_knows_and_is_quoted(tmp_path, characters, text):
    folder = tmp_path / "my runs" / "one"
    (folder / "pictures").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"task": {"characters": characters}}))
    words = ["composed-predict", str(folder), "--font", "0", "--text", text, "-o", "hello.png"]
    assert shlex.split(train._uses(folder)) == words
    (folder / "verdicts-id.jsonl").touch()
    assert shlex.split(train._uses(folder)) == ["composed-predict", str(folder), "<", "INPUTS"]
