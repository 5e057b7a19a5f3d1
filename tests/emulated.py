"""The compiled transformer on an Arm processor that qemu plays: stands in for what `native.load` gives."""

import ctypes
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

from composed.models import native

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
DRIVER = Path(__file__).with_suffix(".cpp")


class Arm:
    """With the processor's bfloat16 products. `built`: where `build` was; `files`: a folder for calls and results."""

    def __init__(self, built: Path, files: Path) -> None:
        self.program, self.files = built / "emulated", files

    @staticmethod
    def possible() -> bool:
        return None not in (shutil.which(COMPILER), shutil.which(EMULATOR))

    @staticmethod
    def build(folder: Path) -> None:
        options = [option for option in native._OPTIONS if option != "-shared"]
        options += ["-static", "-march=armv8.6-a", f"-I{Path(native.__file__).parent}"]
        subprocess.run([COMPILER, *options, DRIVER, "-o", folder / "emulated"], check=True)

    def encode(self, given: Any) -> None:
        of_layer = [*2 * [(given.width,) * 2], *_attention(given), *_forward(given)]
        states = 4 * given.sources * given.source_length * given.width
        self._call(0, given, of_layer, {"embedded": states, "result": states})

    def decode(self, given: Any) -> None:
        of_layer = [*3 * [(given.width,) * 2], *_attention(given), *_attention(given), *_forward(given)]
        length, row = given.max_length, 4 * given.width
        sizes = {
            "output": given.outputs * row,
            "table": (given.eos + given.outputs) * row,
            "positions": length * row,
            "states": given.sources * given.source_length * row,
            "numbers": 8 * given.rows * length,
            "result": 8 * (given.sources if given.beams else given.rows) * length,
        }
        self._call(1, given, of_layer, sizes)

    def _call(self, function: int, given: Any, of_layer: list[tuple[int, int]], sizes: dict[str, int]) -> None:
        """`of_layer`: numbers in each pair of pointers of a layer; `sizes`: bytes of what the struct points to."""
        sizes |= {"norm_weight": 4 * given.width, "norm_bias": 4 * given.width, "lengths": 8 * given.sources}
        pointers = [name for name, kind in given._fields_ if kind is ctypes.c_void_p]
        numbers = [getattr(given, name) for name, kind in given._fields_ if kind is ctypes.c_int64]
        per_layer = [4 * count for pair in of_layer for count in pair]
        layers = (ctypes.c_void_p * (given.count_layers * len(per_layer))).from_address(given.layers)
        call = struct.pack("<5q", function, len(pointers), len(numbers), pointers.index("result"), len(layers))
        for address, size in zip(layers, given.count_layers * per_layer, strict=True):
            call += _bytes(address, size)
        for name in pointers[1:]:
            call += _bytes(getattr(given, name), sizes[name])
        (self.files / "call").write_bytes(call + struct.pack(f"<{len(numbers)}q", *numbers))
        subprocess.run([EMULATOR, "-cpu", "max", self.program, self.files / "call", self.files / "result"], check=True)
        result = (self.files / "result").read_bytes()
        assert len(result) == sizes["result"]
        ctypes.memmove(given.result, result, len(result))


def _attention(given: Any) -> list[tuple[int, int]]:
    return [(size * given.width, size) for size in (given.width, 2 * given.width, given.width)]


def _forward(given: Any) -> list[tuple[int, int]]:
    return [(given.hidden * given.width, size) for size in (given.hidden, given.width)]


def _bytes(address: int | None, size: int) -> bytes:
    held = ctypes.string_at(address, size) if address else b""
    return struct.pack("<q", len(held)) + held
