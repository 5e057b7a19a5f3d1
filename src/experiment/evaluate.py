"""From weights to a result in three steps that each read and write a file: predict, judge, count."""

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
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
    import torch
    from torch import Tensor

    from composed.datamodules.batching import Pairs
    from composed.experiment.build import TextTask
    from composed.models.composition import Composition
    from composed.models.sequence import SequenceModel

CLASSES = get_args(Class)
MODULES = {"image": "composed.experiment.image", "curve": "composed.experiment.curve"}  # of kinds that are no text


def predict(
    run: RunFolder, config: dict[str, Any], task: "TextTask", model: "SequenceModel", composition: "Composition | None"
) -> float:
    """Writes what f says on every test program, and what Pi, if any, makes of it. Returns the seconds it took.

    The processes of a distributed training share the work; all of them have to call.
    """
    started, beams = time.monotonic(), config["task"]["beams"]
    for split in task.data.tests:
        rows = list(_predictions(task, split, model, composition, beams=beams))
        if main_process():
            write_lines(run.predictions(split), rows)
    return round(time.monotonic() - started, 1)


def _predictions(
    task: "TextTask", split: str, model: "SequenceModel", composition: "Composition | None", *, beams: int
) -> Iterator[dict[str, Any]]:
    """A row for each example and output, in the data's order."""
    data = task.data.tests[split]
    device = next(model.parameters()).device
    model.eval()

    def decode(source: "Tensor") -> "list[Tensor]":
        base = model.predict(source, max_length=task.max_length, beams=beams)
        return [base] + ([composition.denoise(base, max_length=task.max_length, beams=beams)] if composition else [])

    decoded = decode_all(task.pairs(data), decode, device)
    texts = {
        output: [task.tokenizer.decode(ids) for ids in rows]
        for output, rows in zip(("base", "composition"), decoded, strict=False)
    }
    if task.data.rules.gold:
        texts["gold"] = data.targets
    for output, lines in texts.items():
        for example, text in enumerate(lines):
            yield {
                "id": f"{example}-{output}",
                "example": example,
                "output": output,
                "source": data.sources[example],
                "target": data.targets[example],
                "text": text,
                "code": task.data.to_cpp(text),
                "tests": [{"input": given, "output": expected} for given, expected in data.tests[example]],
            }


def decode_all(
    pairs: "Pairs", decode: "Callable[[Tensor], Sequence[Tensor]]", device: "torch.device"
) -> list[list[list[int]]]:
    """What `decode` makes of every source of `pairs`, in order: a list of ids per row, for each of its outputs.

    Joined processes share the batches, which are the same for any number of them.
    """
    import torch

    from composed.datamodules.batching import plan

    batches = plan(pairs.cost(), 128 * int(pairs.cost().mean()), None)

    @torch.inference_mode()
    def work(own: Sequence[list[int]]) -> list[list[list[list[int]]]]:
        """For each batch and output the ids of each row."""
        return [[part.tolist() for part in decode(pairs.batch(rows).source.to(device))] for rows in own]

    decoded = processes.share(batches, work)
    outputs: list[list[list[int]]] = [[[] for _ in range(len(pairs))] for _ in decoded[0]]
    for rows, ids_of_outputs in zip(batches, decoded, strict=True):
        for output, ids_of_rows in zip(outputs, ids_of_outputs, strict=True):
            for row, ids in zip(rows, ids_of_rows, strict=True):
                output[row] = ids
    return outputs


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
        found, about = kind(config).measure(run, config), facts.get("about", "")
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


def kind(config: dict[str, Any]) -> ModuleType:
    """The module that trains, predicts and measures what the task's outputs are, where they are no text."""
    return import_module(MODULES[config["task"]["kind"]])


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
    from composed.config.command_line import check
    from composed.experiment import build

    check(config)
    if config["task"]["kind"] != "text":
        kind(config).predict_again(run, config)
        return
    task = build.text_task(config)
    model = build.finished_predictor(config, task, run.checkpoints / "best.safetensors")
    if config["denoiser"] == "auto":
        config = {**config, "denoiser": "store"}
    command = run.command(denoiser="auto", redo="true")
    pi = build.denoiser(config, task, build.denoiser_weights(config, task, command))
    predict(run, config, task, model, build.composition(config, task, model, pi, command))
    if main_process():
        write_json(run.training, {**read_json(run.training), **build.facts(task)})
