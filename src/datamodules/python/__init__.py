"""SansType in Python: the same pseudocode, examples and tests, each program translated from C++.

So two tasks differ in the language of their outputs alone. What a program has to print is what the C++ program printed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from composed.datamodules.python.translation import normal_form, to_python, translate, vocabulary
from composed.datamodules.sanstype.files import LABELED, UNLABELED, as_source, generated, read
from composed.datamodules.sanstype.grammar import Grammar
from composed.datamodules.text import Execute, Split, TextData


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """The data by the settings of conf/task/python.yaml; those of SansType are made where they are missing.

    Programs in C++ that differ in how they declare are one in Python: an unlabeled one that is a program of a test set,
    or of those that validate, is left out, and so is one that occurs before. Raises DataError.
    """
    folder, about = generated(settings, execute)
    splits = {name: _in_python(read(folder, name)) for name in (*LABELED, *UNLABELED)}
    held_out = {line for name in ("test", "ood", "val", "unlabeled_val") for line in splits[name].targets}
    return TextData(
        train=splits["train"],
        val=splits["val"],
        tests={"id": splits["test"], "ood": splits["ood"]},
        unlabeled=[line for line in dict.fromkeys(splits["unlabeled"].targets) if line not in held_out],
        unlabeled_val=splits["unlabeled_val"].targets,
        as_output=to_python,
        as_source=as_source,
        normal_form=normal_form,
        vocabulary=vocabulary(seed=settings["seed"], grammar=Grammar(**settings["grammar"])),
        about=about,
    )


def _in_python(split: Split) -> Split:
    return replace(split, targets=[*map(translate, split.targets)])
