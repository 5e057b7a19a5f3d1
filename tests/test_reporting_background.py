import json
from pathlib import Path

from composed.reporting.background import Cost, configurations, costs, curves, differences, side_by_side
from composed.reporting.runs import find_runs
from tests.run_folders import write_run


def groups(folder: Path) -> list:
    return configurations(find_runs([folder])[0])


def write_metrics(folder: Path, *rows: dict) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_curves_are_metrics_per_run_validation_first_without_schedules(tmp_path: Path) -> None:
    for replicate in (0, 1):
        folder = write_run(tmp_path / str(replicate), replicate=replicate)
        training = {"stage": "composed", "split": "training", "update": 10, "loss": 2.0, "lr": 1e-3}
        validation = {
            "stage": "composed",
            "split": "validation",
            "update": 20,
            "loss": 1.0 + replicate,
            "selection": 1.0,
        }
        write_metrics(folder, training, validation)
    first, second = curves(groups(tmp_path), lambda run: run.replicate)
    assert (first.name, first.lines) == (
        "validation loss",
        [("composed", 0, [(20, 1.0)]), ("composed", 1, [(20, 2.0)])],
    )
    assert second.name == "training loss"


def test_metrics_that_are_torn_or_missing_end_the_line_and_nothing_else(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "torn", replicate=0)
    write_run(tmp_path / "none", replicate=1)
    write_metrics(folder, {"split": "training", "update": 1, "loss": 3.0})
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"split": "tra')
    (curve,) = curves(groups(tmp_path), lambda run: run.replicate)
    assert curve.lines == [("composed", 0, [(1, 3.0)])]


def test_cost_spans_the_runs_and_names_machines_and_resumed_runs(tmp_path: Path) -> None:
    for replicate, seconds in ((0, 10.0), (1, 12.5)):
        folder = write_run(tmp_path / str(replicate), replicate=replicate, updates=100, seconds={"training": seconds})
        (folder / "environment.json").write_text(json.dumps({"gpu": None, "processor": "P", "cores": 1 + replicate}))
        (folder / "training.json").write_text(json.dumps({"resumed": replicate == 1}))
    (cost,) = costs(groups(tmp_path))
    assert cost == Cost("composed", 2, (100, 100), {"training": (10.0, 12.5)}, ["P, 1 core", "P, 2 cores"], 1)


def test_a_run_that_does_not_tell_its_machine_still_has_a_cost(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    assert costs(groups(tmp_path))[0].machines == ["unknown"]


def test_differences_are_the_keys_that_are_not_the_same_everywhere(tmp_path: Path) -> None:
    for mode, rate in (("baseline", 0.002), ("standard", 0.001)):
        config = {"optim": {"lr": rate, "clip": None}, "runs": mode, "seed": 3}
        write_run(tmp_path / mode, mode, config=config, replicate=3)
    assert differences(groups(tmp_path)) == {"optim.lr": ["0.002", "0.001"]}


def test_side_by_side_are_runs_on_the_same_examples_where_most_configurations_have_them(tmp_path: Path) -> None:
    for mode, replicates in (("baseline", (0, 1, 2)), ("standard", (1, 2)), ("composed", (2, 1))):
        for replicate in replicates:
            write_run(tmp_path / f"{mode}{replicate}", mode, replicate, tests={"id": f"of {replicate}"})
    chosen = side_by_side(groups(tmp_path))
    assert {name: run.replicate for name, run in chosen.items()} == dict.fromkeys(
        ("baseline", "standard", "composed"), 1
    )
