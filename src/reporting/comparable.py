"""Which runs one table can hold: replicates of one experiment per row, on the same examples, decoded alike.

Of what cannot be averaged with the rest, the few are left out by name; where it is not a few, the table is refused.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from composed.errors import ConfigError
from composed.reporting.design import Design
from composed.reporting.runs import Run, RunsFound, shaping_entries

LeftOut = dict[Path, str]  # folder, why
MOST_KEYS = 4  # of a configuration, in the reason of one line


def comparable(searched: RunsFound) -> RunsFound:
    """The runs that one table can hold; those that it cannot average with most others are left out, with the reason.

    Raises ConfigError where no side is in the majority, where a row would have no run left, where a replicate is there
    twice, and for runs of two experiments: other profiles, titles, measures or numbers of examples.
    """
    runs, left_out = searched.runs, dict(searched.left_out)
    _check_one_experiment(runs)
    for odd_of in (_otherwise_set, _otherwise_configured, _otherwise_seeded, _on_other_examples):
        odd = odd_of(runs)
        left_out |= odd
        runs = [run for run in runs if run.folder not in odd]
    return RunsFound(runs, dict(sorted(left_out.items())))


def check_comparable(runs: Sequence[Run]) -> None:
    """Raises ConfigError where `comparable` does, or would leave a run out."""
    if odd := comparable(RunsFound([*runs], {})).left_out:
        raise ConfigError("\n".join(f"{folder}: {why}" for folder, why in odd.items()))


def _rows(runs: Iterable[Run]) -> dict[Hashable, list[Run]]:
    rows: dict[Hashable, list[Run]] = defaultdict(list)
    for run in runs:
        rows[run.mode, run.variant].append(run)
    return rows


def _majority(values: Sequence[Hashable]) -> Hashable | None:
    """What more than half of them are; None where nothing is."""
    (value, count) = Counter(values).most_common(1)[0]
    return value if 2 * count > len(values) else None


def _check_one_experiment(runs: Sequence[Run]) -> None:
    first = runs[0] if runs else None
    for run in runs:
        assert first is not None
        for aspect, ours, theirs in (
            ("task", first.result.task, run.result.task),
            ("profile", first.result.profile, run.result.profile),
            ("title", _without_measured(first.result.title), _without_measured(run.result.title)),
            ("list of measures", [*first.scores.measures], [*run.scores.measures]),
            (f"number of {first.scores.noun}", first.scores.examples, run.scores.examples),
        ):
            if ours != theirs:
                raise ConfigError(
                    f"one table cannot hold both runs, their {aspect} differs; report them apart:\n"
                    f"  {first.folder}: {ours}\n  {run.folder}: {theirs}"
                )


def _without_measured(title: str) -> str:
    """A gold program may be near its limit of time, accepted in one run and not in the next."""
    return title.partition("; the judge accepts ")[0]


def _otherwise_set(runs: Sequence[Run]) -> LeftOut:
    """Runs with another value of a key of the task than most, such as task.max_length, that no row is told apart by.

    The seed of the data may be another in every replicate, but is that of the rows beside it.
    """
    design = Design.of(runs)
    odd: LeftOut = {}
    for key in sorted({key for run in runs for key in run.settings}):
        groups: dict[int, list[Run]] = defaultdict(list)
        for run in runs:
            if key in run.settings and not _apart(run, key):
                groups[design.number(run) if key == "task.seed" else 0].append(run)
        for told in groups.values():
            for folder, why in _set_otherwise_than_most(told, key).items():
                odd.setdefault(folder, why)
    if emptied := next(
        (run for run in runs if all(candidate.folder in odd for candidate in _rows(runs)[run.mode, run.variant])), None
    ):
        first = next(run for run in runs if run.folder not in odd)
        key = next(key for key, value in emptied.settings.items() if first.settings.get(key, value) != value)
        raise _differ_in(key, first, emptied)
    return odd


def _set_otherwise_than_most(runs: Sequence[Run], key: str) -> LeftOut:
    values = [str(run.settings[key]) for run in runs]
    if (most := _majority(values)) is None:
        raise _differ_in(key, runs[0], next(run for run in runs if str(run.settings[key]) != values[0]))
    return {
        run.folder: f"its {key} is {value}, not {most} as in most runs (--by {key} makes rows of both)"
        for run, value in zip(runs, values, strict=True)
        if value != most
    }


def _differ_in(key: str, first: Run, second: Run) -> ConfigError:
    return ConfigError(
        f"one table cannot hold both runs, their {key} differs; report them apart, or in rows of their own: --by "
        f"{key}\n"
        f"  {first.folder}: {first.settings.get(key)}\n  {second.folder}: {second.settings.get(key)}"
    )


def _apart(run: Run, key: str) -> bool:
    return any(f"{key}.".startswith(f"{told}.") for told in run.by)


def _otherwise_configured(runs: Sequence[Run]) -> LeftOut:
    """Runs of another configuration, seeds aside, than most of their row."""
    odd: LeftOut = {}
    for members in _rows(runs).values():
        most = _majority([run.result.config_key for run in members])
        kept = next((run for run in members if run.result.config_key == most), members[0])
        for run in members:
            if run.result.config_key == kept.result.config_key:
                continue
            lines = _differences(kept, run)
            if most is None:
                raise ConfigError(
                    f"one row cannot mix configurations: {kept.folder} | {run.folder} (both mode {run.mode})\n"
                    + "\n".join(f"  {line}" for line in lines or ["(their config.yaml files name no difference)"])
                    + "\nReport them apart, or in rows of their own: --by and the keys to tell them by."
                )
            keys = "; ".join(lines[:MOST_KEYS]) + ("; ..." if len(lines) > MOST_KEYS else "")
            odd[run.folder] = f"configured otherwise than most runs of {run.mode}, theirs | its: {keys}"
    return odd


def _differences(first: Run, second: Run) -> list[str]:
    ours, theirs = shaping_entries(first.folder), shaping_entries(second.folder)
    keys = [key for key in sorted(ours | theirs) if ours.get(key) != theirs.get(key)]
    return [f"{key}: {ours.get(key, 'absent')} | {theirs.get(key, 'absent')}" for key in keys]


def _otherwise_seeded(runs: Sequence[Run]) -> LeftOut:
    """Runs of which a seed neither follows the replicate, nor stays, as it does in most runs of their row."""
    design = Design.of(runs)
    odd: LeftOut = {}
    for members in _rows(runs).values():
        _check_no_twins(members, design)
        for key in sorted({key for run in members for key in run.seeds}):
            if design.unit == "seed" and key == "seed":
                continue
            told = [run for run in members if key in run.seeds]
            kept = _one_rule(told, key)
            if kept is None:
                raise ConfigError(
                    f"the runs of mode {told[0].mode} are no replicates of one experiment: their {key} neither follows "
                    f"the replicate nor is the same in most; report them apart, or in rows of their own: --by {key}\n"
                    + "\n".join(f"  {run.folder}: replicate {run.replicate}, {key} {run.seeds[key]}" for run in told)
                )
            for run in told:
                if run not in kept:
                    odd.setdefault(run.folder, f"its {key} is {run.seeds[key]} in replicate {run.replicate}, otherwise "
                                   f"than in most runs of {run.mode} (--by {key} makes rows of both)")  # fmt: skip
    return odd


def _one_rule(runs: Sequence[Run], key: str) -> list[Run] | None:
    """More than half of the runs, of which a seed is the replicate in all, or else the same in all; None: no such."""
    following = [run for run in runs if run.seeds[key] == run.replicate]
    value = _majority([run.seeds[key] for run in runs])
    for kept in ([run for run in runs if run.seeds[key] == value], following):
        if len(kept) == len(runs):
            return kept
    if 2 * len(following) > len(runs):
        return following
    return [run for run in runs if run.seeds[key] == value] if value is not None else None


def _check_no_twins(members: Sequence[Run], design: Design) -> None:
    """Raises ConfigError where a row has a replicate twice, or two replicates that are one and the same run."""
    numbers: dict[int, Run] = {}
    drawn: dict[Hashable, Run] = {}
    for run in members:
        twin = numbers.setdefault(design.number(run), run)
        if twin is not run:
            keys = [key for key in run.seeds if run.seeds[key] != twin.seeds.get(key)]
            by = f"; they differ in {' and '.join(keys)}: vary these in one replicate alone, or --by" if keys else ""
            raise ConfigError(
                f"mode {run.mode} has {design.unit} {design.number(run)} twice; keep one of {twin.folder} and "
                f"{run.folder}{by}"
            )
        same = drawn.setdefault((run.result.config_key, *sorted(run.seeds.items())), run) if run.seeds else run
        if same is not run:
            raise ConfigError(
                f"replicates {same.replicate} and {run.replicate} of mode {run.mode} are one and the same run, all "
                f"their seeds being alike; leave one out: {same.folder} and {run.folder}"
            )


def _on_other_examples(runs: Sequence[Run]) -> LeftOut:
    """Runs that were tested on other examples than the rows beside them, or than most replicates of a row do share."""
    design = Design.of(runs)
    odd: LeftOut = {}
    beside: dict[Hashable, list[tuple[Run, str, str]]] = defaultdict(list)  # run, split, digest
    within: dict[Hashable, list[tuple[Run, str, str]]] = defaultdict(list)
    for run in runs:
        told = {key: value for key, value in run.settings.items() if _apart(run, key)}
        for split, tests in run.scores.tests.items():
            beside[split, str(told), design.number(run)].append((run, split, tests))
            within[split, run.mode, run.variant].append((run, split, tests))
    # Where every replicate has its own examples, no two of a row are alike.
    shared = [group for group in within.values() if len({tests for *_, tests in group}) < len(group)]
    for tested in (*beside.values(), *shared):
        odd |= _of_the_minority(tested)
    return odd


def _of_the_minority(tested: Sequence[tuple[Run, str, str]]) -> LeftOut:
    """Raises ConfigError where there are two digests and none is that of most."""
    first, split, digest = tested[0]
    if (most := _majority([tests for *_, tests in tested])) is None:
        other = next(run for run, _, tests in tested if tests != digest)
        raise ConfigError(
            f"one table cannot hold both runs, they were tested on other examples ({split}): the data have "
            "changed between them; predict anew with `composed-evaluate --predict`, or report them apart:\n"
            f"  {first.folder}\n  {other.folder}"
        )
    why = f"tested on other examples ({split}) than the runs beside it"
    return {run.folder: why for run, _, tests in tested if tests != most}
