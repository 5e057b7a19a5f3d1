"""Encoding and decoding of a transformer on the CPU in a call of compiled code each, faster than torch.

`native.cpp` is compiled when the first row is asked for (some seconds), for the processor that it runs on, and kept in
the user's cache folder under a hash of its text, its options and all that the compiler says of itself and of the
processor. Where that cannot be done one line says why, and `decoding.py` does the work; so it does with
COMPOSED_NATIVE=0 in the environment, and for models with more in their layers than ours. Left out: Windows.
"""

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from composed.models.layers import FeedForward

_FILES = [  # the first is compiled, and includes the others
    Path(__file__).with_name(f"native{part}") for part in (".cpp", "_encoder.h", "_kernels.h", "_vectors.h")
]
_COMPILERS = ("g++", "c++", "clang++")  # the first that is there
_PROCESSOR = (("-march=native",), ("-mcpu=native",), ())  # the first that the compiler knows
_OPTIONS = ("-std=c++17", "-O3", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")
_log = logging.getLogger(__name__)


class _EncoderGiven(ctypes.Structure):
    """The struct EncoderGiven of native_encoder.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("layers", "norm_weight", "norm_bias", "embedded", "lengths", "result")),
        *((name, ctypes.c_int64) for name in ("count_layers", "width", "heads", "hidden", "sources", "source_length")),
        *((name, ctypes.c_int64) for name in ("threads", "half")),
    ]


class _Given(ctypes.Structure):
    """The struct Given of native.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("layers", "norm_weight", "norm_bias", "output", "table", "positions")),
        *((name, ctypes.c_void_p) for name in ("states", "lengths", "numbers", "result")),
        *((name, ctypes.c_int64) for name in ("count_layers", "width", "heads", "hidden", "outputs", "bos", "eos")),
        *((name, ctypes.c_int64) for name in ("sources", "source_length", "rows", "min_length", "max_length")),
        *((name, ctypes.c_int64) for name in ("threads", "half", "beams")),
    ]


@functools.cache
def load() -> Any | None:
    """The compiled code, compiled now if it never was; None where it cannot be, which is said once."""
    if os.environ.get("COMPOSED_NATIVE") == "0":
        return None
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    try:
        if compiler is None:
            raise OSError("there is no C++ compiler; apt-get install g++ (Fedora: dnf install gcc-c++) mends it")
        return build(compiler)
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
        wrong = [line for line in lines if "error" in line] or lines or [f"exit status {error.returncode}"]
        why = f"{compiler} failed ({wrong[0][:200]}); a compiler that knows C++17, such as g++ 9, mends it"
    except OSError as error:
        why = str(error)
        if compiler is not None:
            why += f"; TMPDIR can name a folder in which {compiler} may write and code may run"
    _log.warning("decoding by torch, slower than compiled (COMPOSED_NATIVE=0 asks for it): %s", why)
    return None


def build(compiler: str) -> Any:
    """The code as this compiler makes it for this processor, from the cache where it lies there.

    Raises OSError and CalledProcessError where it cannot be compiled.
    """
    processor, macros = _processor(compiler)
    options = (*_OPTIONS, *processor)
    parts = (*(file.read_bytes() for file in _FILES), os.fsencode(compiler), " ".join(options).encode(), macros)
    folder, key = _cache(), hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    kept = folder / f"{key}.so"
    if (loaded := _loaded(kept)) is None and os.access(folder, os.W_OK):
        with FileLock(folder / f"{key}.lock"):  # of processes that start together one compiles
            if (loaded := _loaded(kept)) is None:
                loaded = _compiled([compiler, *options], folder, kept)
    elif loaded is None:
        _log.warning(
            "decoding is compiled anew by every process, as %s cannot be written to; XDG_CACHE_HOME can name a folder "
            "for it",
            folder,
        )
        loaded = _compiled([compiler, *options])
    for function, given in ((loaded.encode, _EncoderGiven), (loaded.decode, _Given)):
        function.argtypes, function.restype = [ctypes.POINTER(given)], None
    return loaded


