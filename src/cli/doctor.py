"""`composed-doctor`: what this machine has for the commands; whoever reports a problem can paste it.

Exits with 1 where something is missing that training or judging needs, and says how to mend it.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from composed.judges import JudgeError, containment
from composed.runs.folder import RECORDED_PACKAGES, git_revision, processor

TIERS = {"A": "bubblewrap, namespaces, seccomp", "B": "seccomp and Landlock; apt-get install bubblewrap makes it A"}
LEAST_DISK_GIB = 2
EXTRAS = {"fonts": "h5py", "hf": "transformers", "tensorboard": "tensorboard", "sweeps": "optuna"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-doctor", description="What this machine has for the commands.")
    parser.parse_args(arguments)
    healthy = True
    for name, look in CHECKS.items():
        try:
            print(f"{name:<10} {look()}")
        except Problem as problem:
            healthy = False
            print(f"{name:<10} PROBLEM: {problem}")
    return 0 if healthy else 1


class Problem(Exception):
    """What is missing, and how to mend it."""


def _composed() -> str:
    return f"{version('composed')} ({git_revision() or 'not from a clone'}), {Path(__file__).parents[1]}"


def _python() -> str:
    return f"{platform.python_version()} ({sys.executable}), {platform.system()} {platform.machine()}"


def _packages() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in RECORDED_PACKAGES if name != "composed")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(missing)"


def _extras() -> str:
    return ", ".join(
        f"{extra} {_version(package)}" if find_spec(package) else f"{extra}: pip install 'composed[{extra}]'"
        for extra, package in EXTRAS.items()
    )


def _processor() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"no GPU that PyTorch {torch.__version__} can use: trainer=cpu"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{', '.join(names)}: trainer=gpu" + (", trainer=ddp" if len(names) > 1 else "")


def _compiler() -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        raise Problem("no g++, so no program can be judged: apt-get install g++ (Fedora: dnf install gcc-c++)")
    done = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=False)
    return f"g++ {done.stdout.strip()} ({compiler})"


def _judge() -> str:
    try:
        tier = containment()
    except JudgeError as error:
        raise Problem(str(error)) from error
    return f"tier {tier} ({TIERS[tier]})"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free < LEAST_DISK_GIB:
        raise Problem(f"{free:.1f} GiB free at {Path.cwd()}, where runs, store and data go; free some space")
    return f"{free:.0f} GiB free at {Path.cwd()}"


CHECKS: dict[str, Callable[[], str]] = {
    "composed": _composed,
    "Python": _python,
    "packages": _packages,
    "extras": _extras,
    "processor": _processor,
    "device": _device,
    "compiler": _compiler,
    "judge": _judge,
    "disk": _disk,
}


if __name__ == "__main__":
    sys.exit(main())
