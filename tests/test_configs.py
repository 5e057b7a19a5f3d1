"""Every YAML file composes, is accepted, and builds what it describes; the classes in `src/config` know every key."""

import dataclasses
import inspect
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from hydra._internal.utils import _locate
from hydra.utils import instantiate
from omegaconf import OmegaConf

from composed.conf import fastest_precision
from composed.config import Config, estimator, model, noise
from composed.config.command_line import check
from composed.config.estimator import SCORE_FUNCTIONS
from composed.config.options import GROUPS, options
from composed.config.structure import plain
from composed.datamodules import tokenizers
from composed.datamodules.sanstype.files import Sizes
from composed.datamodules.sanstype.grammar import Grammar
from composed.errors import ConfigError
from composed.experiment.fine_tuning import composed_term, fine_tuning, predictor
from composed.models.composition import freeze
from composed.tasks.image import ImageTask
from composed.tasks.staircase import StaircaseTask
from composed.tasks.text import TextTask
from composed.training.fit import check_trainer

ROOT = Path(__file__).parents[1]
PROGRAM = "int main () { int var_0; var_0 = 3; cout << var_0; return 0; }"
ALL = [(group, option) for group in GROUPS for option in options(group)]
SMALL_T5 = "{d_model: 16, d_kv: 8, d_ff: 16, num_layers: 1, num_decoder_layers: 1, num_heads: 2}"
RANDOM_T5 = ("name=t5", "pretrained=false", "own_tokenizer=false", f"settings={SMALL_T5}")
# A task, with the folder that it asks for.
OF_TASK = {task: [f"task={task}"] for task in options("task")}
OF_TASK["files"].append("task.folder=.")
# What an option needs beside it.
COMPANIONS = {
    ("pretraining", "none"): ["finetuning=baseline"],
    ("trainer", "gpu"): [] if torch.cuda.is_available() else ["trainer.accelerator=cpu"],
    **{("sizes", option): OF_TASK[option.partition("_")[0]] for option in options("sizes")},
    ("task", "files"): OF_TASK["files"],
    ("noise", "from_errors"): [f"noise.run={ROOT / 'tests' / 'errors'}"],
    ("estimator", "pathwise"): ["task=staircase"],
    ("judge", "images"): ["task=fonts"],
    ("judge", "numbers"): ["task=staircase"],
    ("judge", "command"): ["judge.program=cat"],
    ("model", "relu"): ["task=staircase"],
    ("model", "glyphs"): ["task=fonts"],
    ("model", "huggingface"): [f"model.{setting}" for setting in RANDOM_T5],
    ("pretraining", "denoise_huggingface"): ["finetuning=composed_from_scratch", "pretraining.model.name=t5"],
    ("pretraining", "denoise_transformer"): ["finetuning=composed_from_scratch"],
    ("optim", "adam_images"): ["task=fonts"],
    ("pretraining", "denoise_images"): ["task=fonts"],
    **{("noise", option): ["task=fonts"] for option in ("blur", "chain", "contrast", "emboss")},
    ("noise", "code"): ["task=spoc"],
    ("noise", "template_python"): ["task=python"],
    ("optim", "full_batch"): ["task=staircase"],
    ("pretraining", "rounding"): ["task=staircase"],
    **{("trainer", several): ["trainer.accelerator=cpu", "trainer.devices=2"] for several in ("ddp", "fsdp")},
}


def config(*words: str) -> Config:
    """As a run folder's is read: what it names need not be there."""
    return Config.read(node(*words))


def node(*words: str) -> dict[str, Any]:
    with initialize_config_module("composed.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", list(words)), resolve=True)  # type: ignore[return-value]


def build_all(settings: dict[str, Any]) -> None:
    """Everything that needs no data."""
    config = check(settings)
    check_trainer(config.trainer)
    {"text": build_text, "image": build_image, "staircase": build_staircase}[config.task.kind](config)


def build_image(settings: Config) -> None:
    task = ImageTask(settings, SimpleNamespace(train=None, val=None), "")  # type: ignore[arg-type]
    pi = freeze(task.denoiser(seed=0))
    f = fine_tuning(task, pi, "").training.model
    assert pi(f(torch.zeros(2, 2, dtype=torch.long))).shape == (2, 1, 32, 32)
    noise = instantiate(settings.noise)
    assert noise(torch.zeros(2, 1, 32, 32), torch.Generator()).shape == (2, 1, 32, 32)
    task.optim(settings.pretraining.optim)