def _processor(compiler: str) -> tuple[tuple[str, ...], bytes]:
    """The options for this processor, and the compiler's macros with them: its version, all that the processor can."""
    for options in _PROCESSOR:
        asked = subprocess.run([compiler, *options, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True)
        if asked.returncode == 0:
            break
    asked.check_returncode()
    return options, asked.stdout


def _cache() -> Path:
    """The user's folder for it, which may be missing or not to be written to."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "composed" / "native"
        folder.mkdir(parents=True, exist_ok=True)
    except RuntimeError:
        return Path("/nonexistent")
    except OSError:
        pass
    return folder


def _compiled(command: list[str], folder: Path | None = None, kept: Path | None = None) -> Any:
    """Loads what this makes, and keeps it, if it is said where."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        built = Path(made) / "native.so"
        subprocess.run([*command, _FILES[0], "-o", built.name], cwd=made, check=True, capture_output=True)
        loaded = ctypes.CDLL(str(built))  # which stays loaded wherever the file goes
        if kept:
            os.replace(built, kept)
    return loaded


def _loaded(kept: Path) -> Any | None:
    """What lies there, if it can be loaded: another's disk may have been full."""
    try:
        return ctypes.CDLL(str(kept))
    except OSError:
        return None


def applies(model: Any) -> bool:
    """Whether this `Transformer` can be run here."""
    weight = model.embedding.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    layers = (*model.encoder, *model.decoder)
    if not plain or any(type(layer.feed_forward) is not FeedForward for layer in layers):
        return False
    whole = not any(hasattr(layer.norms[0].weight, "to_local") for layer in layers)  # no part of it elsewhere
    return whole and load() is not None


def encode(model: Any, embedded: Tensor, mask: Tensor) -> Tensor:
    """The encoder's states (B, S, D) of sources as they are embedded, without dropout; zeros at a pad.

    Multiplies in bfloat16 where autocast is on and the processor has such products. A source's states are the same
    bit for bit in every batch.
    """
    result = torch.zeros_like(embedded, dtype=torch.float32)
    lengths = mask.flatten(1).sum(1)
    given = _Weights()
    attention, forward = model.encoder[0].attention, model.encoder[0].feed_forward
    load().encode(  # type: ignore[union-attr]
        _EncoderGiven(
            layers=given.layers(
                [*layer.norms, *_attention(layer.attention), layer.feed_forward.inner, layer.feed_forward.outer]
                for layer in model.encoder
            ),
            **given.norm(model.encoder_norm),
            embedded=given.address(embedded),
            lengths=lengths.data_ptr(),
            result=result.data_ptr(),
            count_layers=len(model.encoder),
            width=model.width,
            heads=attention.heads,
            hidden=forward.inner.out_features,
            sources=len(embedded),
            source_length=embedded.shape[1],
            threads=torch.get_num_threads(),
            half=_half(),
        )
    )
    return result


def generate(
    model: Any, encoded: Any, count: int, max_length: int, uniforms: Tensor | None = None, min_length: int = 0
) -> Tensor:
    """Rows (B*count, max_length): the contract of `decoding.generate`; in bfloat16 where `encode` is.

    A row is the same bit for bit in every batch.
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
    """Rows (B, max_length): what `decoding.beam_search` finds, up to rounding; in bfloat16 where `encode` is.

    A row is the same bit for bit in every batch.
    """
    sources = len(encoded.states)
    result = torch.full((sources, max_length), model.specials.pad)
    _decode(model, encoded, result=result.data_ptr(), rows=sources * beams, max_length=max_length, beams=beams)
    return result


def _decode(model: Any, encoded: Any, **asked: int | None) -> None:
    """Calls the compiled code with the weights and the sources, and with what is asked: fields of `_Given`."""
    given = _Weights()
    weight, specials = model.embedding.weight, model.specials
    lengths = encoded.mask.flatten(1).sum(1)
    attention, forward = model.decoder[0].attention, model.decoder[0].feed_forward
    load().decode(  # type: ignore[union-attr]
        _Given(
            layers=given.layers(
                [
                    *layer.norms,
                    *_attention(layer.attention),
                    *_attention(layer.cross),
                    layer.feed_forward.inner,
                    layer.feed_forward.outer,
                ]
                for layer in model.decoder
            ),
            **given.norm(model.decoder_norm),
            output=given.address(weight[specials.eos :]),
            table=given.address(weight * model.width**0.5),
            positions=given.address(model.positions_to(asked["max_length"])),
            states=given.address(encoded.states),
            lengths=lengths.data_ptr(),
            count_layers=len(model.decoder),
            width=model.width,
            heads=attention.heads,
            hidden=forward.inner.out_features,
            outputs=len(weight) - specials.eos,
            bos=specials.bos,
            eos=specials.eos,
            sources=len(encoded.states),
            source_length=encoded.mask.shape[-1],
            threads=torch.get_num_threads(),
            half=_half(),
            **asked,
        )
    )


def _attention(attention: Any) -> list[Any]:
    return [attention.query, attention.key_value, attention.out]


def _half() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


class _Weights:
    """Addresses of tensors, which stay where they are as long as this is there."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def address(self, values: Tensor) -> int:
        self._kept.append(values.detach().to(torch.float32).contiguous())
        return self._kept[-1].data_ptr()

    def layers(self, layers: Iterable[list[Any]]) -> int:
        """Weight and bias of each module of each layer, one after the other."""
        pointers = [self.address(tensor) for modules in layers for one in modules for tensor in (one.weight, one.bias)]
        self._kept.append((ctypes.c_void_p * len(pointers))(*pointers))
        return ctypes.addressof(self._kept[-1])

    def norm(self, norm: nn.LayerNorm) -> dict[str, int]:
        return {"norm_weight": self.address(norm.weight), "norm_bias": self.address(norm.bias)}
