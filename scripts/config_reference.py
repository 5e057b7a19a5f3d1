"""Writes docs/configuration.md: every key of conf/ with its values, default, unit and sentence.

A key's sentence is the comment on its line, or above it, or that of the section it stands in; `command.py` knows which
values are valid. A key without a sentence and a number without a unit below are errors.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from composed.config.command_line import CHOICES, CONF, GROUPS, RANGES, TYPE_NAMES, TYPES, options

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
NOT_KEYS = ("defaults", "hydra", "_target_")

# Of the launchers' keys, whose types are Hydra's business, those that may be null.
KINDS = TYPES | {
    "hydra.launcher.partition": (str, NoneType),
    "hydra.launcher.gpus_per_node": (int, NoneType),
    "hydra.launcher.mem_gb": (int, NoneType),
}

# Units of numbers, by the last part of their key; "1": a pure number.
UNITS = {
    "updates": "updates classifier warmup validate_every checkpoint_every record_every",
    "tokens": "batch_tokens max_length span reach",
    "characters": "longest.train longest.val longest.test",
    "images": "batch_size fonts.sizes.train fonts.sizes.val fonts.sizes.test",
    "faces": "count fonts.sizes.faces fonts.sizes.unlabeled fonts.sizes.unlabeled_val",
    "programs": "sizes.train sizes.val sizes.test sizes.ood sizes.unlabeled sizes.unlabeled_val "
    "at_most.train at_most.val at_most.test",
    "examples": "fisher",
    "pixels": "radius fonts.size",
    "pieces": "tokenizer.size",
    "units": "model.width widths feedforward adapters",
    "channels": "denoiser.width",
    "layers": "layers",
    "nats": "cap",
    "seconds": "seconds signal_delay_s",
    "minutes": "timeout_min",
    "processes": "workers devices jobs tasks_per_node",
    "cores": "cpus_per_task",
    "GPUs": "gpus_per_node",
    "gigabytes": "mem_gb",
    "runs": "array_parallelism",
    "times": "max_num_timeout",
    "threads": "threads",
    "files": "trainer.checkpoints",
    "machines": "num_nodes nodes",
    "lines": "max_lines",
    "statements": "max_draws",
    "variables": "max_variables",
    "rounds": "max_rounds",
    "points": "points",
    "steps": "beyond",
    "share": "linewise compose_after unchanged margin label_smoothing infilling.probability",
    "probability": "predict_above dropout attention_dropout activation_dropout "
    "masking.probability random_deletion.probability",
    "1": "seed lr initial_lr l2 weight_decay betas clip base_weight base_weight_end composed_weight denoising_weight "
    "anchor lora depth accumulate heads samples temperature entropy batch_norm_eps scale kinks factor beams "
    "template random_deletion masking infilling syntax type declaration typo keyword",
}


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


def unit(key: str, option: str) -> str:
    """By the longest name that fits: of the key, or of OPTION.key without its group. Raises SystemExit without one."""
    names = {name: unit for unit, names in UNITS.items() for name in names.split()}
    parts = key.split(".")
    of_option = [parts[0], option, *parts[1:]]
    for words in (of_option, parts):
        for start in range(len(words)):
            if (found := names.get(".".join(words[start:]))) is not None:
                return "" if found == "1" else found
    raise SystemExit(f"{key} of {option}: scripts/config_reference.py gives it no unit")


def values(key: str, value: Any) -> str:
    """The valid values in words."""
    if key in CHOICES:
        return ", ".join("null" if choice is None else f"`{choice}`" for choice in CHOICES[key])
    kinds = KINDS.get(key, (type(value),))
    limits = [words for names, words, _ in RANGES if key.rsplit(".", 1)[-1] in names.split()]
    words = [TYPE_NAMES[kind] for kind in kinds if kind is not NoneType]
    if limits and {int, float} & {*kinds}:
        words[-1] += f"{',' if limits[0].startswith('a ') else ''} {limits[0]}"
    return " or ".join([*words, *(["null"] if NoneType in kinds else [])])


def is_number(key: str, value: Any) -> bool:
    kinds = {*KINDS.get(key, (type(value),))}
    numbers = isinstance(value, list) and value and all(isinstance(each, int | float) for each in value)
    return bool(numbers or kinds & {int, float}) and bool not in kinds


def flow(value: Any) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip().removesuffix("...").strip().replace("? '' :", "'':")


def written(value: Any) -> str:
    if isinstance(value, str) and "${schedules" in value:
        return "of the schedule"
    if isinstance(value, str) and value.startswith("${"):
        return "of the machine"
    return f"`{flow(value)}`"


def table(found: list[tuple[str, Entry]], resolved: Any, every: int) -> Iterator[str]:
    """Rows for (option, entry); options that say the same of a key share a row."""
    rows: dict[tuple[str, str], list[tuple[str, Entry]]] = {}
    for option, entry in found:
        rows.setdefault((entry.key, entry.sentence), []).append((option, entry))
    yield "| key | values | default | unit | meaning |"
    yield "| :-- | :-- | :-- | :-- | :-- |"
    for (key, sentence), same in rows.items():
        if not sentence:
            raise SystemExit(f"conf/: {key} of {', '.join(option for option, _ in same)} has no comment")
        typical = next((entry.value for _, entry in same if entry.value is not None), None)
        if isinstance(typical, str) and typical.startswith("${"):
            typical = OmegaConf.select(resolved, key)
        defaults: dict[str, list[str]] = {}
        for option, entry in same:
            defaults.setdefault(written(entry.value), []).append(option)
        default = next(iter(defaults))
        if len(defaults) > 1:
            default = "; ".join(f"{text} ({', '.join(names)})" for text, names in defaults.items())
        name = f"`{key}`"
        if len(same) < every:
            name += f" ({', '.join(option for option, _ in same)})"
        of = unit(key, same[0][0]) if is_number(key, typical) else ""
        yield f"| {name} | {values(key, typical)} | {default} | {of} | {sentence} |"


def inherits(path: Path) -> str:
    """The option of the same group that this one changes, or ""."""
    known = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    bases = [base for base in known.get("defaults", []) if isinstance(base, str) and base in options(path.parent.name)]
    return bases[0] if bases else ""


def group(name: str, default: str, meaning: str, resolved: Any) -> Iterator[str]:
    names = sorted(options(name), key=lambda option: (option != default, option))
    paths = {option: CONF / name / f"{option}.yaml" for option in names}
    yield from ("", f"## {name}", "", f"{meaning[0].upper()}{meaning[1:]}.", "")
    for option in names:
        line = f"- `{name}={option}`{' (default)' if option == default else ''}: {heading(paths[option])}"
        if base := inherits(paths[option]):
            words = [f"`{entry.key.partition('.')[2]}: {flow(entry.value)}`" for entry in entries(paths[option])
                     if not entry.key.endswith(".name")]  # fmt: skip
            line += f" As `{base}`, with {', '.join(words)}." if words else ""
        yield line
    roots = [option for option in names if not inherits(paths[option])]
    found = [
        (option, entry) for option in roots for entry in entries(paths[option]) if entry.key.startswith(f"{name}.")
    ]
    if found:
        yield from ("", *table(found, resolved, len(roots)))


def sizes() -> Iterator[str]:
    """What each profile sets for each task: a column for each profile."""
    yield from ("", "## sizes", "", "What a profile sets for a task; a key that it leaves out keeps its default.")
    yield "`schedules` are budgets of fine-tuning with the keys of `optim`; `finetuning.schedule` names one."
    for task in options("task"):
        paths = {profile: CONF / "sizes" / f"{task}_{profile}.yaml" for profile in options("profile")}
        columns: dict[str, dict[str, Any]] = {}
        for profile, path in paths.items():
            files = [path, path.parent / "transformer" / path.name]
            found = [entry for file in files if file.exists() for entry in entries(file)]
            columns[profile] = {each.key.replace("sizes.transformer.", "model."): each.value for each in found}
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
    with initialize_config_module("composed.conf", version_base="1.3"):
        resolved = compose("config")
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    groups = {name: (default, what) for name, default, what in re.findall(r"^  - (\w+): (\S+)\s+# (.+)$", text, re.M)}
    out = [
        "# Configuration",
        "",
        "Every key of `conf/`. Any of them can be set on the command line: `composed-train GROUP=OPTION KEY=VALUE`.",
        "`composed-train --cfg job` prints what a command comes to. `scripts/config_reference.py` writes this page",
        "from the comments in `conf/`.",
        "",
        "## Outside the groups",
        "",
        *table([("config", entry) for entry in entries(CONF / "config.yaml")], resolved, 1),
    ]
    for name in sorted(GROUPS, key=lambda name: [*groups].index(name)):
        out += sizes() if name == "sizes" else group(name, *groups[name], resolved)
    launchers = sorted((CONF / "hydra" / "launcher").glob("*.yaml"))
    out += ["", "## hydra/launcher", ""]
    out += [*(f"- `hydra/launcher={path.stem}`: {heading(path)}" for path in launchers), ""]
    out += table([(path.stem, entry) for path in launchers for entry in entries(path)], resolved, 1)
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
