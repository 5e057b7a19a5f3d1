"""What `make setup` installs is locked, within the ranges of setup.cfg; what is missing is said in one message."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9/simple"  # nobody listens there


def locked(name: str) -> dict[str, str]:
    """Versions per package of a lock file, for this Python and machine."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    lines = [line.rstrip(" \\") for line in text.splitlines() if re.match("[a-z]", line)]
    found = [
        requirement
        for requirement in map(Requirement, lines)
        if not requirement.marker or requirement.marker.evaluate()
    ]
    assert all(str(requirement.specifier).startswith("==") for requirement in found)
    return {requirement.name: str(requirement.specifier)[2:] for requirement in found}


def ranges(*extras: str) -> list[Requirement]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = parser["options"]["install_requires"].split("\n")
    lines += [line for extra in extras for line in parser["options.extras_require"][extra].split("\n")]
    return [Requirement(line) for line in lines if line.strip()]


EXTRAS = ("fonts", "hf", "tensorboard", "dashboard", "slurm", "docs", "sweeps", "molecules")


@pytest.mark.parametrize(("name", "extras"), [("run", ()), ("dev", (*EXTRAS, "dev"))])
def test_a_range_ends_where_the_tests_have_not_been(name, extras):
    """The locked version is the one that is tested: it is in the range, and its next minor release is not."""
    versions = locked(name) | locked("torch")
    for requirement in ranges(*extras):
        if requirement.name == "composed":
            assert requirement.extras == {*EXTRAS}
            continue
        version = Version(versions[requirement.name.lower()])
        assert version in requirement.specifier, requirement
        if requirement.name != "setuptools":
            major, minor = version.release[:2]
            assert f"{major}.{minor + 1}" not in requirement.specifier, requirement


def test_all_locks_name_the_same_versions():
    every = locked("dev")
    for name in ("run", "build"):
        assert locked(name).items() <= every.items()


def test_all_but_pytorch_have_hashes_and_nothing_of_cuda_is_among_them():
    for name in ("build", "run", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        for entry in re.split(r"\n(?=[a-z])", text)[1:]:
            assert "--hash=sha256:" in entry, entry
        assert not [package for package in locked(name) if re.match("torch$|triton|nvidia|cuda", package)]
        assert not re.search("://|^-|file:|@ ", text, re.MULTILINE)


def place(tmp_path: Path) -> Path:
    """A clone that nothing was installed in."""
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    for name in ("src", "conf"):
        (tmp_path / "clone" / name).symlink_to(ROOT / name)
    return tmp_path / "clone"


def tools(folder: Path, *without: str) -> Path:
    """A folder of programs for PATH: those that `make setup` calls, and Python as python3."""
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    for name in (
        "sh",
        "make",
        "g++",
        "grep",
        "sed",
        "dirname",
        "mkdir",
        "ln",
        "touch",
        "tail",
        "awk",
        "df",
        "expand",
        "basename",
    ):
        if name not in without and (found := shutil.which(name)):
            (folder / name).symlink_to(found)
    return folder


def setup(clone: Path, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "PYTHON"))}
    nowhere = {"PIP_INDEX_URL": NOWHERE, "PIP_CONFIG_FILE": os.devnull, "PATH": str(path)}
    return subprocess.run(
        ["make", "setup"],
        cwd=clone,
        env={**kept, **nowhere, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_everything_that_a_machine_lacks_is_said_at_once(tmp_path):
    path = tools(tmp_path / "bin", "g++")
    program(path / "python3", 'test "$1" != --version || { echo Python 3.9.2; exit; }; exit 1')
    done = setup(place(tmp_path), path)
    assert done.returncode == 2
    assert "Python 3.11 or newer, and python3 is Python 3.9.2" in done.stderr
    assert "apt-get install python3.11 python3.11-venv" in done.stderr
    assert "apt-get install g++" in done.stderr
    assert done.stderr.count("same command again") == 1


def test_a_newer_python_further_down_the_path_is_found(tmp_path):
    path = tools(tmp_path / "bin")
    (path / "python3").rename(path / "python3.12")
    program(path / "python3", "exit 1")
    done = subprocess.run(
        [ROOT / "scripts/install.sh", "machine"], env={"PATH": str(path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_python_without_venv_is_named_with_the_package_that_brings_it(tmp_path):
    path = tools(tmp_path / "bin")
    program(path / "python3", f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = setup(place(tmp_path), path)
    assert done.returncode == 2
    assert f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr


def test_without_a_network_one_message_says_so_and_a_half_made_environment_is_made_whole(tmp_path):
    clone, path = place(tmp_path), tools(tmp_path / "bin")
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/python").symlink_to("/nowhere/python3")
    for _ in range(2):
        done = setup(clone, path, PIP_RETRIES="0")
        assert done.returncode == 2
        said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert said[0].startswith("The packages cannot be fetched")
        assert len(said) == 2
        assert (clone / ".venv/bin/pip").exists()
        assert not (clone / ".venv/.installed").exists()
    assert os.readlink(clone / "build/typing/composed") == "../../src"
