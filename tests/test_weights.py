"""Weights come back as they were saved, or not at all."""

import json

import pytest
import torch
from safetensors import safe_open
from torch import nn

from composed.errors import DataError
from composed.models.weights import load_weights, save_weights


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_weights_and_metadata_come_back(tmp_path):
    saved, loaded = network(0), network(1)
    save_weights(tmp_path / "a", saved, {"vocabulary": "v", "what": "toy"})
    save_weights(tmp_path / "b", saved, {"vocabulary": "v", "what": "toy"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_weights(tmp_path / "a", loaded, vocabulary="v")["what"] == "toy"
    for name, value in saved.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    with pytest.raises(DataError, match="another vocabulary"):
        load_weights(tmp_path / "a", loaded, vocabulary="w")


def test_every_flipped_byte_is_noticed(tmp_path):
    """But for those of the metadata, which are no weights: the names, types and shapes count too."""
    path = tmp_path / "a"
    save_weights(path, network(0), {"what": "toy"})
    data, loaded = path.read_bytes(), network(1)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert set(header) == {"__metadata__", *network(0).state_dict()}
    unnoticed = []
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 4]) + data[index + 1 :])
        try:
            load_weights(path, loaded)
        except DataError:
            continue
        unnoticed.append(index)
    about = data.index(b'"__metadata__"'), data.index(b"}", data.index(b'"__metadata__"'))
    assert all(about[0] <= index <= about[1] for index in unnoticed)
    for name, value in network(0).state_dict().items():
        path.write_bytes(data)
        load_weights(path, loaded)
        assert torch.equal(value, loaded.state_dict()[name])


def test_weights_of_before_there_were_checksums_load(tmp_path):
    from safetensors.torch import save_file

    save_file(network(0).state_dict(), tmp_path / "a", {"composed": json.dumps({"vocabulary": "v"})})
    load_weights(tmp_path / "a", network(1), vocabulary="v")
    with safe_open(tmp_path / "a", framework="pt") as file:
        assert "sha256" not in file.metadata()["composed"]
