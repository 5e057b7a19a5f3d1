"""The command line before any work: help, overrides that exist and have the right type, configs that make sense.

Everything here is Hydra and OmegaConf only, so that a wrong word is answered in about a second, without importing torch.
Left out: what the objects themselves check (`build.py`).
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import composed.conf
from composed.errors import ConfigError

CONF = Path(composed.conf.__file__).parent
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith("_"))
LARGEST_CHECKED_SWEEP = 64


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def help_text(program: str) -> str:
    """Usage, every group with its options and one line of meaning, and the keys outside groups."""
    defaults = re.findall(r"^  - (\w+): (\S+)\s+# (.+)$", (CONF / "config.yaml").read_text(), re.MULTILINE)
    lines = [
        f"usage: {program} [GROUP=OPTION ...] [KEY=VALUE ...]      one run",
        f"       {program} -m GROUP=OPTION,OPTION KEY=VALUE,VALUE ...   one run per combination",
        f"       {program} --cfg job [...]                       print the resolved config and stop",
        "",
        "groups (the default first):",
    ]
    for group, default, meaning in defaults:
        choices = options(group)
        names = [default] + [name for name in choices if name != default] if default in choices else choices
        lines += [f"  {group:<12} {meaning}", f"  {'':<12}   {', '.join(names)}"]
    lines += ["", "keys outside the groups (`--cfg job` prints all keys):"]
    own = (CONF / "config.yaml").read_text().split("_self_\n", 1)[1].split("\nhydra:", 1)[0]
    section = ""
    for key, value, meaning in re.findall(r"^( *\w+):(?: (\S*))? *(?:# (.+))?$", own, re.MULTILINE):
        if not key.startswith(" "):
            section = key
        if value:
            name = f"{section}.{key.strip()}" if key.startswith(" ") else key
            lines.append(f"  {name + '=' + value:<24} {meaning}")
    return "\n".join(lines)


def check_command_line(arguments: Sequence[str]) -> None:
    """Refuses what Hydra would accept silently or explain badly.

    Raises ConfigError for an unknown group option, key or type (with the nearest valid ones), and for a config that `check`
    refuses. A `++key=value` adds a key on purpose and passes; `hydra.*` is Hydra's own business.
    """
    from hydra import compose, initialize_config_module
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    words = [word for word in arguments if (not word.startswith("-") and "=" in word) or word.startswith("~")]
    try:
        overrides = OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    ours = [o for o in overrides if not _plain(o.key_or_group).startswith("hydra") and not o.is_delete()]
    for override in ours:
        if _plain(override.key_or_group) in GROUPS:
            for value in _values(override):
                _check_option(_plain(override.key_or_group), value)
    with initialize_config_module("composed.conf", version_base="1.3"):
        groups = [o for o in ours if _plain(o.key_or_group) in GROUPS]
        try:
            reference = compose("config", [f"{o.input_line.split('=')[0]}={next(_values(o))}" for o in groups])
        except HydraException as error:
            raise ConfigError(_explain(error)) from error
        keys = dict(_leaves(OmegaConf.to_container(reference, resolve=False), reference))
        for override in ours:
            key = _plain(override.key_or_group)
            if key in GROUPS or override.is_force_add():
                continue
            _check_key(key, keys)
            for value in _values(override):
                _check_type(key, value, keys[key])
        axes = [[(o, value) for value in _values(o)] for o in ours if not o.is_force_add() and o.is_sweep_override()]
        fixed = [
            o.input_line.lstrip("+") if _plain(o.key_or_group) in keys else o.input_line
            for o in ours
            if not o.is_sweep_override()
        ]
        for combination in itertools.islice(itertools.product(*axes), LARGEST_CHECKED_SWEEP):
            chosen = [f"{_plain(o.key_or_group)}={value}" for o, value in combination]
            try:
                check(OmegaConf.to_container(compose("config", [*fixed, *chosen]), resolve=True))
            except HydraException as error:
                raise ConfigError(_explain(error)) from error


def check(config: dict[str, Any]) -> None:
    """Refuses contradictions of a resolved config before any data is read. Raises ConfigError with reason and remedy."""
    mode = config["finetuning"]
    needs = [k for k in ("start_from", "train_through", "predict_through") if mode[k] == "denoiser"]
    if needs and config["pretraining"]["name"] == "none" and config["denoiser"] in ("auto", "store"):
        raise ConfigError(
            f"finetuning={mode['name']} needs a denoiser ({', '.join(f'finetuning.{key}' for key in needs)}), "
            "but pretraining=none makes none. Use pretraining=denoise, denoiser=PATH, or finetuning=baseline."
        )
    for key in ("train_through", "predict_through"):
        if mode[key] not in (None, "denoiser"):
            raise ConfigError(f"finetuning.{key}={mode[key]}: valid values are denoiser and null")
    if mode["train_through"] is None and mode["composed_weight"] != 0:
        raise ConfigError(
            f"finetuning.composed_weight={mode['composed_weight']} has no effect with finetuning.train_through=null: "
            "set it to 0, or set finetuning.train_through=denoiser"
        )
    if not 0 <= mode["compose_after"] < 1:
        raise ConfigError(
            f"finetuning.compose_after={mode['compose_after']}: a share of the updates, from 0 to below 1"
        )
    if mode["start_from"] not in ("scratch", "denoiser") and not Path(mode["start_from"]).is_dir():
        raise ConfigError(
            f"finetuning.start_from={mode['start_from']}: valid values are scratch, denoiser, and the folder of a finished run; "
            "there is no such folder"
        )
    if config["denoiser"] not in ("auto", "store") and not Path(config["denoiser"]).exists():
        raise ConfigError(
            f"denoiser={config['denoiser']}: no such file or folder. Valid values are auto, store, and a path to a denoiser; "
            "denoiser=auto trains one"
        )
    if config["tokenizer"]["kind"] not in ("word", "bpe"):
        raise ConfigError(f"tokenizer.kind={config['tokenizer']['kind']}: valid values are word and bpe")
    stages = [("optim", config["optim"])]
    if config["pretraining"]["name"] != "none":
        stages.append(("pretraining.optim", config["pretraining"]["optim"]))
    for name, optim in stages:
        if optim["decay"] not in ("inverse_sqrt", "linear", "constant"):
            raise ConfigError(f"{name}.decay={optim['decay']}: valid values are inverse_sqrt, linear and constant")
        for key in ("updates", "batch_tokens", "accumulate", "validate_every", "checkpoint_every", "lr"):
            if optim[key] <= 0:
                raise ConfigError(f"{name}.{key}={optim[key]}: must be above 0")
    model = config["model"]
    if model["width"] % (2 * model["heads"]):
        raise ConfigError(f"model.width={model['width']} must be a multiple of 2 * model.heads = {2 * model['heads']}")
    estimator = config["estimator"]
    if mode["train_through"] and estimator["_target_"].endswith("rloo") and estimator["samples"] < 2:
        raise ConfigError(
            f"estimator.samples={estimator['samples']}: estimator=rloo compares samples with each other and needs at least 2; "
            "estimator=reinforce takes 1"
        )
    for path, target in _targets(config):
        if not target.startswith("composed."):
            raise ConfigError(f"{path}={target}: only targets that start with composed. are built")


def _targets(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            where = f"{path}.{key}" if path else str(key)
            if key == "_target_":
                yield where, str(value)
            else:
                yield from _targets(value, where)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _targets(value, f"{path}[{index}]")


def _plain(key: str) -> str:
    return key.split("@")[0]


def _values(override: Any) -> Iterator[Any]:
    """The values of an override, one for a plain value, each for a sweep, as Hydra would write them."""
    if override.is_sweep_override():
        yield from override.sweep_string_iterator()
    else:
        yield override.get_value_element_as_str()


def _check_option(group: str, value: Any) -> None:
    valid = options(group)
    if str(value) not in valid:
        nearest = difflib.get_close_matches(str(value), valid, 1)
        hint = f"; did you mean {group}={nearest[0]}?" if nearest else ""
        raise ConfigError(f"{group}={value}: valid values are {', '.join(valid)}{hint}")


def _leaves(node: Any, config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key path, inner ones too, with the resolved default value (None where it does not resolve)."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if path:
        try:
            yield path, OmegaConf.select(config, path) if not isinstance(node, dict) else node
        except OmegaConfBaseException:
            yield path, None
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, config, f"{path}.{key}" if path else str(key))


def _check_key(key: str, keys: dict[str, Any]) -> None:
    if key in keys:
        return
    valid = [*keys, *GROUPS]
    last = key.rsplit(".", 1)[-1]
    ends = difflib.get_close_matches(last, {name.rsplit(".", 1)[-1] for name in valid}, 3, 0.7)
    near = difflib.get_close_matches(key, valid, 3, 0.75)
    near += [name for end in ends for name in valid if name.rsplit(".", 1)[-1] == end and name not in near]
    near.sort(key=lambda name: -difflib.SequenceMatcher(None, key, name).ratio())
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else "; `--cfg job` prints every key"
    raise ConfigError(f"there is no key {key}{hint}")


def _check_type(key: str, text: str, default: Any) -> None:
    import yaml

    if default is None or "${" in text:
        return
    value = None if text in ("null", "None") else yaml.safe_load(text)
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        value = float(value)
    expected = type(default)
    right = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        str: not isinstance(value, dict | list),
        dict: isinstance(value, dict),
        list: isinstance(value, list),
    }.get(expected, True)
    if not right:
        names = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            str: "a word",
            dict: "a mapping",
            list: "a list",
        }
        raise ConfigError(f"{key}={text}: expected {names[expected]} (the default is {default})")


def _explain(error: Exception) -> str:
    """The lines of a Hydra error that say something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])
