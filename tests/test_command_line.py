"""A wrong word is answered at once: exit code 2, the nearest right one, no traceback, no torch."""

import os
import shutil
import subprocess
import sys

import pytest

from composed.config import options as options_of
from composed.config.command_line import check, check_command_line, flags_first
from composed.config.options import CONF, GROUPS, options, with_own_options
from composed.config.processes import PLUGINS
from composed.config.reference import help_text
from composed.errors import ConfigError
from tests.commands import command
from tests.test_configs import node

MIXTURE = (CONF / "noise" / "mixture.yaml").read_text(encoding="utf-8")
TEXT_NOISES = [name for name in options("noise") if f"parts.{name}:" in MIXTURE]


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("optim.lrr=1", "there is no key optim.lrr; did you mean optim.lr or "),
        ("+optim.lrr=1", "there is no key optim.lrr; did you mean optim.lr or "),
        ("++optim.lrr=1", "there is no key optim.lrr; did you mean optim.lr or "),
        ("sed=1", "there is no key sed; did you mean seed or "),
        ("xyzzy=1", "there is no key xyzzy; `--cfg job` prints every key"),
        ("finetuning=composd", "valid values are .*baseline.*; did you mean finetuning=composed?"),
        ("task=nothing", "task=nothing: valid values are .*sanstype"),
        ("task=3", "task=3: valid values are "),
        ("noise@other=template", "a group has one place; write noise=OPTION"),
        ("~optim.lr", "nothing can be removed"),
        ("seed=0,1", "several values are several runs, and need -m"),
        ("finetuning=glob(*)", "need -m"),
        ("optim.lr=fast", r"optim.lr=fast: expected a number \(the default is "),
        ("seed=1.5", r"seed=1.5: expected a whole number \(the default is 0\)"),
        ("seed=true", "seed=true: expected a whole number"),
        ("redo=1", r"redo=1: expected true or false \(the default is false\)"),
        ("runs=3", "runs=3: expected a word"),
        ("denoiser=true", "denoiser=true: expected a word"),
        ("denoiser=null", "denoiser=null: expected a word"),
        ("task.max_length=abc", r"expected a whole number or null \(the default is null\)"),
        ("task.folder=3", "expected a word or null"),
        ("optim.clip=x", "expected a number or null"),
        ("judge.workers=1.5", "expected a whole number or null"),
        ("trainer.threads=many", "expected a whole number or null"),
        ("optim.betas=[0.9]", "optim.betas=.0.9.: expected a list of the kind of the default"),
        ("optim.betas=[0.9,x]", "expected a list of the kind of the default"),
        ("seed.x=1", "there is no key seed.x; did you mean seed"),
        ("pretraining.model.name=t5", "there is no key pretraining.model.name; did you mean pretraining.model or "),
        (
            "schedules.other.lr=1",
            "there is no key schedules.other.lr; did you mean schedules.matched.lr or schedules.continued.lr or ",
        ),
        ("trainer.other=1", "there is no key trainer.other"),
        ("task.sizes={train: 3}", "task.sizes has keys of its own, such as task.sizes.train"),
        ("task.sizes=3", "task.sizes has keys of its own, such as task.sizes.train"),
        ("seed=${oc.env:HOME}", "expected a whole number"),
        ("seed=${nothing}", "nothing"),
        ("seed=[1", "no viable alternative"),
        ("word", "word"),
        ("seed=-1", "seed=-1: must be at least 0"),
        ("optim.lr=0", "optim.lr=0: must be above 0"),
        ("optim.momentum=0.9", "there is no key optim.momentum"),
        ("pretraining.optim.momentun=0.9", "there is no key pretraining.optim.momentun; did you mean"),
        ("pretraining/optim=sgd", "pretraining/optim=sgd: valid values are adam, muon"),
        ("pretraining/optm=muon", "there is no key pretraining/optm; did you mean pretraining/optim"),
        ("finetuning.stages=[{share: all, rates: {}, pairs: all}]", "the share and every rate must be a number"),
        ("finetuning.stages=[{share: 1, rates: {others: no}, pairs: all}]", "every rate must be a number"),
        ("optim.lr=nan", "optim.lr=nan: must be above 0"),
        ("pretraining.optim.updates=0", "must be above 0"),
        ("task.sizes.test=0", "must be above 0"),
        ("judge.workers=0", "must be above 0"),
        ("model.dropout=1.0", "from 0 to below 1"),
        ("noise.unchanged=2.0", "from 0 to 1"),
        ("finetuning.compose_after=1.0", "a share of the updates"),
        ("finetuning.predict_above=1.0", "from 0 to below 1"),
        ("finetuning.predict_above=0.9", "asks a classifier, but there is none: set pretraining.classifier"),
        ("optim.decay=cosine", "valid values are inverse_sqrt and linear and constant"),
        ("optim.label_smoothing=1", "optim.label_smoothing=1: must be from 0 to below 1"),
        ("optim.label_smoothing=[[0.5,0.2],[0.4,0.1]]", "shares above 0 that add up to 1, such as"),
        ("optim.label_smoothing=[0.2,0.1]", "a number, or"),
        ("optim.label_smoothing=[[0.5,0.2],[0.5,1.0]]", "label_smoothing=1.0: must be from 0 to below 1"),
        ("tokenizer.kind=bp", "valid values are word and bpe"),
        ("logger.mode=cloud", "valid values are offline and online"),
        ("finetuning.train_through=f", "valid values are denoiser and identity and null"),
        ("model._target_=os.system", "model._target_=os.system: only names in modules below composed.models"),
        ("model._target_=composed.models.transformer.torch.load", "only names in modules below"),
        ("model._target_=composed.runs.folder.subprocess.run", "only names in modules below"),
        ("pretraining=none", "needs a denoiser .*pretraining=none makes none"),
        ("finetuning.train_through=null", "finetuning.composed_weight=.* has no effect"),
        ("finetuning.start_from=elsewhere", "there is no such folder"),
        ("finetuning.start_from=composed", "valid values are scratch, denoiser, another mode .*standard"),
        ("finetuning.depth=0", "finetuning.depth=0: must be at least 1"),
        ("trainer.strategy=dp", "valid values are auto and ddp and fsdp"),
        ("finetuning.extra_pairs=more", "valid values are backtranslation and null"),
        ("finetuning.fisher=5", "finetuning.anchor=0 switches off"),
        ("finetuning.stages=[{share:0.5,rates:{},pairs:all}]", "the shares must add up to 1"),
        ("finetuning.stages=[{share:1.0,rates:{},pairs:some}]", "pairs=some: valid values are all and labeled"),
        ("finetuning.stages=[{share:1.0,rates:{decoder:-1},pairs:all}]", "rates at least 0"),
        ("finetuning.stages=[{share:1.0}]", "must have the keys share, rates and pairs"),
        ("finetuning.stages=[]", "the shares must add up to 1"),
        ("denoiser=/nope", "denoiser=/nope: no such file or folder"),
        ("model.heads=3", "must be a multiple of 2"),
        ("estimator.samples=1", "rloo .*needs at least 2; .*reinforce .*take 1"),
        ("estimator.samples=0", "must be above 0"),
        ("estimator.cap=0", "must be above 0"),
        ("estimator.reach=-1", "must be above 0"),
        ("estimator.entropy=-1", "must be at least 0"),
        ("estimator.temperature=1", "there is no key estimator.temperature"),
        ("++trainer.fast_dev_run=true", "trainer.fast_dev_run: cannot be set here; optim.updates .* profile=smoke"),
        ("++trainer.limit_train_batches=0.1", "task.sizes.train and others cut data"),
        ("++trainer.overfit_batches=1", "task.sizes.train and others cut data"),
        ("++trainer.max_time=00:00:00:01", "optim.updates and pretraining.optim.updates say how long"),
        ("++trainer.max_epochs=1", "optim.updates and pretraining.optim.updates say how long"),
        ("++trainer.max_steps=1", "optim.updates and pretraining.optim.updates say how long"),
        ("++trainer.limit_val_batches=0", "all of the validation data are taken"),
        ("++trainer.accumulate_grad_batches=2", "set optim.accumulate"),
        ("++trainer.gradient_clip_val=1", "set optim.clip"),
        ("++trainer.callbacks=[x]", "they are objects"),
        ("logger.project=a/b", r"logger.project=a/b: a project of W&B has a name of 1 to 128 characters, none of / "),
        ("logger.project=a:b", "a project of W&B"),
        ("logger.project=", "a project of W&B"),
        (f"logger.project={'p' * 129}", "a project of W&B"),
        ("finetuning.name=a/b", "finetuning.name=a/b: is part of the name of a run's folder"),
        ("finetuning.name=../x", "finetuning.name=../x: is part of the name of a run's folder"),
        ("finetuning.name=", "finetuning.name=: is part of the name of a run's folder"),
        ("finetuning.name='a\tb'", "something that can be printed, without /"),
        (f"finetuning.name={'n' * 240}", "finetuning.name: .* [0-9]+ bytes longer than file systems take"),
        (f"finetuning.name='{chr(0xE9) * 120}'", "finetuning.name: .* [0-9]+ bytes longer than file systems take"),
        (f"profile.name={'n' * 240}", "shorten one of task.name, profile.name, finetuning.name"),
        *(
            (f"{key}=a/{'n' * 256}/b", f"{key}=a/n+...: no file or folder has a name of more than 255 bytes")
            for key in (
                "runs",
                "store",
                "denoiser",
                "task.folder",
                "task.data",
                "tokenizer.file",
                "finetuning.start_from",
            )
        ),
        ("runs=/dev/null/runs", "no folder can be made there, because /dev/null is a file"),
    ],
)
def test_a_wrong_override_is_refused_with_a_remedy(argument, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line([argument])


@pytest.mark.parametrize(
    "arguments",
    [
        ["task.max_length=null", "profile=smoke"],
        ["task.max_length=30", "optim.clip=1", "task.folder=some/where"],
        ["+optim.lr=1e-3", "++optim.clip=0.5"],
        ["trainer.devices=2"],
        ["trainer=ddp", "trainer.devices=[0,1]"],
        ["trainer=fsdp", "trainer.precision=bf16-mixed", "finetuning=adapters"],
        [f"finetuning.name={'n' * 200}"],
        ["finetuning.name='my mode, \u00e9'"],
        ["++trainer.benchmark=true", "++trainer.gradient_clip_algorithm=value"],
        ["optim.lr=${pretraining.optim.lr}"],
        ["optim.label_smoothing=[[0.8,0.2],[0.2,0]]", "profile=paper", "task=spoc"],
        ["task.title='1,2'"],
        ["hydra.job.name=x"],
        ["-m", "finetuning=glob(*)", "seed=range(0,100)", "optim.lr=choice(1e-3,2e-3)"],
        ["-m", "estimator=rloo,reinforce", "estimator.samples=2,1"],
        ["-m", "hydra/sweeper=basic", "optim.lr=tag(log,interval(1e-4,1e-2))", "seed=range(0,3)"],
        ["-m", "hydra/launcher=composed", "hydra.launcher.jobs=2", "trainer=ddp", "seed=0,1"],
        ["estimator.cap=2", "estimator.reach=8.5", "estimator.entropy=0.01", "estimator.dropout=true"],
        ["-m", "estimator=vimco,posterior", "finetuning=standard,composed"],
        ["-m", "finetuning=glob(*)", "schedules.continued.lr=1e-4", "task.folder=some/where"],
        ["decoding=beam", "decoding.beams=8"],
        ["-m", "decoding=greedy,beam,sample_vote,resample,constrained", "task.max_length=99"],
        ["task=staircase", "trainer.threads=2", "trainer=cpu", "tokenizer.kind=word", "store=elsewhere"],
        ["finetuning=composed_from_standard", "schedules.pretrained.lr=1e-4"],
        ["pretraining=none", "finetuning=baseline"],
        ["pretraining=none", "denoiser=/"],
        ["optim=muon", "pretraining/optim=muon", "optim.momentum=0.9", "finetuning=gradual_unfreezing"],
        ["-m", "pretraining/optim=adam,muon", "finetuning=standard,baseline"],
        ["finetuning=standard", "finetuning.stages=[{share: 1.0, rates: {embedding: 1, others: 0}, pairs: all}]"],
    ],
)
def test_right_overrides_pass(arguments):
    check_command_line(arguments)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["task=staircase", "noise=blur"], "the denoiser of task=staircase rounds and is not trained"),
        (["task=staircase", "denoiser=store"], "rounds and is not trained"),
        (["task=staircase", "tokenizer.kind=bpe"], "task=staircase has no text"),
        (["task=staircase", "tokenizer.size=99"], "has no text"),
        (["task=staircase", "trainer.accelerator=gpu"], "is trained by threads of the CPU"),
        (["task=staircase", "trainer.precision=64-true"], "is trained by threads of the CPU"),
        (["task=staircase", "trainer=ddp", "trainer.accelerator=cpu"], "is trained by threads of the CPU"),
        (["task=staircase", "finetuning=baseline", "pretraining.margin=0.5"], "does not train through a denoiser"),
        (["task=fonts", "tokenizer.kind=bpe"], "task=fonts has no text"),
        (["task=fonts", "backtranslation.seed=3"], "has no text"),
        (["task=fonts", "task.faces=some/where", "task.count=3"], "has faces of its own"),
        (["finetuning=baseline", "estimator=vimco"], "finetuning=baseline does not train through a denoiser"),
        (["finetuning=standard", "estimator.samples=8"], "does not train through a denoiser"),
        (["finetuning=standard", "finetuning.compose_after=0.5"], "does not train through a denoiser"),
        (["-m", "finetuning=baseline,standard", "estimator=rloo,vimco"], "does not train through a denoiser"),
        (["backtranslation.seed=1"], "asks for no backtranslation"),
        (["task.folder=mine", "task.sizes.train=3"], "task.folder=mine has data of its own"),
        (["tokenizer.size=99"], "tokenizer.kind=word takes every word"),
        (["finetuning=baseline", "pretraining=none", "noise=masking"], "pretraining=none trains no denoiser"),
        (["denoiser=/", "pretraining.dropout=0.2"], "denoiser=/ is trained already"),
        (["denoiser=/", "noise=masking"], "denoiser=/ is trained already"),
        (["task=spoc", "finetuning.predict_above=0", "pretraining.classifier=7"], "asks no classifier"),
        (["finetuning=standard", "schedules.scratch.lr=1e-4"], "the schedule is finetuning.schedule=pretrained"),
    ],
)
def test_a_key_without_effect_is_refused_with_the_reason(arguments, why):
    with pytest.raises(ConfigError, match=f"has no effect: .*{why}.*; leave it out"):
        check_command_line(arguments)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["estimator=vimco", "estimator.samples=1"], "vimco compares samples"),
        (["task=fonts", "finetuning=baseline", "trainer.gradient_checkpointing=true"], "task=fonts has no transformer"),
        (["pretraining.broken=true", "pretraining.fresh=true"], "pretraining.broken=true: outputs are checked once"),
        (["noise=infilling", "noise.span=0.5"], "noise.span=0.5: must be from 1"),
        (["noise=mixture", "noise.weights.masking=-1"], "masking=-1: must be at least 0"),
        (["noise=mixture", "noise.parts.masking.probability=2"], "must be from 0 to 1"),
        (["noise=mixture", *(f"noise.weights.{n}=0" for n in TEXT_NOISES)], "all are 0"),
        (["estimator=gumbel", "estimator.temperature=0"], "estimator.temperature=0: must be above 0"),
        (["estimator=posterior", "estimator.reach=3"], "there is no key estimator.reach"),
        (["estimator=straight_through", "estimator.greedy=true", "estimator.samples=2"], "one output; set samples=1"),
        (["estimator=reinforce", "estimator.published_quirks=true", "estimator.cap=3"], "has no estimator.cap"),
    ],
)
def test_estimators_and_noises_are_asked_for_nothing_that_they_cannot_do(arguments, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(arguments)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["optim=muon", "finetuning=lora"], "of which none learns by the rates of finetuning=lora; use optim=adam"),
        (["optim=muon", "finetuning=adapters"], "none learns by the rates of finetuning=adapters; use optim=adam"),
        (["optim=muon", "optim.momentum=1"], "optim.momentum=1: must be from 0 to below 1"),
        (["pretraining/optim=muon", "task=fonts"], "this option of pretraining leaves no choice of it; leave it out"),
        (["pretraining/optim=muon", "pretraining=none", "finetuning=baseline"], "leaves no choice of it; leave it out"),
        (["pretraining/optim=adam", "pretraining.optim.momentum=0.9"], "no key pretraining.optim.momentum"),
        (["pretraining/optim=adam", "denoiser=/"], "has no effect: denoiser=/ is trained already; leave it out"),
    ],
)
def test_muon_is_refused_where_there_is_nothing_for_it(arguments, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(arguments)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["task=fonts", "finetuning=baseline"], "task=fonts has no layers to share out; use trainer=ddp"),
        (["finetuning=l2_sp"], "finetuning.anchor=.* compares f with all of its weights .* use trainer=ddp"),
        (["finetuning=lora"], "finetuning.lora=.* not with trainer.strategy=fsdp; use trainer=ddp"),
        (["trainer.precision=16-mixed"], "trainer.precision=16-mixed: .*valid values are 32-true and bf16-mixed"),
    ],
)
def test_weights_in_parts_are_asked_for_nothing_that_they_cannot_do(arguments, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(["trainer=fsdp", *arguments])


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["seed=0,1,x"], "seed=x"),
        (["optim.lr=interval(1e-4,1e-2)"], "an interval needs hydra/sweeper=optuna"),
        (["hydra/sweeper=basic", "optim.lr=interval(0,1e-2)"], "optim.lr=0.0: must be above 0"),
        (["seed=0,1", "trainer=ddp"], "trainer.devices=auto: .*need hydra/launcher=composed or slurm"),
        (["seed=0,1", "trainer.devices=2"], "trainer.devices=2: .*need hydra/launcher=composed or slurm"),
        (["finetuning=baseline,standart"], "standart"),
        (["pretraining=denoise,none", "finetuning=standard"], "needs a denoiser"),
        (["seed=range(0,5)", "model.heads=1,2,3"], "model.width"),
        (["runs=/proc/nowhere", "seed=0,1"], "no folder can be made there"),
        (["finetuning=standard,baseline", "finetuning.lora=0,2"], "lora=2 keeps what f starts from"),
        (["finetuning=baseline", "finetuning.anchor=0.1"], "anchor=0.1 keeps what f starts from"),
        (["finetuning=baseline", "finetuning.base_weight=0.0"], "nothing to learn"),
    ],
)
def test_every_value_of_a_sweep_is_checked_before_its_first_job(arguments, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(["-m", *arguments])


@pytest.mark.parametrize("word", PLUGINS)
def test_a_plugin_that_is_not_installed_is_named_with_what_installs_it(word, monkeypatch):
    monkeypatch.setattr("composed.config.processes.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"{word}: .* pip install 'composed\[(sweeps|slurm)\]'"):
        check_command_line(["-m", word, "seed=0,1"])


def test_a_resolved_config_is_checked_without_a_command_line():
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("composed.conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("config"), resolve=True)
    check(config)
    config["model"]["_target_"] = "os.system"
    with pytest.raises(ConfigError, match=r"os\.system"):
        check(config)


def test_a_wrong_word_of_hydra_is_told_in_words_too(tmp_path):
    refused = command("train", "-m", "hydra/launcher=basic", "hydra.launcher.jobs=2", "seed=0,1", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: Could not override 'hydra.launcher.jobs'")
    assert "Traceback" not in refused.stderr


def test_flags_may_stand_anywhere():
    assert flags_first(["a=1", "-m", "b=1,2"]) == ["-m", "a=1", "b=1,2"]
    assert flags_first(["a=1", "--cfg", "job"]) == ["--cfg", "job", "a=1"]


def test_help_names_every_group_and_option_with_a_line_each():
    text = help_text("composed-train")
    for group in GROUPS:
        assert f"\n  {group} " in text
        assert options(group), group
        for option in options(group):
            assert option in text
    assert "replicate=0" in text
    assert "backtranslation.schedule=scratch" in text
    assert all(len(line) < 140 for line in text.splitlines())


def test_every_option_of_a_group_says_in_its_first_line_what_it_is():
    for path in CONF.glob("*/*.yaml"):
        first = path.read_text().splitlines()
        first = first[1] if first[0].startswith("# @package") else first[0]
        assert first.startswith("# "), path
        assert len(first) > 8, path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["--cfg", "job"], 0), (["optim.lrr=1"], 2), (["--flag"], 2), (["-m", "finetuning=composd"], 2)],
)
def test_the_command_answers_at_once_without_a_traceback(tmp_path, arguments, code):
    began = os.times()
    ended = command("train", *arguments, cwd=tmp_path)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert sum(os.times()[2:4]) - sum(began[2:4]) < 3  # CPU seconds of children; under 1 on an idle core
    assert not [*tmp_path.iterdir()]


def test_cfg_job_prints_the_resolved_config_with_flags_in_any_place(tmp_path):
    import yaml

    printed = command("train", "seed=3", "--cfg", "job", "profile=smoke", cwd=tmp_path)
    config = yaml.safe_load(printed.stdout)
    assert (config["seed"], config["profile"]["name"]) == (3, "smoke")
    assert "${" not in printed.stdout
    check(config)


def test_a_wrong_word_is_answered_without_importing_torch():
    code = (
        "import sys; from composed.cli import train; sys.argv = ['composed-train', 'optim.lrr=1']\n"
        "try:\n    train.main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["2", "False"]


def test_a_key_that_no_mode_has_is_named_with_its_place(tmp_path):
    (tmp_path / "finetuning").mkdir()
    (tmp_path / "finetuning" / "mine.yaml").write_text("# Mine.\ndefaults: [composed]\nname: mine\ncompose_afer: 0.5\n")
    with pytest.raises(
        ConfigError, match=r"mine\.yaml:4: there is no key finetuning.compose_afer; did you mean compose_after"
    ):
        check_command_line(["--config-dir", str(tmp_path), "finetuning=mine"])
    with_own_options([])


def test_a_model_of_ones_own_needs_no_entry_in_a_list(tmp_path, monkeypatch):
    """And is asked for nothing that no entry says it can."""
    shutil.copytree(CONF, tmp_path / "conf", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(
        "# Mine.\n_target_: composed.models.classifier.Mine\nhidden: 3\n"
    )
    monkeypatch.setattr(options_of, "CONF", tmp_path / "conf")
    settings = {**node("profile=smoke"), "model": {"_target_": "composed.models.classifier.Mine", "hidden": 3}}
    check(settings)
    for finetuning, answer in (({"depth": 2}, "finetuning.depth=2"), ({"adapters": 8}, "finetuning.adapters=8")):
        with pytest.raises(ConfigError, match=f"Mine does not offer {answer}"):
            check({**settings, "finetuning": {**settings["finetuning"], **finetuning}})
    for other in ("task=staircase", "task=fonts"):
        with pytest.raises(ConfigError, match=r"this option of model is not for task=sanstype.*model=.*mine"):
            check({**settings, "model": node(other)["model"]})


def test_a_number_of_a_task_of_ones_own_has_no_other_groups_range():
    settings = node("profile=smoke")
    own = {**settings["task"], "name": "mine", "scale": -1, "span": 200, "depth": 0, "size": -3}
    check({**settings, "task": own})
    with pytest.raises(ConfigError, match=r"task\.max_length=0: must be above 0"):
        check({**settings, "task": {**own, "max_length": 0}})
