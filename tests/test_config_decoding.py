"""How predictions are decoded: what may be asked for, and what it tells apart."""

import pytest

from composed.config import Config
from composed.config.decoding import Beam, Resample, decoding_word, named
from composed.config.identity import denoiser_key, run_name, shaping
from composed.config.options import options, read_option
from composed.errors import ConfigError
from tests.test_configs import config, node

DECODINGS = options("decoding")


def test_there_are_these_five():
    assert DECODINGS == ["beam", "constrained", "greedy", "resample", "sample_vote"]
    assert named("beam") == Beam(_target_="composed.models.decoders.Beam", beams=4)


def test_a_decoding_makes_another_run_of_the_same_denoiser():
    configs = [config("profile=smoke", f"decoding={name}") for name in DECODINGS]
    configs.append(config("profile=smoke", "decoding=beam", "decoding.beams=8"))
    assert len({run_name(each) for each in configs}) == len(configs)
    assert len({denoiser_key(each) for each in configs}) == 1
    assert shaping(configs[-1])["decoding"]["beams"] == 8


@pytest.mark.parametrize("task", ["fonts", "staircase"])
def test_pictures_and_numbers_are_not_decoded(task):
    words = [f"task={task}", "profile=smoke", "finetuning=baseline"]
    assert "decoding" not in shaping(config(*words))
    with pytest.raises(ConfigError, match=rf"decoding is not for task={task}.*valid is decoding=greedy$"):
        config(*words, "decoding=beam")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["decoding=resample", "judge=match"],
            r"judge=match tells no valid output from another; give it",
        ),
        (["decoding=constrained", "tokenizer.kind=bpe"], r"tokenizer\.kind=bpe cuts words.*use tokenizer\.kind=word"),
        (["decoding=constrained", "task=spoc"], "knows the grammar of task=sanstype"),
        (
            ["decoding=constrained", "model=huggingface", "model.name=bart", "finetuning=standard"],
            "takes no mask; use model=transformer",
        ),
        (["decoding=beam", "decoding.beams=0"], r"decoding\.beams=0: must be above 0"),
        (["decoding=resample", "decoding.draws=1"], r"decoding\.draws=1: must be above 1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(words, why):
    with pytest.raises(ConfigError, match=why):
        Config.of(node("profile=smoke", *words))


def test_an_option_is_named_with_its_settings():
    assert named("resample", ["decoding.draws=6"]) == Resample(_target_="composed.models.decoders.Resample", draws=6)
    with pytest.raises(ConfigError, match=f"--decoding best: valid values are {', '.join(DECODINGS)}"):
        named("best")
    with pytest.raises(ConfigError, match=r"decoding\.beam=3: decoding=beam takes decoding\.beams=VALUE"):
        named("beam", ["decoding.beam=3"])
    with pytest.raises(ConfigError, match=r"decoding\.beams=3: decoding=greedy takes no settings"):
        named("greedy", ["decoding.beams=3"])
    with pytest.raises(ConfigError, match=r"decoding\.beams=many: expected a whole number"):
        named("beam", ["decoding.beams=many"])


def test_reports_have_words_for_it():
    words = {name: decoding_word(read_option("decoding", name)) for name in DECODINGS}
    assert words == {
        "greedy": "",
        "beam": "beam 4",
        "sample_vote": "vote 8",
        "resample": "resample 4",
        "constrained": "constrained",
    }
    assert decoding_word({"_target_": "composed.models.mine.Shortest", "samples": 3}) == "Shortest, samples 3"
