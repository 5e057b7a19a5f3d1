"""Molecules as SMILES: right where RDKit reads the same molecule, whatever the order of its atoms.

What RDKit does not read, or what breaks a rule of chemistry that it knows (valence, aromatic rings), is invalid. RDKit
works in processes of its own, since a crash of it would take everything along. Blanks between tokens are taken out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from composed.judges.interface import NO_RECORD, Record, Row, TextJudge, written
from composed.judges.records import JudgeError, Verdict
from composed.judges.workers import Failure, answers

Answer = tuple[str, str]  # correct, wrong, invalid, or not_judged; and why


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """longest: characters of a SMILES; seconds: CPU time of one."""

    noun: ClassVar[str] = "molecules"
    method: ClassVar[str] = "SMILES read by RDKit, and compared in their canonical form"
    remark: ClassVar[str] = "Invalid is what RDKit does not read or sanitise."
    exhibit = "molecules"
    strict: ClassVar[bool] = False  # of the orders of the atoms, none is more right

    longest: int
    seconds: float
    workers: int | None = None

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        found = self._answers([[_smiles(written(row)), _smiles(row["target"])] for row in rows])
        return [
            Verdict(row["id"], word, diagnostics=reason)  # type: ignore[arg-type]
            for row, (word, reason) in zip(rows, found, strict=True)
        ]

    def faults(self, rows: Sequence[Row]) -> list[str]:
        found = self._answers([[_smiles(written(row)), None] for row in rows])
        return [reason if word == "invalid" else "" for word, reason in found]

    def check(self) -> None:
        self._answers([["C", None]])

    def _answers(self, items: Sequence[Any]) -> list[Answer]:
        keys = {"longest": self.longest}
        found = answers("judges.molecule", keys, items, seconds=self.seconds, memory=None, workers=self.workers)
        return [self._failed(each) if isinstance(each, Failure) else (each[0], each[1]) for each in found]

    def _failed(self, failure: Failure) -> Answer:
        if failure.slow:
            return "invalid", f"took RDKit longer than {self.seconds:g} s of CPU time"
        return "not_judged", f"RDKit {failure.reason}"


def _smiles(line: str) -> str:
    return "".join(line.split())


def answerer(settings: Mapping[str, Any]) -> Callable[[Sequence[Any]], Answer]:
    """What a process does: an item is a SMILES and the gold one or None. Raises JudgeError without RDKit."""
    try:
        from rdkit import Chem, RDLogger
    except ImportError as error:
        raise JudgeError('no RDKit, which judges molecules: pip install "composed[molecules]"') from error
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]

    @lru_cache(1 << 16)
    def canonical(smiles: str) -> str | None:
        molecule = Chem.MolFromSmiles(smiles)
        return None if molecule is None else str(Chem.MolToSmiles(molecule))

    def answer(item: Sequence[Any]) -> Answer:
        smiles, target = item
        if len(smiles) > settings["longest"]:
            return "invalid", f"longer than {settings['longest']} characters"
        if not smiles:
            return "invalid", "no atoms"
        try:
            smiles.encode("ascii")
            found = canonical(smiles)
        except (ValueError, RuntimeError) as error:  # no ASCII, or what RDKit calls a violated invariant
            return "invalid", f"RDKit does not read it: {type(error).__name__}"
        if found is None:
            return "invalid", _problem(Chem, smiles)
        if target is None:
            return "correct", ""
        expected = canonical(target)
        if expected is None:
            return "not_judged", "RDKit does not read the gold output"
        return ("correct", "") if found == expected else ("wrong", "")

    return answer


def _problem(chem: Any, smiles: str) -> str:
    """What is wrong with a SMILES that is not read."""
    molecule = chem.MolFromSmiles(smiles, sanitize=False)
    problems = chem.DetectChemistryProblems(molecule) if molecule is not None else ()
    return str(problems[0].Message()) if problems else "no SMILES"
