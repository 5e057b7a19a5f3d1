"""What a run does on an accelerator, part by part: no tensor is left behind, and the answers are the CPU's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import device
from tests.device.parts import PARTS

pytestmark = pytest.mark.slow("compiles an accelerator and runs every part of a training on it")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        library = device.build()
    except device.CannotBuild as reason:
        pytest.skip(f"there is no pretended accelerator: {reason}")
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, *words, str(library)], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", PARTS)
def test_the_answers_of_an_accelerator_are_those_of_the_cpu(part):
    ended = run("-m", "tests.device.parts", part)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("torch.cat([there, torch.ones(2)])", "same device"),
        ("there + torch.ones(2)", "same device"),
        ("torch.rand(2, device=device, generator=torch.Generator())", "generator of pretended"),
    ],
)
def test_what_cuda_refuses_is_refused(wrong, error):
    script = f"""
import sys, torch
from tests import device as pretended
device = pretended.start(sys.argv[1])
there = torch.ones(2, device=device)
there[torch.tensor([0])] + torch.tensor(1)  # what CUDA takes
{wrong}
"""
    ended = run("-c", script)
    assert ended.returncode == 1
    assert error in ended.stderr.splitlines()[-1]
