"""A kind of output from outside, with its data, models, loss and judge, and no line of the package changed.

It is the one of docs/adding.md, as the page shows it.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from composed.config import Config
from composed.config.options import with_own_options
from composed.experiment.run import run
from composed.reporting.report import write_report
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.files import read_lines
from tests.test_docs import ROOT, blocks

OF_THE_KIND = (
    *("src/tasks/whole.py", "src/judges/distance.py"),
    *("conf/judge/distance.yaml", "conf/task/whole.yaml", "conf/sizes/whole_smoke.yaml"),
)
SHOWN = {title: text for _, title, text in blocks(ROOT / "docs" / "adding.md") if title}
FILES = {title: SHOWN[title] for title in OF_THE_KIND}


@pytest.fixture
def whole(tmp_path, monkeypatch) -> Iterator[Callable[..., RunFolder]]:
    """Puts the kind and its judge into the package, and their options into a folder; trains with some overrides."""
    for title, text in FILES.items():
        path = Path(title)
        if path.suffix == ".py":
            module = ModuleType(f"composed.{path.parent.name}.{path.stem}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(text, title, "exec"), vars(module))
        else:
            option = tmp_path / "mine" / path.relative_to("conf")
            option.parent.mkdir(parents=True)
            option.write_text(text)
    places = with_own_options(["--config-dir", str(tmp_path / "mine")])

    def train(*words: str) -> RunFolder:
        kept = [f"runs={tmp_path}/runs", f"store={tmp_path}/store", "logger=csv", "trainer.precision=32-true"]
        settings = [*places, "task=whole", "profile=smoke", *kept, *words]
        with initialize_config_module("composed.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("config", settings), resolve=True)
        return run(Config.of(config), settings)  # type: ignore[arg-type]

    yield train
    with_own_options([])


def test_it_goes_from_a_config_to_a_table_and_a_page(whole, tmp_path, capsys):
    alone, through = whole("finetuning=baseline"), whole()
    for folder, outputs in ((alone, {"base", "composition"}), (through, {"base", "composition"})):
        result = Result.read(folder.result)
        assert result.scores.values.keys() == outputs
        assert result.scores.examples == {"near": 20, "far": 20, "farther": 20}
        stages = {row["split"] for row in read_lines(folder.metrics)}
        assert stages == {"training", "validation"}
    composed = [row["composed_loss"] for row in read_lines(through.metrics) if row["split"] == "validation"]
    assert composed[-1] < composed[0]
    assert len([*(tmp_path / "store").glob("denoiser-*/best.safetensors")]) == 1  # one for both runs
    write_report([tmp_path / "runs"], tmp_path / "report")
    assert "Whole numbers" in capsys.readouterr().out
    table = (tmp_path / "report" / "table.csv").read_text()
    for cell in ("baseline", "composed_pathwise", "near", "far", "farther", "distance"):
        assert cell in table
    assert "Whole numbers" in (tmp_path / "report" / "report.html").read_text()


def test_it_is_short():
    assert sum(len(text.splitlines()) for text in FILES.values()) < 250
