"""From weights to a result in three steps that each read and write a file: predict, judge, count."""

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from composed import judges
from composed.errors import ComposedError, DataError
from composed.judges.records import Class
from composed.reporting.runs import split_word
from composed.runs.folder import RunFolder, configuration_key, content_key
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import read_json, read_lines, write_json, write_lines

if TYPE_CHECKING:
    from composed.tasks.task import Task

CLASSES = get_args(Class)
MODULES = {"image": "composed.tasks.image", "curve": "composed.tasks.staircase"}  # of kinds that are no text


def conclude(run: RunFolder, config: dict[str, Any]) -> dict[str, Any]:
    """Judges the predictions on disk, writes verdicts and result, returns the result.

    Joined processes share the programs; all of them have to call. Raises ComposedError; predictions and weights stay.
    """
    facts = run.facts()
    started = time.monotonic()
    if config["task"]["kind"] == "text":
        counts, tests = _counts(run, facts, config)
        gold = counts.pop("gold", {})
        found = {"counts": counts, "tests": tests, **({"gold": gold} if gold else {})}
        about = "; ".join([*filter(None, [facts.get("about", "")]), *map(_accepted, gold.items())])
    else:
        measure = import_module(MODULES[config["task"]["kind"]]).measure
        found, about = measure(run, config), facts.get("about", "")
    result = {
        "task": config["task"]["name"],
        "title": _title(config, about),
        "profile": config["profile"]["name"],
        "finetuning": config["finetuning"]["name"],
        "seed": config["seed"],
        "predict_through": config["finetuning"]["predict_through"],
        "config_key": configuration_key(run.shape()),
        "updates": facts["updates"],
        "best": facts["best"],
        "seconds": {**facts["seconds"], "judging": round(time.monotonic() - started, 1)},
        **found,
    }
    if main_process():
        write_json(run.result, result)
    return result


