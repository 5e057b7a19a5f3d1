"""The published splits: nobody sees a validation or test image before its time, whatever the number of labels."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.fonts.glyphs import Sizes, split
from composed.datamodules.fonts.noise import Blur
from composed.errors import DataError

IMAGES = np.arange(12 * 5, dtype=np.uint8)[:, None].repeat(16 * 16, 1).reshape(12, 5, 16, 16)  # each its own grey
SINGLE = [str(face) for face in range(12)]  # every face a family of its own, as in the published data
SIZES = Sizes(faces=8, families=1, train=20, val=5, test=15, unlabeled=3, unlabeled_val=1)


def places(glyphs) -> set[tuple[int, int]]:
    return {tuple(place) for place in glyphs.places.tolist()}


@given(st.integers(1, 25), st.integers(0, 5))
def test_no_split_shares_an_image_and_the_test_images_stay(labels, seed):
    sizes = Sizes(faces=8, families=1, train=labels, val=5, test=10, unlabeled=3, unlabeled_val=1)
    splits = split(IMAGES, SINGLE, sizes, seed)
    held_out = places(splits.val) | places(splits.test)
    assert len(held_out) == 15
    assert not held_out & places(splits.train)
    assert not held_out & (places(splits.unlabeled) | places(splits.unlabeled_val))
    assert places(splits.train) <= places(splits.unlabeled)
    assert not places(splits.unlabeled) & places(splits.unlabeled_val)
    assert len(splits.unlabeled) == labels + 3 * 5
    assert places(split(IMAGES, SINGLE, SIZES, seed).test) >= places(splits.test)


def test_inputs_name_the_character_and_the_face_of_their_image():
    splits = split(IMAGES, SINGLE, SIZES, 0)
    batch = splits.train.batch([3, 7])
    for label, target in zip(batch.source.tolist(), batch.target, strict=True):
        faces = {face for place, other in zip(splits.train.places, splits.train.labels, strict=True)
                 if other[1] == label[1] for face in [place[0]]}  # fmt: skip
        (face,) = faces
        assert target.shape == (1, 16, 16)
        assert torch.all(target == IMAGES[face, label[0], 0, 0] / 127.5 - 1)
    assert splits.train.labels[:, 1].max() < SIZES.faces


def test_a_corrupted_batch_is_a_function_of_seed_and_update():
    glyphs = split(IMAGES + np.eye(16, dtype=np.uint8) * 150, SINGLE, SIZES, 0).unlabeled.corrupted(Blur(), 3)
    first, again, later = (glyphs.batch([0, 1], update=update) for update in (5, 5, 6))
    assert torch.equal(first.source, again.source)
    assert not torch.equal(first.source, later.source)
    assert torch.equal(first.target, later.target)
    assert not torch.equal(first.source, first.target)


# Looks of three outlines in each of six families, as unequal as they come.
LOOKS = [family for family, count in {"a": 7, "b": 6, "c": 6, "d": 5, "e": 4, "f": 2}.items() for _ in range(count)]
OF_LOOKS = np.arange(30 * 10, dtype=np.uint16).view(np.uint8).reshape(30, 10, 2, 1)


def families_of(glyphs) -> set[str]:
    return {LOOKS[face] for face, _ in places(glyphs)}


def cells_of(glyphs) -> set[tuple[str, int]]:
    """The characters of families."""
    return {(LOOKS[face], character) for face, character in places(glyphs)}


@given(st.integers(0, 1000), st.integers(1, 40))
def test_no_outline_of_the_denoiser_is_one_of_another_part_and_no_look_of_a_tested_character_is_seen(seed, labels):
    sizes = Sizes(faces=8, families=3, train=labels, val=6, test=20, unlabeled=4, unlabeled_val=2)
    splits = split(OF_LOOKS, LOOKS, sizes, seed)
    counts = [len(getattr(splits, name)) for name in ("train", "val", "test", "unlabeled", "unlabeled_val")]
    assert counts == [labels, 6, 20, labels + 40, 20]
    sides = [cells_of(splits.train), cells_of(splits.val), cells_of(splits.test)]
    assert not any(one & other for one, other in combinations(sides, 2))
    pool = set().union(*map(families_of, (splits.train, splits.val, splits.test)))
    alone = {LOOKS[face] for face, _ in places(splits.unlabeled) - places(splits.train)}
    validating = families_of(splits.unlabeled_val)
    assert not any(one & other for one, other in combinations((pool, alone, validating), 2))
    fewer = split(OF_LOOKS, LOOKS, replace(sizes, train=1), seed)
    assert places(fewer.test) == places(splits.test)
    assert places(fewer.val) == places(splits.val)
    assert places(fewer.train) <= places(splits.train)


def test_the_pool_has_faces_of_each_of_its_families_in_turn():
    sizes = Sizes(faces=9, families=4, train=1, val=1, test=1, unlabeled=2, unlabeled_val=1)
    every = split(OF_LOOKS, LOOKS, replace(sizes, train=60, val=10, test=10), 3)
    faces = {face for side in (every.train, every.val, every.test) for face, _ in places(side)}
    counts = Counter(LOOKS[face] for face in faces)
    assert len(faces) == 9
    assert len(counts) == 4
    assert max(counts.values()) <= 3


def test_the_default_sizes_are_filled_to_the_last_image_by_the_bundled_families():
    """1,640 faces of 13 families in turn: 5 with 20 looks of 62 characters for f, 880 faces of 7 for Pi, 20 of 1."""
    families = [str(face % 13) for face in range(1640)]
    images = np.empty((1640, 62, 0, 0), np.uint8)
    sizes = Sizes(faces=100, families=5, train=2500, val=100, test=3600, unlabeled=880, unlabeled_val=20)
    for seed in range(3):
        splits = split(images, families, sizes, seed)
        assert [len(side) for side in (splits.train, splits.val, splits.test)] == [2500, 100, 3600]
        assert len(splits.unlabeled) == 2500 + 880 * 62
        assert len(splits.unlabeled_val) == 20 * 62
        assert len({families[face] for face, _ in splits.unlabeled.places[2500:].tolist()}) == 7
        assert len({families[face] for face, _ in splits.unlabeled_val.places.tolist()}) == 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            Sizes(faces=10, families=1, train=1, val=1, test=1, unlabeled=2, unlabeled_val=1),
            "wants 10 faces of at least 1 families for f, 1 of others .* and 2 of others .* but the 12 faces of 12 "
            "families have 10 of 10, 1 and 1; lower them",
        ),
        (
            Sizes(faces=13, families=13, train=1, val=1, test=1, unlabeled=1, unlabeled_val=1),
            "wants 13 faces of at least 13 families .* have 12 of 12, 0 and 0",
        ),
        (
            Sizes(faces=2, families=1, train=5, val=3, test=3, unlabeled=1, unlabeled_val=1),
            r"wants 5 \+ 3 \+ 3 labeled images .* but 2 faces of 5 characters have 10; .* there are 4 \+ 3 \+ 3: lower",
        ),
    ],
)
def test_sizes_that_the_faces_cannot_fill_are_refused_with_numbers(sizes, message):
    with pytest.raises(DataError, match=message):
        split(IMAGES, SINGLE, sizes, 0)


def test_sizes_that_cut_through_the_looks_of_a_character_are_refused_with_numbers():
    """Two families, two looks of two characters: of a pair that is tested or validates nobody else has the other."""
    sizes = Sizes(faces=4, families=2, train=3, val=1, test=3, unlabeled=1, unlabeled_val=1)
    images, families = np.zeros((8, 2, 1, 1), np.uint8), [*"aabbccdd"]
    with pytest.raises(DataError, match=r"have 8; .* there are 2 \+ 1 \+ 3: lower task.sizes.train"):
        split(images, families, sizes, 0)
    assert len(split(images, families, replace(sizes, train=2), 0).train) == 2
