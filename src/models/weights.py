"""Weights on disk: safetensors with text metadata (what they are, a hash of the vocabulary and one of themselves).

Nothing in the file is ever executed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from composed.errors import DataError
from composed.models.adaptation import merged_state
from composed.system.files import write_bytes


def save_weights(path: Path, model: nn.Module, metadata: dict[str, str]) -> None:
    """The same weights and metadata give the same bytes; low-rank updates are merged into their weights.

    Raises ComposedError where the file cannot be written.
    """
    save_tensors(path, merged_state(model), metadata)


def save_tensors(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """As `save_weights`, of a model's state."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_bytes(path, save(tensors, {"composed": json.dumps({**metadata, "sha256": _digest(tensors)})}))


def load_weights(path: Path, model: nn.Module, *, vocabulary: str | None = None) -> dict[str, str]:
    """Loads `path` into `model` and returns the metadata.

    Raises DataError where the file is missing or differs from what was saved, its vocabulary has another hash than
    `vocabulary`, or its shapes are not the model's.
    """
    tensors, metadata = read_weights(path)
    if vocabulary is not None and metadata.get("vocabulary") != vocabulary:
        raise DataError(
            f"{path} was trained with another vocabulary (hash {str(metadata.get('vocabulary'))[:12]}, "
            f"here {vocabulary[:12]}): its ids mean other tokens, even where the sizes agree. "
            "Use the tokenizer and the data it was trained with."
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(
            f"the weights {path} do not fit the configured model: {str(error).splitlines()[-1].strip()}"
        ) from error
    return metadata


def check_weights(path: Path) -> None:
    """Raises DataError where `path` holds no weights, or others than were saved."""
    read_weights(path)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, and the metadata. Raises DataError where they are missing or differ from what was saved."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("composed", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"cannot read the weights {path}: {error}") from error
    if metadata.get("sha256", digest := _digest(tensors)) != digest:
        raise DataError(f"cannot read the weights {path}: they are damaged; delete the folder and make them again")
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