def _counts(
    run: RunFolder, facts: dict[str, Any], config: dict[str, Any]
) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, str]]:
    """Judges the programs; the number of each verdict, per output and split, and what says which examples they are."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    tests = {}
    for split in facts["splits"]:
        rows = list(read_lines(run.predictions(split)))
        try:
            base = [row for row in rows if row["output"] == "base"]
            tests[split] = content_key([[row.get("source"), row.get("target"), row["tests"]] for row in base])
            programs = [
                judges.Program(row["id"], row["code"], tuple(judges.Test(**test) for test in row["tests"]))
                for row in rows
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{run.predictions(split)}: a line is no prediction ({error!r}); predict again with\n"
                            f"  composed-evaluate --predict {run.path}") from error  # fmt: skip
        verdicts = _judge(run, programs, facts.get("rules", {}), config)
        if main_process():
            write_lines(run.verdicts(split), map(dataclasses.asdict, verdicts))
        for verdict in verdicts:
            if verdict.verdict == "not_judged":
                say(f"the judge failed on {verdict.id} of {split}, which counts as not correct: {verdict.diagnostics}")
        for output in sorted({row["output"] for row in rows}):
            seen = Counter(v.verdict for row, v in zip(rows, verdicts, strict=True) if row["output"] == output)
            counts.setdefault(output, {})[split] = {"n": seen.total(), **{name: seen[name] for name in CLASSES}}
    return counts, tests


def warn_of_no_judge(config: dict[str, Any], run: RunFolder) -> None:
    """Before a training, not after it: says why nothing can be judged on this machine."""
    try:
        judges.containment(unsafe=config["judge"]["unsafe"])
    except judges.JudgeError as error:
        say(
            f"warning: {error}\nThe training goes on, but its predictions cannot be judged here. Later, or on another "
            f"machine:\n  {_again(run)}"
        )


def _again(run: RunFolder) -> str:
    return shlex.join(["composed-evaluate", str(run.path)])


def _judge(
    run: RunFolder, programs: list[judges.Program], rules: dict[str, Any], config: dict[str, Any]
) -> list[judges.Verdict]:
    def work(own: Sequence[judges.Program]) -> list[judges.Verdict]:
        try:
            return judges.judge(
                own,
                limits=judges.Limits(cpu=rules.get("seconds", 2.0)),
                compare=rules.get("compare", "exact"),
                workers=config["judge"]["workers"] or processes.cores(config["trainer"]["num_nodes"]),
                unsafe=config["judge"]["unsafe"],
                shared=config["judge"]["shared"],
            )
        except judges.JudgeError as error:
            raise ComposedError(
                f"{error}\nThe training is safe: judge its predictions later with\n  {_again(run)}"
            ) from error

    return processes.share(programs, work)


def _accepted(gold: tuple[str, dict[str, int]]) -> str:
    split, of = gold
    return f"the judge accepts {of['correct'] / of['n']:.1%} of the gold programs of {split_word(split)}"


def _title(config: dict[str, Any], about: str) -> str:
    title = f"{config['task']['title']}, {config['profile']['name']} profile"
    return f"{title}: {about}" if about else title


def metrics(result: dict[str, Any]) -> dict[str, float]:
    """The result as numbers for a logger: test/SPLIT/OUTPUT/MEASURE, the share of each verdict or the values.

    OUTPUT is base, composition, and own for the one of both that is the mode's, so that a name means the same in all.
    """
    shares = {
        output: {split: {name: of[name] / of["n"] for name in CLASSES if of["n"]} for split, of in by_split.items()}
        for output, by_split in result.get("counts", {}).items()
    }
    outputs = result.get("values", shares)
    outputs = {**outputs, "own": outputs["composition" if result["predict_through"] else "base"]}
    return {
        f"test/{split}/{output}/{name}": value
        for output, by_split in outputs.items()
        for split, values in by_split.items()
        for name, value in values.items()
    } | {f"seconds/{step}": seconds for step, seconds in result["seconds"].items()}


def summary(result: dict[str, Any], path: Path) -> str:
    """A finished run in a few lines: what was right, of f alone and of the composition."""
    names = {"base": "f(x)", "composition": "Pi(f(x))"}
    lines = [f"{result['title']}: {result['finetuning']}, seed {result['seed']}"]
    for output, by_split in result.get("values", {}).items():
        for split, values in by_split.items():
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            lines.append(f"  {names[output]:<9} {split:<5} {numbers}")
    for output, by_split in result.get("counts", {}).items():
        shares = "   ".join(
            f"{split} {of['correct'] / of['n']:6.1%} correct, {of['compile_error'] / of['n']:6.1%} do not compile "
            f"(n {of['n']})"
            for split, of in by_split.items()
            if of["n"]
        )
        lines.append(f"  {names[output]:<9} {shares}")
    return "\n".join([*lines, f"  {path}"])


def predict_again(run: RunFolder, config: dict[str, Any]) -> None:
    """Makes the predictions of a trained run anew, from its best checkpoint. Raises ComposedError."""
    task, f, pi, composed = load_run(run, config)
    task.predict(run, f, composed)
    if main_process():
        task.show(run, f, pi)
        write_json(run.training, {**read_json(run.training), **task.facts(f)})


def load_run(run: RunFolder, config: dict[str, Any]) -> tuple["Task", Any, Any, Any]:
    """What a trained run has learned: its task, f, Pi and what predicts Pi(f(x)); the latter two None without a Pi.

    Nothing is trained. Raises ComposedError, with the command that makes it where the denoiser is missing.
    """
    from composed.config.command_line import check
    from composed.experiment.denoiser import composition, denoiser_weights, frozen_denoiser
    from composed.experiment.fine_tuning import finished_predictor
    from composed.tasks import open_task

    check(config)
    task = open_task({**config, "denoiser": "store"} if config["denoiser"] == "auto" else config)
    f = finished_predictor(task, run.checkpoints / "best.safetensors")
    command = run.command(denoiser="auto", redo="true")
    pi = frozen_denoiser(task, denoiser_weights(task, command))
    return task, f, pi, composition(task, f, pi, command)
