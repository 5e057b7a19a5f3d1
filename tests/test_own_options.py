"""Options in a folder of a person's own, `--config-dir`, are options like others; what is wrong in them is told."""

import pytest

from composed.config.command_line import check_command_line, every_job
from composed.config.options import CONF, options, search_words, with_own_options
from composed.errors import ConfigError

MIXTURE = (CONF / "noise" / "mixture.yaml").read_text(encoding="utf-8")
TEXT_NOISES = [name for name in options("noise") if f"parts.{name}:" in MIXTURE]


@pytest.fixture
def own_options(tmp_path):
    """Writes options into a folder; returns the words that check a command line with it."""

    def write(**files: str) -> list[str]:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.with_suffix(".yaml").write_text(text)
        return ["--config-dir", str(tmp_path)]

    yield write
    with_own_options([])


MINE = "defaults: [composed]\nname: mine\nbase_weight: 0.5\n"
EXPERIMENT = "# @package _global_\ndefaults:\n  - override /finetuning: mine\noptim: {lr: 0.5}\n"


def test_options_of_ones_own_are_taken_from_a_folder_of_ones_own(own_options, tmp_path):
    words = own_options(finetuning__mine=MINE, experiment__first=EXPERIMENT)
    check_command_line([*words, "finetuning=mine", "finetuning.base_weight=0.25"])
    check_command_line(["-m", *words, "finetuning=mine,baseline", "hydra/launcher=composed"], write=False)
    assert with_own_options(words) == with_own_options([f"--config-dir={tmp_path}"])
    places = search_words(with_own_options(words))
    [(job, resolved)] = every_job([*places, "+experiment=first", "profile=smoke"])
    assert job == [*places, "+experiment=first", "profile=smoke"]
    assert (resolved.finetuning.name, resolved.optim.lr) == ("mine", 0.5)
    check_command_line([*words, "+experiment=first", "optim.lr=0.1"])


@pytest.mark.parametrize(
    ("files", "arguments", "answer"),
    [
        ({"finetuning__mine": MINE}, ["finetuning=mien"], "valid values are .*mine.*; did you mean finetuning=mine?"),
        ({"finetuning__mine": MINE}, ["finetuning=mine", "optim.lrr=1"], "there is no key optim.lrr; did you mean"),
        ({"finetuning__mine": MINE + "lr: 1\n"}, ["finetuning=mine"], "there is no key finetuning.lr"),
        ({"optim__mine": "defaults: [adam]\nlrr: 1\n"}, ["optim=mine"], "there is no key optim.lrr; did you mean lr"),
        ({"optim__mine": "defaults: [adam]\nlr: fast\n"}, ["optim=mine"], "optim.lr=fast: expected a number"),
        (
            {"experiment__one": "optim: {lr: 1}\n"},
            ["+experiment=one"],
            "sets experiment, .* begins with the line `# @p",
        ),
        ({"experiment__one": EXPERIMENT}, ["+experiment=two"], "experiment=two: valid values are one"),
        ({"finetuning__standard": MINE}, [], "standard.yaml: conf/ has finetuning=standard too; give it another name"),
    ],
)
def test_what_is_wrong_in_ones_own_options_is_told(own_options, files, arguments, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line([*own_options(**files), *arguments])


def test_a_folder_of_options_has_to_be_there(tmp_path):
    with pytest.raises(ConfigError, match=f"--config-dir {tmp_path}/nowhere: no such folder"):
        check_command_line(["--config-dir", str(tmp_path / "nowhere")])
    with pytest.raises(ConfigError, match="--config-dir: a folder with your own options must follow"):
        check_command_line(["--config-dir"])
