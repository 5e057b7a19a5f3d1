"""Weights & Biases in a process of its own, so that it cannot stop, slow or litter a training, whatever happens to it.

The training sends lines of JSON; the mirror makes a W&B run of them: metrics over `update`, and in the end the run
folder's samples, pictures and denoiser. metrics.jsonl stays the source of truth. Left out: system metrics, code, logs.
"""

import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from composed.errors import ComposedError
from composed.reporting.exhibits.examples import read_examples
from composed.runs.facts import Facts
from composed.system.console import say
from composed.system.files import read_json

PATIENCE = 25  # seconds that the training waits in the end
INIT_SECONDS, FINISH_SECONDS = 15, 15  # that W&B has for reaching its server, and for sending what is left
MOST_SAMPLES = 50  # of each split
LOG = "wandb.log"


class WandbProcess:
    """The training's side: sends and never waits, but for the end; says once if the mirror is gone."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        """`settings` are what wandb.init takes; `folder` gets a folder wandb/."""
        self._log = folder / "wandb" / LOG
        self._log.parent.mkdir(parents=True, exist_ok=True)
        quiet = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
        with open(self._log, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "composed.training.wandb_process"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                env={**os.environ, **quiet},
                start_new_session=True,  # Ctrl-C is the training's business
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._broken = False
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        self._sender.start()
        self._send({**settings, "dir": str(folder)})

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self._send({"metrics": {**metrics, "update": step}})

    def log_run(self, folder: Path) -> None:
        self._send({"run": str(folder)})

    def log_report(self, folder: Path) -> None:
        self._send({"report": str(folder)})

    def close(self) -> None:
        """Waits at most PATIENCE seconds."""
        self._lines.put(None)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._lost(f"no answer for {PATIENCE} s")
        if self._process.returncode:
            self._lost(self._reason())

    def _send(self, event: dict[str, Any]) -> None:
        self._lines.put(json.dumps(event) + "\n")

    def _send_all(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                for line in iter(self._lines.get, None):
                    pipe.write(line)
                    pipe.flush()
        except OSError:  # it has ended before its time; its log says why
            self._process.wait()
            self._lost(self._reason())

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"exit code {self._process.returncode}")

    def _lost(self, reason: str) -> None:
        if not self._broken:
            self._broken = True
            say(f"wandb gets no metrics from here on ({reason}); metrics.jsonl has them")


def switched_off() -> str:
    """What in the environment switches W&B off as its users know it; else ""."""
    off = (("WANDB_MODE", ("disabled",)), ("WANDB_DISABLED", ("true", "1", "yes", "on")))
    return next(
        (f"{name}={os.environ[name]}" for name, values in off if os.environ.get(name, "").lower() in values), ""
    )


def main() -> None:
    """The mirror's side: the settings, then events, until the training closes the pipe."""
    import wandb

    quiet = wandb.Settings(
        console="off", x_disable_stats=True, init_timeout=INIT_SECONDS, finish_timeout=FINISH_SECONDS
    )
    settings: Any = {**json.loads(sys.stdin.readline()), "settings": quiet}
    try:
        run = wandb.init(**settings)
    except wandb.Error as error:
        if settings["mode"] == "offline":
            raise
        print(f"{_in_one_line(error)}; recording offline instead", flush=True)
        wandb.teardown()  # its service still holds the run's id
        run = wandb.init(**{**settings, "mode": "offline", "resume": None})
    run.define_metric("*", step_metric="update")
    for event in map(json.loads, sys.stdin):
        if "metrics" in event:
            run.log(event["metrics"])
        elif "run" in event:
            log_run(run, Path(event["run"]))
        else:
            log_report(run, Path(event["report"]))
    run.finish()


def log_run(run: Any, folder: Path) -> None:
    """What a finished run has beside its metrics: samples, pictures and the denoiser that it used."""
    import wandb

    facts = Facts.read(folder / "training.json")
    if rows := list(_samples(folder, facts.splits)):
        run.log({"samples": wandb.Table(columns=[*rows[0]], data=[[*row.values()] for row in rows])})
    for picture in sorted((folder / "pictures").glob("*.png")):
        run.log({f"pictures/{picture.stem}": wandb.Image(str(picture))})
    if facts.denoiser:
        _log_denoiser(run, Path(facts.denoiser))


def _samples(folder: Path, splits: list[str]) -> Iterator[dict[str, Any]]:
    """The first test programs of each split with what was predicted for them; none where outputs are no programs."""
    for split in splits:
        try:
            examples = read_examples(folder, split)[:MOST_SAMPLES]
        except ComposedError:
            return
        for example in examples:
            yield {
                "split": split,
                "program": example.number,
                "pseudocode": example.source,
                **{
                    f"{column} of {output}": texts[output]
                    for output in example.texts
                    for column, texts in _told(example)
                },
                "what Pi did": example.fate,
            }


def _told(example: Any) -> tuple[tuple[str, dict[str, str]], ...]:
    return ("text", example.texts), ("verdict", example.verdicts), ("diagnostics", example.diagnostics)


def _log_denoiser(run: Any, weights: Path) -> None:
    """As an artefact named by its key in the store; runs that used the same one have the same digest and name.

    Offline W&B records no use of an artefact: the name and the hash are in the run's config as well, from which
    scripts/wandb_dashboard.py draws the lines after `wandb sync`.
    """
    import wandb

    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    in_store = weights.parent.name.startswith("denoiser-")
    name = weights.parent.name if in_store else f"denoiser-{digest[:12]}"
    key = weights.with_name("key.json")
    shape = read_json(key) if key.exists() else {}
    artifact = wandb.Artifact(name, type="denoiser", metadata={"sha256": digest, "shape": shape})
    artifact.add_file(str(weights), policy="immutable")  # the store's entries never change, so none is copied
    run.config.update({"denoiser_artifact": name, "denoiser_sha256": digest})
    if run.offline:
        run.log_artifact(artifact)
    else:
        run.use_artifact(artifact)


def log_report(run: Any, folder: Path) -> None:
    """The files of a report as an artefact, and its page, table and values of every replicate to look at."""
    import wandb

    artifact = wandb.Artifact(run.name, type="table")
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("table.", "per_replicate.", "report.")):
            artifact.add_file(str(path))
    run.log_artifact(artifact)
    tables = {name: _table(folder / f"{name}.csv") for name in ("table", "per_replicate")}
    run.log({**tables, "report": wandb.Html(str(folder / "report.html"))})


def _table(path: Path) -> Any:
    """Of W&B, with the columns of a CSV file."""
    import csv

    import wandb

    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return wandb.Table(columns=[*header], data=rows)


def _in_one_line(error: Exception) -> str:
    """What is wrong. Of what W&B checks with pydantic: of each setting, without the links that end it."""
    if hasattr(error, "errors"):
        return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
    return next((line for line in str(error).splitlines() if line.strip()), repr(error))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {_in_one_line(error)}")  # the last line, which the training quotes
