"""The view is built without an account; what it does with a project is seen with a stand-in for W&B's API."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.wandb_dashboard import declare_denoisers, main, results, workspace


def run(used: tuple[str, ...] = (), **config: Any) -> Any:
    artifacts = [SimpleNamespace(name=f"{name}:v0") for name in used]
    made: list[Any] = []
    summary = {"test/id/own/correct": 0.5, "test/id/base/correct": 0.4, "training/loss": 1.0}
    return SimpleNamespace(
        config=config, summary=summary, used_artifacts=lambda: artifacts, use_artifact=made.append, made=made
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of wandb-workspaces itself
def test_modes_stand_side_by_side_in_every_panel() -> None:
    pytest.importorskip("wandb_workspaces")
    view = json.loads(workspace("me", "p", ["test/id/own/correct"])._to_model().model_dump_json(by_alias=True))
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    panels = [panel for section in sections for panel in section["panels"]]
    charts = [panel["config"] for panel in panels if panel["viewType"] != "Media Browser"]
    assert {chart["groupBy"] for chart in charts} == {"group.value"}
    shown = {name for chart in charts for name in chart["metrics"]}
    assert {"test/id/own/correct", "validation/loss", "seconds/training"} <= shown


def test_results_are_those_of_the_modes_own_output() -> None:
    assert results([run(), run()]) == ["test/id/own/correct"]


def test_runs_become_users_of_the_denoiser_that_they_name_once() -> None:
    new, known, none = run(denoiser_artifact="denoiser-a"), run(("denoiser-a",), denoiser_artifact="denoiser-a"), run()
    api = SimpleNamespace(artifact=lambda path, type: (path, type))
    assert declare_denoisers(api, "me/p", [new, known, none]) == 1
    assert (new.made, known.made, none.made) == ([("me/p/denoiser-a:latest", "denoiser")], [], [])


def test_without_an_account_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
) -> None:
    pytest.importorskip("wandb_workspaces")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["p"]) == 1
    assert "error: No API key" in capsys.readouterr().err
