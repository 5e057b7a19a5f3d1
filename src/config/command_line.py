"""The command line before any work: help, overrides that exist and have the right type, configs that make sense.

Everything here is Hydra and OmegaConf only, so that a wrong word is answered within a second, without torch.
Left out: what the objects themselves check (`build.py`).
"""

import difflib
import itertools
import os
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from types import NoneType
from typing import Any

import yaml

import composed.conf
from composed.config.effects import below, without_effect
from composed.errors import ConfigError
from composed.runs.folder import KINDS, RunFolder
from composed.system.console import without_first

CONF = Path(composed.conf.__file__).parent
NO_GROUPS = ("hydra", "table", "__pycache__")
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name not in NO_GROUPS)
SLURM_LOOKS_EVERY_S = 30  # at the time limits of its jobs
FSDP_PRECISIONS = ("32-true", "bf16-mixed")  # that weights in parts are trained with
MOST_COMPOSED_JOBS = 12  # of a sweep, before it starts; each job is checked again when its turn comes

# Arguments of Lightning's Trainer that `++trainer.KEY=` does not take, and which key does what they are for.
BUDGET = "optim.updates and pretraining.optim.updates say how long; profile=smoke tries everything in seconds"
VALIDATION = "optim.validate_every says how often; all of the validation data are taken"
REFUSED_BY_TRAINER: dict[str, str] = {
    **dict.fromkeys(("fast_dev_run", "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"), BUDGET),
    **dict.fromkeys(("limit_train_batches", "overfit_batches"), f"task.sizes.train and others cut data; {BUDGET}"),
    **dict.fromkeys(("limit_val_batches", "val_check_interval", "check_val_every_n_epoch"), VALIDATION),
    **dict.fromkeys(("num_sanity_val_steps", "reload_dataloaders_every_n_epochs"), VALIDATION),
    **dict.fromkeys(("limit_test_batches", "limit_predict_batches"), "every test example is predicted, by no Trainer"),
    **dict.fromkeys(("logger", "log_every_n_steps"), "logger= says where metrics go, every 10 updates"),
    **dict.fromkeys(("enable_progress_bar", "enable_model_summary"), "how far it is stands on standard error"),
    **dict.fromkeys(("enable_checkpointing", "default_root_dir"), "optim.checkpoint_every and runs= are for that"),
    "accumulate_grad_batches": "set optim.accumulate",
    "gradient_clip_val": "set optim.clip",
    "use_distributed_sampler": "trainer.devices processes always share out each batch",
    "barebones": "it takes away what checkpoints and metrics need",
    **dict.fromkeys(("callbacks", "plugins", "model_registry"), "they are objects, which no command line can name"),
}

