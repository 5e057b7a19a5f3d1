"""The faces of a font data set as one memory-mapped array of small images, drawn or converted once and then cached.

Three sources behind one name: `bundled` (what the dependencies bring, varied into as many faces as wanted), a folder of
font files, and an HDF5 file in the published layout. Left out: downloading that file (scripts/download_fonts.sh).
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from composed.datamodules.fonts import outlines
from composed.errors import DataError
from composed.system.files import locked, read_json, write_json, writing

VERSION = 3  # of how faces are drawn; part of the cache's key
HDF5 = (".hdf5", ".h5")
CHUNK = 64  # faces of an HDF5 file in memory at a time

_Face = tuple[str, str, np.ndarray]  # name, family, (characters, size, size)


@dataclass(frozen=True)
class Faces:
    """`images` is (faces, characters, size, size) uint8, ink 255 on 0, memory-mapped; the lists have one of each face.

    Faces of one family may be looks of the same outline, or differ in weight or slant alone. Where no file says a
    family, every face has its own.
    """

    images: np.ndarray
    names: list[str]
    families: list[str]
    skipped: dict[str, str]  # files without a usable face, with the reason
    key: str  # SHA-256 of the images

    def __len__(self) -> int:
        return len(self.images)


def prepare(cache: Path, *, source: str, count: int, characters: str, size: int, seed: int) -> Faces:
    """The faces of a source, from the cache or made now (`count` and `seed` are those of `bundled`).

    Raises DataError where the source has no usable face or another layout.
    """
    key = {"version": VERSION, "characters": characters, "size": size, **_identity(source, count, seed)}
    folder = cache / f"fonts-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"
    with locked(folder, lambda: None):
        if not (folder / "faces.json").exists():
            _make(folder, source, count, characters, size, seed)
    about = read_json(folder / "faces.json")
    images = np.load(folder / "images.npy", mmap_mode="r")
    return Faces(images, about["names"], about["families"], about["skipped"], about["sha256"])


def _identity(source: str, count: int, seed: int) -> dict[str, object]:
    """What tells one source from another: files by name, size and times of change."""
    if source == "bundled":
        return {"source": source, "count": count, "seed": seed}
    path = Path(source)
    if not path.exists():
        raise DataError(f"task.faces={source}: no such file or folder; bundled needs none")
    files = [path] if path.is_file() else font_files(path)
    stats = [_stat(file) for file in files]
    return {"source": str(path.resolve()), "files": stats}


def _stat(file: Path) -> tuple[str, int, int, int]:
    """A link that leads nowhere is a file without a face, as any other that cannot be read."""
    try:
        status = file.stat()
    except OSError:
        status = file.lstat()
    return file.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def font_files(folder: Path) -> list[Path]:
    """At any depth, with those of formats that are not read. Raises DataError where there is none that is."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in outlines.SUFFIXES + outlines.OTHERS)
    if not any(path.suffix.lower() in outlines.SUFFIXES for path in paths):
        raise DataError(f"task.faces={folder}: holds no {', '.join(outlines.SUFFIXES)} file")
    return paths


def _make(folder: Path, source: str, count: int, characters: str, size: int, seed: int) -> None:
    skipped: dict[str, str] = {}
    temporary = folder / ".images.npy"
    if source == "bundled":
        drawn = _varied(count, characters, size, seed)
        written = _write(temporary, drawn, count, (len(characters), size, size))
    elif Path(source).is_dir():
        files = font_files(Path(source))
        written = _write(
            temporary, _from_files(files, characters, size, skipped), len(files), (len(characters), size, size)
        )
        if not written:
            reasons = "; ".join(f"{name}: {why}" for name, why in [*skipped.items()][:3])
            raise DataError(f"task.faces={source}: none of {len(files)} files has a usable face ({reasons})")
    else:
        with _open_hdf5(Path(source), len(characters)) as data:
            written = _write(temporary, _from_hdf5(data, size), len(data), (len(characters), size, size))
    with open(temporary, "rb") as file:
        key = hashlib.file_digest(file, "sha256").hexdigest()
    os.replace(temporary, folder / "images.npy")
    names, families = ([*column] for column in zip(*written, strict=True))
    about = {"source": source, "names": names, "families": families, "skipped": skipped, "sha256": key}
    write_json(folder / "faces.json", about)


