"""Files that are not what was written, or that somebody wrote who means harm."""

import itertools
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from composed.config.command_line import check
from composed.config.instantiate import instantiate
from composed.errors import ConfigError, DataError
from composed.models.weights import load_weights
from composed.runs.folder import RunFolder
from composed.system.files import read_json, read_lines, write_json
from composed.training.checkpoints import read_checkpoint
from tests import toys
from tests.commands import BASELINE, command
from tests.test_configs import node
from tests.test_training import fit, last, same


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fit(folder)
    return folder


def damage(path: Path, how: str, chance) -> None:
    data = path.read_bytes()
    if how == "truncated":
        data = data[: chance.randrange(1, len(data))]
    elif how == "empty":
        data = b""
    else:  # in the weights, where nothing else would notice
        index = data.index(last_tensor(path)) + chance.randrange(64)
        data = data[:index] + bytes([data[index] ^ 1 << chance.randrange(8)]) + data[index + 1 :]
    path.write_bytes(data)


def last_tensor(path: Path) -> bytes:
    return next(iter(torch.load(path, weights_only=True)["model"].values())).numpy().tobytes()


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_03_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(how, chance, whole, tmp_path, capsys):
    parts = tmp_path / "parts"
    fit(parts, updates=6)
    shutil.rmtree(parts)
    shutil.copytree(whole, parts)
    damage(parts / "last.ckpt", how, chance)
    fit(parts)
    said = capsys.readouterr().err
    assert f"warning: {parts / 'last.ckpt'} is damaged" in said
    assert f"going on from {parts / 'last-1.ckpt'}" in said
    assert same(last(parts), last(whole))
    assert (parts / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


def test_03_where_no_checkpoint_is_good_the_training_stops_and_says_how_to_start_over(chance, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "parts")
    for name in ("last.ckpt", "last-1.ckpt"):
        damage(tmp_path / "parts" / name, "flipped", chance)
    with pytest.raises(DataError, match=r"last\.ckpt is damaged .*last-1\.ckpt is damaged .*Delete the folder"):
        fit(tmp_path / "parts")


def test_03_every_bit_of_what_the_directory_says_of_a_tensor_is_checked(whole, tmp_path):
    """One of them marks it as a folder, of which PyTorch reads nothing, and its checksum stays right."""
    path = tmp_path / "last.ckpt"
    data, state = (whole / "last.ckpt").read_bytes(), last(whole)
    (start, end) = (data.rindex(b"PK\1\2", 0, data.rindex(b"archive/data/9")) + shift for shift in (0, 60))
    for index, bit in itertools.product(range(start, end), range(8)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 1 << bit]) + data[index + 1 :])
        try:
            assert same(read_checkpoint(path), state), (index - start, bit)
        except AssertionError:
            raise
        except Exception:  # noticed
            continue


def test_03_every_flipped_bit_of_a_checkpoint_is_noticed_or_means_nothing(chance, whole, tmp_path):
    path = tmp_path / "last.ckpt"
    data, state = (whole / "last.ckpt").read_bytes(), last(whole)
    noticed = 0
    for index in chance.sample(range(len(data)), 400):
        path.write_bytes(data[:index] + bytes([data[index] ^ 1 << chance.randrange(8)]) + data[index + 1 :])
        try:
            assert same(read_checkpoint(path), state)
        except AssertionError:
            raise
        except Exception:
            noticed += 1
    assert noticed > 200


def test_03_earlier_checkpoints_are_as_many_as_asked_for(chance, tmp_path):
    for earlier in (0, 1, 3):
        folder = tmp_path / str(earlier)
        fit(folder, trainer=replace(toys.CPU, checkpoints=earlier))
        kept = sorted(folder.glob("*.ckpt"))
        assert len(kept) == 1 + earlier
        updates = [torch.load(path, weights_only=True)["updates"] for path in (folder / "last.ckpt", *kept[:-1])]
        assert updates == sorted(updates, reverse=True)[: len(updates)]
        assert len(set(updates)) == len(updates)


