"""A pretended accelerator, on which every device's branch of the code runs without one.

Left out: what only a real one has (several streams, kernels of its own, a memory that ends).
"""

import contextlib
import hashlib
import shutil
import subprocess
import types
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

NAME = "pretended"
SOURCE = Path(__file__).with_name("pretended.cpp")


class CannotBuild(Exception):
    """Why the pretended accelerator is not there."""


def build() -> Path:
    """The compiled `pretended.cpp`, compiled (half a minute) where this version of it never was."""
    compiler, torch_folder = shutil.which("g++"), Path(torch.__file__).parent
    if compiler is None:
        raise CannotBuild("no g++")
    key = hashlib.sha256(SOURCE.read_bytes() + torch.__version__.encode()).hexdigest()[:16]
    built = SOURCE.parents[2] / "build" / "device" / f"{key}.so"
    built.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(built.with_suffix(".lock")):
        if not built.exists():
            include = torch_folder / "include"
            command = [compiler, "-std=c++20", "-O0", "-w", "-shared", "-fPIC", f"-I{include}", SOURCE]
            command += [f"-I{include}/torch/csrc/api/include", f"-L{torch_folder}/lib", "-lc10", "-ltorch_cpu", "-o"]
            done = subprocess.run([*command, built.with_suffix(".tmp")], capture_output=True, text=True, check=False)
            if done.returncode:
                raise CannotBuild(f"{compiler}: {done.stderr[:500]}")
            built.with_suffix(".tmp").rename(built)
    return built


def start(built: Path) -> torch.device:
    """Once in a process, and before its first backward pass."""
    torch.utils.rename_privateuse1_backend(NAME)
    torch.ops.load_library(built)
    own: Any = types.ModuleType(f"torch.{NAME}")
    own.is_available = own.is_initialized = lambda: True
    own._is_in_bad_fork = lambda: False
    own.device_count, own.current_device = lambda: 1, lambda: 0
    own.device = lambda _device: contextlib.nullcontext()
    own.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]
    own.manual_seed = own.manual_seed_all = torch.ops.pretended.seed
    own.get_rng_state = lambda _device=None: torch.ops.pretended.get_state()
    own.set_rng_state = lambda state, _device=None: torch.ops.pretended.set_state(state)
    torch._register_device_module(NAME, own)
    torch.utils.generate_methods_for_privateuse1_backend()
    torch.__future__.set_swap_module_params_on_conversion(True)  # else tied weights part when they are moved
    return torch.device(NAME, 0)
