"""`compare_names.py [--count N] [--seed S]`: whether OPSIN reads names of task=molecules as the molecules they are for.

OPSIN (Lowe et al. 2011) is a parser of chemical names that others wrote. Wants Java, py2opsin and rdkit:
`pip install py2opsin rdkit`.
"""

import argparse
import random

from py2opsin import py2opsin  # type: ignore[import-not-found]
from rdkit import Chem  # type: ignore[import-not-found]

from composed.datamodules.molecules.graph import shuffled
from composed.datamodules.molecules.nomenclature import Limits, draw


def canonical(smiles: str) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    return Chem.MolToSmiles(molecule) if molecule else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    limits = Limits(), Limits(8, 4, 8)  # of training molecules, and of those out of distribution
    structures = [draw(rng, limits[number % 2]) for number in range(options.count)]
    names = [structure.name() for structure in structures]
    others = []
    for structure, name, read in zip(structures, names, py2opsin(names), strict=True):
        ours = "".join(shuffled(structure.graph(), rng))
        if not canonical(ours) or canonical(ours) != canonical(read):
            others.append(f"{name}: {ours} here, {read or 'nothing'} there")
    print("\n".join([*others, f"{len(names) - len(others)} of {len(names)} names are read as the same molecule"]))


if __name__ == "__main__":
    main()
