"""task=molecules: what a name says is what its SMILES says, in any order; data, noise, and files of a person's own."""

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules import molecules
from composed.datamodules.molecules import HELD_OUT, without_blanks
from composed.datamodules.molecules.graph import Graph, read, shuffled, tokens
from composed.datamodules.molecules.noise import SmilesNoise
from composed.datamodules.molecules.nomenclature import ALL_PARTS, RINGS, Limits, Structure, draw, parts
from composed.datamodules.text import TextData
from composed.errors import ConfigError, DataError

SIZES = {"train": 100, "val": 20, "test": 40, "ood": 40, "unlabeled": 200, "unlabeled_val": 20}
GRAMMAR = {"chain": 8, "substituted_chain": 5, "prefixes": 2, "ood_prefixes": 4}
WIDE = Limits(8, 4, 8)

# Checked by hand and by OPSIN, the parser of names of Lowe et al. 2011.
NAMED = [
    (Structure("", 1), "methane", "C"),
    (Structure("", 3, prefixes=((3, "chloro"),)), "1-chloropropane", "CCCCl"),
    (Structure("", 1, prefixes=((1, "chloro"), (1, "chloro"))), "dichloromethane", "ClCCl"),
    (Structure("", 2, "alcohol", 2), "ethanol", "CCO"),
    (Structure("", 4, "alcohol", 4, prefixes=((1, "amino"),)), "4-aminobutan-1-ol", "NCCCCO"),
    (Structure("", 6, "acid", multiple="en", at=2), "hex-2-enoic acid", "CCCC=CC(=O)O"),
    (Structure("", 4, multiple="yn", at=3), "but-1-yne", "C#CCC"),
    (Structure("", 5, "ketone", 4), "pentan-2-one", "CCCC(C)=O"),
    (Structure("", 3, "methyl ester", prefixes=((2, "bromo"),)), "methyl 2-bromopropanoate", "COC(=O)C(C)Br"),
    (Structure("", 3, "nitrile"), "propanenitrile", "CCC#N"),
    (Structure("", 3, "amide"), "propanamide", "CCC(N)=O"),
    (Structure("", 4, "aldehyde"), "butanal", "CCCC=O"),
    (Structure("benzene", 6, prefixes=((3, "chloro"),)), "chlorobenzene", "Clc1ccccc1"),
    (Structure("benzene", 6, "acid", 4), "benzenecarboxylic acid", "OC(=O)c1ccccc1"),
    (
        Structure("benzene", 6, prefixes=((1, "nitro"), (4, "methyl"))),
        "1-methyl-4-nitrobenzene",
        "Cc1ccc(cc1)[N+](=O)[O-]",
    ),
    (
        Structure("pyridine", 6, "acid", 5, prefixes=((4, "methyl"), (6, "chloro"))),
        "2-chloro-4-methylpyridine-3-carboxylic acid",
        "Cc1ccnc(Cl)c1C(O)=O",
    ),
    (
        Structure("cyclohexane", 6, "ketone", 2, prefixes=((3, "trifluoromethyl"), (1, "trifluoromethyl"))),
        "2,6-bis(trifluoromethyl)cyclohexan-1-one",
        "O=C1C(CCCC1C(F)(F)F)C(F)(F)F",
    ),
    (
        Structure("morpholine", 6, prefixes=((4, "methyl"), (3, "propan-2-yl"))),
        "4-methyl-3-(propan-2-yl)morpholine",
        "CC(C)C1COCCN1C",
    ),
    (Structure("pyridine", 6, prefixes=((6, "phenyl"),)), "2-phenylpyridine", "c1ccccc1-c2ccccn2"),
]


def key(graph: Graph) -> str:
    """The same for the same molecule in any order; neighbourhoods refined as by Weisfeiler and Leman 1968."""
    labels = list(graph.atoms)
    for _ in labels:
        around = [
            sorted(graph.bond(atom, other) + labels[other] for other in graph.neighbours(atom))
            for atom in range(len(labels))
        ]
        labels = [hashlib.sha256(repr(pair).encode()).hexdigest() for pair in zip(labels, around, strict=True)]
    return repr(sorted(labels))


