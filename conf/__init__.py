"""The YAML configuration of `composed`; a package so that Hydra finds it in the installed wheel too.

One value is a matter of the machine: `${cpu_precision:}`, the fastest of Lightning's precisions on this processor.
"""

from pathlib import Path

from omegaconf import OmegaConf

BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names the instructions, on x86-64 and Arm


def cpu_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`bf16-mixed` where the processor multiplies bfloat16 in hardware, else `32-true`."""
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return "32-true"
    return "bf16-mixed" if flags & BF16 else "32-true"


OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
