"""The scripts complete as a person would see it: they run in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from composed.cli.completion import main
from composed.config.options import GROUPS
from composed.config.reference import completion_words


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["bash"]) == 0
    return capsys.readouterr().out


def completed(script: str, line: str, breaks: str = " =:", function: str = "_composed_overrides") -> list[str]:
    """What bash would offer at the end of `line`."""
    command = line.split()[0]
    code = f'{script}\nCOMP_WORDBREAKS="{breaks}" COMP_LINE="$1" COMP_POINT=${{#1}}\n{function} {command}\n'
    code += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code, "bash", line], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_every_group_has_its_options_and_keys_their_paths() -> None:
    every = completion_words()
    assert {group for group in GROUPS if any(word.startswith(f"{group}=") for word in every)} == set(GROUPS)
    assert {"finetuning=composed", "task=sanstype", "optim.lr=", "seed=", "task.grammar.max_variables="} <= {*every}
    assert not [word for word in every if "_target_" in word or word.startswith(("hydra", "defaults"))]


def test_options_follow_the_equals_sign_that_bash_takes_for_a_word_of_its_own(script: str) -> None:
    assert completed(script, "composed-train finetuning=comp")[0] == "composed"
    assert completed(script, "composed-train finetuning=comp", breaks=" ")[0] == "finetuning=composed"


def test_a_further_value_of_a_sweep_is_completed(script: str) -> None:
    assert completed(script, "composed-train -m finetuning=baseline,stand")[0] == "baseline,standard"


def test_a_key_is_completed_up_to_its_value(script: str) -> None:
    assert completed(script, "composed-train optim.l") == ["optim.l2=", "optim.label_smoothing=", "optim.lr="]


def test_flags_are_those_of_the_help(script: str, tmp_path: Path) -> None:
    shown = tmp_path / "composed-x"
    shown.write_text("#!/bin/sh\necho ' --out DIR  for files\n --other'\n")
    shown.chmod(0o755)
    assert completed(script, f"{shown} --o", function="_composed_files") == ["--other", "--out"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_takes_the_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["zsh"]) == 0
    code = f"{capsys.readouterr().out}\nCOMP_LINE='composed-train task=san' COMP_POINT=23\n"
    code += "_composed_overrides composed-train; print -l $COMPREPLY; print $_comps[composed-train]"
    done = subprocess.run(
        ["zsh", "-fc", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "/bin:/usr/bin"},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["task=sanstype", "_bash_complete -o default -F _composed_overrides"]
