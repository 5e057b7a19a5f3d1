"""The YAML configuration of `composed`; a package so that Hydra finds it in the installed wheel too.

One value is a matter of the machine: `${fastest_precision:ACCELERATOR}`, one of Lightning's precisions.
"""

from pathlib import Path

from omegaconf import OmegaConf

BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names the instructions, on x86-64 and Arm


def fastest_precision(accelerator: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`bf16-mixed` on all but a processor that does not multiply bfloat16 in hardware: `32-true` there."""
    if accelerator == "auto":
        import torch

        accelerator = "gpu" if torch.accelerator.is_available() else "cpu"
    if accelerator != "cpu":
        return "bf16-mixed"
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return "32-true"
    return "bf16-mixed" if flags & BF16 else "32-true"


OmegaConf.register_new_resolver("fastest_precision", fastest_precision, replace=True)