def load(**settings: Any) -> TextData:
    given = {"folder": None, "tests": None, "seed": 0, "order": "parent", "grammar": GRAMMAR, "sizes": SIZES}
    return molecules.load({**given, **settings}, lambda *_: [])


@pytest.mark.parametrize(("structure", "name", "smiles"), NAMED, ids=[name for _, name, _ in NAMED])
def test_a_structure_has_its_name_and_its_molecule(structure: Structure, name: str, smiles: str) -> None:
    assert structure.canonical().name() == name
    assert key(structure.graph()) == key(structure.canonical().graph()) == key(read(smiles))


@given(st.integers(0, 10**9))
def test_every_order_of_the_atoms_is_the_same_molecule(seed: int) -> None:
    rng = random.Random(seed)
    graph = draw(rng, WIDE).graph()
    assert key(read("".join(shuffled(graph, rng)))) == key(graph)


def test_names_and_molecules_are_one_to_one() -> None:
    rng = random.Random(0)
    drawn = [draw(rng, WIDE) for _ in range(3000)]
    names = {structure.name(): key(structure.graph()) for structure in drawn}
    assert all(names[structure.name()] == key(structure.graph()) for structure in drawn)
    assert len({*names.values()}) == len(names) > 2000


def test_names_are_made_of_known_parts_alone() -> None:
    rng = random.Random(2)
    names = [draw(rng, WIDE).name() for _ in range(3000)]
    assert {part for name in names for part in parts(name).split()} <= {*ALL_PARTS.split()}
    assert all(parts(name).replace(" ", "") == name.replace(" ", "") for name in names)


def test_rdkit_takes_every_molecule_and_sees_the_same_in_every_order() -> None:
    chem = pytest.importorskip("rdkit.Chem")
    rng = random.Random(1)
    for _ in range(500):
        graph = draw(rng, WIDE).graph()
        orders = {chem.MolToSmiles(chem.MolFromSmiles("".join(shuffled(graph, rng)))) for _ in range(3)}
        assert len(orders) == 1


@pytest.mark.parametrize("smiles", ["", "C(", "C)", "C1CC", "C1C1", "C=", "1CC1", "C11"])
def test_what_is_no_smiles_is_refused(smiles: str) -> None:
    with pytest.raises(ValueError, match=r"has no end|closed that none opens|before any atom|are joined"):
        read(smiles)


def test_data_are_those_asked_for_without_a_molecule_twice() -> None:
    data, again, other = load(), load(), load(seed=1)
    splits = {"train": data.train, "val": data.val, "test": data.tests["id"], "ood": data.tests["ood"]}
    assert {name: len(split) for name, split in splits.items()} == {name: SIZES[name] for name in splits}
    assert (len(data.unlabeled), len(data.unlabeled_val)) == (200, 20)
    assert (data.train, data.unlabeled) == (again.train, again.unlabeled)
    assert data.train != other.train
    written = [without_blanks(line) for split in splits.values() for line in split.targets]
    written += map(without_blanks, [*data.unlabeled, *data.unlabeled_val])
    assert len({key(read(smiles)) for smiles in written}) == len(written) == 420


def test_more_training_molecules_leave_the_test_sets_as_they_are() -> None:
    assert load(sizes={**SIZES, "train": 150}).tests == load().tests


def test_training_has_no_molecule_of_the_kinds_out_of_distribution() -> None:
    data = load()
    limits = Limits(GRAMMAR["chain"], GRAMMAR["prefixes"], GRAMMAR["substituted_chain"])
    rng, known = random.Random(0), {}
    while len(known) < 20_000:
        structure = draw(rng, WIDE)
        known[parts(structure.name())] = structure
    for name in data.train.sources:
        if structure := known.get(name):
            assert (structure.parent, structure.suffix) not in HELD_OUT
            assert len(structure.prefixes) <= limits.prefixes
            assert structure.parent or not structure.prefixes or structure.length <= limits.substituted_chain
    assert {ring for ring, _ in HELD_OUT} <= {*RINGS}


