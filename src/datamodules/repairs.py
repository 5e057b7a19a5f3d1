"""How good a denoiser of texts is: what it repairs of what was corrupted, and what it changes of what was right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from composed.datamodules.text import up_to_blanks


@dataclass(frozen=True)
class Quality:
    """Counts of texts.

    corrupted: that are no longer the clean ones, even up to style.
    repaired: of these, that came out as the clean ones up to style; `exactly`, up to blanks.
    gold: right ones that the denoiser was given as they are.
    changed: of these, that came out as others beyond style: what no prediction through it can be right on.
    """

    corrupted: int
    repaired: int
    exactly: int
    gold: int
    changed: int

    def shares(self) -> dict[str, float]:
        """The counts that others are of, and per cent of these; a share of nothing is left out."""
        shares = {
            "repaired %": (self.repaired, self.corrupted),
            "exactly %": (self.exactly, self.corrupted),
            "gold changed %": (self.changed, self.gold),
        }
        known = {name: 100 * part / whole for name, (part, whole) in shares.items() if whole}
        return {"corrupted": self.corrupted, "gold": self.gold, **known}


def quality(
    clean: Sequence[str],
    corrupted: Sequence[str],
    repaired: Sequence[str],
    gold: Sequence[str],
    rewritten: Sequence[str],
    normal_form: Callable[[str], str] = up_to_blanks,
) -> Quality:
    """Of validation outputs, corrupted, and what came of these; of gold outputs, and what the denoiser made of them.

    Raises ValueError where texts that belong together are not as many.
    """
    rows = [
        (right, written)
        for right, noised, written in zip(clean, corrupted, repaired, strict=True)
        if normal_form(noised) != normal_form(right)
    ]
    return Quality(
        corrupted=len(rows),
        repaired=sum(normal_form(right) == normal_form(written) for right, written in rows),
        exactly=sum(up_to_blanks(right) == up_to_blanks(written) for right, written in rows),
        gold=len(gold),
        changed=sum(normal_form(right) != normal_form(new) for right, new in zip(gold, rewritten, strict=True)),
    )
