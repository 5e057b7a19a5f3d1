"""f of the font task: a character and a face to an image, the published multi-layer perceptron.

Left out: convolutions; the published model has none. Letters: B examples, S pixels of an image's side.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GlyphPredictor(nn.Module):
    """Two embeddings, fully connected layers with leaky ReLU and batch normalisation (not after the first), tanh.

    Args:
        characters, faces: how many there are; an embedding is as wide as its table is long, as published.
        size: S.
        widths: of the hidden layers.
        dropout: after the last two hidden layers but one and last (the second 512 and the 1024 of the paper).
        batch_norm_eps: added to the variance. The published code gives 0.8 where the momentum was meant; it is kept as
            the default because it is what the published numbers were made with: it shrinks the activations of layers
            whose variance is far below 1. PyTorch's own is 1e-5.
    """

    def __init__(
        self,
        characters: int,
        faces: int,
        size: int,
        *,
        widths: Sequence[int],
        dropout: float,
        batch_norm_eps: float,
    ) -> None:
        super().__init__()
        self.character = nn.Embedding(characters, characters)
        self.face = nn.Embedding(faces, faces)
        layers: list[nn.Module] = []
        before = characters + faces
        for index, width in enumerate(widths):
            layers.append(nn.Linear(before, width))
            if index:
                layers.append(nn.BatchNorm1d(width, eps=batch_norm_eps))
            layers.append(nn.LeakyReLU(0.2))
            if index >= len(widths) - 2:
                layers.append(nn.Dropout(dropout))
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, size * size), nn.Tanh())
        self.size = size

    def forward(self, labels: Tensor) -> Tensor:
        """(B, 2) character and face -> (B, 1, S, S) from -1 to 1."""
        embedded = torch.cat([self.character(labels[:, 0]), self.face(labels[:, 1])], 1)
        return self.layers(embedded).view(-1, 1, self.size, self.size)
