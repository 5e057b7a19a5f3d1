"""Three views of conf/ and of the classes of its keys: `--help`, the words of completion, docs/configuration.md.

A key's sentence is the comment on its line, or above it, or that of the section it stands in; its values and its unit
are those of its field. A key without a sentence and a number without a unit are errors.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from composed.config import Config
from composed.config.groups import Own
from composed.config.options import CONF, GROUPS, INNER, options, read_option
from composed.config.processes import LAUNCHERS
from composed.config.rules import PURE, Bound, Unit
from composed.config.structure import TYPE_NAMES, Form, choices, form, form_at, kind_words
from composed.config.task import OwnKind, OwnTask

NOT_KEYS = ("defaults", "hydra", "_target_")
HANGING: dict[str, Any] = {"initial_indent": " " * 17, "subsequent_indent": " " * 17}


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
    for group, (default, meaning) in _groups().items():
        names = sorted(options(group), key=lambda name: (name != default, name))
        lines += [f"  {group:<18} {meaning}", *textwrap.wrap(", ".join(names), 118, **HANGING)]
    lines += ["", "keys outside the groups (`--cfg job` prints all keys):"]
    options_text = text.split("\n\n", 1)[1].split("\nhydra:", 1)[0]
    section = ""
    for indent, key, value, meaning in re.findall(r"^( *)(\w+):(?: (\S+))? *(?:# (.+))?$", options_text, re.MULTILINE):
        if not indent:
            section = f"{key}."
        if value:
            lines.append(f"  {(section if indent else '') + key + '=' + value:<24} {meaning}")
    return "\n".join(lines)


def _groups() -> dict[str, tuple[str, str]]:
    """{group: its default and its meaning}, those inside an option of another group behind that group."""
    listed: dict[str, tuple[str, str]] = {}
    for name, default, meaning in _defaults(CONF / "config.yaml"):
        listed[name] = default, meaning
        for inner, *rest in _defaults(CONF / name / f"{default}.yaml"):
            if f"{name}/{inner}" in INNER:
                listed[f"{name}/{inner}"] = rest[0], rest[1]
    return listed


def _defaults(path: Path) -> list[tuple[str, str, str]]:
    """(group, option, comment) of the lines of a list of defaults."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""  # sizes have no option of their own
    return re.findall(r"^  - (\w+): (\S+)\s+# (.+)$", text, re.MULTILINE)


def completion_words() -> list[str]:
    """What can stand on the command line: GROUP=OPTION, and KEY= for every key that some file of conf/ gives."""
    words = {f"{group}={option}" for group in (*GROUPS, *INNER) for option in options(group)}
    for path in {*CONF.rglob("*.yaml")} - {CONF / "compare.yaml"}:  # which is of reports
        text, group = path.read_text(encoding="utf-8"), "/".join(path.relative_to(CONF).parts[:-1])
        if group in ("", *GROUPS, *INNER):
            prefix = "" if text.startswith("# @package _global_") else group.replace("/", ".")
            words.update(f"{key}=" for key in _leaves(yaml.safe_load(text), prefix))
    return sorted(words)


def _leaves(node: Any, prefix: str) -> Iterator[str]:
    if not isinstance(node, dict):
        yield prefix
        return
    for key, child in node.items():
        if key not in ("defaults", "hydra", "_target_", "_partial_", "_convert_") and isinstance(key, str):
            yield from _leaves(child, f"{prefix}.{key}".lstrip("."))


@dataclass(frozen=True)
class Entry:
    """A key as one file gives it; `sentence` is "" where the file has no comment about it."""

    key: str  # as on the command line
    value: Any
    sentence: str


def entries(path: Path) -> Iterator[Entry]:
    """The keys of a file of conf/, those in sections and lists of sections too."""
    text = path.read_text(encoding="utf-8")
    global_package = "# @package _global_" in text
    node = yaml.compose(text)
    if isinstance(node, yaml.MappingNode):
        prefix = "" if global_package or path.parent == CONF else ".".join(path.relative_to(CONF).parts[:-1]) + "."
        yield from _entries(node, text.splitlines(), prefix, "")


