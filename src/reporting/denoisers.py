"""How good the denoisers of a table are, and what f has kept of them: means of what runs say, over the replicates."""

from collections.abc import Mapping

from composed.reporting.statistics import Estimate, estimate
from composed.reporting.table import Table


def denoisers(table: Table) -> dict[str, dict[str, Estimate]]:
    """By the rows that have it: one line where all rows have the same denoiser, else one for each that is another."""
    by_row = {row.label: row.quality for row in table.rows if any(row.quality.values())}
    together = {number: quality for qualities in by_row.values() for number, quality in qualities.items()}
    if all(together[number] == quality for qualities in by_row.values() for number, quality in qualities.items()):
        by_row = {"of all rows": together} if together else {}
    lines: dict[str, dict[int, Mapping[str, float]]] = {}
    for label, qualities in by_row.items():
        if qualities not in lines.values():
            lines[label] = qualities
    return {label: _means(qualities) for label, qualities in lines.items()}


def kept(table: Table) -> dict[str, dict[str, Estimate]]:
    """What f still knows, by the rows of the modes' own outputs; once for weights that are decoded in several ways."""
    return {row.label: _means(row.kept) for row in table.rows if any(row.kept.values()) and not row.decoding}


def _means(qualities: Mapping[int, Mapping[str, float]]) -> dict[str, Estimate]:
    names = dict.fromkeys(name for quality in qualities.values() for name in quality)
    return {name: estimate([quality[name] for quality in qualities.values() if name in quality]) for name in names}
