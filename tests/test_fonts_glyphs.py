"""The published splits: nobody sees a validation or test image before its time, whatever the number of labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.fonts.glyphs import Sizes, split
from composed.datamodules.fonts.noise import Blur
from composed.errors import DataError

IMAGES = np.arange(12 * 5, dtype=np.uint8)[:, None].repeat(16 * 16, 1).reshape(12, 5, 16, 16)  # each its own grey
SIZES = Sizes(faces=8, train=20, val=5, test=15, unlabeled=3, unlabeled_val=1)


def places(glyphs) -> set[tuple[int, int]]:
    return {tuple(place) for place in glyphs.places.tolist()}


@given(st.integers(1, 25), st.integers(0, 5))
def test_no_split_shares_an_image_and_the_test_images_stay(labels, seed):
    sizes = Sizes(faces=8, train=labels, val=5, test=10, unlabeled=3, unlabeled_val=1)
    splits = split(IMAGES, sizes, seed)
    held_out = places(splits.val) | places(splits.test)
    assert len(held_out) == 15
    assert not held_out & places(splits.train)
    assert not held_out & (places(splits.unlabeled) | places(splits.unlabeled_val))
    assert places(splits.train) <= places(splits.unlabeled)
    assert not places(splits.unlabeled) & places(splits.unlabeled_val)
    assert len(splits.unlabeled) == labels + 3 * 5
    assert places(split(IMAGES, SIZES, seed).test) >= places(splits.test)


def test_inputs_name_the_character_and_the_face_of_their_image():
    splits = split(IMAGES, SIZES, 0)
    batch = splits.train.batch([3, 7])
    for label, target in zip(batch.source.tolist(), batch.target, strict=True):
        faces = {face for place, other in zip(splits.train.places, splits.train.labels, strict=True)
                 if other[1] == label[1] for face in [place[0]]}  # fmt: skip
        (face,) = faces
        assert target.shape == (1, 16, 16)
        assert torch.all(target == IMAGES[face, label[0], 0, 0] / 127.5 - 1)
    assert splits.train.labels[:, 1].max() < SIZES.faces


def test_a_corrupted_batch_is_a_function_of_seed_and_update():
    glyphs = split(IMAGES + np.eye(16, dtype=np.uint8) * 150, SIZES, 0).unlabeled.corrupted(Blur(), 3)
    first, again, later = (glyphs.batch([0, 1], update=update) for update in (5, 5, 6))
    assert torch.equal(first.source, again.source)
    assert not torch.equal(first.source, later.source)
    assert torch.equal(first.target, later.target)
    assert not torch.equal(first.source, first.target)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (Sizes(faces=10, train=1, val=1, test=1, unlabeled=2, unlabeled_val=1), "wants 13 faces, but there are 12"),
        (Sizes(faces=2, train=5, val=3, test=3, unlabeled=1, unlabeled_val=1), "wants 11 labeled images, .* have 10"),
    ],
)
def test_sizes_that_the_faces_cannot_fill_are_refused(sizes, message):
    with pytest.raises(DataError, match=message):
        split(IMAGES, sizes, 0)
