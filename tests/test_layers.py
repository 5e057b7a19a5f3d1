"""Imports go one way; read off the syntax trees, so that no import can hide in a function."""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from composed.config.groups import EVERY, NO_KINDS

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
# The rooms from the ground up: each may import those before it. `conf` holds no code.
ORDER = (
    *("conf", "errors", "printable", "judges", "system", "config", "models", "datamodules", "runs", "reporting"),
    *("sweeps", "tasks", "training", "experiment", "exchange", "pipeline", "cli"),
)
HEAVY = ("torch", "hydra", "omegaconf", "pytorch_lightning", "lightning_fabric", "matplotlib", "wandb")
FRAMEWORKS = ("hydra", "omegaconf", "pytorch_lightning", "lightning_fabric", "wandb")
FREE_OF = {
    "judges": HEAVY,
    "reporting": tuple(name for name in HEAVY if name != "matplotlib"),
    "models": FRAMEWORKS,
    "datamodules": FRAMEWORKS,
    "tasks": ("hydra", "omegaconf", "wandb"),
}
# Rooms whose modules load nothing heavy before they have to.
LIGHT = ("cli", "config", "runs", "sweeps", "system", "judges")


def imports(path: Path, *, at_the_top: bool = False) -> Iterator[str]:
    """The names that a file imports, MODULE or MODULE.NAME, everywhere in it or at its top alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def module(path: Path) -> str:
    """Its dotted name below `composed`."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path) for path in FILES}


def ours(path: Path) -> set[str]:
    """The modules of ours that a file imports."""
    names = (name.removeprefix("composed.") for name in imports(path) if below(name, "composed"))
    parts = (name.split(".") for name in names)
    places = ([".".join(of[:end]) for end in range(len(of), 0, -1)] for of in parts)
    return {next((place for place in of if place in MODULES), of[0]) for of in places} - {module(path)}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_file_imports_only_what_lies_below_it(path):
    name = module(path)
    room = name.partition(".")[0]
    for other in ours(path) - {"composed"}:
        its = other.partition(".")[0]
        if room in ORDER and its != room:
            assert its in ORDER[: ORDER.index(room)], f"{path} imports {other}, which lies above it"
    for imported in imports(path):
        assert not below(imported, "src", "conf"), f"{path} imports {imported}: a second copy of every class"
        if name != "models.fairseq_compat":  # which mends what fairseq asks of them
            assert not below(imported, *FREE_OF.get(room, ())), f"{path} imports {imported}"


def test_every_room_has_its_place():
    assert {name.partition(".")[0] for name in MODULES} - {"__init__", *ORDER} == set()


def test_no_circle_of_files():
    graph = {module(path): ours(path) for path in FILES}

    def reached(start: str) -> set[str]:
        found, ahead = set(), [start]
        while ahead:
            new = graph.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return found

    everywhere = {name: reached(name) for name in graph}
    circular = {name for name, others in everywhere.items() if name in others}
    assert circular == set()


def test_a_module_beside_the_kinds_of_outputs_is_known_to_be_none():
    """Or a config that names it would be taken for one of that kind."""
    beside = {name.removeprefix("tasks.") for name in MODULES if name.startswith("tasks.")}
    assert beside == EVERY | {*NO_KINDS}


def test_noise_imports_nothing_of_ours_but_errors():
    assert ours(SOURCE / "datamodules/noise.py") <= {"errors"}


@pytest.mark.parametrize("room", LIGHT)
def test_what_a_command_line_loads_is_free_of_torch(room):
    for path in (SOURCE / room).rglob("*.py"):
        assert not [name for name in imports(path, at_the_top=True) if below(name, "torch", "wandb")], path


def test_every_package_is_named_for_installation():
    """A package that setup.cfg forgets is missing from the wheel, and nowhere else."""
    settings = configparser.ConfigParser()
    settings.read(SOURCE.parent / "setup.cfg")
    named = set(settings["options"]["packages"].split())
    found = {".".join(("composed", *path.parent.relative_to(SOURCE).parts)) for path in SOURCE.rglob("__init__.py")}
    assert named == found - {"composed.sweeps.launcher"} | {"composed.conf", "hydra_plugins.composed"}
