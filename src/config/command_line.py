"""The command line before any work: words become configs, or are refused with the nearest right ones.

Everything here is Hydra and OmegaConf only, so that a wrong word is answered within a second, without torch.
Left out: what a config may be (`composed.config`), and what the objects themselves check (`experiment`).
"""

import difflib
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from composed.config import Config
from composed.config.effects import below, without_effect
from composed.config.identity import run_name
from composed.config.names import check_run_name, every_key
from composed.config.options import GROUPS, INNER, groups, options, own_option, search_words, with_own_options
from composed.config.processes import check_launcher, check_plugins
from composed.config.rules import Tells
from composed.config.structure import MissingKeyError, UnknownKeyError, WrongTypeError, form_at, forms, nearest, text
from composed.config.trainer import Trainer
from composed.errors import ConfigError

MOST_COMPOSED_JOBS = 12  # of a sweep, before it starts; each job is checked again when its turn comes
Words = Sequence[tuple[Any, str]]  # a job's overrides, as Hydra parses them, each with its value there


def check(node: Mapping[str, Any]) -> Config:
    """The value of a resolved config, before any data is read. Raises ConfigError with the remedy."""
    config = Config.of(node)
    check_run_name(run_name(config))
    return config


def flags_first(arguments: Iterable[str]) -> list[str]:
    """The same words in an order that Hydra understands: `a=1 -m b=1,2` is an error to it."""
    return sorted(arguments, key=lambda word: "=" in word and not word.startswith("-"))


@dataclass(frozen=True)
class _Line:
    """A command line as Hydra parses it; `places` are its words about own options."""

    places: Sequence[str]
    overrides: Sequence[Any]

    def resolved(self, words: Iterable[str]) -> dict[str, Any]:
        from hydra import compose
        from omegaconf import OmegaConf

        return OmegaConf.to_container(compose("config", [*self.places, *words]), resolve=True)  # type: ignore[return-value]

    def config(self, job: Words) -> dict[str, Any]:
        """Of a job, with keys that there may not be, which only the classes of the config know."""
        return self.resolved(_forced(override, value) for override, value in job)

    def defaults(self, job: Words) -> dict[str, Any]:
        """What the options that a job names come to without its other words."""
        every_group = groups()
        return self.resolved(_word(o, value) for o, value in job if o.key_or_group in every_group)

    def checked(self, job: Words) -> Config:
        """The config of a job. Raises ConfigError."""
        from hydra.errors import HydraException

        try:
            node = self.config(job)
        except HydraException:
            self._check_keys(job)
            raise
        try:
            config = check(node)
        except UnknownKeyError as error:
            raise _unknown(error, [override for override, _ in job], node) from error
        except MissingKeyError:
            self._check_keys(job)  # an override may have made what lacks the key
            raise
        except WrongTypeError as error:
            self._check_keys(job)
            raise self._wrong_type(error, job) from error
        self._check_keys(job, node)
        return config

    def _check_keys(self, job: Words, config: dict[str, Any] | None = None) -> None:
        """Raises ConfigError for keys that the named options do not have; of these, `config` says which to look for."""
        doubtful = [override for override, _ in job if config is None or _may_be_new(override, config)]
        if not doubtful:
            return
        keys = dict(every_key(self.defaults(job)))
        for override in doubtful:
            _check_key(override, keys)

    def _wrong_type(self, error: WrongTypeError, job: Words) -> ConfigError:
        """With the default, where an override has replaced it."""
        default = dict(every_key(self.defaults(job))).get(error.key, error.value)
        if default == error.value:
            return error
        if error.list_of_kind:
            said = f"expected a list of the kind of the default, {text(default)}"
            return ConfigError(f"{error.key}={text(error.value)}: {said}")
        return ConfigError(f"{error} (the default is {text(default)})")


def check_command_line(arguments: Sequence[str], *, write: bool = True, effects: bool = True) -> None:
    """Refuses what Hydra would accept silently or explain badly; `hydra.*` is Hydra's own business.

    Raises ConfigError for an unknown group option, key or type (with the nearest valid ones), and for a config that
    `check` refuses. New keys are for Lightning's Trainer alone: `++trainer.benchmark=true`. With `write`, the folder of
    a sweep's runs is made; with `effects`, an override that changes nothing in any job is refused.
    """
    from hydra._internal.utils import get_args_parser

    known = get_args_parser().parse_args(with_own_options(arguments))
    check_plugins(known.overrides)
    with _parsed_line(known.overrides) as line:
        searched = known.multirun and any(word.startswith("hydra/sweeper=") for word in known.overrides)
        choices = [[(o, value) for value in _values(o, known.multirun, searched)] for o in line.overrides]
        idle: list[dict[str, str]] = []  # of each job, the overrides without effect, and why
        for job in itertools.islice(_every_value_once(choices), MOST_COMPOSED_JOBS):
            config = line.checked(job)
            if effects:
                idle.append(_without_effect(job, config, line.config))
            if known.multirun:
                check_launcher(known.overrides, config.trainer)
            if known.multirun and write:  # Hydra writes there before the first job starts
                _make_folder(config.runs)
        for written in set.intersection(*map(set, idle)) if idle else ():
            if why := next(filter(None, (reasons[written] for reasons in idle)), ""):
                raise ConfigError(f"{written} has no effect: {why}; leave it out")