class Payload:
    """Runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_12_a_checkpoint_that_holds_a_command_is_refused(chance, tmp_path):
    marker = tmp_path / "executed"
    for name, write in (
        ("zip", lambda path: torch.save({"model": Payload(marker), "metadata": {"vocabulary": "toy"}}, path)),
        ("pickle", lambda path: path.write_bytes(pickle.dumps(Payload(marker)))),
        ("hyperparameters", lambda path: torch.save({"hyper_parameters": {"_instantiator": Payload(marker)}}, path)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "last.ckpt")
        with pytest.raises(DataError, match=r"cannot resume: .*last\.ckpt is damaged"):
            fit(folder)
        with pytest.raises(DataError, match="cannot read the weights"):
            load_weights(folder / "last.ckpt", toys.model())
    assert not marker.exists()


@pytest.mark.parametrize(
    ("group", "value"),
    [
        ("model", {"_target_": "os.system", "command": "touch executed"}),
        ("noise", {"_target_": "builtins.exec", "_args_": ["open('executed', 'w')"]}),
        ("estimator", {"samples": [{"_target_": "subprocess.run", "args": ["touch", "executed"]}]}),
        ("noise", {"_target_": "composed.models.weights.write_bytes", "path": "executed", "data": "x"}),
        ("noise", {"_target_": "composed.datamodules.sanstype.files.shutil.rmtree", "path": "."}),
        ("noise", {"_target_": ["os.system"]}),
    ],
)
def test_12_nothing_is_called_that_a_config_names_and_is_not_ours(group, value, chance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = node("profile=smoke")
    settings[group] = {**settings[group], **value}
    with pytest.raises(ConfigError):
        instantiate(settings[group])
    if "write_bytes" not in str(value):  # refused where it would be called
        with pytest.raises(ConfigError, match="only names in modules below"):
            check(settings)
    assert not [*tmp_path.iterdir()]


def test_12_no_name_that_a_run_folder_tells_leads_out_of_it(chance, tmp_path):
    run = RunFolder(tmp_path / "run")
    for split in ("../outside", "/tmp/outside", "", "a/b", ".."):
        with pytest.raises(DataError, match="is no name of a test set"):
            run.predictions(split)
        with pytest.raises(DataError, match="is no name of a test set"):
            run.verdicts(split)


@pytest.mark.slow("trains, then gives six commands a hostile folder")
def test_12_the_commands_execute_nothing_that_a_run_folder_brings(chance, train, one, tmp_path):
    train(*BASELINE)
    run, marker = one(), tmp_path / "executed"
    source = next(read_lines(run / "predictions-id.jsonl"))["source"]
    honest = (run / "config.yaml").read_text()
    hostile = yaml.safe_load(honest)
    hostile["model"] = {**hostile["model"], "_target_": "os.system", "command": f"touch {marker}"}
    (run / "config.yaml").write_text(yaml.safe_dump(hostile))
    for name, *words in (("predict",), ("evaluate", "--predict")):
        refused = command(name, *words, str(run), cwd=tmp_path, input=f"{source}\n")
        assert refused.returncode == 1, refused.stderr
        assert "os.system" in refused.stderr
    (run / "config.yaml").write_text(honest)
    facts = read_json(run / "training.json")
    write_json(run / "training.json", {**facts, "splits": ["../outside"]})
    refused = command("evaluate", str(run), cwd=tmp_path)
    assert refused.returncode == 1
    assert "is no name of a test set" in refused.stderr
    weights = run / "checkpoints" / "best.safetensors"
    torch.save({"model": Payload(marker)}, weights)
    assert command("predict", str(run), cwd=tmp_path, input=f"{source}\n").returncode == 1
    assert not marker.exists()
    assert json.loads((run / "result.json").read_text())
