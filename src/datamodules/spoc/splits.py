"""Which programs of the SPoC release train, validate and test, with whatever parts of it are at hand.

In distribution is the pseudocode of new workers (testw), out of it are new problems (testp), as in Xie, Ma and Liang
2021. Without the training part its eval and test parts train; without testp those problems of testw that training does
not have are the new ones. The title of results says so.
"""

import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from composed.datamodules.spoc import release, sample
from composed.datamodules.spoc.code import as_source, normal_form, to_cpp
from composed.datamodules.spoc.folder import programs_below
from composed.datamodules.spoc.release import PARTS, Program, Skipped
from composed.datamodules.text import Execute, Split, Tests, TextData
from composed.errors import DataError

HELD_OUT = 0.05  # share of the submissions that validate where the eval part has to train

_Parts = Mapping[str, list[Program]]


def files(settings: Mapping[str, Any]) -> list[Path]:
    """What `load` reads of the release; the content of these files is part of a run's name."""
    folder = Path(settings["folder"])
    return [
        *filter(Path.is_file, (folder / file for file in PARTS.values())),
        *sorted(folder.glob("testcases/*/*.txt")),
    ]


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """The data by the settings of conf/task/spoc.yaml. Raises DataError."""
    folder = Path(settings["folder"]) if settings["folder"] else sample.prepare(Path(settings["data"]))
    if not folder.is_dir():
        raise DataError(
            f"task.folder={folder}: no such folder; get the release with scripts/download_spoc.sh {_quoted(folder)}"
        )
    skipped = Skipped(settings["skip_bad"])
    parts = {name: release.read(folder / file, skipped) for name, file in PARTS.items() if (folder / file).exists()}
    train, val, trained_on = _training(folder, parts, settings["seed"])
    select = _selector(settings)
    train, val = select("train", train), select("val", val)
    judged, judged_on = _judged(folder, parts, train)

    known: dict[str, Tests] = {}

    def tests(program: Program) -> Tests:
        problem = program.key.problem
        if problem not in known:
            known[problem] = ()
            try:
                known[problem] = release.tests(folder, problem, settings["cases"])
            except DataError as error:
                skipped.add(f"{program.where}: a program of problem {problem}, whose test cases are not there: {error}")
        return known[problem]

    def split(programs: Sequence[Program], tests: Callable[[Program], Tests]) -> Split:
        sources = [program.source(settings["unannotated"]) for program in programs]
        return Split(sources, [program.target for program in programs], [tests(program) for program in programs])

    unlabeled = [program.target for program in train]
    if settings["unlabeled"]:
        unlabeled += programs_below(Path(settings["unlabeled"]), skipped)
    tests_by_name = {
        name: split(select("test", [program for program in programs if tests(program)]), tests)
        for name, programs in judged.items()
    }
    for name, programs in {"train": train, "val": val, **tests_by_name}.items():
        if not programs:
            raise DataError(
                f"{folder}: no program is left for {name} ({trained_on}; {judged_on}). Get what is missing of the "
                f"release with scripts/download_spoc.sh {_quoted(folder)}, or raise task.longest"
            )
    notes = []
    absent = [file for name, file in PARTS.items() if name not in parts and name != "all"]
    if absent:
        notes.append(
            f"{folder} is without {', '.join(absent)}; get what there is with "
            f"scripts/download_spoc.sh {_quoted(folder)}. So: {trained_on}; {judged_on}."
        )
    if skipped.reasons:
        notes.append(f"{len(skipped.reasons)} bad programs or problems left out, such as {skipped.reasons[0]}")
    return TextData(
        train=split(train, lambda _: ()),
        val=split(val, lambda _: ()),
        tests=tests_by_name,
        unlabeled=list(dict.fromkeys(unlabeled)),
        unlabeled_val=list(dict.fromkeys(program.target for program in val)),
        as_output=to_cpp,
        as_source=as_source,
        normal_form=normal_form,
        judge_gold=True,
        about="; ".join([*_lengths(settings["longest"]), trained_on, *_no_more(settings["unlabeled"]), judged_on]),
        notes=tuple(notes),
    )


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))


def _lengths(longest: Mapping[str, int | None]) -> list[str]:
    return [f"tested on programs of at most {longest['test']} characters"] if longest["test"] else []


def _no_more(unlabeled: str | None) -> list[str]:
    return [] if unlabeled else ["the denoiser learns from the same programs, there are no unlabeled ones"]


def _training(folder: Path, parts: _Parts, seed: int) -> tuple[list[Program], list[Program], str]:
    """Programs to train and to validate on, and what they are in words."""
    others = {program.key for name in ("eval", "test") for program in parts.get(name, ())}
    train = parts.get("train") or [program for program in parts.get("all", ()) if program.key not in others]
    if train and "eval" in parts:
        return train, parts["eval"], "trained on the training part"
    names = [name for name in ("eval", "test") if name in parts] if not train else []
    programs = train or [program for name in names for program in parts[name]]
    if not programs:
        raise DataError(f"{folder} has no programs to train on, such as {PARTS['eval']}")
    submissions = sorted({program.key[:2] for program in programs})
    held_out = set(random.Random(f"spoc/{seed}/val").sample(submissions, max(1, round(HELD_OUT * len(submissions)))))
    return (
        [program for program in programs if program.key[:2] not in held_out],
        [program for program in programs if program.key[:2] in held_out],
        f"trained on the {' and '.join(names)} parts, without the training part" if names else "trained on all of it",
    )


def _judged(folder: Path, parts: _Parts, train: Sequence[Program]) -> tuple[dict[str, list[Program]], str]:
    if "testw" in parts and "testp" in parts:
        return {"id": parts["testw"], "ood": parts["testp"]}, "ID is testw, OOD is testp"
    if "testw" not in parts:
        raise DataError(f"{folder} has no {PARTS['testw']}, which is judged")
    known = {program.key.problem for program in train}
    by_known: dict[str, list[Program]] = {"id": [], "ood": []}
    for program in parts["testw"]:
        by_known["id" if program.key.problem in known else "ood"].append(program)
    return by_known, "ID is testw on problems of the training, OOD is testw on other problems, without testp"


def _selector(settings: Mapping[str, Any]) -> Callable[[str, Sequence[Program]], list[Program]]:
    """Leaves out what is longer than `longest`, and all but `at_most` programs."""

    def select(name: str, programs: Sequence[Program]) -> list[Program]:
        longest, most = settings["longest"][name], settings["at_most"][name]
        kept = [program for program in programs if longest is None or len(program.target) <= longest]
        if most is None or most >= len(kept):
            return kept
        seed = 0 if name == "test" else settings["seed"]  # people wrote so many: every replicate is tested on the same
        chosen = random.Random(f"spoc/{seed}/{name}").sample(range(len(kept)), most)
        return [kept[place] for place in sorted(chosen)]

    return select