def _entries(node: yaml.MappingNode, lines: list[str], prefix: str, section: str) -> Iterator[Entry]:
    for key, value in node.value:
        if key.value in NOT_KEYS:
            continue
        sentence = _comment(lines, key.start_mark.line) or section
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _entries(value, lines, f"{prefix}{key.value}.", sentence)
        else:
            yield Entry(prefix + key.value, yaml.safe_load(yaml.serialize(value)), sentence)


def _comment(lines: list[str], number: int) -> str:
    """On the line, or in the lines above it unless these are the head of the file."""
    _, mark, comment = lines[number].partition(" # ")
    if mark:
        return comment.strip()
    above = number
    while above and lines[above - 1].lstrip().startswith("# "):
        above -= 1
    return " ".join(line.lstrip(" #") for line in lines[above:number]) if above else ""


def heading(path: Path) -> str:
    """What an option is: the sentences that the first line of its file completes."""
    line = path.read_text(encoding="utf-8").removeprefix("# @package _global_\n").partition("\n")[0].removeprefix("# ")
    return line if line.endswith(".") or ". " not in line else f"{line.rpartition('. ')[0]}."


def form_of(key: str, option: str, value: Any) -> Form:
    """What a key may be, as an option of conf/ has it; `option` is "config" outside groups.

    Of an option whose class is a person's own, its value alone says so. Raises SystemExit where no class has the key.
    """
    place, *inner = key.split(".")
    if place == "hydra":
        shape = form_at(LAUNCHERS[option], {}, inner[1:])
    else:
        node = {} if option == "config" else _place_of(key, option)
        shape = form_at(Config, node, [place, *inner])
        if shape is None and {*getattr(form_at(Config, node, [place]), "kinds", ())} & {Own, OwnTask, OwnKind}:
            shape = Form((type(value),), (PURE,))
    if shape is None:
        raise SystemExit(f"{key} of {option}: no class in src/config has such a field")
    return shape


def _place_of(key: str, option: str) -> dict[str, Any]:
    """The part of a config in which an option has a key."""
    for group in INNER:
        outer, inner = group.split("/")
        if key.startswith(f"{outer}.{inner}.") and option in options(group):
            return {outer: {inner: read_option(group, option)}}
    place = key.partition(".")[0]
    return {place: read_option(place, option)}


def unit(key: str, option: str, shape: Form) -> str:
    """Of a number; "" for a pure number and for what is none. Raises SystemExit where its field says none."""
    if not any(_is_number(kind) for kind in shape.kinds):
        return ""
    if (named := shape.rule(Unit)) is None:
        raise SystemExit(f"{key} of {option}: its class in src/config gives it no unit")
    return named.name


def _is_number(kind: Any) -> bool:
    return kind in (int, float) or (get_origin(kind) in (list, tuple) and set(_bare(kind)) <= {int, float})


def _bare(kind: Any) -> list[Any]:
    return [inner for part in get_args(kind) for inner in form(part).kinds]


def values(shape: Form) -> str:
    """The valid values in words."""
    if listed := choices(shape):
        return ", ".join("null" if choice is None else f"`{choice}`" for choice in listed)
    bound, words = shape.rule(Bound), kind_words(shape)
    if bound and {int, float} & {*shape.kinds}:
        number = words.index(TYPE_NAMES[int if int in shape.kinds else float])
        words[number] += f"{',' if bound.words.startswith('a ') else ''} {bound.words}"
    return " or ".join(words)


def flow(value: Any) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip().removesuffix("...").strip().replace("? '' :", "'':")


def written(value: Any) -> str:
    if isinstance(value, str) and "${schedules" in value:
        return "of the schedule"
    if value == "${replicate}":
        return "the replicate"
    if isinstance(value, str) and value.startswith("${"):
        return "of the machine"
    return f"`{flow(value)}`"


def table(listed: list[tuple[str, Entry]], every: int) -> Iterator[str]:
    """Rows for (option, entry); options that say the same of a key share a row."""
    rows: dict[tuple[str, str], list[tuple[str, Entry]]] = {}
    for option, entry in listed:
        rows.setdefault((entry.key, entry.sentence), []).append((option, entry))
    yield "| key | values | default | unit | meaning |"
    yield "| :-- | :-- | :-- | :-- | :-- |"
    for (key, sentence), same in rows.items():
        if not sentence:
            raise SystemExit(f"conf/: {key} of {', '.join(option for option, _ in same)} has no comment")
        shape = form_of(key, same[0][0], same[0][1].value)
        defaults: dict[str, list[str]] = {}
        for option, entry in same:
            defaults.setdefault(written(entry.value), []).append(option)
        default = next(iter(defaults))
        if len(defaults) > 1:
            default = "; ".join(f"{text} ({', '.join(names)})" for text, names in defaults.items())
        name = f"`{key}`"
        if len(same) < every:
            name += f" ({', '.join(option for option, _ in same)})"
        yield f"| {name} | {values(shape)} | {default} | {unit(key, same[0][0], shape)} | {sentence} |"