def _write(path: Path, faces: Iterator[_Face], most: int, shape: tuple[int, ...]) -> list[tuple[str, str]]:
    """At most `most` faces into a .npy file, one after the other; returns their names and families."""
    written = []
    with writing(path):
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(most, *shape))
        with open(path, "r+b") as file:  # a page that a full disk has no room for would be the end by SIGBUS
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    for index, (name, family, image) in enumerate(faces):
        images[index] = image
        written.append((name, family))
    images.flush()
    if len(written) < most:
        with writing(path):
            np.save(path.with_name(".kept.npy"), images[: len(written)])
            os.replace(path.with_name(".kept.npy"), path)
    return written


def _varied(count: int, characters: str, size: int, seed: int) -> Iterator[_Face]:
    """Every bundled family in turn, each time with its next face or that in another look."""
    families: dict[str, list[tuple[outlines.Drawing, bool]]] = {}
    for drawing, strokes in outlines.bundled(characters):
        families.setdefault(drawing.family, []).append((drawing, strokes))
    members = [*families.values()]
    for index in range(count):
        turn, place = divmod(index, len(members))
        number, member = divmod(turn, len(members[place]))
        drawing, strokes = members[place][member]
        look = outlines.Look.draw(np.random.default_rng([seed, index]), strokes=strokes)
        yield f"{drawing.name}-{number}", drawing.family, outlines.fit(drawing, look, size).numpy()


def _from_files(files: list[Path], characters: str, size: int, skipped: dict[str, str]) -> Iterator[_Face]:
    seen: dict[Path, str] = {}
    for path in files:
        if path.suffix.lower() in outlines.OTHERS:
            skipped[path.name] = f"{path.suffix} is not read; make {' or '.join(outlines.SUFFIXES)} of it"
            continue
        if path.with_suffix("") in seen:
            skipped[path.name] = f"the same face as {seen[path.with_suffix('')]}"
            continue
        try:
            drawing = outlines.from_file(path, characters)
        except (OSError, RuntimeError, ValueError) as error:
            skipped[path.name] = f"cannot be read ({error})"
            continue
        if drawing is None:
            skipped[path.name] = f"lacks one of the {len(characters)} characters"
            continue
        seen[path.with_suffix("")] = path.name
        yield path.stem, drawing.family, outlines.fit(drawing, outlines.Look(), size).numpy()


def _open_hdf5(path: Path, characters: int):
    """The data set `fonts`, (faces, characters, 64, 64) uint8; raises DataError for another layout."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"task.faces={path} needs h5py: pip install 'composed[fonts]'") from error
    try:
        file = h5py.File(path)
    except OSError as error:
        problem = "ends too early; copy it again" if "truncated" in str(error) else "no HDF5 file"
        raise DataError(f"task.faces={path}: {problem} ({error})") from error
    data = file.get("fonts")
    shape = getattr(data, "shape", None)
    if (
        shape is None
        or len(shape) != 4
        or shape[0] == 0
        or shape[1] != characters
        or shape[2] != shape[3]
        or data.dtype != np.uint8
    ):
        kind = "none" if data is None else f"{shape} {getattr(data, 'dtype', '')}"
        raise DataError(
            f"{path}: expected a data set `fonts` of shape (faces, {characters}, side, side), uint8; found {kind}"
        )
    return _Closing(file, data)


class _Closing:
    """A data set that closes its file."""

    def __init__(self, file, data) -> None:
        self.file, self.data = file, data

    def __enter__(self):
        return self.data

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _from_hdf5(data, size: int) -> Iterator[_Face]:
    """Chunk by chunk, resized; ink becomes white where the file has it black."""
    dark_ink = bool(np.median(_chunk(data, 0, 8)) > 127)
    for start in range(0, len(data), CHUNK):
        block = torch.from_numpy(_chunk(data, start, start + CHUNK)).float()
        small = F.interpolate(block, (size, size), mode="bilinear", antialias=True, align_corners=False)
        images = small.round().clamp(0, 255).to(torch.uint8).numpy()
        for offset, image in enumerate(255 - images if dark_ink else images):
            yield f"{start + offset}", f"{start + offset}", image


def _chunk(data, start: int, end: int) -> np.ndarray:
    """Faces of an HDF5 file; raises DataError where it is damaged there."""
    try:
        return data[start : min(end, len(data))]
    except OSError as error:
        raise DataError(
            f"task.faces={data.file.filename}: the faces from {start} on cannot be read ({error}); copy the file again"
        ) from error
