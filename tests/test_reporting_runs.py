import json
from pathlib import Path

import pytest

from composed.errors import ConfigError, DataError
from composed.reporting.comparable import check_comparable
from composed.reporting.missing import missing_runs
from composed.reporting.runs import find_runs, key_names, read_run
from composed.reporting.table import build_table
from tests.run_folders import counts, write_run


def test_runs_are_found_below_a_folder_once_and_sorted(tmp_path: Path) -> None:
    for name in ("sweep/b", "sweep/a", "sweep/deeper/c"):
        write_run(tmp_path / name)
    runs, unfinished = find_runs([tmp_path / "sweep" / "b", tmp_path])
    assert [run.folder.name for run in runs] == ["a", "b", "c"]
    assert unfinished == {}


def test_hidden_folders_and_folders_inside_a_run_are_no_runs(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    for name in ("run/inner", ".hydra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    runs, unfinished = find_runs([tmp_path])
    assert ([run.folder.name for run in runs], unfinished) == (["run"], {})


def test_a_run_without_result_is_unfinished(tmp_path: Path) -> None:
    write_run(tmp_path / "started")
    (tmp_path / "started" / "result.json").unlink()
    (tmp_path / "empty").mkdir()
    why = "unfinished (no result.json)"
    found = find_runs([tmp_path / "started", tmp_path / "empty"])
    assert found == ([], {tmp_path / "empty": why, tmp_path / "started": why})


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent: no such folder"):
        find_runs([tmp_path / "absent"])


def test_a_missing_entry_is_named_with_the_command_that_writes_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    result = json.loads((folder / "result.json").read_text())
    del result["config_key"]
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(DataError, match=r"result\.json: no entry 'config_key'; .*composed-evaluate"):
        read_run(folder)


def test_broken_json_is_named_by_its_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "result.json").write_text('{\n "seed": 0,\n "n":: 1\n}')
    with pytest.raises(DataError, match=r"result\.json.*line 3"):
        read_run(folder)


def compare(*folders: Path) -> None:
    check_comparable([read_run(folder) for folder in folders])


def test_a_replicate_twice_in_one_mode_is_refused_by_both_names(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name, replicate=7) for name in ("first", "second"))
    with pytest.raises(ConfigError, match=r"composed has replicate 7 twice; keep one of \S*/first and \S*/second"):
        compare(first, second)


def test_different_configurations_in_one_row_are_refused_by_their_differing_keys(tmp_path: Path) -> None:
    narrow = {"model": {"width": 128, "layers": 2}, "runs": "here"}
    wide = {"model": {"width": 256, "layers": 2}, "optim": {"lr": 0.1}, "runs": "there"}
    first = write_run(tmp_path / "first", replicate=0, config=narrow, config_key="a")
    second = write_run(tmp_path / "second", replicate=1, config=wide, config_key="b")
    with pytest.raises(ConfigError) as refusal:
        compare(first, second)
    message = str(refusal.value)
    assert str(first) in message
    assert str(second) in message
    assert message.splitlines()[1:-1] == ["  model.width: 128 | 256", "  optim.lr: absent | 0.1"]


@pytest.mark.parametrize(
    ("difference", "complaint"),
    [
        ({"profile": "paper"}, "their profile differs"),
        ({"task": "spoc"}, "their task differs"),
        ({"title": "longer programs"}, "their title differs"),
        ({"counted": counts((5, 3), (6, 4), n=10)}, "their number of programs differs"),
    ],
)
def test_runs_of_different_experiments_are_refused(tmp_path: Path, difference: dict, complaint: str) -> None:
    first = write_run(tmp_path / "first", "baseline")
    second = write_run(tmp_path / "second", "standard", **difference)
    with pytest.raises(ConfigError, match=complaint):
        compare(first, second)


def test_different_configurations_in_different_rows_are_welcome(tmp_path: Path) -> None:
    compare(*(write_run(tmp_path / mode, mode, config_key=mode) for mode in ("baseline", "standard")))