def inherits(path: Path) -> str:
    """The option of the same group that this one changes, or ""."""
    known = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    group = "/".join(path.relative_to(CONF).parts[:-1])
    bases = [base for base in known.get("defaults", []) if isinstance(base, str) and base in options(group)]
    return bases[0] if bases else ""


def group(name: str, default: str, meaning: str) -> Iterator[str]:
    names = sorted(options(name), key=lambda option: (option != default, option))
    paths = {option: CONF / name / f"{option}.yaml" for option in names}
    prefix = f"{name.replace('/', '.')}."
    yield from ("", f"## {name}", "", f"{meaning[0].upper()}{meaning[1:]}.", "")
    for option in names:
        line = f"- `{name}={option}`{' (default)' if option == default else ''}: {heading(paths[option])}"
        if base := inherits(paths[option]):
            words = [f"`{entry.key.removeprefix(prefix)}: {flow(entry.value)}`" for entry in entries(paths[option])
                     if not entry.key.endswith(".name")]  # fmt: skip
            line += f" As `{base}`, with {', '.join(words)}." if words else ""
        yield line
    every_entry = [(option, entry) for option in names for entry in entries(paths[option])]
    roots = [option for option in names if not inherits(paths[option])]
    known = {entry.key for option, entry in every_entry if option in roots}
    entries_of = [
        (option, entry)
        for option, entry in every_entry
        if entry.key.startswith(prefix) and (option in roots or entry.key not in known)
    ]
    if entries_of:
        yield from ("", *table(entries_of, len(roots)))


def sizes() -> Iterator[str]:
    """What each profile sets for each task: a column for each profile."""
    yield from ("", "## sizes", "", "What a profile sets for a task; a key that it leaves out keeps its default.")
    yield "`schedules` are budgets of fine-tuning with the keys of `optim`; `finetuning.schedule` names one."
    for task in options("task"):
        paths = {profile: CONF / "sizes" / f"{task}_{profile}.yaml" for profile in options("profile")}
        columns: dict[str, dict[str, Any]] = {}
        for profile, path in paths.items():
            files = [path, path.parent / "transformer" / path.name]
            entries_of = [entry for file in files if file.exists() for entry in entries(file)]
            columns[profile] = {entry.key.replace("sizes.transformer.", "model."): entry.value for entry in entries_of}
        keys = list(dict.fromkeys(key for column in columns.values() for key in column))
        yield from ("", f"### {task}", "")
        for profile, path in paths.items():
            yield f"- `profile={profile}`: {heading(path).partition(': ')[2]}"
        if keys:
            yield from ("", f"| key | {' | '.join(columns)} |", "| :-- |" + " --: |" * len(columns))
        for key in keys:
            cells = (flow(column[key]) if key in column else "" for column in columns.values())
            yield f"| `{key}` | {' | '.join(cells)} |"


def page() -> str:
    groups = _groups()
    out = [
        "# Configuration",
        "",
        "Every key of `conf/`. Any of them can be set on the command line: `composed-train GROUP=OPTION KEY=VALUE`.",
        "`composed-train --cfg job` prints what a command comes to. `scripts/config_reference.py` writes this page",
        "from the comments in `conf/`.",
        "",
        "## Outside the groups",
        "",
        *table([("config", entry) for entry in entries(CONF / "config.yaml")], 1),
    ]
    for name in groups:
        out += sizes() if name == "sizes" else group(name, *groups[name])
    launchers = sorted((CONF / "hydra" / "launcher").glob("*.yaml"))
    out += ["", "## hydra/launcher", ""]
    out += [*(f"- `hydra/launcher={path.stem}`: {heading(path)}" for path in launchers), ""]
    out += table([(path.stem, entry) for path in launchers for entry in entries(path)], 1)
    return "\n".join(out) + "\n"
