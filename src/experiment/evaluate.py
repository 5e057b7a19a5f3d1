"""From weights to a result in three steps that each read and write a file: predict, judge, count."""

import dataclasses
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composed.config import Config
from composed.config.decoding import decoding_word
from composed.config.identity import seeds_of, settings_key
from composed.config.judge import opened
from composed.config.structure import plain
from composed.errors import ComposedError, DataError
from composed.judges.interface import Judged, Record, Row
from composed.judges.records import JudgeError, Verdict
from composed.judges.scores import Scores
from composed.reporting.runs import split_word
from composed.runs.facts import Facts
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import read_lines, write_lines

if TYPE_CHECKING:
    from composed.tasks.task import Task

SAID = {
    "correct": "correct",
    "strict": "are the gold ones",
    "compile error": "do not compile",
    "invalid": "are invalid",
}  # of shares, in a summary


def conclude(run: RunFolder, config: Config) -> Result:
    """Judges the predictions on disk, writes verdicts and result, returns the result.

    Joined processes share the programs; all of them have to call. Raises ComposedError; predictions and weights stay.
    """
    facts = run.facts()
    started = time.monotonic()
    scores = _scores(run, facts, config)
    result = Result(
        task=config.task.name,
        title=_title(config, facts.about or "", scores),
        profile=config.profile.name,
        mode=config.finetuning.name,
        replicate=config.replicate,
        seeds=seeds_of(run.shape()),
        predict_through=config.finetuning.predict_through,
        config_key=settings_key(run.shape()),
        updates=facts.updates,
        best=facts.best,
        seconds={**facts.seconds, "judging": round(time.monotonic() - started, 1)},
        scores=scores,
        quality=facts.quality,
        kept=facts.kept,
    )
    if main_process():
        result.write(run.result)
    return result


@dataclass(frozen=True)
class _Predicted:
    """The predictions of a run, as judges read them."""

    run: RunFolder
    config: Config
    tests: Sequence[str]
    facts: Mapping[str, Any]

    def rows(self, test: str) -> list[dict[str, Any]]:
        return list(read_lines(self.run.predictions(test)))

    def arrays(self, test: str) -> Path:
        return self.run.path / f"predictions-{test}.npz"

    def verdicts(self, test: str, rows: Sequence[Row], judge: Judged) -> list[Verdict]:
        record = Record(earlier=_verdicts_beside(self.run, test, self.config))

        def work(mine: Sequence[Row]) -> list[Verdict]:
            with _told(self.run, self.run.predictions(test)):
                return judge(mine, record)

        verdicts = processes.share(rows, work)
        if main_process():
            write_lines(self.run.verdicts(test), map(dataclasses.asdict, verdicts))
        for verdict in verdicts:
            if verdict.verdict == "not_judged":
                say(f"the judge failed on {verdict.id} of {test}, which counts as not correct: {verdict.diagnostics}")
        return verdicts


def _scores(run: RunFolder, facts: Facts, config: Config) -> Scores:
    """By the judge of the config.

    Raises DataError for predictions that it cannot read.
    """
    predicted = _Predicted(run, config, facts.splits, facts.more)
    with _told(run, run.path):
        cores = processes.cores(config.trainer.num_nodes)
        judge = opened(config.judge, facts.more.get("labels", ()), workers=cores)
        return judge.score(predicted)


