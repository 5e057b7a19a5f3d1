"""Molecules by RDKit: the same in any order of atoms, invalid by a reason that is named, and no crash costs a run."""

import random
import sys

import pytest

pytest.importorskip("rdkit", reason="no RDKit: pip install 'composed[molecules]'")

from composed.judges import workers
from composed.judges.molecule import Judge, answerer
from composed.judges.records import JudgeError

JUDGE = Judge(longest=1000, seconds=1.0, workers=1)
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def row(number: int, text: str, target: str = ASPIRIN) -> dict:
    return {"id": str(number), "text": text, "target": target}


def test_the_same_molecule_is_right_however_it_is_written():
    from rdkit import Chem

    atoms = list(range(Chem.MolFromSmiles(ASPIRIN).GetNumAtoms()))
    random.Random(0).shuffle(atoms)
    shuffled = Chem.MolToSmiles(Chem.RenumberAtoms(Chem.MolFromSmiles(ASPIRIN), atoms), canonical=False)
    assert shuffled != ASPIRIN
    texts = [shuffled, "O = C(C) O c1ccccc1 C(O)=O", "CC(=O)Oc1ccccc1C(=O)N", "C"]
    assert [each.verdict for each in JUDGE.judge([row(n, text) for n, text in enumerate(texts)])] == [
        *("correct", "correct", "wrong", "wrong")
    ]
    [same, mirrored] = JUDGE.judge([row(0, "C[C@H](N)O", "N[C@@H](C)O"), row(1, "C[C@@H](N)O", "N[C@@H](C)O")])
    assert [same.verdict, mirrored.verdict] == ["correct", "wrong"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CC(C)(C)(C)C", "Explicit valence for atom # 1 C, 5, is greater than permitted"),
        ("c1cccc1", "Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4"),
        ("C1CC", "no SMILES"),
        ("C((C)", "no SMILES"),
        ("(", "no SMILES"),
        ("", "no atoms"),
        (" \t ", "no atoms"),
        ("C" * 100_000, "longer than 1000 characters"),
        ("é", "RDKit does not read it: UnicodeEncodeError"),
        ("C\0C", "no SMILES"),
        ("[Xx]", "no SMILES"),
    ],
)
def test_what_is_no_molecule_is_invalid_and_says_why(text, reason):
    [found] = JUDGE.judge([row(0, text)])
    assert (found.verdict, found.diagnostics) == ("invalid", reason)
    assert JUDGE.faults([{"text": text}, {"text": "CCO"}]) == [reason, ""]


def test_long_chains_and_deep_branches_are_read_or_refused_and_nothing_dies():
    judge = Judge(longest=1_000_000, seconds=20.0, workers=1)
    texts = ["C" * 20_000, "C(" * 20_000 + "C" + ")" * 20_000, "C1" * 20_000, "[" * 50_000, "C%99" * 1000, "CC"]
    found = judge.judge([row(n, text, "CC") for n, text in enumerate(texts)])
    assert [each.verdict for each in found][-1] == "correct"
    assert {each.verdict for each in found[:-1]} <= {"invalid", "wrong", "not_judged"}
    assert all(each.diagnostics for each in found if each.verdict != "wrong" and each.verdict != "correct")


def test_a_gold_output_that_is_none_is_no_fault_of_the_prediction():
    [found] = JUDGE.judge([row(0, "C", "C(")])
    assert (found.verdict, found.diagnostics) == ("not_judged", "RDKit does not read the gold output")


def test_rdkit_says_nothing_on_its_own(capfd):
    answer = answerer({"longest": 10})
    assert answer(["C(", None])[0] == "invalid"
    assert capfd.readouterr() == ("", "")


def acting(body: str) -> tuple[str, ...]:
    """A process whose answer to the SMILES of one iodine is to do something else."""
    code = (
        "import ctypes\nfrom composed.judges import molecule, workers\nmake = molecule.answerer\n"
        "def answerer(settings):\n    answer = make(settings)\n"
        f"    def act():\n        {body}\n"
        "    return lambda item: act() if item[0] == 'I' else answer(item)\n"
        "molecule.answerer = answerer\nworkers.main()"
    )
    return sys.executable, "-P", "-c", code


@pytest.mark.parametrize(
    ("body", "verdict", "said"),
    [
        ("ctypes.string_at(0)", "not_judged", "RDKit was ended by signal 11"),
        ("raise SystemExit('no more')", "not_judged", "RDKit ended by itself with 1: no more"),
        ("raise RuntimeError('odd')", "not_judged", "RDKit ended by itself with 1: RuntimeError: odd"),
        ("\n        while True: pass", "invalid", "took RDKit longer than 1 s of CPU time"),
    ],
)
def test_a_crash_or_a_hang_costs_one_verdict(monkeypatch, body, verdict, said):
    monkeypatch.setattr(workers, "_COMMAND", acting(body))
    found = JUDGE.judge([row(n, "I" if n in (3, 100) else "C", "C") for n in range(130)])
    assert [each.id for each in found if each.verdict != "correct"] == ["3", "100"]
    assert {(each.verdict, each.diagnostics) for each in found if each.id in ("3", "100")} == {(verdict, said)}


def test_without_rdkit_the_remedy_is_named(monkeypatch):
    blocked = "import sys; sys.modules['rdkit'] = None; from composed.judges.workers import main; main()"
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-P", "-c", blocked))
    with pytest.raises(JudgeError, match=r'no RDKit.*pip install "composed\[molecules\]"'):
        JUDGE.check()