@pytest.mark.parametrize(("key", "values"), [("max_length", (90, 150)), ("seed", (0, 1)), ("folder", (None, "mine"))])
def test_rows_on_other_data_or_of_other_lengths_are_refused_unless_told_apart(tmp_path: Path, key, values) -> None:
    for mode, value in zip(("baseline", "standard"), values, strict=True):
        task = {"name": "sanstype", key: value, "data": f"data of {mode}"}
        write_run(tmp_path / mode, mode, config={"task": task}, config_key=mode)
    write_run(tmp_path / "older", "composed", config_key="older")  # says nothing of the key
    with pytest.raises(ConfigError, match=rf"their task\.{key} differs(.|\n)*--by task\.{key}(.|\n)*{values[1]}"):
        check_comparable(find_runs([tmp_path])[0])
    (tmp_path / "older" / "result.json").unlink()
    (tmp_path / "older" / "config.yaml").unlink()
    check_comparable(find_runs([tmp_path / "baseline", tmp_path / "standard"], [f"task.{key}"])[0])


def test_runs_tested_on_other_examples_of_the_same_settings_are_refused(tmp_path: Path) -> None:
    for mode, tests in (("baseline", {}), ("standard", {"id": "a", "ood": "b"}), ("composed", {"id": "a", "ood": "c"})):
        write_run(tmp_path / mode, mode, tests=tests, config_key=mode)
    with pytest.raises(ConfigError, match=r"other examples \(ood\)(.|\n)*--predict(.|\n)*composed\n.*standard"):
        check_comparable(find_runs([tmp_path / mode for mode in ("baseline", "standard", "composed")])[0])
    compare(tmp_path / "baseline", tmp_path / "standard")
    for seed in (0, 1):
        task = {"name": "sanstype", "seed": seed}
        write_run(tmp_path / f"seed {seed}", config={"task": task}, config_key=str(seed), tests={"id": str(seed)})
    check_comparable(find_runs([tmp_path / "seed 0", tmp_path / "seed 1"], ["task.seed"])[0])


def test_gold_programs_near_their_limit_of_time_divide_no_table(tmp_path: Path) -> None:
    for mode, share in (("baseline", "99.3"), ("standard", "98.7")):
        title = f"SPoC, quick profile; the judge accepts {share}% of the gold programs of ID"
        write_run(tmp_path / mode, mode, title=title, config_key=mode)
    check_comparable(find_runs([tmp_path])[0])


def test_rows_of_one_mode_are_told_apart_by_keys_of_their_config(tmp_path: Path) -> None:
    for weight in (0.1, 0.3):
        config = {"finetuning": {"name": "composed", "composed_weight": weight}}
        write_run(tmp_path / str(weight), config=config, config_key=str(weight))
    with pytest.raises(ConfigError, match=r"finetuning.composed_weight: 0.1 \| 0.3(.|\n)*--by"):
        check_comparable(find_runs([tmp_path])[0])
    runs, _ = find_runs([tmp_path], ["finetuning.composed_weight"])
    assert [run.variant for run in runs] == [(("composed_weight", 0.1),), (("composed_weight", 0.3),)]
    check_comparable(runs)


def test_keys_with_the_same_last_part_are_told_apart_and_no_seed_reads_as_that_of_the_run(tmp_path: Path) -> None:
    for place, seeds in enumerate([(0, 0), (0, 1), (1, 0)]):
        config = {"pretraining": {"seed": seeds[0]}, "task": {"name": "sanstype", "seed": seeds[1]}}
        write_run(tmp_path / str(place), config=config, config_key=str(place))
    runs, _ = find_runs([tmp_path], ["pretraining.seed", "task.seed"])
    assert [dict(run.variant) for run in runs] == [
        {"pretraining.seed": 0, "task.seed": 0}, {"pretraining.seed": 0, "task.seed": 1},
        {"pretraining.seed": 1, "task.seed": 0},
    ]  # fmt: skip
    check_comparable(runs)
    assert key_names(["task.seed"]) == ["task.seed"]
    assert key_names(["a.b.c", "c", "d.b.c", "e.f"]) == ["a.b.c", "c", "d.b.c", "f"]
    assert key_names(["finetuning.anchor", "finetuning.name"]) == ["anchor", "finetuning.name"]