def build_staircase(settings: Config) -> None:
    task = StaircaseTask.open(settings)
    networks, rounding, count = task.predictor(seed=0), task.denoiser(), len(task.stairs)
    points = torch.zeros(count, 3)
    assert instantiate(settings.estimator).surrogate(networks, rounding, points, points).shape == (count,)


def build_text(settings: Config) -> None:
    task = settings.task
    if task.name == "sanstype":
        Sizes(**plain(task.sizes))
        Grammar(**plain(task.grammar))
    tokenizer = tokenizers.train("word", [PROGRAM], settings.tokenizer.size)
    text = TextTask(settings, None, tokenizer, max_length=20)  # type: ignore[arg-type]
    pi = freeze(text.model(seed=0))
    if settings.finetuning.start_from in ("scratch", "denoiser"):
        predictor(text, pi)
    composed_term(text, pi, text.optim(settings.optim))
    if settings.pretraining.name != "none":
        text.optim(settings.pretraining.optim)
    noise = instantiate(settings.noise)
    assert dataclasses.is_dataclass(noise)
    instantiate(settings.estimator)


@pytest.mark.parametrize(("group", "option"), ALL, ids=lambda value: value)
def test_every_option_builds_under_the_smoke_profile(group, option):
    words = COMPANIONS.get((group, option), [])
    if option == "fairseq_transformer" and find_spec("fairseq") is None:
        pytest.skip("fairseq is not installed: make fairseq")
    build_all(node("profile=smoke", *([] if group == "profile" else [f"{group}={option}"]), *words))


@pytest.mark.parametrize("profile", options("profile"))
@pytest.mark.parametrize("task", options("task"))
@pytest.mark.parametrize("finetuning", options("finetuning"))
def test_every_mode_of_a_task_is_accepted_under_every_profile_and_no_other(profile, task, finetuning):
    """Only outputs that are inputs too let f start from the denoiser."""
    settings = node(f"profile={profile}", *OF_TASK[task], f"finetuning={finetuning}")
    modes = {
        "image": ("baseline", "composed_pathwise", "composed_from_scratch"),
        "staircase": ("baseline", "composed_pathwise"),
    }
    kind = settings["task"]["kind"]
    if kind == "text" or finetuning in modes[kind]:
        check(settings)
    else:
        with pytest.raises(ConfigError, match=f"task={task}"):
            check(settings)


@pytest.mark.parametrize("finetuning", options("finetuning"))
@pytest.mark.parametrize("estimator", [option for option in options("estimator") if option != "pathwise"])
def test_every_mode_builds_with_every_estimator(finetuning, estimator):
    config = node("profile=smoke", f"finetuning={finetuning}", f"estimator={estimator}")
    if finetuning == "composed_identity" and estimator not in SCORE_FUNCTIONS:
        with pytest.raises(ConfigError, match="reads the tokens of f's samples"):
            build_all(config)
        return
    build_all(config)


@pytest.mark.parametrize("group", ["finetuning", "pretraining", "profile", "task"])
def test_an_option_bears_the_name_of_its_file(group):
    for option in options(group):
        words = ["finetuning=baseline"] if option == "none" else []
        assert node(f"{group}={option}", *words)[group]["name"] == option


@pytest.mark.parametrize(("group", "option"), ALL, ids=lambda value: value)
def test_every_option_is_a_value_of_the_same_keys_in_the_same_order(group, option, monkeypatch):
    monkeypatch.setattr("composed.config.model.find_spec", lambda package: ...)
    words = [*([f"{group}={option}"] if group != "profile" else []), *COMPANIONS.get((group, option), [])]
    given = node("profile=smoke", *words)
    value = Config.of(given)
    assert yaml.safe_dump(value.plain(), sort_keys=False) == yaml.safe_dump(given, sort_keys=False)


SCHEMAS = {**noise.SCHEMAS, **estimator.SCHEMAS, **model.SCHEMAS}