# The types of a key where they are not that of its default alone.
TYPES: dict[str, tuple[type, ...]] = {
    "estimator.cap": (float, NoneType),
    "estimator.reach": (float, NoneType),
    "finetuning.base_weight_end": (float, NoneType),
    "finetuning.extra_pairs": (str, NoneType),
    "finetuning.train_through": (str, NoneType),
    "finetuning.predict_through": (str, NoneType),
    "judge.workers": (int, NoneType),
    "model.settings": (dict, NoneType),
    "optim.clip": (float, NoneType),
    "optim.label_smoothing": (float, list),
    "pretraining.model": (dict, NoneType),
    "pretraining.model.settings": (dict, NoneType),
    "pretraining.optim.clip": (float, NoneType),
    "pretraining.optim.label_smoothing": (float, list),
    "task.at_most.test": (int, NoneType),
    "task.at_most.train": (int, NoneType),
    "task.at_most.val": (int, NoneType),
    "task.folder": (str, NoneType),
    "task.longest.test": (int, NoneType),
    "task.longest.train": (int, NoneType),
    "task.longest.val": (int, NoneType),
    "task.max_length": (int, NoneType),
    "task.unlabeled": (str, NoneType),
    "tokenizer.file": (str, NoneType),
    "trainer.devices": (int, str, list),
    "trainer.threads": (int, NoneType),
}
TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    list: "a list",
    dict: "a mapping",
    NoneType: "null",
}
CHOICES: dict[str, tuple[str | None, ...]] = {
    "finetuning.extra_pairs": ("backtranslation", None),
    "finetuning.train_through": ("denoiser", None),
    "finetuning.predict_through": ("denoiser", None),
    "logger.name": ("csv", "tensorboard", "wandb"),
    "logger.mode": ("offline", "online"),
    "optim.decay": ("inverse_sqrt", "linear", "constant"),
    "pretraining.optim.decay": ("inverse_sqrt", "linear", "constant"),
    "pretraining.gradient": ("straight_through", "smooth"),
    "task.kind": KINDS,
    "task.cases": ("hidden", "public", "all"),
    "task.unannotated": ("code", "omit"),
    "tokenizer.kind": ("word", "bpe", "bpe_bytes"),
    "trainer.strategy": ("auto", "ddp", "fsdp"),
}
NOT_OF_TEXT = ("composed.models.staircase.", "predictor:")  # marks of the models of other kinds
OUR_TASKS = ("sanstype", "spoc", "fonts", "staircase")
OF_EVERY_TASK = ("task.max_length", "task.beams")
# What numbers may be, by the last part of their key.
RANGES: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    (
        "updates batch_tokens accumulate validate_every checkpoint_every record_every lr clip",
        "above 0",
        lambda x: x > 0,
    ),
    ("width layers heads feedforward size workers threads samples beams", "above 0", lambda x: x > 0),
    ("max_length seconds max_variables max_rounds max_draws points beyond scale kinks", "above 0", lambda x: x > 0),
    ("train val test ood unlabeled unlabeled_val", "above 0", lambda x: x > 0),
    ("temperature cap reach", "above 0", lambda x: x > 0),
    ("batch_size count batch_norm_eps", "above 0", lambda x: x > 0),
    ("radius factor", "at least 0", lambda x: x >= 0),
    ("entropy template random_deletion masking infilling l2", "at least 0", lambda x: x >= 0),
    ("span", "from 1 to below 100", lambda x: 1 <= x < 100),
    ("seed warmup initial_lr weight_decay base_weight base_weight_end composed_weight", "at least 0", lambda x: x >= 0),
    ("classifier denoising_weight anchor fisher lora adapters", "at least 0", lambda x: x >= 0),
    ("depth", "at least 1", lambda x: x >= 1),
    ("checkpoints", "at least 0", lambda x: x >= 0),
    ("dropout attention_dropout activation_dropout label_smoothing", "from 0 to below 1", lambda x: 0 <= x < 1),
    ("compose_after", "a share of the updates, from 0 to below 1", lambda x: 0 <= x < 1),
    ("margin", "above 0 and at most 1", lambda x: 0 < x <= 1),
    ("linewise predict_above", "from 0 to below 1", lambda x: 0 <= x < 1),
    ("unchanged probability", "from 0 to 1", lambda x: 0 <= x <= 1),
)
NAMED = ("task", "profile", "finetuning")  # the groups whose names are in the name of a run's folder
PATHS = ("runs", "store", "denoiser", "tokenizer", "finetuning")  # keys and groups with paths, beside those of the task
LONGEST_NAME = 255  # bytes
SEARCHED = "hydra.searchpath="  # begins the override that names the folders of own options
_own: list[Path] = []  # these folders: of a process, as sys.path is
# Groups whose options have the keys of each other, so that one of a person's own can have no further ones.
ALIKE = ("judge", "logger", "optim", "pretraining", "tokenizer", "trainer")
NOT_IN_A_PROJECT = "/\\#?%:"
HANGING: dict[str, Any] = {"initial_indent": " " * 17, "subsequent_indent": " " * 17}
SCORE_FUNCTIONS = ("rloo", "self_critical", "reinforce", "vimco", "posterior")
COMPARING = ("rloo", "vimco", "posterior")  # the estimators that weigh a pair's samples against each other
TARGETS = ("composed.models.", "composed.datamodules.")
# The models of text, by the module of their target, and what each can beside answering as a `SequenceModel`: read soft
# sources and score every id, be as deep as finetuning.depth says, take adapters, be made a classifier. One that is not
# here can none of these.
ABILITIES: dict[str, tuple[str, ...]] = {
    "composed.models.transformer.": ("soft", "depth", "adapters", "classifier"),
    "composed.models.fairseq_transformer.": ("soft", "depth"),
    "composed.models.huggingface.": (),
}
# What each kind of task takes of a group: options that have this key, or a target below one of these modules.
OPTIONS_OF: dict[str, dict[str, str | tuple[str, ...]]] = {
    "text": {
        "estimator": "samples",
        "model": "composed.models.",
        "noise": "composed.datamodules.noise",
        "optim": "batch_tokens",
    },
    "image": {
        "estimator": "composed.models.pathwise.",
        "model": "predictor",
        "noise": "composed.datamodules.fonts.noise.",
        "optim": "batch_size",
    },
    "curve": {
        "estimator": "composed.models.pathwise.",
        "model": "composed.models.staircase.",
        "optim": "record_every",
    },
}
PLUGINS = {  # of Hydra, and the extra that installs them
    "hydra/launcher=joblib": ("hydra_joblib_launcher", "sweeps"),
    "hydra/launcher=slurm": ("hydra_submitit_launcher", "slurm"),
    "hydra/sweeper=optuna": ("hydra_optuna_sweeper", "sweeps"),
}
PRETRAINING = {
    "text": ("denoise", "denoise_huggingface", "denoise_transformer", "none"),
    "image": ("denoise_images", "none"),
    "curve": ("rounding",),
}
# What a mode may be about where outputs are no text; the rest has to be as in finetuning=baseline.
MODE_KEYS = (
    "name",
    "start_from",
    "train_through",
    "predict_through",
    "base_weight",
    "composed_weight",
    "compose_after",
)


def options(group: str) -> list[str]:
    """Those of conf/, then those of `--config-dir`."""
    return sorted(path.stem for folder in (CONF, *_own) for path in (folder / group).glob("*.yaml"))


def groups() -> list[str]:
    """Those of conf/, and further folders of `--config-dir`, for `+GROUP=OPTION`."""
    own = (path.name for folder in _own for path in folder.iterdir() if path.is_dir() and path.name not in NO_GROUPS)
    return sorted({*GROUPS, *own})


def with_own_options(arguments: Sequence[str]) -> list[str]:
    """The same words with `--config-dir DIR` as the override that Hydra takes for it, which every job can be given.

    From then on `options` and `groups` know what is in the folder. Raises ConfigError where there is no such folder,
    and where an option of it has the name of one of conf/, which would be taken instead.
    """
    words, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        flag, equals, folder = word.partition("=")
        if flag not in ("--config-dir", "-cd"):
            words.append(word)
            continue
        if not equals and not rest:
            raise ConfigError(f"{flag}: a folder with your own options must follow")
        path = Path(folder if equals else rest.pop(0)).resolve()
        words.append(f"{SEARCHED}['file://{path}']")
    _own[:] = [Path(place) for word in search_words(words) for place in re.findall(r"file://([^'\",\]]+)", word)]
    for path in _own:
        if not path.is_dir():
            raise ConfigError(f"--config-dir {path}: no such folder")
        for option in path.glob("*/*.yaml"):
            if (CONF / option.relative_to(path)).exists():
                raise ConfigError(f"{option}: conf/ has {option.parent.name}={option.stem} too; give it another name")
    return words


def search_words(words: Iterable[str]) -> list[str]:
    """Those of the words that say where own options are."""
    return [word for word in words if word.startswith(SEARCHED)]