@pytest.mark.parametrize("key", ["finetuning.weight", "weight", "seed.x"])
def test_a_key_that_no_config_has_is_named(tmp_path: Path, key: str) -> None:
    write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=f"--by {key}: "):
        find_runs([tmp_path], [key])


def test_a_replicate_that_another_mode_has_is_missing_with_the_command_that_makes_it(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"b{seed}", "baseline", seed)
    (write_run(tmp_path / "c0", "composed", 0) / "overrides.yaml").write_text("[task=sanstype, replicate=0, runs=r]")
    (missing,) = missing_runs(find_runs([tmp_path]))
    command = "composed-train task=sanstype runs=r replicate=1"
    assert (missing.mode, missing.number, missing.command) == ("composed", 1, command)


def test_a_mode_that_is_only_begun_is_missing_as_a_whole(tmp_path: Path) -> None:
    write_run(tmp_path / "b", "baseline", 3, config={"profile": {"name": "quick"}})
    begun = write_run(tmp_path / "c", "lora", 3, config={"profile": {"name": "quick"}})
    other = write_run(tmp_path / "d", "ewc", 3, config={"profile": {"name": "paper"}})
    for folder in (begun, other):
        (folder / "result.json").unlink()
    assert [(each.mode, each.number) for each in missing_runs(find_runs([tmp_path]))] == [("lora", 3)]


def test_what_cannot_be_read_is_not_missing(tmp_path: Path) -> None:
    write_run(tmp_path / "b", "baseline")
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "config.yaml").write_text("task: [")
    assert missing_runs(find_runs([tmp_path])) == []
    assert len(find_runs([tmp_path, tmp_path / "empty"]).left_out) == 2


def test_the_task_of_most_runs_is_kept(tmp_path: Path) -> None:
    for name, task in (("a", "fonts"), ("b", "spoc"), ("c", "spoc")):
        write_run(tmp_path / name, task=task)
    found = find_runs([tmp_path])
    assert [run.folder.name for run in found.runs] == ["b", "c"]
    assert found.left_out == {tmp_path / "a": "of task=fonts, not of task=spoc as most"}


BEAM = {"_target_": "composed.models.decoders.Beam", "beams": 4}


def test_runs_that_were_decoded_otherwise_are_rows_of_their_own_without_being_asked_for(tmp_path: Path) -> None:
    greedy = {"_target_": "composed.models.decoders.Greedy"}
    for name, mode, seed, decoding in (
        ("a", "composed", 0, greedy),
        ("b", "composed", 1, greedy),
        ("c", "composed", 0, BEAM),
        ("d", "standard", 0, BEAM),
        ("e", "composed", 0, {**BEAM, "beams": 8}),
    ):
        write_run(tmp_path / name, mode, seed, config={"decoding": decoding}, config_key=f"{mode} {decoding}")
    found = find_runs([tmp_path])
    table = build_table(found.runs, missing=missing_runs(found))
    rows = {row.label: row.numbers for row in table.rows}
    assert rows["composed"] == [0, 1]
    assert rows["composed, beam 4"] == rows["composed, beam 8"] == [0]
    assert rows["standard + test-time denoiser, beam 4"] == [0]
    pairs = [(row.label, reference.label) for row, reference in table.claims()]
    assert ("composed, beam 4", "standard + test-time denoiser, beam 4") in pairs
    assert all(row.variant == reference.variant for row, reference in table.claims())
    assert {(each.mode, each.variant, each.number) for each in table.missing} == {
        ("composed", (("", "beam 4"),), 1),
        ("composed", (("", "beam 8"),), 1),
        ("standard", (("", "beam 4"),), 1),
    }


def test_a_decoding_that_is_none_is_named_and_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "fine")
    odd = write_run(tmp_path / "odd", "standard", config={"decoding": {**BEAM, "beams": 0}})
    found = find_runs([tmp_path])
    assert [run.mode for run in found.runs] == ["composed"]
    assert "decoding.beams=0: must be above 0" in found.left_out[odd]
