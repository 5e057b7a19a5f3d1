"""Examples of a run side by side on a console: input, f's and Pi(f)'s output, with verdicts and repairs."""

import itertools
from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from composed.errors import ConfigError
from composed.reporting.exhibits import text
from composed.reporting.exhibits.examples import FATES, REPAIRED, Example, read_examples
from composed.reporting.exhibits.interface import open_exhibit
from composed.reporting.exhibits.samples import Token
from composed.reporting.runs import Run, split_word
from composed.runs.folder import RunFolder

MOST_LINES = 18  # of an output; one that a model does not end may have hundreds


def judged(run: Run) -> bool:
    """Whether its folder holds verdicts of texts."""
    return any(RunFolder(run.folder).verdicts(split).is_file() for split in run.scores.examples)


def console(run: Run, count: int = 3) -> Group:
    """`count` examples of a run, picked by the rule that the first lines state.

    Raises ConfigError if the run has no composition, DataError if its predictions and verdicts do not match.
    """
    examples = [example for split in run.scores.examples for example in read_examples(run.folder, split)]
    if not all(example.fate for example in examples):
        raise ConfigError(f"{run.folder}: f and Pi(f) have not both an output for every example")
    fates: dict[str, list[Example]] = {fate: [] for fate in FATES.values()}
    for example in examples:
        fates[example.fate].append(example)
    sizes = ", ".join(f"{len(members)} {fate}" for fate, members in fates.items())
    turns = f"{' and '.join(map(split_word, run.scores.examples))} in turn, " if len(run.scores.examples) > 1 else ""
    rule = (
        f"{run.scores.noun.capitalize()} of {run.folder}, not a random sample: first what Pi repaired ({turns}in file "
        f"order), last one that it did not. Of all {len(examples)}: {sizes}. Lines marked - and + hold what Pi changed."
    )
    exhibit = open_exhibit(run.scores.exhibit)
    shown = exhibit if isinstance(exhibit, text.Exhibit) else text.Exhibit()
    parts = [part for example in pick(fates, count) for part in (Text(), side_by_side(example, shown))]
    return Group(Text(rule), *parts)


def pick(fates: Mapping[str, Sequence[Example]], count: int) -> list[Example]:
    """At most `count` examples: repaired ones but for the last place, which is for one of another fate."""
    queues = {fate: _in_turn(members) for fate, members in fates.items()}
    repaired = queues.pop(REPAIRED)
    first = max(count - 1, 1)
    return list(itertools.chain(repaired[:first], *queues.values(), repaired[first:]))[:count]


def _in_turn(examples: Sequence[Example]) -> list[Example]:
    splits = dict.fromkeys(example.split for example in examples)
    by_split = [[example for example in examples if example.split == split] for split in splits]
    return [example for turn in itertools.zip_longest(*by_split) for example in turn if example is not None]


def side_by_side(example: Example, exhibit: text.Exhibit) -> Grid:
    """Input, f's output and Pi(f)'s output; what Pi replaced is coloured, its lines marked - and +."""
    title = f"{split_word(example.split)} example {example.number}: {example.fate}"
    grid = Grid(title=Text(title, style="bold"), title_justify="left", expand=True, padding=(0, 1), show_edge=False)
    grid.add_column(exhibit.given, ratio=1)
    cells = [Text("\n".join(exhibit.source(example.source)))]
    looks = (("f(x)", "- ", "bold red"), ("Pi(f(x))", "+ ", "bold green"))
    for (output, lines), (name, mark, style) in zip(exhibit.compared(example.texts).items(), looks, strict=True):
        verdict = example.verdicts[output]
        colour = "green" if verdict == "correct" else "red"
        grid.add_column(Text.assemble(f"{name}: ", (verdict.replace("_", " "), colour)), ratio=1)
        cells.append(_marked(lines, mark, style))
    grid.add_row(*cells)
    return grid


def _marked(lines: Sequence[Sequence[Token]], mark: str, style: str) -> Text:
    """The lines as text: tokens that the other output lacks in `style`, their lines preceded by `mark`."""
    texts = []
    for tokens in lines[:MOST_LINES]:
        changed = any(not token.kept for token in tokens)
        line = Text.assemble((mark, style) if changed else "  ")
        for token in tokens:
            line.append(token.gap).append(token.text, "" if token.kept else style)
        texts.append(line)
    if more := lines[MOST_LINES:]:
        texts.append(Text(f"  ... and {len(more)} more lines"))
    return Text("\n").join(texts)
