"""Examples from faces: (character, face) to image for f, corrupted image to image for the denoiser, and their splits.

The published protocol: all characters of a pool of faces are shuffled and cut into labeled, validation and test images;
the denoiser sees the labeled images and other faces. Here no family of outlines has faces in two of the pool, the
denoiser's training and its validation; and in the pool all looks of a character in a family are on one side, so that
nobody has seen a look of what is tested. Where every face is a family of its own that is the published protocol.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from composed.datamodules.batching import Batch
from composed.datamodules.fonts.noise import Noise
from composed.errors import DataError


@dataclass(frozen=True)
class Sizes:
    """Images per split; `faces` in the pool that train, val and test come from, then faces of the denoiser alone.

    Those of the pool are of at least so many `families`, or each of its own where there are fewer.
    """

    faces: int
    families: int
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


def split(images: np.ndarray, families: Sequence[str], sizes: Sizes, seed: int) -> Splits:
    """`families[i]` is of face i. Test and validation images stay the same with fewer labels.

    Raises DataError where there are fewer faces, families or characters than `sizes` wants.
    """
    rng = np.random.default_rng(seed)
    pool, unlabeled, unlabeled_val = _parts(families, sizes, rng)
    characters = images.shape[1]
    cells: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(
        list
    )  # places in the pool of a family's character
    for number, face in enumerate(pool):
        for character in range(characters):
            cells[families[face], character].append((number, character))
    shuffled = [*cells.values()]
    shuffled = [shuffled[place] for place in rng.permutation(len(shuffled))]
    test, left = _cut(shuffled[::-1], sizes.test)
    val, left = _cut(left, sizes.val)
    train, _ = _cut(left[::-1], sizes.train)
    if len(train) < sizes.train or len(val) < sizes.val or len(test) < sizes.test:
        raise DataError(
            f"task.sizes wants {sizes.train} + {sizes.val} + {sizes.test} labeled images to train, validate and test, "
            f"but {sizes.faces} faces of {characters} characters have {sizes.faces * characters}; with all looks of a "
            f"family's character on one side there are {len(train)} + {len(val)} + {len(test)}: lower task.sizes.train"
        )

    def labeled(chosen: list[tuple[int, int]]) -> Glyphs:
        number, character = np.array(chosen).T
        return Glyphs(images, np.stack([pool[number], character], 1), np.stack([character, number], 1))

    def whole(faces: np.ndarray, also: np.ndarray) -> Glyphs:
        places = np.stack(np.meshgrid(faces, np.arange(characters), indexing="ij"), -1).reshape(-1, 2)
        places = np.concatenate([also, places])
        return Glyphs(images, places, np.zeros_like(places))

    known = labeled(train)
    return Splits(
        known,
        labeled(val),
        labeled(test),
        whole(unlabeled, known.places),
        whole(unlabeled_val, known.places[:0]),
    )


def _parts(families: Sequence[str], sizes: Sizes, rng: np.random.Generator) -> list[np.ndarray]:
    """Faces of the pool, of the denoiser's training and of its validation, which share no family.

    A part takes as few whole families as it needs, but the training of the denoiser all that are left, and its faces
    from each of them in turn.
    """
    least_families = min(sizes.families, sizes.faces)
    members: dict[str, list[int]] = defaultdict(list)
    for face, family in enumerate(families):
        members[family].append(face)
    names = [*members]
    left = [members[names[place]] for place in rng.permutation(len(names))]
    parts = []
    for faces, least in ((sizes.faces, least_families), (sizes.unlabeled_val, 1), (sizes.unlabeled, len(left))):
        part: list[list[int]] = []
        while left and (len(part) < least or sum(map(len, part)) < faces):
            part.append(left.pop(0))
        parts.append(part)
    has = [sum(map(len, part)) for part in parts]
    if len(parts[0]) < least_families or any(np.less(has, [sizes.faces, sizes.unlabeled_val, sizes.unlabeled])):
        raise DataError(
            f"task.sizes wants {sizes.faces} faces of at least {least_families} families for f, {sizes.unlabeled_val} "
            f"of others to validate the denoiser and {sizes.unlabeled} of others to train it, but the {len(families)} "
            f"faces of {len(names)} families have {has[0]} of {len(parts[0])}, {has[1]} and {has[2]}; lower them, "
            "raise task.count (of bundled), or use other task.faces"
        )
    pool, unlabeled_val, unlabeled = (
        np.array([face for turn in zip_longest(*part) for face in turn if face is not None]) for part in parts
    )
    return [pool[: sizes.faces], unlabeled[: sizes.unlabeled], unlabeled_val[: sizes.unlabeled_val]]


def _cut(cells: list[list[tuple[int, int]]], size: int) -> tuple[list[tuple[int, int]], list[list[tuple[int, int]]]]:
    """The first `size` places of some cells, fewer where there are fewer, and the cells that none of them is in."""
    chosen: list[tuple[int, int]] = []
    for used, cell in enumerate(cells):
        if len(chosen) >= size:
            return chosen[:size], cells[used:]
        chosen += cell
    return chosen[:size], []
