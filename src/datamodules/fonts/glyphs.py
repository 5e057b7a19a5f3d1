"""Examples from faces: (character, face) to image for f, corrupted image to image for the denoiser, and their splits.

The published protocol: all characters of a pool of faces are shuffled and cut into labeled, validation and test images;
the denoiser sees the labeled images and the other faces, never a validation or test image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from composed.datamodules.batching import Batch
from composed.datamodules.fonts.noise import Noise
from composed.errors import DataError


@dataclass(frozen=True)
class Sizes:
    """Images per split; `faces` in the pool that train, val and test come from, then faces of the denoiser alone."""

    faces: int
    train: int
    val: int
    test: int
    unlabeled: int
    unlabeled_val: int


@dataclass(frozen=True)
class Glyphs:
    """Images at (face, character) positions of `images`, all of one size; as pairs for a training.

    `labels` are the inputs of f, (N, 2): the character, and the face's number in the pool. With `noise`, the pairs are
    (corrupted, clean) images instead, corrupted anew in every update, by a stream that `seed` and the update decide.
    """

    images: np.ndarray  # (faces, characters, S, S) uint8
    places: np.ndarray  # (N, 2): face and character
    labels: np.ndarray  # (N, 2)
    noise: Noise | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.places)

    def cost(self) -> np.ndarray:
        """An image counts as one."""
        return np.ones(len(self))

    def size(self, row: int) -> int:
        return 1

    def targets(self, rows: Sequence[int]) -> Tensor:
        """(B, 1, S, S) from -1 to 1."""
        faces, characters = self.places[rows].T
        pixels = torch.from_numpy(np.ascontiguousarray(self.images[faces, characters]))
        return pixels[:, None].float() / 127.5 - 1

    def batch(self, rows: Sequence[int], tokens: int = 0, update: int = 0, part: int = 0) -> Batch:
        targets = self.targets(rows)
        if self.noise is None:
            sources = torch.from_numpy(self.labels[rows])
        else:
            stream = np.random.SeedSequence([self.seed, update, part, rows[0]]).generate_state(1)[0]
            sources = self.noise(targets, torch.Generator().manual_seed(int(stream)))
        return Batch(sources, targets, torch.tensor(rows, dtype=torch.long), tokens, update, part)

    def corrupted(self, noise: Noise, seed: int) -> "Glyphs":
        return replace(self, noise=noise, seed=seed)


@dataclass(frozen=True)
class Splits:
    """What f learns, is selected on and is tested on; what the denoiser learns and is selected on."""

    train: Glyphs
    val: Glyphs
    test: Glyphs
    unlabeled: Glyphs
    unlabeled_val: Glyphs


def split(images: np.ndarray, sizes: Sizes, seed: int) -> Splits:
    """Test images are the last of the shuffled pool, so they stay the same with fewer labels.

    Raises DataError where there are fewer faces or characters than `sizes` wants.
    """
    count, characters = images.shape[:2]
    needed = sizes.faces + sizes.unlabeled + sizes.unlabeled_val
    if count < needed:
        raise DataError(f"task.sizes wants {needed} faces, but there are {count}; lower them, or use other task.faces")
    wanted = sizes.train + sizes.val + sizes.test
    if wanted > sizes.faces * characters:
        raise DataError(
            f"task.sizes wants {wanted} labeled images, but {sizes.faces} faces of {characters} characters have "
            f"{sizes.faces * characters}"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    numbers = rng.permutation(sizes.faces * characters)

    def pool(chosen: np.ndarray) -> Glyphs:
        face, character = np.divmod(chosen, characters)
        return Glyphs(images, np.stack([order[face], character], 1), np.stack([character, face], 1))

    def whole(faces: np.ndarray, also: np.ndarray) -> Glyphs:
        places = np.stack(np.meshgrid(faces, np.arange(characters), indexing="ij"), -1).reshape(-1, 2)
        places = np.concatenate([also, places])
        return Glyphs(images, places, np.zeros_like(places))

    train = pool(numbers[: sizes.train])
    others, end = order[sizes.faces :], sizes.unlabeled + sizes.unlabeled_val
    return Splits(
        train,
        pool(numbers[sizes.train : sizes.train + sizes.val]),
        pool(numbers[-sizes.test :]),
        whole(others[: sizes.unlabeled], train.places),
        whole(others[sizes.unlabeled : end], train.places[:0]),
    )
