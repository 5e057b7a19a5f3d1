"""The options of every group: files of conf/, and of a person's own folders (`--config-dir`)."""

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from composed.errors import ConfigError

CONF = Path(str(getattr(find_spec("composed.conf"), "origin", ""))).parent  # without loading OmegaConf
NO_GROUPS = ("hydra", "table", "__pycache__")
INNER = ("pretraining/optim",)  # groups inside an option of another, by the names that Hydra gives them
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name not in NO_GROUPS)
SEARCHED = "hydra.searchpath="  # begins the override that names the folders of own options
_own: list[Path] = []  # these folders: of a process, as sys.path is


def options(group: str) -> list[str]:
    """Those of conf/, then those of `--config-dir`."""
    return sorted(path.stem for folder in (CONF, *_own) for path in (folder / group).glob("*.yaml"))


def groups() -> list[str]:
    """Those of conf/, inner ones too, and further folders of `--config-dir`, for `+GROUP=OPTION`."""
    added = (path.name for folder in _own for path in folder.iterdir() if path.is_dir() and path.name not in NO_GROUPS)
    return sorted({*GROUPS, *INNER, *added})


def own_option(group: str, key: str) -> str:
    """`FILE:LINE: ` of the first option that has the key, of a person's own folders first, or ""."""
    for folder in (*_own, CONF):
        for path in sorted((folder / group).glob("*.yaml")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if re.match(rf"\s*{re.escape(key)}:", line):
                    return f"{path}:{number}: "
    return ""


def read_option(group: str, option: str) -> dict[str, Any]:
    """The keys of an option with those of the options of its group that it begins from."""
    path = next(path for folder in (CONF, *_own) if (path := folder / group / f"{option}.yaml").exists())
    keys: dict[str, Any] = yaml.safe_load(path.read_text("utf-8")) or {}
    merged: dict[str, Any] = {}
    for base in keys.pop("defaults", []):
        if isinstance(base, str) and base in options(group):
            merged |= read_option(group, base)
        elif isinstance(base, dict):
            for place, name in base.items():
                other, _, package = place.removeprefix("/").partition("@")
                if place.startswith("/") and package and other in GROUPS:
                    inner_keys = read_option(other, name)
                    for part in reversed(package.split(".")):
                        inner_keys = {part: inner_keys}
                    merged = _merged(merged, inner_keys)
                elif (inner := f"{group}/{place}") in INNER:
                    merged[place] = read_option(inner, name if name in options(inner) else options(inner)[0])
    keys = keys.get(group, keys) if path.read_text("utf-8").startswith("# @package _global_") else keys
    return _merged(merged, keys)


def _merged(base: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """With the keys of the second, as Hydra merges options: mappings that both have are merged, too."""
    both = {key: _merged(base[key], value) for key, value in keys.items()
            if isinstance(value, dict) and isinstance(base.get(key), dict)}  # fmt: skip
    return base | keys | both


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
    places = [Path(place) for word in search_words(words) for place in re.findall(r"file://([^'\",\]]+)", word)]
    for path in places:
        if not path.is_dir():
            raise ConfigError(f"--config-dir {path}: no such folder")
        for option in path.glob("*/*.yaml"):
            if (CONF / option.relative_to(path)).exists():
                raise ConfigError(f"{option}: conf/ has {option.parent.name}={option.stem} too; give it another name")
    _own[:] = places
    return words


def search_words(words: Iterable[str]) -> list[str]:
    """Those of the words that say where own options are."""
    return [word for word in words if word.startswith(SEARCHED)]
