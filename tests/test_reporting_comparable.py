"""Replicates that cannot be averaged with the rest are left out by name, with the command that makes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from composed.errors import ConfigError
from composed.reporting.comparable import check_comparable, comparable
from composed.reporting.design import Design
from composed.reporting.formats import to_markdown
from composed.reporting.missing import missing_runs
from composed.reporting.runs import RunsFound, find_runs
from composed.reporting.table import Table, build_table
from tests.run_folders import counts, write_run


def write(top: Path, mode: str, number: int, seeds: Mapping[str, int] | None = None, **more: Any) -> Path:
    """A run of a replicate whose seeds follow it, but for those that `seeds` says; `task` are more keys of the task."""
    of = {"seed": number, "task.seed": number, "pretraining.seed": number} | dict(seeds or {})
    task = {"name": "sanstype", "beams": 1} | more.pop("task", {})
    config = {
        "task": task | {"seed": of["task.seed"]},
        "pretraining": {"seed": of["pretraining.seed"]},
        "profile": {"name": "quick"},
        "finetuning": {"name": mode},
        "replicate": number,
        "seed": of["seed"],
    } | more.pop("config", {})
    tests = {split: f"of {of['task.seed']}" for split in ("id", "ood")}
    settings = {"tests": tests, "config_key": f"{mode} {task}"} | more
    name = settings.pop("name", f"{mode}-{number}-{of['seed']}")
    folder = write_run(top / name, mode, number, config=config, **settings)
    (folder / "overrides.yaml").write_text(f"[finetuning={mode}, replicate={number}]")
    return folder


def found(top: Path, by: tuple[str, ...] = ()) -> RunsFound:
    return comparable(find_runs([top], by))


def table(top: Path) -> Table:
    chosen = found(top)
    return build_table(chosen.runs, missing=missing_runs(chosen))


def test_replicates_whose_seeds_follow_are_all_kept(tmp_path: Path) -> None:
    for mode in ("baseline", "standard"):
        for number in range(3):
            write(tmp_path, mode, number)
    chosen = found(tmp_path)
    assert (len(chosen.runs), chosen.left_out) == (6, {})
    design = Design.of(chosen.runs)
    assert (design.unit, design.moving, design.fixed) == ("replicate", ("data", "denoiser", "fine-tuning"), ())
    assert design.sentence == "Every replicate draws data, denoiser and fine-tuning anew."


def test_a_replicate_decoded_otherwise_is_left_out_and_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, "baseline", number)
        odd = write(tmp_path, "standard", number, task={"beams": 4} if number == 2 else {})
    chosen = found(tmp_path)
    assert chosen.left_out == {odd: "its task.beams is 4, not 1 as in most runs (--by task.beams makes rows of both)"}
    [missing] = missing_runs(chosen)
    assert (missing.mode, missing.number, missing.why) == ("standard", 2, chosen.left_out[odd])
    assert missing.command == "composed-train finetuning=standard replicate=2"
    text = to_markdown(table(tmp_path))
    assert "- missing: standard, replicate 2 (left out: its task.beams is 4" in text.replace("\\", "")
    assert "- standard − baseline: on replicates 0, 1, which both rows have" in text


def test_a_replicate_on_other_data_is_left_out_and_made_anew(tmp_path: Path) -> None:
    """Of the same configuration: what generates the data has changed since."""
    for mode in ("baseline", "standard", "composed"):
        for number in range(2):
            write(tmp_path, mode, number, **({"tests": {"id": "older"}} if (mode, number) == ("standard", 1) else {}))
    chosen = found(tmp_path)
    assert chosen.left_out == {tmp_path / "standard-1-1": "tested on other examples (id) than the runs beside it"}
    [missing] = missing_runs(chosen)
    assert missing.command == "composed-train finetuning=standard replicate=1 redo=true"


def test_a_replicate_is_left_out_where_it_has_another_test_set_than_all_others_share(tmp_path: Path) -> None:
    for number, tests in enumerate(("a", "a", "b")):
        write(tmp_path, "standard", number, tests={"id": tests})
    assert [folder.name for folder in found(tmp_path).left_out] == ["standard-2-2"]


def test_a_replicate_of_another_configuration_is_left_out_with_what_differs(tmp_path: Path) -> None:
    for number in range(3):
        rate = 0.1 if number == 1 else 0.2
        write(tmp_path, "standard", number, config={"optim": {"lr": rate}}, config_key=str(rate))
    assert found(tmp_path).left_out == {
        tmp_path / "standard-1-1": "configured otherwise than most runs of standard, theirs | its: optim.lr: 0.2 | 0.1"
    }
    with pytest.raises(ConfigError, match="configured otherwise"):
        check_comparable(find_runs([tmp_path]).runs)


def test_a_row_of_which_every_run_would_be_left_out_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, "baseline", number)
    write(tmp_path, "standard", 0, task={"beams": 4})
    with pytest.raises(ConfigError, match=r"their task\.beams differs(.|\n)*--by task\.beams"):
        found(tmp_path)


def test_a_chosen_seed_of_the_data_is_held_fixed_and_said(tmp_path: Path) -> None:
    """task.seed=2 with replicates 0 to 3, of which one is the number itself."""
    for number in range(4):
        write(tmp_path, "standard", number, {"task.seed": 2})
    chosen = found(tmp_path)
    assert chosen.left_out == {}
    design = Design.of(chosen.runs)
    assert (design.moving, design.fixed) == (("denoiser", "fine-tuning"), ("data",))
    assert "data are the same in all of them, so ± and p say nothing of others" in to_markdown(table(tmp_path))


def test_a_seed_that_neither_follows_nor_stays_is_left_out(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, "standard", number, {"pretraining.seed": 7} if number == 3 else {})
    [why] = found(tmp_path).left_out.values()
    assert why.startswith("its pretraining.seed is 7 in replicate 3, otherwise than in most runs of standard (--by ")


def test_replicates_of_which_half_follow_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, "standard", number, {"pretraining.seed": 7 + number} if number > 1 else {})
    with pytest.raises(ConfigError, match=r"no replicates of one experiment(.|\n)*replicate 3, pretraining\.seed 10"):
        found(tmp_path)


def test_seeds_alone_are_a_table_over_seeds_that_says_what_is_fixed(tmp_path: Path) -> None:
    for mode, right in (("baseline", 30), ("standard", 50)):
        for seed in range(3):
            write(tmp_path, mode, 0, {"seed": seed}, counted=counts((right + seed * seed, 20 - seed), (right, 20)))
    made = table(tmp_path)
    assert (made.design.unit, made.design.fixed) == ("seed", ("data", "denoiser"))
    assert [row.numbers for row in made.rows] == [[0, 1, 2]] * 4
    text = to_markdown(made)
    assert "; 3 seeds; " in text
    assert "Every seed draws fine-tuning anew; data and denoiser are the same in all of them" in text
    assert "interval over seeds" in text
    assert "replicate" not in text


def test_a_missing_seed_of_a_table_over_seeds_has_its_command(tmp_path: Path) -> None:
    for mode, seeds in (("baseline", (0, 1)), ("standard", (0,))):
        for seed in seeds:
            write(tmp_path, mode, 0, {"seed": seed})
    [missing] = missing_runs(found(tmp_path))
    assert missing.command == "composed-train finetuning=standard replicate=0 seed=1"
    assert (missing.unit, missing.number) == ("seed", 1)


def test_replicates_and_seeds_at_once_are_refused_with_the_seeds_named(tmp_path: Path) -> None:
    for number in range(2):
        for seed in range(2):
            write(tmp_path, "standard", number, {"seed": seed})
    with pytest.raises(
        ConfigError, match=r"has replicate 0 twice(.|\n)*they differ in seed: vary these in one replicate"
    ):
        found(tmp_path)


def test_replicates_of_which_every_seed_is_the_same_are_one_run(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path, "standard", number, {"seed": 5, "task.seed": 5, "pretraining.seed": 5}, name=f"r{number}")
    with pytest.raises(ConfigError, match="replicates 0 and 1 of mode standard are one and the same run"):
        found(tmp_path)


def test_rows_of_a_replicate_on_data_of_different_seeds_are_refused_unless_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0)
    write(tmp_path, "standard", 0, {"task.seed": 1})
    with pytest.raises(ConfigError, match=r"their task\.seed differs(.|\n)*--by task\.seed"):
        found(tmp_path)
    assert found(tmp_path, ("task.seed",)).left_out == {}
