"""Faces from every source, complete and centred, cached; bad sources are named."""

import os
from collections import Counter
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pytest
import torch

from composed.datamodules.fonts.faces import Faces, prepare
from composed.datamodules.fonts.outlines import bundled
from composed.errors import DataError

CHARACTERS = "AMgjy0"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def make(cache: Path, source: str | Path, count: int = 3, characters: str = CHARACTERS, seed: int = 0) -> Faces:
    return prepare(cache, source=str(source), count=count, characters=characters, size=32, seed=seed)


def copy(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes((FONTS / name).read_bytes())
    return folder


def test_bundled_glyphs_are_complete_centred_and_seeded(tmp_path):
    faces = make(tmp_path, "bundled", count=60)
    assert faces.images.shape == (60, len(CHARACTERS), 32, 32)
    assert len(set(faces.names)) == 60
    ink = faces.images > 64
    assert ink.any((2, 3)).all()
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not (ink & border).any()
    columns = ink.any(2)
    left, right = columns.argmax(2), 31 - columns[..., ::-1].argmax(2)
    assert (np.abs(left - (31 - right)) <= 2).all()
    assert np.array_equal(make(tmp_path / "again", "bundled", count=60).images, faces.images)
    assert not np.array_equal(make(tmp_path, "bundled", count=60, seed=1).images, faces.images)


def test_variations_of_an_outline_differ(tmp_path):
    faces = make(tmp_path, "bundled", count=80)
    assert faces.names[0].rpartition("-")[0] == faces.names[13 * 4].rpartition("-")[0]  # a family of four
    assert np.abs(faces.images[0].astype(int) - faces.images[13 * 4]).mean() > 3


def test_bundled_outlines_are_different_and_of_families_that_are_told(tmp_path):
    drawings = [drawing for drawing, _ in bundled(CHARACTERS)]
    members = Counter(drawing.family for drawing in drawings)
    assert members == {
        "DejaVu Sans": 4, "DejaVu Sans Mono": 4, "DejaVu Serif": 4, "STIXGeneral": 4, "Computer Modern": 3, "cmss10": 1,
        "cmtt10": 1, "futura": 2, "gothic english": 1, "gothic german": 1, "gothic italian": 1, "script": 2, "times": 4,
    }  # fmt: skip
    for place, one in enumerate(drawings):
        assert not any(torch.equal(one.ink, other.ink) for other in drawings[:place]), one.name
    faces = make(tmp_path, "bundled", count=60)
    assert faces.families == [[*members][face % 13] for face in range(60)]
    assert len({*faces.names[: 13 * 4]}) == 13 * 4


def test_files_of_one_family_are_told_and_an_hdf5_file_tells_none(tmp_path):
    folder = copy(tmp_path / "mine", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "cmr10.ttf")
    faces = make(tmp_path / "cache", folder)
    assert dict(zip(faces.names, faces.families, strict=True)) == {
        "DejaVuSans": "DejaVu Sans", "DejaVuSans-Bold": "DejaVu Sans", "DejaVuSerif": "DejaVu Serif", "cmr10": "cmr10"
    }  # fmt: skip
    data = np.zeros((3, len(CHARACTERS), 64, 64), np.uint8)
    assert make(tmp_path / "cache", hdf5(tmp_path / "f.hdf5", data)).families == ["0", "1", "2"]


def test_another_file_of_the_same_name_size_and_time_is_other_faces(tmp_path):
    folder = copy(tmp_path / "mine", "DejaVuSans.ttf", "cmr10.ttf")
    first = make(tmp_path / "cache", folder)
    old = (folder / "cmr10.ttf").stat()
    content = (FONTS / "cmss10.ttf").read_bytes()
    assert len(content) <= old.st_size
    (folder / "cmr10.ttf").write_bytes(content + bytes(old.st_size - len(content)))
    os.utime(folder / "cmr10.ttf", ns=(old.st_atime_ns, old.st_mtime_ns))
    other = make(tmp_path / "cache", folder)
    assert other.names == first.names
    assert other.key != first.key
    assert not np.array_equal(other.images, first.images)


def test_the_cache_is_used(tmp_path):
    make(tmp_path, "bundled")
    (folder,) = tmp_path.iterdir()
    before = (folder / "images.npy").stat().st_mtime_ns
    make(tmp_path, "bundled")
    assert (folder / "images.npy").stat().st_mtime_ns == before


def test_a_folder_gives_its_faces_and_counts_what_it_skips(tmp_path):
    folder = copy(tmp_path / "mine", "DejaVuSans.ttf", "cmr10.ttf", "STIXSizOneSymReg.ttf")
    (folder / "broken.ttf").write_bytes((FONTS / "DejaVuSans.ttf").read_bytes()[:2000])
    (folder / "notes.txt").write_text("no font")
    faces = make(tmp_path / "cache", folder)
    assert faces.names == ["DejaVuSans", "cmr10"]
    assert len(faces) == 2
    assert set(faces.skipped) == {"broken.ttf", "STIXSizOneSymReg.ttf"}
    assert "cannot be read" in faces.skipped["broken.ttf"]


@pytest.mark.parametrize(
    ("names", "message"),
    [((), r"holds no \.ttf, \.otf, \.pfb file"), (("STIXSizOneSymReg.ttf",), "none of 1 files has")],
)
def test_a_folder_without_a_usable_face_is_named(tmp_path, names, message):
    folder = copy(tmp_path / "mine", *names)
    with pytest.raises(DataError, match=message):
        make(tmp_path / "cache", folder)


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="absent: no such file or folder"):
        make(tmp_path, tmp_path / "absent")


