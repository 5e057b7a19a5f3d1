"""Molecules of a person's own: SPLIT.tsv of a name, a tab and a SMILES a line, unlabeled.smi of a SMILES a line."""

from pathlib import Path

from composed.datamodules.files.folder import Layout
from composed.datamodules.molecules.graph import tokens
from composed.datamodules.molecules.nomenclature import parts
from composed.datamodules.text import Split
from composed.errors import DataError
from composed.system.files import text_lines


def _split(folder: Path, name: str) -> Split:
    path = folder / f"{name}.tsv"
    sources, targets = [], []
    for number, line in enumerate(text_lines(path), 1):
        source, _, smiles = (column.strip() for column in line.partition("\t"))
        if not source or not smiles or "\t" in smiles:
            raise DataError(f"{path}:{number}: has to be a name, a tab and a SMILES")
        sources.append(parts(source))
        targets.append(" ".join(tokens(smiles)))
    if not targets:
        raise DataError(f"{path}: empty; write a name, a tab and a SMILES on every line")
    return Split(sources, targets)


def _outputs(folder: Path, name: str) -> list[str]:
    """The first word of each line: such files may have the name of a molecule behind it."""
    path = folder / f"{name}.smi"
    return [" ".join(tokens(line.split()[0])) for line in text_lines(path) if line.strip()] if path.exists() else []


LAYOUT = Layout((".tsv", ".smi"), _split, _outputs)