def help_text(program: str) -> str:
    """Usage, every group with its options and one line of meaning, and the keys outside groups."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    lines = [
        f"usage: {program} [GROUP=OPTION ...] [KEY=VALUE ...]      one run",
        f"       {program} -m GROUP=OPTION,OPTION KEY=VALUE,VALUE ...   one run per combination",
        f"       {program} --cfg job [...]                       print the resolved config and stop",
        f"       {program} --config-dir DIR [...]                also options of your own, DIR/GROUP/OPTION.yaml",
        "",
        "groups (the default first):",
    ]
    for group, default, meaning in re.findall(r"^  - (\w+): (\S+)\s+# (.+)$", text, re.MULTILINE):
        names = sorted(options(group), key=lambda name: (name != default, name))
        lines += [f"  {group:<12} {meaning}", *textwrap.wrap(", ".join(names), 118, **HANGING)]
    lines += ["", "keys outside the groups (`--cfg job` prints all keys):"]
    own = text.split("\n\n", 1)[1].split("\nhydra:", 1)[0]
    section = ""
    for indent, key, value, meaning in re.findall(r"^( *)(\w+):(?: (\S+))? *(?:# (.+))?$", own, re.MULTILINE):
        if not indent:
            section = f"{key}."
        if value:
            lines.append(f"  {(section if indent else '') + key + '=' + value:<24} {meaning}")
    return "\n".join(lines)


def flags_first(arguments: Iterable[str]) -> list[str]:
    """The same words in an order that Hydra understands: `a=1 -m b=1,2` is an error to it."""
    return sorted(arguments, key=lambda word: "=" in word and not word.startswith("-"))


def check_command_line(arguments: Sequence[str], *, write: bool = True, effects: bool = True) -> None:
    """Refuses what Hydra would accept silently or explain badly; `hydra.*` is Hydra's own business.

    Raises ConfigError for an unknown group option, key or type (with the nearest valid ones), and for a config that
    `check` refuses. New keys are for Lightning's Trainer alone: `++trainer.benchmark=true`. With `write`, the folder of
    a sweep's runs is made; with `effects`, an override that changes nothing in any job is refused.
    """
    from hydra import compose, initialize_config_module
    from hydra._internal.utils import get_args_parser
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    known = get_args_parser().parse_args(with_own_options(arguments))
    for word in known.overrides:
        plugin, extra = PLUGINS.get(word, ("", ""))
        if plugin and find_spec(f"hydra_plugins.{plugin}") is None:
            raise ConfigError(f"{word}: its plugin is not installed; pip install 'composed[{extra}]' does that")

    places, every_group = search_words(known.overrides), groups()

    def resolved(words: Iterable[str]) -> dict[str, Any]:
        return OmegaConf.to_container(compose("config", [*places, *words]), resolve=True)  # type: ignore[return-value]

    try:
        with initialize_config_module("composed.conf", version_base="1.3"):
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            parsed = [_parsed(parser, word) for word in known.overrides]
            overrides = [o for o in parsed if not o.key_or_group.startswith("hydra")]
            searched = known.multirun and any(word.startswith("hydra/sweeper=") for word in known.overrides)
            choices = [[(o, value) for value in _values(o, known.multirun, searched)] for o in overrides]
            idle: list[dict[str, str]] = []  # of each job, the overrides without effect, and why
            for job in itertools.islice(_every_value_once(choices), MOST_COMPOSED_JOBS):
                chosen = [(override, value) for override, value in job if override.key_or_group in every_group]
                default = resolved(_word(override, value) for override, value in chosen)
                keys = dict(_keys(default))
                if places:
                    built_in = [(o, value) for o, value in chosen if (CONF / o.key_or_group / f"{value}.yaml").exists()]
                    keys |= _check_own_keys(default, resolved(_word(o, value) for o, value in built_in))
                for override, _ in job:
                    _check_key(override, keys)
                config = resolved(_word(override, value) for override, value in job)
                for key, value in _keys(config):
                    if key in keys:
                        _check_type(key, value, keys[key])
                check(config)
                if effects:
                    idle.append(_without_effect(job, config, resolved))
                if known.multirun:
                    _check_launcher(known.overrides, config["trainer"])
                if known.multirun and write:  # Hydra writes there before the first job starts
                    Path(config["runs"]).mkdir(parents=True, exist_ok=True)
            for line in set.intersection(*map(set, idle)) if idle else ():
                if why := next(filter(None, (of[line] for of in idle)), ""):
                    raise ConfigError(f"{line} has no effect: {why}; leave it out")
    except OSError as error:
        raise ConfigError(f"runs={config['runs']}: no folder can be made there ({error.strerror})") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{error.problem}{error.problem_mark}".replace('  in "', ", in ").replace('"', "")) from error
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConfigError("; ".join(lines[:3])) from error


def _check_own_keys(config: dict[str, Any], built_in: dict[str, Any]) -> dict[str, Any]:
    """Refuses keys of a person's own options that nothing reads, where the built-in ones say what there is.

    `built_in` is the config without own options. Returns its keys, by which the types of others go.
    """
    for key in config.keys() - built_in.keys():
        raise ConfigError(
            f"an option of --config-dir sets {key}, which nothing reads{_nearest(key, [*built_in])} (a file whose keys "
            "are those of the whole config begins with the line `# @package _global_`)"
        )
    for group in ALIKE:
        files = [yaml.safe_load(path.read_text("utf-8")) for path in (CONF / group).glob("*.yaml")]
        known = {key for settings in (*files, built_in[group]) for key, _ in _keys(settings)}
        for key in sorted({key for key, _ in _keys(config[group])} - known):
            if group != "trainer":  # which takes further arguments of Lightning's
                raise ConfigError(f"an option of --config-dir: there is no key {group}.{key}{_nearest(key, [*known])}")
    return {key: value for key, value in _keys({group: built_in[group] for group in ALIKE if group in config})}


def _without_effect(
    job: Sequence[tuple[Any, str]], config: dict[str, Any], resolved: Callable[[Iterable[str]], dict[str, Any]]
) -> dict[str, str]:
    """The overrides of a job that change only what nothing reads, as they were written, each with the reason.

    The reason is "" where they say what is so without them.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    unread, found = without_effect(config), {}
    for override, _ in job:
        key = override.key_or_group
        if not any(below(key, [other]) or below(other, [key]) for other in unread):
            continue
        try:
            before = dict(_keys(resolved(_word(other, value) for other, value in job if other is not override)))
        except (HydraException, OmegaConfBaseException):
            continue  # the others need it
        after = dict(_keys(config))
        changed = [
            key
            for key in before.keys() | after.keys()
            if before.get(key, ...) != after.get(key, ...) and not isinstance(after.get(key, before.get(key)), dict)
        ]
        if all(below(key, unread) for key in changed):
            found[override.input_line] = next((unread[below(key, unread) or ""] for key in changed), "")
    return found


