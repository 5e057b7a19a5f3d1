"""Small things that several tests train: pairs to learn, a model, settings."""

import numpy as np
import torch

from composed.config.trainer import Trainer
from composed.datamodules.batching import Pairs
from composed.models.transformer import Transformer
from composed.tasks.module import Optim

PAD, BOS, EOS = 0, 1, 2
VOCABULARY = 12
CPU = Trainer(
    accelerator="cpu",
    devices=1,
    num_nodes=1,
    strategy="auto",
    precision="32-true",
    checkpoints=1,
    threads=None,
    gradient_checkpointing=False,
)


def reversals(count: int, seed: int) -> Pairs:
    """Rows of 2 to 6 random ids, and the same rows reversed."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(4, VOCABULARY, rng.integers(2, 7)) for _ in range(count)]
    ended = [np.append(row, EOS).astype(np.int32) for row in rows]
    return Pairs(ended, [np.append(row[::-1], EOS).astype(np.int32) for row in rows], PAD)


def model(seed: int = 0, dropout: float = 0.1, layers: int = 1) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(VOCABULARY, width=16, layers=layers, heads=2, feedforward=32, dropout=dropout)


def optim(**changes) -> Optim:
    settings = {
        "updates": 12,
        "batch_tokens": 60,
        "accumulate": 1,
        "lr": 3e-3,
        "warmup": 3,
        "initial_lr": 1e-7,
        "decay": "linear",
        "weight_decay": 1e-4,
        "betas": (0.9, 0.98),
        "clip": None,
        "label_smoothing": 0.0,
        "validate_every": 4,
        "select": "lowest",
        "checkpoint_every": 3,
    }
    return Optim(**{**settings, **changes})
