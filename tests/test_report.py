import subprocess
import sys
from pathlib import Path

import pytest

from composed.cli.report import main
from tests.run_folders import counts, write_predictions, write_run, write_sweep

FILES = ["per_replicate.csv", "report.html", "table.csv", "table.md", "table.png", "table.tex"]


def test_table_is_printed_and_written_and_its_place_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main([str(write_sweep(tmp_path / "runs")), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "composed, base predictor alone" in printed.out
    assert all(str(out / name) in printed.out for name in FILES)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert printed.err == ""


def test_same_runs_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    runs = sorted(map(str, write_sweep(tmp_path / "runs").iterdir()))
    assert main([*runs, "--out", str(tmp_path / "first")]) == 0
    assert main([*reversed(runs), "--out", str(tmp_path / "second")]) == 0
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_unfinished_run_is_named_on_standard_error_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = write_sweep(tmp_path / "runs")
    (runs / "composed-2" / "result.json").unlink()
    assert main([str(runs), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == f"left out, unfinished (no result.json): {runs / 'composed-2'}\n"
    text = (tmp_path / "out" / "table.md").read_text()
    assert "2 to 3 replicates" in text
    assert "missing: composed, replicate 2: `(its command is not known)`" in text


@pytest.mark.parametrize("broken", ["{", '{"task": "sanstype"}', '{"values": 3}'], ids=["torn", "older", "odd"])
def test_a_broken_or_older_run_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    runs = write_sweep(tmp_path / "runs")
    (runs / "composed-2" / "result.json").write_text(broken)
    assert main([str(runs), "--out", str(tmp_path / "out")]) == 0
    assert f"left out, {runs / 'composed-2' / 'result.json'}" in capsys.readouterr().err
    assert str(runs / "composed-2") in (tmp_path / "out" / "report.html").read_text()


def test_a_run_of_another_task_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = write_sweep(tmp_path / "runs")
    write_run(runs / "other", task="fonts")
    assert main([str(runs), "--out", str(tmp_path / "out")]) == 0
    assert "left out, of task=fonts, not of task=sanstype as most" in capsys.readouterr().err


def test_all_rows_are_compared_with_the_chosen_one(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path / "runs")
    assert main([str(runs), "--against", "standard", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| baseline − standard | −18.0 ±6.6 | 0.057 | not distinguishable | 3 |" in text
    assert "− baseline" not in text.replace("− (standard", "")


def test_a_reference_that_is_no_row_is_refused_with_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    assert main([str(run), "--against", "gold", "--out", str(tmp_path / "out")]) == 2
    assert "--against gold: no such row; the rows are composed, composed, base predictor alone" in (
        capsys.readouterr().err
    )


def test_mixed_row_exits_with_2_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "first", replicate=0, config={"model": {"width": 1}}, config_key="a")
    second = write_run(tmp_path / "second", replicate=1, config={"model": {"width": 2}}, config_key="b")
    assert main([str(first), str(second), "--out", str(tmp_path / "out")]) == 2
    assert "model.width: 1 | 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_title_is_replaced(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert main([str(run), "--title", "Mine", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "table.md").read_text().startswith("**Mine; 1 replicate;")


def test_programs_are_those_of_the_first_run_that_predicts_through_the_denoiser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = write_sweep(tmp_path / "runs")
    for split in ("id", "ood"):
        outputs = {"base": ("int x ;", "compile_error"), "composition": ("int y ;", "correct")}
        write_predictions(runs / "composed-0", split, [outputs], " $ set y to 1; $ ")
    assert main([str(runs), "--programs", "2", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert f"Programs of {runs / 'composed-0'}" in printed.replace("\n", " ").replace("  ", " ")
    assert "OOD example 0: repaired by Pi" in printed


def test_programs_without_any_denoiser_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", "baseline", counted=counts((5, 3)))
    assert main([str(run), "--programs", "3", "--out", str(tmp_path / "out")]) == 2
    assert "none of the runs has texts of both" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main([str(write_run(tmp_path / "run")), "--out", str(tmp_path / "file")]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_start_loads_no_heavy_library() -> None:
    heavy = "('torch', 'hydra', 'omegaconf', 'matplotlib', 'numpy', 'scipy', 'wandb')"
    code = f"import sys, composed.cli.report; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