def _parsed(parser: Any, word: str) -> Any:
    """An override as Hydra reads it. Raises ConfigError with the same word as Hydra would take it."""
    from hydra.errors import HydraException

    try:
        return parser.parse_overrides([word])[0]  # which knows where options are, for glob(*)
    except HydraException as error:
        key, equals, value = word.partition("=")
        if equals and value.startswith("~/"):
            raise ConfigError(f"{word}: nothing expands ~ there; write {key}=$HOME{value[1:]}") from error
        escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", value).replace("'", r"\'")
        quoted = f"{key}='{escaped}'"
        try:
            parser.parse_override(quoted)
        except HydraException:
            quoted = ""
        if not (equals and key and quoted):
            raise ConfigError(f"{word or 'an empty word'}: is neither KEY=VALUE nor GROUP=OPTION") from error
        for_shell = shlex.quote(quoted) if {*quoted} & {*'$`"!\\'} else f'"{quoted}"'
        raise ConfigError(
            f"{word}: Hydra takes a part of this value for something else{_reason(error)}. Where it is meant as it "
            f"stands, quote it twice, once for the shell: {for_shell}"
        ) from error


def _reason(error: Exception) -> str:
    """What Hydra's parser says, in brackets; its lexer says no more than the name of an exception."""
    said = str(error).splitlines()[0]
    return "" if "Exception" in said else f" ({said})"


def check_first_process(trainer: dict[str, Any]) -> None:
    """Raises ConfigError where this process would wait for a first process of its training that nobody has started."""
    several = trainer["devices"] not in (1, "1")
    if found := without_first(nodes=trainer["num_nodes"], several=several):
        names = " ".join(word.partition("=")[0] for word in found.split())
        raise ConfigError(
            f"{found} in the environment: this process would wait for others of its training, and no launcher that is "
            f"known (torchrun, srun) has started any; unset {names}"
        )


def check_processes(trainer: dict[str, Any], started: int) -> None:
    """Raises ConfigError where so many processes are started for a training that is of another number of them."""
    devices, nodes = trainer["devices"], trainer["num_nodes"]
    if isinstance(devices, list):
        devices = len(devices)
    if str(devices).isdigit() and int(devices) * nodes != started:
        raise ConfigError(
            f"trainer.devices={devices} and trainer.num_nodes={nodes} are {int(devices) * nodes} processes, but "
            f"{started} are started: tasks_per_node of SLURM and nproc-per-node of torchrun are trainer.devices, nodes "
            "are trainer.num_nodes"
        )


def _check_launcher(overrides: Sequence[str], trainer: dict[str, Any]) -> None:
    if "hydra/launcher=slurm" in overrides:
        if not which("sbatch"):
            raise ConfigError(
                "hydra/launcher=slurm: this machine has no sbatch, so it is none of a SLURM cluster; "
                "hydra/launcher=composed runs a sweep on one machine"
            )
        from hydra import compose

        words = [word for word in overrides if word.startswith("hydra")]
        launcher = compose("config", words, return_hydra_config=True).hydra.launcher
        check_processes(trainer, launcher.nodes * launcher.tasks_per_node)
        limit, delay = launcher.timeout_min, launcher.signal_delay_s
        if delay + SLURM_LOOKS_EVERY_S >= 60 * limit:
            raise ConfigError(
                f"hydra.launcher.signal_delay_s={delay}: with timeout_min={limit} SLURM warns a run as it starts, for "
                f"it warns up to {SLURM_LOOKS_EVERY_S} seconds early; lower it"
            )
    elif "hydra/launcher=composed" not in overrides and (
        trainer["devices"] not in (1, "1") or trainer["num_nodes"] != 1
    ):
        # Helpers of a training repeat its command line, which in a sweep is the whole sweep.
        raise ConfigError(
            f"trainer.devices={trainer['devices']}: runs of several processes in a sweep need hydra/launcher=composed "
            "or slurm, which start every run by itself"
        )


