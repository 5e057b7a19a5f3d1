"""Molecules as pictures in SVG, by RDKit, in a process of its own: what a model writes could crash it, or take long."""

from collections.abc import Callable, Sequence
from typing import Any

from composed.judges.records import JudgeError

WIDTH, HEIGHT = 280, 150  # pixels
BOND = 28.0  # pixels, at most
LONGEST = 300  # characters of a SMILES that is drawn
COLOURS = {"base": (0.97, 0.74, 0.66), "composition": (0.60, 0.84, 0.93)}  # of atoms that the other output lacks

Item = Sequence[Any]  # a SMILES, the numbers of marked atoms, a SMILES that it may be the same molecule as, an output


def answerer(_settings: Any) -> Callable[[Item], str]:
    """What a process does: an item is drawn, "" where it cannot be. Raises JudgeError without RDKit."""
    try:
        from rdkit import Chem, RDLogger
        from rdkit.Chem.Draw import rdMolDraw2D
    except ImportError as error:
        raise JudgeError('no RDKit, which draws molecules: pip install "composed[molecules]"') from error
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]

    def answer(item: Item) -> str:
        smiles, marked, other, output = item
        if not 0 < len(smiles) <= LONGEST:
            return ""
        try:
            molecule, sane = _read(Chem, smiles)
            if molecule is None:
                return ""
            atoms = [] if _same(Chem, smiles, other) else [at for at in marked if 0 <= at < molecule.GetNumAtoms()]
            prepared = rdMolDraw2D.PrepareMolForDrawing(molecule, kekulize=sane, addChiralHs=False)
            return _drawn(rdMolDraw2D, prepared, atoms, COLOURS.get(output, COLOURS["composition"]))
        except (ValueError, RuntimeError):  # what RDKit calls a violated invariant
            return ""

    return answer


def _read(chem: Any, smiles: str) -> tuple[Any, bool]:
    """Every atom that is written, in that order, and whether they break no rule of chemistry; None for no SMILES."""
    how = chem.SmilesParserParams()
    how.sanitize = how.removeHs = how.allowCXSMILES = how.parseName = False
    molecule = chem.MolFromSmiles(smiles, how)
    if molecule is None or not chem.SanitizeMol(molecule, catchErrors=True):
        return molecule, True
    molecule = chem.MolFromSmiles(smiles, how)
    molecule.UpdatePropertyCache(strict=False)
    return molecule, False


def _same(chem: Any, smiles: str, other: str) -> bool:
    found = [chem.MolFromSmiles(each) for each in (smiles, other)]
    return None not in found and len({chem.MolToSmiles(each) for each in found}) == 1


def _drawn(draw: Any, molecule: Any, atoms: Sequence[int], colour: tuple[float, ...]) -> str:
    pen = draw.MolDraw2DSVG(WIDTH, HEIGHT)
    look = pen.drawOptions()
    look.useBWAtomPalette()
    look.clearBackground = look.prepareMolsBeforeDrawing = False
    look.fixedBondLength = BOND
    between = [bond for bond in molecule.GetBonds() if {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= {*atoms}]
    bonds = [bond.GetIdx() for bond in between]
    pen.DrawMolecule(
        molecule,
        highlightAtoms=[*atoms],
        highlightBonds=bonds,
        highlightAtomColors=dict.fromkeys(atoms, colour),
        highlightBondColors=dict.fromkeys(bonds, colour),
    )
    pen.FinishDrawing()
    return str(pen.GetDrawingText())
