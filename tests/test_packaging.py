"""The wheel has everything: it works from another folder, where neither the clone nor its tools are in sight."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(once) -> Path:
    """The wheel, built from a copy of what is versioned and installed without its dependencies."""
    return once("packaging", install) / "target"


def install(place: Path) -> None:
    source, wheels, target = place / "source", place / "wheels", place / "target"
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", wheels, source], check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", target, wheel], check=True)


def python(installed: Path, cwd: Path, *words: str) -> str:
    """Runs Python on the installed copy and returns what it prints; the editable installation stays out of sight."""
    code = (
        f"import sys; place = {str(installed)!r}; sys.path.insert(0, place)\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '')]\n"
        "import composed; assert composed.__file__.startswith(place)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-c", code + words[0], *words[1:]],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_module_and_every_data_file_is_in_the_wheel(installed):
    places = (("src", "composed"), ("conf", "composed/conf"), ("src/sweeps/launcher", "hydra_plugins/composed"))
    for folder, below in places:
        for path in (ROOT / folder).rglob("*"):
            elsewhere = folder == "src" and path.parent.name == "launcher"
            if path.suffix in (".py", ".yaml", ".c", ".html", ".css", ".js") and not elsewhere:
                assert (installed / below / path.relative_to(ROOT / folder)).is_file(), path
    assert not (installed / "hydra_plugins" / "__init__.py").exists()  # shared with the plugins of others
    assert not (installed / "src").exists()
    assert not (installed / "conf").exists()


def test_help_and_configs_come_from_the_installed_copy(installed, tmp_path):
    train = "from composed.cli.train import main; main()"
    assert "groups (the default first)" in python(installed, tmp_path, train, "--help")
    assert "name: smoke" in python(installed, tmp_path, train, "--cfg", "job", "profile=smoke")


def test_hydra_finds_the_launcher(installed, tmp_path):
    code = "from hydra.core.plugins import Plugins; print([*Plugins.instance().class_name_to_class])"
    assert "'hydra_plugins.composed.Launcher'" in python(installed, tmp_path, code)


def test_the_judge_finds_its_c_source(installed, tmp_path):
    code = (
        "from composed import judges\n"
        "code = judges.PRELUDE + 'int main () { cout << 3; }'\n"
        "print(judges.judge([judges.Program('a', code, (judges.Test('', '3'),))], unsafe=True)[0].verdict)"
    )
    assert python(installed, tmp_path, code).split() == ["correct"]


def test_every_command_is_installed_under_its_name(installed):
    for name in ("train", "evaluate", "report", "judge", "predict", "table"):
        assert (installed / "bin" / f"composed-{name}").is_file()