@contextmanager
def _told(run: RunFolder, place: Path) -> Iterator[None]:
    """What a judge raises, as errors of ours that say how to go on; `place`: of the predictions."""
    try:
        yield
    except JudgeError as error:
        raise ComposedError(
            f"{error}\nThe training is safe: judge its predictions later with\n  {_again(run)}"
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = error if isinstance(error, ValueError) else f"a line is no prediction ({error!r})"
        again = f"composed-evaluate --predict {run.path}"
        raise DataError(f"{place}: {problem}; predict again with\n  {again}") from error


def warn_of_no_judge(config: Config, run: RunFolder) -> None:
    """Before a training, not after it: says why nothing can be judged on this machine."""
    try:
        opened(config.judge).check()
    except JudgeError as error:
        say(
            f"warning: {error}\nThe training goes on, but its predictions cannot be judged here. Later, or on another "
            f"machine:\n  {_again(run)}"
        )


def _again(run: RunFolder) -> str:
    return shlex.join(["composed-evaluate", str(run.path)])


def _verdicts_beside(run: RunFolder, split: str, config: Config) -> list[Path]:
    """Of other runs of the replicate, many of whose programs are the same on the same inputs. The judge looks them up
    by all that a verdict depends on, its own code and the compiler among it.
    """
    pattern = f"*-r{config.replicate}-*/{run.verdicts(split).name}"
    return [path for path in sorted(run.path.parent.glob(pattern)) if path.parent != run.path]


def _title(config: Config, about: str, scores: Scores) -> str:
    accepted = [_accepted(test, counts, scores.noun) for test, counts in scores.extra.get("gold", {}).items()]
    # Of labels, all are.
    known = {} if config.judge.reads_targets else scores.extra.get("known", {})
    recurring = [
        f"{counts['base']['n']} gold {scores.noun} of {split_word(test)} are targets of the training too"
        for test, counts in known.items()
    ]
    about = "; ".join([*filter(None, [about]), *accepted, *recurring])
    title = f"{config.task.title}, {config.profile.name} profile"
    return f"{title}: {about}" if about else title


def _accepted(test: str, counts: dict[str, int], noun: str) -> str:
    return f"the judge accepts {counts['correct'] / counts['n']:.1%} of the gold {noun} of {split_word(test)}"


def metrics(result: Result) -> dict[str, float]:
    """The result as numbers for a logger: test/SPLIT/OUTPUT/MEASURE; per cent as shares of 1, of every verdict too.

    OUTPUT is base, composition, and own for the one of both that is the mode's, so that a name means the same in all.
    """
    numbers = {f"seconds/{step}": seconds for step, seconds in result.seconds.items()}
    for output, by_split in result.scores.values.items():
        for split in by_split:
            named = _numbers(result.scores, output, split)
            for name in (output, "own") if output == result.own_output else (output,):
                numbers |= {f"test/{split}/{name}/{measure}": value for measure, value in named.items()}
    return numbers


def _numbers(scores: Scores, output: str, split: str) -> dict[str, float]:
    """By the names that loggers have; what the judge counted is finer than the measures, and stands in their place."""
    values = scores.values[output][split]
    shares = {measure.name for measure in scores.measures if measure.unit == "%"}
    named = {
        name.replace(" ", "_") if name in shares else name: value / 100 if name in shares else value
        for name, value in values.items()
    }
    counts = scores.extra.get("verdicts", {}).get(output, {}).get(split, {})
    return named | {verdict: number / counts["n"] for verdict, number in counts.items() if verdict != "n"}


def summary(result: Result, path: Path) -> str:
    """A finished run in a few lines: what was right, of f alone and of the composition."""
    lines = [f"{result.title}: {result.mode}, {', '.join([*_decoding(path), _which(result)])}"]
    for output, by_split in result.scores.values.items():
        name = {"base": "f(x)", "composition": "Pi(f(x))"}[output]
        texts = [*_values(result.scores, by_split), _shares(result.scores, by_split)]
        lines += [f"  {name:<9} {text}" for text in texts if text]
    return "\n".join([*lines, f"  {path}"])


def _decoding(path: Path) -> Iterator[str]:
    """How the run's outputs were decoded, where not greedily."""
    if word := decoding_word(RunFolder(path).config()["decoding"]):
        yield word


def _which(result: Result) -> str:
    """The replicate, and every seed that is another."""
    others = [f"{key} {seed}" for key, seed in result.seeds.items() if seed != result.replicate]
    return ", ".join([f"replicate {result.replicate}", *others])


def _values(scores: Scores, by_split: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Of each split the measures that are neither parts of a whole nor have words here."""
    told = [measure for measure in scores.measures if not (measure.part or measure.name in SAID)]
    for split, values in by_split.items() if told else ():
        yield f"{split:<5} {', '.join(f'{each.name} {values[each.name]:.4g}{each.unit}' for each in told)}"


def _shares(scores: Scores, by_split: Mapping[str, Mapping[str, float]]) -> str:
    """The shares that have words here, of all splits in one line; "" where there are none."""
    names = [measure.name for measure in scores.measures if measure.unit == "%" and measure.name in SAID]
    shares = {
        split: ", ".join(f"{values[name]:5.1f}% {SAID[name]}" for name in names) for split, values in by_split.items()
    }
    return "   ".join(f"{split} {text} (n {scores.examples[split]})" for split, text in shares.items() if text)


def known_of_denoising(task: "Task", f: Any, pi: Any) -> dict[str, dict[str, float]]:
    """Of Pi, and of f."""
    return {"quality": {}, "kept": {}} if pi is None else {"quality": task.quality(pi), "kept": task.kept(f, pi)}


def predict_again(run: RunFolder, config: Config) -> None:
    """Makes the predictions of a trained run anew, from its best checkpoint. Raises ComposedError."""
    task, f, pi, composed = load_run(run, config)
    task.predict(run, f, composed)
    known = known_of_denoising(task, f, pi)
    if main_process():
        task.show(run, f, pi)
        Facts.of({**plain(run.facts()), **task.facts(f), **known}, run.training).write(run.training)


def load_run(run: RunFolder, config: Config, device: Any = "cpu") -> tuple["Task", Any, Any, Any]:
    """What a trained run has learned: its task, f, Pi and what predicts Pi(f(x)); the latter two None without a Pi.

    Nothing is trained. Raises ComposedError, with the command that makes it where the denoiser is missing.
    """
    from composed.config.command_line import check
    from composed.experiment.denoiser import composition, denoiser_weights, frozen_denoiser
    from composed.experiment.fine_tuning import finished_predictor
    from composed.tasks import open_task

    check(config.plain())
    task = open_task(replace(config, denoiser="store") if config.denoiser == "auto" else config)
    f = finished_predictor(task, run.weights()).to(device)
    command = run.command(denoiser="auto", redo="true")
    pi = frozen_denoiser(task, denoiser_weights(task, command))
    return task, f, pi, composition(task, f, pi, command)