def hdf5(path: Path, data: np.ndarray, name: str = "fonts") -> Path:
    with h5py.File(path, "w") as file:
        file[name] = data
    return path


@pytest.mark.parametrize("dark", [False, True])
def test_an_hdf5_file_is_resized_chunk_by_chunk_with_white_ink(tmp_path, dark):
    data = np.zeros((70, len(CHARACTERS), 64, 64), np.uint8)
    data[:, :, 20:40, 20:40] = 255
    data[69, 0] = 0
    data[69, 0, :32] = 255
    faces = make(tmp_path / "cache", hdf5(tmp_path / "f.hdf5", 255 - data if dark else data))
    assert faces.images.shape == (70, len(CHARACTERS), 32, 32)
    assert faces.images[0, 0, 15, 15] == 255
    assert faces.images[0, 0, 2, 2] == 0
    assert faces.images[69, 0, 4].min() == 255
    assert faces.images[69, 0, 28].max() == 0


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (np.zeros((2, 61, 64, 64), np.uint8), "fonts"),
        (np.zeros((2, 6, 64, 64), np.float32), "fonts"),
        (np.zeros((2, 6, 64, 64), np.uint8), "images"),
        (np.zeros((2, 6, 64), np.uint8), "fonts"),
    ],
)
def test_an_hdf5_file_of_another_layout_is_named(tmp_path, data, name):
    with pytest.raises(DataError, match=r"expected a data set `fonts` of shape \(faces, 6, side, side\), uint8; found"):
        make(tmp_path / "cache", hdf5(tmp_path / "f.hdf5", data, name))


def test_a_file_that_is_no_hdf5_is_named(tmp_path):
    (tmp_path / "f.hdf5").write_text("no")
    with pytest.raises(DataError, match="no HDF5 file"):
        make(tmp_path / "cache", tmp_path / "f.hdf5")


def test_links_that_lead_nowhere_other_formats_and_the_same_face_again_are_counted_as_skipped(tmp_path):
    folder = copy(tmp_path / "mine", "DejaVuSans.ttf")
    (folder / "a.ttf").symlink_to("nowhere")
    (folder / "b.ttf").symlink_to("b.ttf")
    for name in ("c.ttc", "d.woff", "e.WOFF2", "f.t1"):
        (folder / name).write_bytes(b"font")
    (folder / "DejaVuSans.otf").write_bytes((FONTS / "DejaVuSans.ttf").read_bytes())
    faces = make(tmp_path / "cache", folder)
    assert faces.names == ["DejaVuSans"]
    assert faces.skipped.keys() == {"a.ttf", "b.ttf", "c.ttc", "d.woff", "e.WOFF2", "f.t1", "DejaVuSans.ttf"}
    assert faces.skipped["DejaVuSans.ttf"] == "the same face as DejaVuSans.otf"
    assert faces.skipped["e.WOFF2"] == ".WOFF2 is not read; make .ttf or .otf or .pfb of it"


def test_a_damaged_or_shortened_hdf5_file_is_named(tmp_path):
    path = tmp_path / "fonts.hdf5"
    with h5py.File(path, "w") as file:
        images = np.random.default_rng(0).integers(0, 255, (200, len(CHARACTERS), 16, 16), np.uint8)
        file.create_dataset("fonts", data=images, chunks=(50, len(CHARACTERS), 16, 16), fletcher32=True)
    whole = path.read_bytes()
    place = whole.index(images[150].tobytes())
    path.write_bytes(whole[:place] + bytes(500) + whole[place + 500 :])
    with pytest.raises(DataError, match=r"fonts.hdf5: the faces from 128 on cannot be read .*copy the file again"):
        make(tmp_path, path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"fonts.hdf5: ends too early; copy it again"):
        make(tmp_path, path)


def test_an_hdf5_file_without_a_face_is_named(tmp_path):
    with h5py.File(tmp_path / "fonts.hdf5", "w") as file:
        file.create_dataset("fonts", data=np.zeros((0, len(CHARACTERS), 16, 16), np.uint8))
    with pytest.raises(DataError, match="expected a data set `fonts`"):
        make(tmp_path, tmp_path / "fonts.hdf5")
