"""What cannot work is refused before any work: spoilt data, wrong words, a denoiser that is missing or another's."""

import resource
import shutil

import pytest
import torch
from safetensors.torch import load_file

from composed.models.weights import save_weights
from tests.commands import BASELINE, command, same_bits

pytestmark = pytest.mark.slow("whole commands, refused one after the other")


def test_06_a_spoilt_data_line_is_named_with_file_and_line(chance, train, shared, tmp_path):
    train(*BASELINE, "runs=first")
    folder = tmp_path / "mine"
    shutil.copytree(next((shared / "data").glob("sanstype-*")), folder)
    path = folder / "train.src"
    lines = path.read_bytes().splitlines()
    spoilt = chance.randrange(1, len(lines))
    for data, message in (
        (lines[:-1], f"train.src:{len(lines) - 1}: the last line, but train.tgt has {len(lines)}"),
        ([*lines[: spoilt - 1], b"\xff\xfe", *lines[spoilt:]], f"train.src:{spoilt}: not UTF-8"),
        ([*lines[: spoilt - 1], b"", *lines[spoilt:]], f"train.src:{spoilt}: empty"),
    ):
        path.write_bytes(b"\n".join(data) + b"\n")
        assert message in train(*BASELINE, f"task.folder={folder}", code=1).stderr
    path.unlink()
    assert "train.src" in train(*BASELINE, f"task.folder={folder}", code=1).stderr


def test_07_a_wrong_word_is_answered_in_seconds_and_leaves_nothing(chance, tmp_path):
    words = [
        ("optim.lrr=1", "did you mean optim.lr"),
        ("finetuning=composd", "did you mean finetuning=composed"),
        ("optim.lr=fast", "optim.lr=fast: expected a number"),
        ("finetunning=composed", "finetuning"),
        ("+seeds=3", "did you mean seed"),
    ]
    word, answer = chance.choice(words)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    refused = command("train", word, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert refused.returncode == 2
    assert answer in refused.stderr
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 5
    assert not [*tmp_path.iterdir()]


def test_08_a_missing_denoiser_is_refused_before_any_data_is_read(chance, train, tmp_path):
    refused = train("denoiser=/nowhere/denoiser", f"task.data={tmp_path / 'data'}", code=2)
    assert "denoiser=/nowhere/denoiser: no such file or folder" in refused.stderr
    assert not [*tmp_path.iterdir()]


def test_09_a_denoiser_of_another_vocabulary_is_refused_by_name(chance, train, one, tmp_path):
    """Also where it has as many words, which mean something else."""
    train("finetuning=standard", "runs=first", "store=own")
    weights = next((tmp_path / "own").glob("denoiser-*/best.safetensors"))
    holder = torch.nn.Module()
    for name, tensor in load_file(weights).items():
        holder.register_buffer(name.replace(".", "/"), tensor)
    holder.state_dict = lambda: load_file(weights)  # type: ignore[method-assign,assignment]
    save_weights(tmp_path / "other.safetensors", holder, {"vocabulary": "0" * 64})
    refused = train("finetuning=standard", f"denoiser={tmp_path / 'other.safetensors'}", code=1)
    assert "other.safetensors was trained with another vocabulary" in refused.stderr
    assert not (one() / "checkpoints").exists()
    train("finetuning=standard", f"denoiser={weights}", "runs=third")
    assert same_bits(one("first"), one("third"))
