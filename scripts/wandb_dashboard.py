"""`wandb_dashboard.py [ENTITY/]PROJECT`: a saved view of a W&B project that shows the modes side by side, and lineage.

Makes a workspace with the runs grouped by all of their configuration but the replicate and the seeds that follow it
(means and standard errors over replicates), and declares, for runs that were recorded offline and then synced, which
denoiser each used. Needs `pip install 'composed[dashboard]'` and `wandb login`.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

NAME = "Modes side by side"
CURVES = ("validation/loss", "validation/composed_loss", "training/loss", "training/composed_loss")
COSTS = ("seconds/training", "seconds/prediction", "seconds/judging")


def workspace(entity: str, project: str, measured: Sequence[str]) -> Any:
    """The view, not yet saved. `measured` are the names of the results to show."""
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as workspaces

    def bars(metric: str) -> Any:
        return panels.BarPlot(title=metric, metrics=[metric], groupby="group", groupby_rangefunc="stderr")

    def line(metric: str) -> Any:
        by_mode = {"groupby": "group", "groupby_rangefunc": "stderr"}
        return panels.LinePlot(title=metric, x="update", y=[metric], log_y=True, **by_mode)

    samples = [panels.MediaBrowser(media_keys=[name]) for name in ("samples", "pictures/test", "pictures/denoising")]
    sections = {
        "Results of the mode's own output": [*map(bars, measured)],
        "Learning curves": [*map(line, CURVES)],
        "Cost": [*map(bars, COSTS)],
        "Programs and images": samples,
    }
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[workspaces.Section(name, shown, is_open=True) for name, shown in sections.items()],
        runset_settings=workspaces.RunsetSettings(groupby=[*map(workspaces.Config, ("task.name", "group"))]),
    )


def results(runs: Iterable[Any]) -> list[str]:
    """The names of all results of a mode's own output, of any task."""
    return sorted({name for run in runs for name in run.summary.keys() if re.fullmatch("test/.+/own/.+", name)})  # noqa: SIM118  (no dict)


def declare_denoisers(api: Any, path: str, runs: Iterable[Any]) -> int:
    """Makes every run of the project a user of the denoiser that its config names; returns of how many it is new."""
    said = 0
    for run in runs:
        name = run.config.get("denoiser_artifact")
        if name and name not in {artifact.name.partition(":")[0] for artifact in run.used_artifacts()}:
            run.use_artifact(api.artifact(f"{path}/{name}:latest", type="denoiser"))
            said += 1
    return said


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", help="PROJECT or ENTITY/PROJECT, to which runs were sent or synced")
    *entity, project = parser.parse_args(arguments).project.split("/")
    try:
        import wandb
        import wandb_workspaces  # noqa: F401
    except ModuleNotFoundError as error:
        print(f"error: {error}: pip install 'composed[dashboard]'", file=sys.stderr)
        return 1
    try:
        api = wandb.Api()
        owner = entity[0] if entity else api.default_entity
        runs = [*api.runs(f"{owner}/{project}")]
        said = declare_denoisers(api, f"{owner}/{project}", runs)
        view = workspace(owner, project, results(runs))
        view.save()
    except (wandb.Error, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{view.url}\n{said} runs are now known as users of their denoiser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
