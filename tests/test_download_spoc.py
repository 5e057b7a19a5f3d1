"""The script fetches a release as it is published, from a local copy here, and what it leaves can be read."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from composed.datamodules.spoc import sample
from composed.datamodules.spoc.release import PARTS, Skipped, read

SCRIPT = Path(__file__).parents[1] / "scripts/download_spoc.sh"
pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("unzip")), reason="needs curl and unzip")


def fetch(folder: Path, archive: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder, archive.as_uri()], capture_output=True, text=True, check=False)


def packed(place: Path, prefix: str = "") -> tuple[Path, dict[str, bytes]]:
    """An archive of a tiny release below `prefix`, and its files."""
    release = sample.prepare(place)
    files = {str(path.relative_to(release)): path.read_bytes() for path in release.rglob("*") if path.is_file()}
    with zipfile.ZipFile(place / "spoc.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(prefix + name, data)
    return place / "spoc.zip", files


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("prefix", ["", "spoc/"])
def test_the_release_lies_in_the_folder_as_it_is_read(prefix: str, tmp_path: Path) -> None:
    archive, files = packed(tmp_path, prefix)
    done = fetch(tmp_path / "got", archive)
    assert done.returncode == 0, done.stderr
    assert held(tmp_path / "got") == files
    assert len(read(tmp_path / "got" / PARTS["train"], Skipped(False))) == 8


def test_an_interrupted_download_goes_on(tmp_path: Path) -> None:
    archive, files = packed(tmp_path)
    (tmp_path / "got").mkdir()
    (tmp_path / "got/spoc.zip.part").write_bytes(archive.read_bytes()[:1000])
    done = fetch(tmp_path / "got", archive)
    assert done.returncode == 0, done.stderr
    assert held(tmp_path / "got") == files


def test_a_damaged_archive_is_named_and_fetched_again(tmp_path: Path) -> None:
    archive, files = packed(tmp_path)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    done = fetch(tmp_path / "got", archive)
    assert done.returncode == 1
    assert f"{archive.as_uri()} is damaged" in done.stderr
    archive.write_bytes(whole)
    assert fetch(tmp_path / "got", archive).returncode == 0
    assert held(tmp_path / "got") == files


def test_nothing_at_the_address_is_a_failure(tmp_path: Path) -> None:
    assert fetch(tmp_path / "got", tmp_path / "none.zip").returncode != 0
    assert not held(tmp_path / "got")
