"""Parts of a model by their names, and f with parts that keep the weights that it draws."""

import pytest
import torch

from composed.config.command_line import check
from composed.datamodules import tokenizers
from composed.errors import ConfigError
from composed.experiment.fine_tuning import fine_tuning, predictor
from composed.models.composition import freeze
from composed.models.parts import full_name, having
from composed.tasks.module import OTHERS, Stage
from composed.tasks.text import TextTask
from tests import toys
from tests.test_configs import node

NAMES = [name for name, _ in toys.model(layers=3).named_parameters()]


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("decoder.-1.", "decoder.2."),
        ("decoder.-3.", "decoder.0."),
        ("encoder.-2.feed_forward", "encoder.1.feed_forward"),
        ("decoder.-4.", "decoder.-4."),
        ("nothing.-1.", "nothing.-1."),
        ("decoder", "decoder"),
        (".", "."),
    ],
)
def test_a_place_from_the_end_is_told_from_the_start(part, whole):
    assert full_name(part, NAMES) == whole


def test_what_has_a_part_is_found_and_a_part_that_nothing_has_is_refused():
    assert having("decoder.-1.", NAMES, "key") == [name for name in NAMES if name.startswith("decoder.2.")]
    assert having(".", NAMES, "key") == NAMES
    for part in ("decoder.-4.", "norm.-1.", "none"):
        with pytest.raises(
            ConfigError, match=rf"key: no parameter of this model has '{part}'.*its parts are .*decoder"
        ):
            having(part, NAMES, "key")


def test_rates_name_layers_from_the_end():
    stage = Stage(1.0, {"encoder.-1.": 2.0, "decoder.-1.": 3.0, OTHERS: 0.0}).of(NAMES)
    rates = {name: stage.factor(name) for name in NAMES}
    assert {name for name, rate in rates.items() if rate == 2.0} == {n for n in NAMES if n.startswith("encoder.2.")}
    assert {name for name, rate in rates.items() if rate == 3.0} == {n for n in NAMES if n.startswith("decoder.2.")}
    assert sum(rate == 0.0 for rate in rates.values()) == sum("r.2." not in name for name in NAMES)


def test_parts_of_a_model_of_any_depth_are_its_own():
    for layers in (1, 2, 11):
        model = toys.model(layers=layers)
        names = [name for name, _ in model.named_parameters()]
        assert full_name("decoder.-1.", names) == f"decoder.{layers - 1}."
        assert all(torch.is_tensor(model.get_parameter(name)) for name in having("decoder.-1.", names, "key"))


def task(*words: str) -> TextTask:
    """Of standard fine-tuning, with two layers and the words."""
    settings = check(node("profile=smoke", "finetuning=standard", "model.layers=2", *words))
    tokenizer = tokenizers.train("word", ["int a ; a = 2 ;"], 50)
    return TextTask(settings, None, tokenizer, max_length=20)  # type: ignore[arg-type]


def starts(*words: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights of f where it starts, of Pi, and those that f draws."""
    of_words = task(*words)
    pi = freeze(of_words.denoiser(seed=9))
    return (
        predictor(of_words, pi).state_dict(),
        pi.state_dict(),
        of_words.predictor(seed=of_words.config.seed).state_dict(),
    )


def test_with_nothing_taken_from_the_denoiser_f_starts_from_scratch_to_the_bit():
    f, pi, drawn = starts("finetuning.fresh=[.]")
    scratch, _, _ = starts("finetuning.start_from=scratch")
    assert all(torch.equal(f[name], scratch[name]) and torch.equal(f[name], drawn[name]) for name in f)
    assert not all(torch.equal(f[name], pi[name]) for name in f)


def test_parts_that_are_named_keep_what_was_drawn_and_the_others_are_the_denoisers():
    f, pi, drawn = starts("finetuning=reinitialised")
    assert all(torch.equal(f[name], (drawn if name.startswith("decoder.1.") else pi)[name]) for name in f)
    f, pi, _ = starts("finetuning.fresh=[]")
    assert all(torch.equal(f[name], pi[name]) for name in f)


def test_a_warm_start_trains_what_is_fresh_alone_and_then_everything(monkeypatch):
    monkeypatch.setattr(TextTask, "examples", lambda _task, _split: [])
    of_mode = task("finetuning=warm_start")
    training = fine_tuning(of_mode, freeze(of_mode.denoiser(seed=9)), "").training
    names = [name for name, _ in training.model.named_parameters()]
    first, second = training.stages
    assert {name for name in names if first.factor(name)} == {n for n in names if n.startswith("decoder.1.")}
    assert {second.factor(name) for name in names} == {1.0}


def test_a_part_that_no_parameter_has_is_refused_with_those_that_there_are():
    of_mode = task("finetuning.fresh=[decoder.-3.]")
    with pytest.raises(ConfigError, match=r"finetuning.fresh: no parameter .*'decoder.-3.'.* parts are .*embedding"):
        predictor(of_mode, freeze(of_mode.denoiser(seed=9)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["finetuning.fresh=[decoder]", "finetuning.start_from=scratch"],
            r"set fresh to \[\], or start_from to denoiser",
        ),
        (["finetuning=warm_start", "finetuning.fresh=[]"], r"finetuning.fresh=\[\] names no parts"),
    ],
)
def test_what_names_no_part_or_has_nothing_to_keep_out_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        task(*words)