def every_job(words: Sequence[str]) -> list[tuple[list[str], dict[str, Any]]]:
    """The overrides and the resolved config of every job of a sweep's words, which `check_command_line` accepts."""
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    with initialize_config_module("composed.conf", version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        choices = [[_word(o, value) for value in _values(o, True)] for o in parser.parse_overrides(list(words))]
        jobs = [list(job) for job in itertools.product(*choices)]
        return [(job, OmegaConf.to_container(compose("config", job), resolve=True)) for job in jobs]  # type: ignore[misc]


def check(config: dict[str, Any]) -> None:
    """Refuses a resolved config that makes no sense, before any data is read. Raises ConfigError with the remedy."""
    for key, value in _keys(config):
        if key in CHOICES and value not in CHOICES[key]:
            valid = " and ".join("null" if choice is None else choice for choice in CHOICES[key])
            raise ConfigError(f"{key}={value}: valid values are {valid}")
        if isinstance(value, int | float) and not isinstance(value, bool) and _has_range(key, config["task"]["name"]):
            _check_number(key, value)
        if isinstance(value, list) and key.endswith("label_smoothing"):
            _check_steps(key, value)
    for key in config["trainer"].keys() & REFUSED_BY_TRAINER.keys():
        raise ConfigError(f"trainer.{key}: cannot be set here; {REFUSED_BY_TRAINER[key]}")
    for _ in targets(config):
        pass
    _check_names(config)
    _check_kind(config)
    _check_mode(config)
    if config["denoiser"] == "model" and not (config["pretraining"].get("model") or config["model"]).get("pretrained"):
        raise ConfigError("denoiser=model takes the denoiser as its model is given, which is random weights here; use "
                          "model=huggingface with model.pretrained=true, or denoiser=auto")  # fmt: skip
    if config["denoiser"] not in ("auto", "store", "model") and not Path(config["denoiser"]).exists():
        raise ConfigError(
            f"denoiser={config['denoiser']}: no such file or folder. Valid values are auto, store, model and a path to "
            "a denoiser; denoiser=auto trains one"
        )
    file = config["tokenizer"]["file"]
    if file is not None and not Path(file).is_file():
        raise ConfigError(f"tokenizer.file={file}: no such file; null trains a tokenizer on the data")
    model = config["model"]
    if config["trainer"]["gradient_checkpointing"] and config["task"]["kind"] != "text":
        raise ConfigError(
            f"trainer.gradient_checkpointing=true: task={config['task']['name']} has no transformer; set it to false"
        )
    if config["trainer"]["strategy"] == "fsdp":
        _check_fsdp(config)
    if "heads" in model and model["width"] % (2 * model["heads"]):
        raise ConfigError(f"model.width={model['width']}: must be a multiple of 2 * heads = {2 * model['heads']}")
    if config["task"]["kind"] == "text":
        if config["finetuning"]["train_through"]:
            _check_estimator(config["estimator"])
        _check_abilities(config)
    if not any(config["noise"].get("weights", {"": 1}).values()):
        raise ConfigError("noise.weights: all are 0, so there is no noise; raise one, or choose another noise=")
    _check_folder(config)
    for key in ("runs", "store"):
        blocker = next(path for path in (Path(config[key]), *Path(config[key]).absolute().parents) if path.exists())
        if not blocker.is_dir():
            raise ConfigError(f"{key}={config[key]}: no folder can be made there, because {blocker} is a file")


def _check_names(config: dict[str, Any]) -> None:
    """Of what becomes a part of a folder's name, or is to be found as one: such that every file system takes it."""
    for group in NAMED:
        name = config[group]["name"]
        if not name.strip() or "/" in name or not name.isprintable():
            raise ConfigError(
                f"{group}.name={name}: is part of the name of a run's folder: something that can be printed, without /"
            )
    project = config["logger"].get("project", "p")
    if not 0 < len(project) <= 128 or {*project} & {*NOT_IN_A_PROJECT}:
        raise ConfigError(
            f"logger.project={project}: a project of W&B has a name of 1 to 128 characters, none of "
            f"{' '.join(NOT_IN_A_PROJECT)}"
        )
    for key, value in _keys({**{key: config[key] for key in PATHS if key in config}, "task": config["task"]}):
        if isinstance(value, str) and max(len(os.fsencode(part)) for part in value.split("/")) > LONGEST_NAME:
            raise ConfigError(f"{key}={value[:40]}...: no file or folder has a name of more than {LONGEST_NAME} bytes")


def _check_folder(config: dict[str, Any]) -> None:
    """Of the run, whose name only a config that makes sense gives."""
    folder = RunFolder.of(config).path.name
    if (more := len(os.fsencode(folder)) - LONGEST_NAME) > 0:
        names = ", ".join(f"{group}.name" for group in NAMED)
        raise ConfigError(
            f"finetuning.name: the run's folder would have a name {more} bytes longer than file systems take; shorten "
            f"one of {names}"
        )


def _check_fsdp(config: dict[str, Any]) -> None:
    """Asks for parts of weights only what parts of weights can."""
    task, mode, precision = config["task"], config["finetuning"], config["trainer"]["precision"]
    if task["kind"] != "text":
        raise ConfigError(f"trainer.strategy=fsdp: task={task['name']} has no layers to share out; use trainer=ddp")
    if precision not in FSDP_PRECISIONS:
        valid = " and ".join(FSDP_PRECISIONS)
        raise ConfigError(f"trainer.precision={precision}: with trainer.strategy=fsdp, valid values are {valid}")
    for key, why in (
        ("anchor", "compares f with all of its weights at the start"),
        ("lora", "changes weights that lie in parts, and its few weights that learn need no parts"),
    ):
        if mode[key]:
            raise ConfigError(f"finetuning.{key}={mode[key]} {why}: not with trainer.strategy=fsdp; use trainer=ddp")


def _check_steps(key: str, steps: list[Any]) -> None:
    """[[share, value], ...] of the updates."""
    pairs = all(isinstance(step, list) and len(step) == 2 and {*map(type, step)} <= {int, float} for step in steps)
    if not pairs or abs(sum(share for share, _ in steps) - 1) > 1e-6 or any(share <= 0 for share, _ in steps):
        raise ConfigError(f"{key}={_text(steps)}: a number, or [[share of the updates, number], ...] with shares "
                          "above 0 that add up to 1, such as [[0.8,0.2],[0.2,0.1]]")  # fmt: skip
    for _, value in steps:
        _check_number(key, value)


def _check_mode(config: dict[str, Any]) -> None:
    mode = config["finetuning"]
    known = yaml.safe_load((CONF / "finetuning" / "baseline.yaml").read_text("utf-8"))
    for key in mode.keys() - known.keys():
        place = _place("finetuning", key)
        raise ConfigError(f"{place}there is no key finetuning.{key}{_nearest(key, [*known])}")
    start = mode["start_from"]
    needs = [key for key in ("start_from", "train_through", "predict_through") if mode[key] == "denoiser"]
    if needs and config["pretraining"]["name"] == "none" and config["denoiser"] in ("auto", "store"):
        raise ConfigError(
            f"finetuning={mode['name']} needs a denoiser ({', '.join(f'finetuning.{key}' for key in needs)}), "
            "but pretraining=none makes none. Use pretraining=denoise, denoiser=PATH, or finetuning=baseline."
        )
    if mode["train_through"] is None and mode["composed_weight"] != 0:
        raise ConfigError(
            f"finetuning.composed_weight={mode['composed_weight']} has no effect with finetuning.train_through=null: "
            "set it to 0, or set finetuning.train_through=denoiser"
        )
    if not any(mode[weight] for weight in ("base_weight", "base_weight_end", "composed_weight", "denoising_weight")):
        raise ConfigError("finetuning: every weight of the loss is 0, so there is nothing to learn; raise base_weight")
    pretraining = config["pretraining"]
    if mode["predict_above"] and not pretraining.get("classifier"):
        raise ConfigError(
            f"finetuning.predict_above={mode['predict_above']} asks a classifier, but there is none: set "
            "pretraining.classifier to its updates, or predict_above to 0"
        )
    if pretraining.get("broken") and pretraining["fresh"]:
        raise ConfigError(
            "pretraining.broken=true: programs are compiled once, but pretraining.fresh=true corrupts them in every "
            "update; set one of them to false"
        )
    modes = [name for name in options("finetuning") if name != mode["name"]]
    if start not in ("scratch", "denoiser", *modes) and not Path(start).is_dir():
        raise ConfigError(
            f"finetuning.start_from={start}: valid values are scratch, denoiser, another mode ({', '.join(modes)}) and "
            "the folder of a finished run; there is no such folder"
        )
    for key in ("anchor", "lora", "adapters"):
        if mode[key] and start == "scratch" and not config["model"].get("pretrained"):
            raise ConfigError(
                f"finetuning.{key}={mode[key]} keeps what f starts from, but finetuning.start_from=scratch starts from "
                f"nothing: set {key} to 0, or start_from to denoiser"
            )
    for key in ("denoising_weight", "fisher"):
        if mode[key] and pretraining["name"] == "none":
            raise ConfigError(
                f"finetuning.{key}={mode[key]} denoises as pretraining does, but pretraining=none says nothing of it: "
                "use pretraining=denoise"
            )
    if mode["fisher"] and not mode["anchor"]:
        raise ConfigError(
            f"finetuning.fisher={mode['fisher']} weighs a penalty that finetuning.anchor=0 switches off: "
            "set fisher to 0, or anchor above 0"
        )
    for stage in mode["stages"]:
        if not isinstance(stage, dict) or stage.keys() != {"share", "rates", "pairs"}:
            raise ConfigError(f"finetuning.stages: {stage} must have the keys share, rates and pairs")
        if stage["pairs"] not in ("all", "labeled"):
            raise ConfigError(f"finetuning.stages: pairs={stage['pairs']}: valid values are all and labeled")
        rates: dict[str, Any] = stage["rates"] if isinstance(stage["rates"], dict) else {"": None}
        if not all(_is_a(number, float) for number in (stage["share"], *rates.values())):
            raise ConfigError(f"finetuning.stages: {stage}: the share and every rate must be a number")
        if stage["share"] <= 0 or any(factor < 0 for factor in rates.values()):
            raise ConfigError(f"finetuning.stages: {stage}: the share must be above 0, rates at least 0")
    if abs(sum(stage["share"] for stage in mode["stages"]) - 1) > 1e-6:
        raise ConfigError("finetuning.stages: the shares must add up to 1")


def _place(group: str, key: str) -> str:
    """`FILE:LINE: ` of the first option that has the key."""
    for path in sorted((CONF / group).glob("*.yaml")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if line.startswith(f"{key}:"):
                return f"{path}:{number}: "
    return ""


def _check_estimator(estimator: dict[str, Any]) -> None:
    name, samples = estimator["_target_"].rsplit(".", 1)[-1], estimator["samples"]
    if name in COMPARING and samples < 2:
        raise ConfigError(
            f"estimator.samples={samples}: estimator={name} compares samples with each other and needs at least 2; "
            "estimator=reinforce and estimator=self_critical take 1"
        )
    if estimator.get("normalize") and samples < 2:
        raise ConfigError(
            f"estimator.samples={samples}: estimator.normalize=true divides by what the samples of a pair have in "
            "common and needs at least 2"
        )
    if estimator.get("greedy") and samples > 1:
        raise ConfigError(f"estimator.samples={samples}: with estimator.greedy=true there is one output; set samples=1")
    knobs = [knob for knob in ("cap", "reach", "entropy", "normalize", "dropout") if estimator.get(knob)]
    if estimator.get("published_quirks") and knobs:
        raise ConfigError(
            f"estimator.published_quirks=true: the published term has no estimator.{knobs[0]}; leave it as it was, or "
            "set published_quirks=false"
        )


def _check_abilities(config: dict[str, Any]) -> None:
    """Asks of a model only what it can."""
    mode, estimator, own = config["finetuning"], config["estimator"], config["pretraining"].get("model")
    for key, settings in {"model": config["model"], "pretraining.model": own}.items():
        if settings is not None and settings["_target_"].startswith("composed.models.huggingface."):
            _check_huggingface(key, settings, low_rank=mode["lora"])
        if settings is not None and settings["_target_"].startswith("composed.models.fairseq_transformer."):
            _check_fairseq(key)
    if own is not None:
        _check_own_model(config)
    target = config["model"]["_target_"]
    able = next((abilities for module, abilities in ABILITIES.items() if target.startswith(module)), ())
    soft = estimator["_target_"].startswith("composed.models.relaxations.") or estimator.get("published_quirks")
    for ability, wanted, what, instead in (
        ("soft", mode["train_through"] and soft, "soft sources and a score of every id, which this estimator asks for",
         f"valid is estimator={' or '.join(SCORE_FUNCTIONS)}, without published_quirks"),
        ("depth", mode["depth"] != 1, f"finetuning.depth={mode['depth']}", "set it to 1"),
        ("adapters", mode["adapters"], f"finetuning.adapters={mode['adapters']}", "set it to 0; finetuning.lora works"),
        ("classifier", config["pretraining"].get("classifier") or mode["predict_above"],
         "a classifier made of it", "set pretraining.classifier=0 and finetuning.predict_above=0"),
    ):  # fmt: skip
        if wanted and ability not in able:
            raise ConfigError(f"{target.rsplit('.', 1)[-1]} does not offer {what}: {instead}, or use model=transformer")


def _check_own_model(config: dict[str, Any]) -> None:
    """Pi has a model of its own, and so other weights than f and maybe another tokenizer."""
    why = f"pretraining={config['pretraining']['name']} gives Pi a model of its own"
    mode, estimator = config["finetuning"], config["estimator"]
    if mode["start_from"] == "denoiser":
        raise ConfigError(f"finetuning.start_from=denoiser: {why}, whose weights are not for f; set it to scratch, "
                          "which is the weights that model= gives")  # fmt: skip
    if config["pretraining"]["classifier"] or mode["predict_above"]:
        raise ConfigError(f"{why}: set pretraining.classifier=0 and finetuning.predict_above=0, which need that of f")
    if mode["train_through"] and estimator["_target_"].rsplit(".", 1)[-1] not in SCORE_FUNCTIONS:
        raise ConfigError(f"{why}, which reads the text of f's samples; valid is "
                          f"estimator={' or '.join(SCORE_FUNCTIONS)}")  # fmt: skip
    if mode["train_through"] and estimator.get("reach"):
        raise ConfigError(f"estimator.reach={estimator['reach']} counts tokens of one tokenizer: {why}; set it to null")


def _check_fairseq(key: str) -> None:
    if find_spec("fairseq") is None:
        raise ConfigError(f"{key}: fairseq 0.12.2 is not installed; install it with:\n  make fairseq")


def _check_huggingface(key: str, settings: dict[str, Any], *, low_rank: int) -> None:
    name = settings["name"]
    for package in ("transformers", *(["peft"] if low_rank else [])):
        if find_spec(package) is None:
            raise ConfigError(f"{key}: Hugging Face models need the package {package}: pip install 'composed[hf]'")
    if name == "???":
        raise ConfigError(f"{key}.name is missing: the folder or hub id of an encoder-decoder such as BART or T5")
    if not Path(name).is_dir() and not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ConfigError(f"{key}.name={name}: no such folder, and no id of the hub, which is NAME or OWNER/NAME")
    if settings["pretrained"] and not settings["own_tokenizer"]:
        raise ConfigError(
            f"{key}.own_tokenizer=false: weights know the ids of their own tokenizer alone; set {key}.pretrained=false"
        )


def _check_kind(config: dict[str, Any]) -> None:
    """Every group is for the kind of the task's outputs."""
    task = f"task={config['task']['name']}"
    kind = config["task"]["kind"]
    for group, mark in OPTIONS_OF[kind].items():
        valid = {name: (CONF / group / f"{name}.yaml").read_text("utf-8") for name in options(group)}
        marks = (mark,) if isinstance(mark, str) else mark
        valid = {name: text for name, text in valid.items() if any(each in text for each in marks)}
        settings = config[group]
        if group == "model" and kind == "text":  # also one of one's own
            valid = {name: text for name, text in valid.items() if not any(each in text for each in NOT_OF_TEXT)}
        marked = not settings.keys().isdisjoint(marks) or settings.get("_target_", "").startswith(marks)
        if not marked or not any(
            yaml.safe_load(text).keys() - {"defaults"} <= settings.keys() for text in valid.values()
        ):
            raise ConfigError(f"this option of {group} is not for {task}, whose outputs are of kind {kind}; valid is "
                              f"{group}={' or '.join(valid)}")  # fmt: skip
    if config["pretraining"]["name"] not in PRETRAINING[kind]:
        raise ConfigError(f"pretraining={config['pretraining']['name']} is not for {task}, whose outputs are of kind "
                          f"{kind}; valid is pretraining={' or '.join(PRETRAINING[kind])}")  # fmt: skip
    if kind == "text":
        return
    mode = config["finetuning"]
    if mode["start_from"] == "denoiser":
        raise ConfigError(
            f"finetuning={mode['name']}: f cannot start from the denoiser in {task}, where its inputs are no outputs; "
            "finetuning=baseline and finetuning=composed_pathwise start from random weights"
        )
    plain = yaml.safe_load((CONF / "finetuning" / "baseline.yaml").read_text("utf-8"))
    for key, value in mode.items():
        if key not in MODE_KEYS and value != plain[key]:
            raise ConfigError(
                f"finetuning.{key}={_text(value)}: not for {task}, where it has to be {_text(plain[key])}"
            )
    if kind == "curve":
        _check_staircases(config)
    else:
        _check_glyphs(config)


def _check_glyphs(config: dict[str, Any]) -> None:
    characters, size = config["task"]["characters"], config["task"]["size"]
    if len(set(characters)) < max(len(characters), 1):
        raise ConfigError(f"task.characters={characters}: at least one, none of them twice")
    if size % 8 or size < 16:
        raise ConfigError(
            f"task.size={size}: must be a multiple of 8, and at least 16, for the denoiser's three halvings"
        )
    if config["finetuning"]["start_from"] in options("finetuning"):
        raise ConfigError(
            f"finetuning.start_from={config['finetuning']['start_from']}: of fonts, valid values are scratch and the "
            "folder of a finished run"
        )


def _check_staircases(config: dict[str, Any]) -> None:
    if config["finetuning"]["start_from"] != "scratch":
        raise ConfigError(
            f"finetuning.start_from={config['finetuning']['start_from']}: not for task=staircase, where f starts from "
            "random weights; set it to scratch"
        )
    if config["finetuning"]["compose_after"]:
        raise ConfigError(
            f"finetuning.compose_after={config['finetuning']['compose_after']}: not for task=staircase; it has to "
            "be 0, since the loss of Pi(f(x)) is there from the start"
        )
    points, staircases = config["task"]["points"], config["task"]["staircases"]
    for steps, width, gap in staircases:
        if steps < 2 or width <= 0 or gap <= 0:
            raise ConfigError(f"task.staircases: [{steps}, {width}, {gap}]: at least 2 steps, width and gap above 0")
        if points % steps or points < 2 * steps:
            raise ConfigError(f"task.points={points}: must be a multiple of the {steps} steps, at least 2 on each")


def _has_range(key: str, task: str) -> bool:
    """Whether RANGES speak of this key: of a task of one's own, they know what the trainings themselves read."""
    return not key.startswith("task.") or task in OUR_TASKS or key in OF_EVERY_TASK


def _check_number(key: str, value: float) -> None:
    for names, words, right in RANGES:
        if key.rsplit(".", 1)[-1] in names.split() and not right(value):
            raise ConfigError(f"{key}={value}: must be {words}")


def targets(node: Any, path: str = "") -> Iterator[str]:
    """What the node asks Hydra to call, at any depth. Raises ConfigError for a name from outside this package."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        where = f"{path}.{key}" if path else str(key)
        if key == "_target_":
            if not _is_ours(value):
                raise ConfigError(f"{where}={value}: only names in modules below {' and '.join(TARGETS)} are built")
            yield value
        yield from targets(value, where)


def _is_ours(target: Any) -> bool:
    if not isinstance(target, str):
        return False
    package = Path(composed.__file__).parent
    module = package.joinpath(*target.split(".")[1:-1])
    return target.startswith(TARGETS) and module.with_suffix(".py").is_file()


def _keys(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key path, inner ones too, with its value."""
    for key, value in node.items():
        where = f"{path}.{key}" if path else str(key)
        yield where, value
        if isinstance(value, dict):
            yield from _keys(value, where)


def _word(override: Any, value: str) -> str:
    own = override.is_add() and override.key_or_group in groups() and override.key_or_group not in GROUPS
    added = "++" if override.is_force_add() else "+" if own else ""
    return f"{added}{override.key_or_group}={value}"


def _values(override: Any, sweep: bool, searched: bool = False) -> list[str]:
    """The values of an override as Hydra would write them, one for a plain value, several for a sweep.

    Of an interval, which only a sweep that is `searched` takes, its ends.
    """
    if override.is_delete():
        raise ConfigError(f"{override.input_line}: nothing can be removed from a config; set another value")
    if override.package is not None:
        raise ConfigError(f"{override.input_line}: a group has one place; write {override.key_or_group}=OPTION")
    if not override.is_sweep_override():
        values = [override.get_value_element_as_str()]
    elif not sweep:
        raise ConfigError(f"{override.input_line}: several values are several runs, and need -m")
    elif not override.is_interval_sweep():
        values = list(override.sweep_string_iterator())
    elif searched:
        values = [str(override.value().start), str(override.value().end)]
    else:
        raise ConfigError(f"{override.input_line}: an interval needs hydra/sweeper=optuna; or write values with commas")
    if override.key_or_group in groups():
        for value in values:
            _check_option(override.key_or_group, value)
    return values


def _every_value_once(choices: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    """As many jobs of a sweep as its longest override has values: every value of every override occurs."""
    for index in range(max(map(len, choices), default=1)):
        yield [values[min(index, len(values) - 1)] for values in choices]


def _check_option(group: str, value: str) -> None:
    valid = options(group)
    if value not in valid:
        nearest = difflib.get_close_matches(value, valid, 1)
        hint = f"; did you mean {group}={nearest[0]}?" if nearest else ""
        raise ConfigError(f"{group}={value}: valid values are {', '.join(valid)}{hint}")


def _check_key(override: Any, keys: dict[str, Any]) -> None:
    key = override.key_or_group
    if isinstance(keys.get(key), dict) and key not in groups():
        raise ConfigError(f"{override.input_line}: {key} has keys of its own, such as {key}.{next(iter(keys[key]))}")
    if key not in keys and not (key in groups() or (override.is_force_add() and key.startswith("trainer."))):
        raise ConfigError(f"there is no key {key}{_nearest(key, [*keys, *groups()])}")


def _nearest(key: str, valid: list[str]) -> str:
    """A question that names up to three keys: alike as a whole, or alike in the last part."""
    ends = difflib.get_close_matches(key.rsplit(".", 1)[-1], {name.rsplit(".", 1)[-1] for name in valid}, 3, 0.7)
    near = {
        *difflib.get_close_matches(key, valid, 3, 0.75),
        *(name for name in valid if name.rsplit(".", 1)[-1] in ends),
    }
    best = sorted(near, key=lambda name: (-difflib.SequenceMatcher(None, key, name).ratio(), name))[:3]
    return f"; did you mean {' or '.join(best)}?" if best else "; `--cfg job` prints every key"


def _check_type(key: str, value: Any, default: Any) -> None:
    kinds = TYPES.get(key, (type(default),))
    if not any(_is_a(value, kind) for kind in kinds):
        expected = " or ".join(TYPE_NAMES[kind] for kind in kinds)
        raise ConfigError(f"{key}={_text(value)}: expected {expected} (the default is {_text(default)})")
    kinds_of_entries = [*map(type, default)] if isinstance(default, list) else []
    if dict in kinds_of_entries:
        kinds_of_entries = [dict] * len(value)
    if isinstance(default, list) and [*map(type, value)] != kinds_of_entries:
        raise ConfigError(f"{key}={_text(value)}: expected a list of the kind of the default, {_text(default)}")


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _text(value: Any) -> str:
    """As it is written on the command line."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
