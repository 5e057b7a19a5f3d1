"""Rows of a transformer on the CPU in one call of compiled code: what `decoding.py` does, several times as fast.

`native.cpp` is compiled with g++ when the first row is asked for (some seconds), and kept in the user's cache folder,
if there is one, under a hash of its text, the compiler and the processor. Where there is no g++ or no AVX-512 (or
COMPOSED_NATIVE=0 in the environment), and for models with more in their layers than ours, `decoding.py` does the work.
Left out: other processors.
"""

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from composed.models.layers import FeedForward

_SOURCE = Path(__file__).with_name("native.cpp")
_KERNELS = _SOURCE.with_name("native_kernels.h")  # which it includes
_OPTIONS = ("-std=c++20", "-O3", "-march=native", "-shared", "-fPIC", "-pthread")
_LAYER = 22  # pointers of a LayerGiven
_POINTERS = ("layers", "norm_weight", "norm_bias", "output", "table", "positions", "lengths", "numbers", "result")
_NUMBERS = (
    *("count_layers", "width", "heads", "hidden", "outputs", "bos", "eos", "sources", "source_length", "rows"),
    *("min_length", "max_length", "threads", "half", "beams"),
)


class _Given(ctypes.Structure):
    """The struct Given of native.cpp."""

    _fields_ = [(name, ctypes.c_void_p) for name in _POINTERS] + [(name, ctypes.c_int64) for name in _NUMBERS]


@functools.cache
def flags() -> frozenset[str]:
    """What the processor can do, in Linux's words; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _cache() -> Path | None:
    """The user's, where there is one: a home may be missing, unknown or not to be written to."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "composed" / "native"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder


@functools.cache
def load() -> Any | None:
    """The compiled code, compiled now if it never was; None where it cannot be."""
    compiler = shutil.which("g++")
    if os.environ.get("COMPOSED_NATIVE") == "0" or compiler is None or "avx512f" not in flags():
        return None
    try:
        version = subprocess.run([compiler, "-v"], capture_output=True, check=True).stderr
        code = _SOURCE.read_bytes() + _KERNELS.read_bytes()
        parts = (code, os.fsencode(compiler), version, " ".join(sorted(flags())).encode())
        key = hashlib.sha256(b"\0".join((*parts, *map(str.encode, _OPTIONS)))).hexdigest()[:16]
        folder = _cache()
        if folder and (folder / f"{key}.so").exists():
            loaded = ctypes.CDLL(str(folder / f"{key}.so"))
        else:
            kept = folder if folder and os.access(folder, os.W_OK) else None
            with tempfile.TemporaryDirectory(dir=kept) as made:
                built = Path(made) / "native.so"
                subprocess.run(
                    [compiler, *_OPTIONS, _SOURCE, "-o", built.name], cwd=made, check=True, capture_output=True
                )
                loaded = ctypes.CDLL(str(built))  # which stays loaded wherever the file goes
                if kept:
                    os.replace(built, kept / f"{key}.so")
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", b"") or b""
        logging.getLogger(__name__).warning("decoding without compiled code: %s %s", error, detail.decode()[:500])
        return None
    loaded.decode.argtypes, loaded.decode.restype = [ctypes.POINTER(_Given)], None
    return loaded


def applies(model: Any) -> bool:
    """Whether rows of this `Transformer` can be decoded here."""
    weight = model.embedding.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    return plain and all(type(layer.feed_forward) is FeedForward for layer in model.decoder) and load() is not None


def generate(
    model: Any, encoded: Any, count: int, max_length: int, uniforms: Tensor | None = None, min_length: int = 0
) -> Tensor:
    """Rows (B*count, max_length): the contract of `decoding.generate`.

    Multiplies in bfloat16 where autocast is on and the processor can. A row is the same bit for bit in every batch.
    """
    result = torch.full((len(encoded.states) * count, max_length), model.specials.pad)
    numbers = None if uniforms is None else uniforms.contiguous()
    _decode(
        model,
        encoded,
        result=result.data_ptr(),
        numbers=None if numbers is None else numbers.data_ptr(),
        rows=len(result),
        min_length=min_length,
        max_length=max_length,
    )
    return result


def beam_search(model: Any, encoded: Any, beams: int, max_length: int) -> Tensor:
    """Rows (B, max_length): what `decoding.beam_search` finds, up to rounding; in bfloat16 where `generate` is.

    A row is the same bit for bit in every batch.
    """
    sources = len(encoded.states)
    result = torch.full((sources, max_length), model.specials.pad)
    _decode(model, encoded, result=result.data_ptr(), rows=sources * beams, max_length=max_length, beams=beams)
    return result


def _decode(model: Any, encoded: Any, **asked: int | None) -> None:
    """Calls the compiled code with the weights and the sources, and with what is asked: fields of `_Given`."""
    memory, mask = encoded.states, encoded.mask
    keep: list[Tensor] = []  # what the pointers point to

    def address(values: Tensor) -> int:
        keep.append(values.detach().to(torch.float32).contiguous())
        return keep[-1].data_ptr()

    def pair(module: Any) -> tuple[int, int]:
        return address(module.weight), address(module.bias)

    pointers: list[int] = []
    for layer in model.decoder:
        attention, cross, forward = layer.attention, layer.cross, layer.feed_forward
        maps = (attention.query, attention.key_value, attention.out, cross.query, cross.out)
        modules: list[nn.Module] = [*layer.norms, *maps, forward.inner, forward.outer]
        for module in modules:
            pointers += pair(module)
        pointers += address(cross.key_value(memory)), 0
    weight, specials = model.embedding.weight, model.specials
    lengths = mask.flatten(1).sum(1)
    half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    norm_weight, norm_bias = pair(model.decoder_norm)
    given = _Given(
        layers=ctypes.addressof(array := (ctypes.c_void_p * len(pointers))(*pointers)),
        norm_weight=norm_weight,
        norm_bias=norm_bias,
        output=address(weight[specials.eos :]),
        table=address(weight * model.width**0.5),
        positions=address(model.positions_to(asked["max_length"])),
        lengths=lengths.data_ptr(),
        count_layers=len(model.decoder),
        width=model.width,
        heads=attention.heads,
        hidden=forward.inner.out_features,
        outputs=len(weight) - specials.eos,
        bos=specials.bos,
        eos=specials.eos,
        sources=len(memory),
        source_length=mask.shape[-1],
        threads=torch.get_num_threads(),
        half=half and "avx512_bf16" in flags(),
        **asked,
    )
    assert len(array) == _LAYER * len(model.decoder)
    load().decode(given)  # type: ignore[union-attr]
