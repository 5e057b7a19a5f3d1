"""Imports go one way; read off the syntax trees, so that no import can hide in a function."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
# A package, and what it may import of ours besides itself. The files at the root may import everything.
ALLOWED = {
    "judges": ("printable",),
    "reporting": ("errors", "files", "printable", "run_folder"),
    "datamodules": ("errors", "files"),
    "models": ("errors", "files", "neighbours"),
    "neighbours": (),
    "tasks": ("models", "datamodules.batching", "console", "errors", "files"),
}
HEAVY = ("torch", "hydra", "omegaconf", "pytorch_lightning", "lightning_fabric", "matplotlib", "wandb")
FREE_OF = {
    "judges": HEAVY,
    "reporting": tuple(name for name in HEAVY if name != "matplotlib"),
    "models": ("hydra", "omegaconf", "pytorch_lightning", "lightning_fabric", "wandb"),
    "datamodules": ("hydra", "omegaconf", "pytorch_lightning", "lightning_fabric", "wandb"),
    "tasks": ("hydra", "omegaconf", "wandb"),
    "neighbours": ("omegaconf", "pytorch_lightning", "lightning_fabric", "wandb"),
}
# The command lines load nothing heavy before they have to.
LIGHT = ("command.py", "run_folder.py", "store.py", "files.py", "console.py", "errors.py", "report.py", "evaluate.py")


def imports(path: Path, *, at_the_top: bool = False) -> Iterator[str]:
    """The names of the modules that a file imports, everywhere in it or at its top alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_what_lies_below_it(path):
    package = path.relative_to(SOURCE).parts[0]
    for name in imports(path):
        assert not below(name, "src", "conf"), f"{path} imports {name}: a second copy of every class"
        if package not in ALLOWED:
            continue
        if below(name, "composed"):
            allowed = [f"composed.{other}" for other in (package, *ALLOWED[package])]
            assert below(name, *allowed), f"{path} imports {name}"
        assert not below(name, *FREE_OF[package]), f"{path} imports {name}"


def test_noise_imports_nothing_of_ours_but_errors():
    ours = [name for name in imports(SOURCE / "datamodules/noise.py") if below(name, "composed")]
    assert all(below(name, "composed.errors") for name in ours)


@pytest.mark.parametrize("name", LIGHT)
def test_a_command_line_starts_without_torch(name):
    assert not [module for module in imports(SOURCE / name, at_the_top=True) if below(module, "torch", "wandb")]


def test_every_package_is_named_for_installation():
    """A package that setup.cfg forgets is missing from the wheel, and nowhere else."""
    import configparser

    settings = configparser.ConfigParser()
    settings.read(SOURCE.parent / "setup.cfg")
    named = set(settings["options"]["packages"].split())
    found = {".".join(("composed", *path.parent.relative_to(SOURCE).parts)) for path in SOURCE.rglob("__init__.py")}
    assert named == found - {"composed.sweeps.launcher"} | {"composed.conf", "hydra_plugins.composed"}