def test_any_order_is_written_where_it_is_asked_for() -> None:
    along, anyhow = load(), load(order="any")
    assert along.train.sources == anyhow.train.sources
    assert along.train.targets != anyhow.train.targets
    same = zip(along.train.targets, anyhow.train.targets, strict=True)
    assert all(key(read(first)) == key(read(second)) for first, second in same)


def test_too_few_molecules_are_named() -> None:
    narrow = {"chain": 2, "substituted_chain": 1, "prefixes": 0, "ood_prefixes": 0}
    with pytest.raises(DataError, match=r"the nomenclature has too few molecules: \d+ of task\.sizes\.unlabeled=9999"):
        load(grammar=narrow, sizes={**{name: 1 for name in SIZES}, "ood": 1, "unlabeled": 9999})


def test_a_name_that_a_person_wrote_becomes_its_parts() -> None:
    said = load().as_source(" Ethyl 2-chloro-4-(propan-2-yl)pyridine-3-carboxylate ")
    assert said == "ethyl 2 - chloro - 4 - ( propan-2-yl ) pyridin e - 3 - carboxylate"
    assert load().as_source("caffeine 12").split()[0] == "caffeine"


@given(st.integers(0, 10**9))
def test_noise_makes_mistakes_in_the_tokens_alone(seed: int) -> None:
    rng = random.Random(seed)
    line = " ".join(shuffled(draw(rng, WIDE).graph(), rng))
    noised = SmilesNoise(unchanged=0.0, most=3)(line, random.Random(seed))
    assert noised == SmilesNoise(unchanged=0.0, most=3)(line, random.Random(seed))
    assert abs(len(noised.split()) - len(line.split())) <= 3
    assert SmilesNoise(unchanged=1.0)(line, rng) == line
    assert {*tokens(noised)} <= {*tokens(line), *"()=#1234CNOScnos"}


def test_most_noised_molecules_are_others() -> None:
    data, rng = load(), random.Random(0)
    noised = [SmilesNoise(unchanged=0.1)(line, rng) for line in data.unlabeled]
    changed = sum(first != second for first, second in zip(noised, data.unlabeled, strict=True))
    assert 0.7 < changed / len(noised) < 0.97


@pytest.mark.parametrize(("keys", "word"), [({"unchanged": 1.5}, "unchanged=1.5"), ({"most": 0}, "most=0")])
def test_noise_that_cannot_be_is_refused(keys: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        SmilesNoise(**keys)


def write(folder: Path, **files: str) -> str:
    for name, content in files.items():
        (folder / name.replace("_smi", ".smi").replace("_tsv", ".tsv")).write_text(content)
    return str(folder)


def test_molecules_of_a_persons_own(tmp_path: Path) -> None:
    pairs = "Ethanol\tCCO\npropan-1-ol\tC(C)CO\n"
    folder = write(
        tmp_path, train_tsv=pairs, val_tsv=pairs, test_tsv="butan-1-ol\tCCCCO\n", unlabeled_smi="CCl first\nC[N+](C)C\n"
    )
    data = load(folder=folder)
    assert data.train.sources == ["eth an ol", "prop an - 1 - ol"]
    assert data.train.targets == ["C C O", "C ( C ) C O"]
    assert data.tests["test"].targets == ["C C C C O"]
    assert sorted([*data.unlabeled, *data.unlabeled_val]) == ["C Cl", "C [N+] ( C ) C"]
    assert molecules.files({"folder": folder}) == sorted(tmp_path.iterdir())


@pytest.mark.parametrize(("content", "line"), [("ethanol CCO\n", 1), ("ethanol\tCCO\n\tC\n", 2), ("a\tC\tC\n", 1)])
def test_a_line_that_is_no_name_and_smiles_is_named(tmp_path: Path, content: str, line: int) -> None:
    folder = write(tmp_path, train_tsv=content, test_tsv="a\tC\n")
    with pytest.raises(DataError, match=rf"train\.tsv:{line}: has to be a name, a tab and a SMILES"):
        load(folder=folder)
