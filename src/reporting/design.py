"""What differs between the replicates of a table and what is the same in all of them, from the seeds of its runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from composed.reporting.runs import Run

WORDS = {"task.seed": "data", "pretraining.seed": "denoiser", "backtranslation.seed": "reverse model"}
FINE_TUNING = "fine-tuning"  # moves with every seed


@dataclass(frozen=True)
class Design:
    """unit: "replicate", or "seed" where the runs are of a single replicate and differ in the seed of fine-tuning.

    moving, fixed: in words, what another unit draws anew in every row, and what it does not. Both are empty for a
    single unit.
    """

    unit: str = "replicate"
    moving: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Design":
        """Of runs that can be compared, or are to be."""
        by_seed = len({run.replicate for run in runs}) == 1 and len({run.result.seed for run in runs}) > 1
        unit = "seed" if by_seed else "replicate"
        units = cls(unit)
        if len({units.number(run) for run in runs}) < 2:
            return units
        words = {key: word for key, word in WORDS.items() if any(key in run.seeds for run in runs)}
        fixed = tuple(word for key, word in words.items() if units._is_fixed(runs, key))
        moving = tuple(word for word in words.values() if word not in fixed)
        return cls(unit, (*moving, FINE_TUNING), fixed)

    def number(self, run: Run) -> int:
        return run.result.seed if self.unit == "seed" else run.replicate

    def _is_fixed(self, runs: Sequence[Run], key: str) -> bool:
        """Whether the seed `key` is the same in all units of some row."""
        seen: dict[object, dict[int, int]] = {}
        for run in runs:
            if key in run.seeds:
                seen.setdefault((run.mode, run.variant), {})[self.number(run)] = run.seeds[key]
        return any(len(by_replicate) > 1 and len({*by_replicate.values()}) == 1 for by_replicate in seen.values())

    @property
    def sentence(self) -> str:
        """What an interval over the units says something of, and what it does not; "" for a single unit."""
        if not self.moving:
            return ""
        drawn = f"Every {self.unit} draws {_listed(self.moving)} anew"
        if not self.fixed:
            return f"{drawn}."
        are = "is" if self.fixed in (("denoiser",), ("reverse model",)) else "are"
        return f"{drawn}; {_listed(self.fixed)} {are} the same in all of them, so ± and p say nothing of others."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