def every_job(words: Sequence[str]) -> list[tuple[list[str], Config]]:
    """The overrides and the config of every job of a sweep. Raises ConfigError, as `check_command_line` does."""
    with _parsed_line(words) as line:
        choices = [[(override, value) for value in _values(override, True)] for override in line.overrides]
        jobs = [*itertools.product(*choices)]
        hydras = [word for word in words if word.startswith("hydra")]
        overrides = [[*hydras, *(_word(override, value) for override, value in job)] for job in jobs]
        return [(words, line.checked(job)) for words, job in zip(overrides, jobs, strict=True)]


def every_value(word: str) -> list[tuple[str, Any]]:
    """The overrides that a word of a sweep stands for, each with its value. Raises ConfigError."""
    with _parsed_line([word]) as line:
        [override] = line.overrides
        words = [f"{override.key_or_group}={value}" for value in _values(override, True)]
    with _parsed_line(words) as line:
        return [(word, override.value()) for word, override in zip(words, line.overrides, strict=True)]


@contextmanager
def _parsed_line(words: Sequence[str]) -> Iterator[_Line]:
    """Raises ConfigError for words that Hydra does not read, and for what it says within."""
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_module("composed.conf", version_base="1.3"):
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            parsed = [_parsed(parser, word) for word in words]
            yield _Line(search_words(words), [o for o in parsed if not o.key_or_group.startswith("hydra")])
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{error.problem}{error.problem_mark}".replace('  in "', ", in ").replace('"', "")) from error
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        for group in INNER:
            if f"Could not override '{group}'" in lines[0]:
                outer = group.partition("/")[0]
                raise ConfigError(f"{group}: this option of {outer} leaves no choice of it; leave it out") from error
        raise ConfigError("; ".join(lines[:3])) from error


def _make_folder(runs: str) -> None:
    try:
        Path(runs).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"runs={runs}: no folder can be made there ({error.strerror})") from error


def _unknown(error: UnknownKeyError, overrides: Sequence[Any], config: dict[str, Any]) -> ConfigError:
    """Of an override, with the nearest of all keys; of a person's own option, with its place and those beside it."""
    for override in overrides:
        if below(override.key_or_group, [error.key]) and override.key_or_group not in groups():
            valid = [key for key, _ in every_key(config) if not below(key, [error.key])]
            return ConfigError(
                f"there is no key {override.key_or_group}{nearest(override.key_or_group, [*valid, *groups()])}"
            )
    group, _, inner = error.key.partition(".")
    if not inner:
        return ConfigError(
            f"an option of --config-dir sets {group}, which nothing reads{nearest(group, error.siblings)} (a file "
            "whose keys are those of the whole config begins with the line `# @package _global_`)"
        )
    name = error.key.rpartition(".")[2]
    beside = [key.rpartition(".")[2] for key in error.siblings]
    place = own_option(group, name) or "an option of --config-dir: "
    return ConfigError(f"{place}there is no key {error.key}{nearest(name, beside)}")


def _may_be_new(override: Any, config: dict[str, Any]) -> bool:
    """Whether the classes of the config leave open that the key of an override is there without it."""
    key = override.key_or_group
    if key in groups():
        return False
    place, *inner = key.split(".")
    if place == "trainer" and inner[0] not in forms(Trainer):
        return not override.is_force_add()
    shape = form_at(Config, config, [place, *inner], named=True)
    return shape is None or shape.rule(Tells) is not None or isinstance(dict(every_key(config)).get(key), dict)


def _check_key(override: Any, keys: dict[str, Any]) -> None:
    key = override.key_or_group
    if isinstance(keys.get(key), dict) and key not in groups():
        raise ConfigError(f"{override.input_line}: {key} has keys of its own, such as {key}.{next(iter(keys[key]))}")
    if key not in keys and not (key in groups() or (override.is_force_add() and key.startswith("trainer."))):
        raise ConfigError(f"there is no key {key}{nearest(key, [*keys, *groups()])}")


def _without_effect(job: Words, config: Config, resolved: Callable[[Words], dict[str, Any]]) -> dict[str, str]:
    """The overrides of a job that change only what nothing reads, as they were written, each with the reason.

    The reason is "" where they say what is so without them.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    unread, idle = without_effect(config), {}
    after = dict(every_key(config.plain()))
    for override, _ in job:
        key = override.key_or_group.replace("/", ".")
        if not any(below(key, [other]) or below(other, [key]) for other in unread):
            continue
        try:
            before = dict(every_key(resolved([(other, value) for other, value in job if other is not override])))
        except (HydraException, OmegaConfBaseException):
            continue  # the others need it
        changed = [
            key
            for key in before.keys() | after.keys()
            if before.get(key, ...) != after.get(key, ...) and not isinstance(after.get(key, before.get(key)), dict)
        ]
        if all(below(key, unread) for key in changed):
            idle[override.input_line] = next((unread[below(key, unread) or ""] for key in changed), "")
    return idle


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


def _word(override: Any, value: str) -> str:
    of_own_group = override.is_add() and override.key_or_group in groups() and override.key_or_group not in GROUPS
    added = "++" if override.is_force_add() else "+" if of_own_group else ""
    return f"{added}{override.key_or_group}={value}"


def _forced(override: Any, value: str) -> str:
    """The same for a key that there may not be, so that the classes of the config, not Hydra, answer it."""
    return _word(override, value) if override.key_or_group in groups() else f"++{override.key_or_group}={value}"


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
        close = difflib.get_close_matches(value, valid, 1)
        hint = f"; did you mean {group}={close[0]}?" if close else ""
        raise ConfigError(f"{group}={value}: valid values are {', '.join(valid)}{hint}")
