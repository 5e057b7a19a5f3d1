"""What a sweep has to do before it does it: runs, denoisers, what is computed once for several, and about how long.

Everything is read off files: nothing is trained, made or written, and nothing heavy is loaded.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from composed.config import Config
from composed.config.decoding import Greedy, named
from composed.config.identity import beginning, branch, content_key, denoiser_key, settings_key
from composed.config.pretraining import Denoise, DenoiseImages
from composed.config.structure import plain
from composed.errors import ConfigError, DataError
from composed.runs.folder import RunFolder, code
from composed.runs.result import Result
from composed.sweeps.jobs import Job
from composed.system.files import read_json

Finished = Sequence[tuple[Result, Config]]


def plan(jobs: Sequence[Job], *, at_a_time: int, retry_failed: bool) -> str:
    """A line for each run, then what is missing and the time, in words."""
    states = {job.name: job.state for job in jobs}
    left = {"missing", "stopped"} | ({"failed"} if retry_failed else set())
    todo = [job for job in jobs if states[job.name] in left or job.config.redo]
    lines = [f"{states[job.name]:<8} {job.name}  {' '.join(job.overrides)}" for job in jobs]
    lines += [
        f"failed before; --retry-failed runs it again: {job.failure()}" for job in jobs if states[job.name] == "failed"
    ]
    lines.append(f"{len(jobs)} runs, {len(todo)} to do")
    if todo:
        lines += _work(todo, at_a_time)
    return "\n".join(lines)


def _work(todo: Sequence[Job], at_a_time: int) -> Iterator[str]:
    """What there is to do behind the runs, and the time."""
    finished, trainings = list(_finished(Path(todo[0].config.runs))), _trainings(todo)
    decoded = sum(not isinstance(job.config.decoding, Greedy) for job in todo)
    if decoded:
        yield f"{decoded} of them decode the weights of another run, so there are {len(trainings)} trainings"
    used = {denoiser_key(config) for _, config in finished}
    denoisers = {denoiser_key(config): config for config in trainings.values() if _trains(config)}
    absent = [config for key, config in denoisers.items() if key not in used and config.denoiser in ("auto", "store")]
    yield f"denoisers that no finished run here has used, and that may have to be trained first: {len(absent)}"
    words, saved = _shared([*trainings.values()])
    yield from words
    runs = {job.folder.path: job.config for job in todo} | trainings
    total = _total(finished, trainings.values(), _training) + _total(finished, runs.values(), _rest) - saved
    known = sum(_mean(finished, job.config, _rest) is not None for job in todo)
    if known:
        yield (
            f"about {_clock(max(0.0, total) / at_a_time)} for {len(todo)} runs, {at_a_time} at a time, denoisers apart "
            f"(as finished runs like {known} of them took)"
        )
    else:
        yield "no time is known: no finished run of this task and profile is here"
    pretraining = [estimate for estimate in (_pretraining_seconds(config) for config in absent) if estimate is not None]
    if pretraining:
        yield f"about {_clock(sum(pretraining))} for {len(pretraining)} of the denoisers, as others of their kind took"


def _trainings(todo: Sequence[Job]) -> dict[Path, Config]:
    """The runs that have to be trained, by their folders: one for all that decode the same weights."""
    trainings, greedy = {}, named("greedy")
    for job in todo:
        config = replace(job.config, decoding=greedy)
        origin = RunFolder.of(config)
        again = config.redo and isinstance(job.config.decoding, Greedy)
        if again or not origin.predicted():
            trainings[origin.path] = config
    return trainings


def _shared(trainings: Sequence[Config]) -> tuple[list[str], float]:
    """What of these trainings is computed once for several, in words, and the seconds that this saves, where known."""
    shapes = [beginning(config) for config in trainings if branch(config)]
    if not shapes:
        return [], 0.0
    entries = [*_beginnings(Path(trainings[0].store))]
    there = {content_key(key["config"]) for key, _ in entries}
    updates, seconds, unknown = 0, 0.0, False
    counts = Counter(map(content_key, shapes))
    for shape in {content_key(shape): shape for shape in shapes}.values():
        again = counts[content_key(shape)] - (content_key(shape) not in there)
        alike = [took for key, took in entries if settings_key(key["config"]) == settings_key(shape)]
        updates += again * shape["branch"]
        seconds += again * fmean(alike) if alike else 0.0
        unknown |= bool(again) and not alike
    if not updates:
        return [], 0.0
    time = f", {'at least' if unknown else 'about'} {_clock(seconds)}" if seconds else ""
    whole = sum(config.optim.updates for config in trainings)
    return [
        f"{len(shapes)} trainings have {len(counts)} beginnings, of which the store has {len(there & {*counts})}; to "
        f"share them saves {updates} of {whole} updates{time}"
    ], seconds


def _beginnings(store: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """Key and seconds of every beginning in the store that this code has made."""
    ours = code()
    for done in store.glob("beginning-*/done.json"):
        with suppress(DataError, KeyError, TypeError):  # damaged, as the run that takes it will say
            key, facts = read_json(done.with_name("key.json")), read_json(done.with_name("facts.json"))
            if key["code"] == ours and key["config"]:
                yield key, float(facts["seconds"])


def _finished(runs: Path) -> Iterator[tuple[Result, Config]]:
    """Result and config of every finished run in the folder and in its siblings, but for damaged ones."""
    for path in sorted(runs.parent.glob("*/*/result.json")):
        try:
            yield Result.read(path), Config.read(RunFolder(path.parent).config())
        except (ConfigError, DataError):
            continue


def _training(result: Result) -> float:
    return result.seconds.get("training", 0.0)


def _rest(result: Result) -> float:
    return sum(result.seconds.values()) - _training(result)


def _mean(finished: Finished, config: Config, part: Callable[[Result], float]) -> float | None:
    """Seconds of finished runs like this one: of its mode, and decoded as it is, else of its task and profile."""
    alike = [(r, c) for r, c in finished if (r.task, r.profile) == (config.task.name, config.profile.name)]
    same = [(r, c) for r, c in alike if r.mode == config.finetuning.name] or alike
    same = [(r, c) for r, c in same if c.decoding == config.decoding] or same
    return fmean(part(result) for result, _ in same) if same else None


def _total(finished: Finished, configs: Collection[Config], part: Callable[[Result], float]) -> float:
    """Seconds of all of these, the unknown ones taken as the known ones are on average."""
    known = [seconds for config in configs if (seconds := _mean(finished, config, part)) is not None]
    return fmean(known) * len(configs) if known else 0.0


def _pretraining_seconds(config: Config) -> float | None:
    """Between the first and the last file of denoisers in the store that were made with the same settings."""
    times, wanted = [], _without_classifier(plain(config.pretraining))
    for done in Path(config.store).glob("denoiser-*/done.json"):
        key = done.with_name("key.json")
        if _without_classifier(read_json(key).get("pretraining", {})) == wanted:
            times.append(done.stat().st_mtime - key.stat().st_mtime)
    return fmean(times) if times else None


def _trains(config: Config) -> bool:
    """Whether its denoiser has weights that are trained."""
    return isinstance(config.pretraining, Denoise | DenoiseImages)


def _without_classifier(pretraining: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in pretraining.items() if key != "classifier"}


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"
