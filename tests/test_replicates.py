"""replicate= moves everything random together; each of the seeds that follow it can still be set alone."""

import copy
from typing import Any

import pytest

from composed.config import Config
from composed.config.command_line import every_job
from composed.config.identity import (
    SEEDS,
    configuration_key,
    denoiser_key,
    run_name,
    seeds_of,
    settings_key,
    shaping,
)
from composed.errors import ConfigError
from composed.sweeps.table import Table
from tests.test_configs import config

TASKS = ["sanstype", "spoc", "fonts", "staircase"]


def of(*words: str) -> Config:
    return config("profile=smoke", "finetuning=standard", *words)


def key(*words: str) -> str:
    found = of(*words)
    return configuration_key(shaping(found), found.replicate)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("number", [0, 3])
def test_a_replicate_is_every_seed_of_the_config_and_nothing_else(task: str, number: int) -> None:
    words = (f"task={task}", *(["finetuning=baseline"] if task in ("fonts", "staircase") else []))
    found, expected = config(*words, f"replicate={number}"), copy.deepcopy(config(*words).plain())
    for dotted in ("replicate", *SEEDS):
        *path, last = dotted.split(".")
        node = expected
        for part in path:
            node = node[part]
        if last in node:
            node[last] = number
    assert found.plain() == expected


def test_the_first_replicate_is_what_seeds_of_0_are_and_keeps_its_content() -> None:
    alone = of("replicate=5", "seed=0", "task.seed=0", "pretraining.seed=0", "backtranslation.seed=0")
    assert shaping(alone) == shaping(of("replicate=0")) == shaping(of())
    assert denoiser_key(alone) == denoiser_key(of())


def test_the_name_of_a_run_says_its_replicate_and_every_seed_that_is_another() -> None:
    def said(*words: str) -> str:
        return run_name(of(*words)).removeprefix("sanstype-smoke-standard-").rpartition("-")[0]

    assert said() == "r0"
    assert said("replicate=3") == "r3"
    assert said("replicate=3", "seed=3") == "r3"
    assert said("seed=1") == "r0-seed1"
    assert said("replicate=2", "task.seed=7", "pretraining.seed=1") == "r2-data7-denoiser1"
    assert said("replicate=2", "finetuning=standard_backtranslation", "backtranslation.seed=1").endswith("r2-reverse1")
    assert said("backtranslation.seed=1") == "r0"  # which nothing reads


def test_a_configuration_is_the_same_in_every_replicate_and_for_every_seed_of_fine_tuning() -> None:
    same = {key(f"replicate={number}", *more) for number in range(3) for more in ((), ("seed=1",), ("seed=9",))}
    assert len(same) == 1


def test_a_chosen_seed_of_data_or_denoiser_is_another_configuration() -> None:
    chosen = [
        key(*(f"{name}={number}" for name in names))
        for names in (["task.seed"], ["pretraining.seed"])
        for number in (7, 8)
    ]
    assert len({key(), *chosen}) == 5
    assert len({key(f"replicate={number}", "task.seed=7") for number in range(5)}) == 1


def test_settings_are_the_same_whatever_the_seeds_are() -> None:
    words = [(), ("replicate=3",), ("seed=1",), ("task.seed=7", "replicate=2"), ("pretraining.seed=4",)]
    assert len({settings_key(shaping(of(*each))) for each in words}) == 1
    assert settings_key(shaping(of("optim.lr=0.1"))) != settings_key(shaping(of()))


def test_only_seeds_that_shape_a_run_are_told() -> None:
    assert seeds_of(shaping(of("replicate=3", "task.seed=7"))) == {"seed": 3, "task.seed": 7, "pretraining.seed": 3}
    staircase = config("task=staircase", "finetuning=baseline", "replicate=2")
    assert seeds_of(shaping(staircase)) == {"seed": 2}
    reverse = of("finetuning=standard_backtranslation", "replicate=1")
    assert seeds_of(shaping(reverse))["backtranslation.seed"] == 1


def test_replicates_share_a_denoiser_only_where_all_that_makes_it_is_the_same() -> None:
    assert denoiser_key(of("replicate=1")) != denoiser_key(of())
    assert denoiser_key(of("seed=1")) == denoiser_key(of())
    assert denoiser_key(of("replicate=1", "finetuning=composed")) == denoiser_key(of("replicate=1"))


def jobs(*words: str) -> list[Any]:
    return [job.config for job in Table.named("sanstype").jobs(["profile=smoke", "finetuning=standard", *words])]


def test_a_table_has_its_replicates_composed_as_hydra_would(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = Table.named("sanstype").jobs(["profile=smoke", "finetuning=standard", "replicate=3,5", "task.seed=5"])
    assert [(job.config.replicate, job.config.seed, job.config.task.seed) for job in made] == [
        (3, 3, 5), (5, 5, 5),
    ]  # fmt: skip
    for job in made:
        ((_, found),) = every_job(job.overrides)
        assert found == job.config


def test_a_table_over_seeds_is_of_one_replicate(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [(of.replicate, of.seed, of.task.seed) for of in jobs("seed=1,2")] == [(0, 1, 0), (0, 2, 0)]
    assert [(of.replicate, of.seed) for of in jobs("seed=1,2", "replicate=4")] == [(4, 1), (4, 2)]
    assert [(of.replicate, of.seed) for of in jobs("seed=9", "replicate=1,2")] == [(1, 9), (2, 9)]
    with pytest.raises(
        ConfigError, match=r"replicate=0,1 seed=1,2: .*vary the replicate, or the seed of one replicate"
    ):
        jobs("seed=1,2", "replicate=0,1")
