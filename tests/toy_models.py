"""A model of few weights and rows for it, for the tests of the transformer and of decoding."""

import torch

from composed.models.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2


def tiny(seed: int = 0, vocabulary: int = 11, **settings) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(vocabulary, **{"width": 16, "layers": 2, "heads": 2, "feedforward": 32, **settings}).eval()


def rows(*rows: list[int]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def sources() -> torch.Tensor:
    return rows([5, 6, 7, EOS], [8, EOS], [4, 4, 9, 10, 5, EOS])
