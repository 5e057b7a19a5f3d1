"""SansType: synthetic pseudocode and programs, generated or in the published format (Xie, Ma and Liang 2021)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composed.datamodules.sanstype.checker import Checker
from composed.datamodules.sanstype.files import UNLABELED, as_source, generated, read_any, tests_in, to_cpp
from composed.datamodules.sanstype.grammar import Grammar, vocabulary
from composed.datamodules.sanstype.style import normal_form
from composed.datamodules.text import Execute, TextData
from composed.errors import DataError

SUFFIXES = (".src", ".tgt", ".inp", ".out", ".idx", ".bin", ".txt")


def files(settings: Mapping[str, Any]) -> list[Path]:
    """What `load` reads of a person's own; the content of these files is part of a run's name."""
    return sorted(path for path in Path(settings["folder"]).glob("[!.]*") if path.suffix in SUFFIXES and path.is_file())


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """The data by the settings of conf/task/sanstype.yaml, made where they are missing. Raises DataError."""
    if settings["folder"]:
        folder, about = Path(settings["folder"]), ""
        if not folder.is_dir():
            raise DataError(f"task.folder={folder}: no such folder; task.folder=null generates the data")
    else:
        folder, about = generated(settings, execute)
    tests = tests_in(folder)
    splits = {
        name: split
        for name in ("train", "val", *tests.values(), *UNLABELED)
        if (split := read_any(folder, name, execute))
    }
    for name in ("train", "val", "test"):
        if name not in splits:
            raise DataError(
                f"{folder}/{name}.tgt is missing: a data folder has at least the splits train, val and test, as "
                "text or as fairseq-preprocess writes them (train.src-tgt.src.idx, ...)"
            )
    return TextData(
        train=splits["train"],
        val=splits["val"],
        tests={name: splits[split] for name, split in tests.items() if split in splits},
        unlabeled=splits["unlabeled"].targets if "unlabeled" in splits else [],
        unlabeled_val=splits["unlabeled_val"].targets if "unlabeled_val" in splits else [],
        as_output=to_cpp,
        as_source=as_source,
        normal_form=normal_form,
        checker=Checker,
        vocabulary=[]
        if settings["folder"]
        else vocabulary(seed=settings["seed"], grammar=Grammar(**settings["grammar"])),
        about=about,
    )
