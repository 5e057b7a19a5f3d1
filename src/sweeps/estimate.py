"""What a sweep has to do before it does it: its runs, the denoisers they wait for, and about how long it takes.

Everything is read off files: nothing is trained, made or written, and nothing heavy is loaded.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from composed.config import Config
from composed.config.identity import denoiser_key
from composed.config.pretraining import Denoise, DenoiseImages
from composed.config.structure import plain
from composed.errors import ConfigError, DataError
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.sweeps.jobs import Job
from composed.system.files import read_json


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
    if not todo:
        return "\n".join(lines)
    finished = list(_finished(Path(todo[0].config.runs)))
    used = {denoiser_key(config) for _, config in finished}
    denoisers = {denoiser_key(job.config): job.config for job in todo if _trains(job.config)}
    absent = [config for key, config in denoisers.items() if key not in used and config.denoiser in ("auto", "store")]
    lines.append(f"denoisers that no finished run here has used, and that may have to be trained first: {len(absent)}")
    seconds = [_mean_seconds(finished, job.config) for job in todo]
    known = [estimate for estimate in seconds if estimate is not None]
    if known:
        total = fmean(known) * len(todo) / at_a_time
        lines.append(
            f"about {_clock(total)} for {len(todo)} runs, {at_a_time} at a time, denoisers apart (as finished runs "
            f"like {len(known)} of them took)"
        )
    else:
        lines.append("no time is known: no finished run of this task and profile is here")
    pretraining = [estimate for estimate in (_pretraining_seconds(config) for config in absent) if estimate is not None]
    if pretraining:
        lines.append(
            f"about {_clock(sum(pretraining))} for {len(pretraining)} of the denoisers, as others of their kind took"
        )
    return "\n".join(lines)


def _finished(runs: Path) -> Iterator[tuple[Result, Config]]:
    """Result and config of every finished run in the folder and in its siblings, but for damaged ones."""
    for path in sorted(runs.parent.glob("*/*/result.json")):
        try:
            yield Result.read(path), Config.read(RunFolder(path.parent).config())
        except (ConfigError, DataError):
            continue


def _mean_seconds(finished: Iterable[tuple[Result, Config]], config: Config) -> float | None:
    """Of finished runs like this one: of its mode, else of its task and profile."""
    task, profile, mode = config.task.name, config.profile.name, config.finetuning.name
    alike = [result for result, _ in finished if (result.task, result.profile) == (task, profile)]
    same = [result for result in alike if result.mode == mode] or alike
    return fmean(sum(result.seconds.values()) for result in same) if same else None


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