@pytest.mark.parametrize("target", SCHEMAS)
def test_a_class_and_what_it_is_a_schema_of_have_the_same_keys(target):
    """As far as signatures tell: functions of estimators hand further keys on."""
    made = _locate(target)
    parameters = inspect.signature(made).parameters
    keys = {field.name for field in dataclasses.fields(SCHEMAS[target])} - {"_target_"}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        named = {name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
        assert named - {"vocabulary"} <= keys
    else:
        assert keys <= {*parameters}


def test_the_modes_of_a_task_differ_in_no_budget():
    """A table compares modes, not budgets: each lets f see as many updates."""
    for profile in ("smoke", "quick"):
        updates = {
            mode: node(f"profile={profile}", f"finetuning={mode}")["optim"]["updates"]
            for mode in ("baseline", "standard", "composed")
        }
        assert len(set(updates.values())) == 1, updates


@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_models_of_text_are_as_small_as_the_profile(profile):
    """A task without sizes of its own for the model would have the published ones."""
    published = config("profile=paper").model.width  # type: ignore[union-attr]
    for words in OF_TASK.values():
        settings = config(*words, f"profile={profile}")
        if settings.task.kind == "text":
            assert settings.model.width < published, words  # type: ignore[union-attr]


def test_the_precision_is_the_fastest_that_the_accelerator_has(tmp_path, monkeypatch):
    (tmp_path / "new").write_text("flags : fpu sse amx_bf16 avx\n")
    (tmp_path / "old").write_text("flags : fpu sse avx\n")
    fastest = {"new": "bf16-mixed", "old": "32-true", "missing": "32-true"}
    for machine, precision in fastest.items():
        assert fastest_precision("cpu", tmp_path / machine) == precision
        for there in (True, False):
            monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
            assert fastest_precision("auto", tmp_path / machine) == ("bf16-mixed" if there else precision)
    with initialize_config_module("composed.conf", version_base="1.3"):
        for words in (["trainer=gpu"], ["trainer=ddp", "trainer.accelerator=gpu"]):
            assert compose("config", words).trainer.precision == "bf16-mixed"
        assert compose("config", ["trainer=fsdp", "trainer.accelerator=cpu"]).trainer.precision == fastest_precision(
            "cpu"
        )


def test_sizes_and_tasks_choose_the_tokenizer():
    """They come after config.yaml's own keys, or it would be its default everywhere."""
    assert node("profile=paper")["tokenizer"] == {"kind": "bpe", "size": 600, "file": None}
    assert node("task=spoc", "profile=paper")["tokenizer"] == {"kind": "bpe_bytes", "size": 10_000, "file": None}
    assert node("profile=paper", "tokenizer.kind=word")["tokenizer"]["kind"] == "word"


OWN_MODEL = ["pretraining=denoise_transformer", "finetuning=composed_from_scratch"]
T5 = ["model=huggingface", "model.name=t5"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model=huggingface"], "model.name is missing"),
        (["model=huggingface", "model.name=no/such/folder"], "no such folder, and no id of the hub"),
        ([*T5, "model.own_tokenizer=false"], "set model.pretrained=false"),
        ([*T5, "finetuning=composed_deep"], "HuggingFace does not offer finetuning.depth=2: set it to 1"),
        ([*T5, "finetuning=adapters"], "does not offer finetuning.adapters=128: .*finetuning.lora works"),
        ([*T5, "estimator=gumbel"], "does not offer soft sources .*estimator=rloo or"),
        ([*T5, "estimator=reinforce", "estimator.published_quirks=true"], "without published_quirks"),
        ([*T5, "pretraining.classifier=9", "finetuning.predict_above=0.5"], "does not offer a classifier"),
        (["pretraining=denoise_transformer"], "finetuning.start_from=denoiser: .* a model of its own"),
        ([*OWN_MODEL, "estimator=gumbel"], "reads the text of f's samples; valid is estimator=rloo"),
        ([*OWN_MODEL, "estimator.reach=4"], "estimator.reach=4 counts tokens of one tokenizer"),
        ([*OWN_MODEL, "pretraining.classifier=9"], "set pretraining.classifier=0"),
        (["denoiser=model"], "random weights here"),
    ],
)
def test_what_a_model_lacks_is_refused_with_what_is_valid(words, says):
    with pytest.raises(ConfigError, match=says):
        check(node("profile=smoke", *words))


def test_without_the_extra_its_command_is_named(monkeypatch):
    monkeypatch.setattr("composed.config.model.find_spec", lambda package: None if package == "transformers" else ...)
    with pytest.raises(ConfigError, match=r"need the package transformers: pip install 'composed\[hf\]'"):
        check(node("profile=smoke", *T5))
    monkeypatch.setattr("composed.config.model.find_spec", lambda package: None if package == "peft" else ...)
    check(node("profile=smoke", *T5))
    with pytest.raises(ConfigError, match="need the package peft"):
        check(node("profile=smoke", *T5, "finetuning=lora"))
