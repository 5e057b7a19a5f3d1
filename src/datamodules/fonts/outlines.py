"""Faces drawn from outlines: those that come with matplotlib and Hershey-Fonts, or a folder of font files.

A face is its characters as white ink on black, drawn large on one baseline (`Drawing`), then varied and fitted into
small squares (`fit`). Left out: colour, hinting at the small size, kerning.
Letters: C characters, H = W = `CANVAS` pixels of a drawing, S pixels of the result's side.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CANVAS = 160  # pixels of the square that a character is drawn in
BASELINE = 112  # row of the baseline
EM = 84  # pixels of the em: wide characters keep a margin on either side
FINE = 4  # times finer than the result when the ink is moved, averaged away after
MARGIN = 2.0  # pixels of the result that stay free at the tightest side
SUFFIXES = (".ttf", ".otf", ".pfb")
OTHERS = (".ttc", ".otc", ".woff", ".woff2", ".pfa", ".t1", ".dfont", ".bdf", ".pcf")  # formats that are not read
LATIN = ("DejaVuSans", "DejaVuSerif", "STIXGeneral", "cmb10", "cmr10", "cmss10", "cmtt10", "cmti10")
# Stroke fonts whose Latin letters are letters (the others hold Greek, Cyrillic, symbols or letters at odd places).
# Those that are drawn with the strokes of another one, such as rowmans (futural), are left out.
HERSHEY = {
    "futural": "futura", "futuram": "futura", "gothgbt": "gothic english", "gothgrt": "gothic german",
    "gothitt": "gothic italian", "scriptc": "script", "scripts": "script",
    "timesi": "times", "timesib": "times", "timesr": "times", "timesrb": "times",
}  # fmt: skip
ROMAN = ("cmr10", "cmb10", "cmti10")  # of Computer Modern, where every file names itself as its family


@dataclass(frozen=True)
class Drawing:
    """The characters of one face, large: (C, H, W) from 0 (black) to 1 (ink).

    Faces of a `family` differ in weight, slant and width, as looks of one of them do.
    """

    name: str
    family: str
    ink: Tensor


@dataclass(frozen=True)
class Look:
    """How a face is varied.

    Args:
        across: pixels of the drawing added to the width of every stroke, by dilation; vertical strokes get thicker.
        along: the same for its height; with `across`, the weight and the contrast of thick and thin.
        slant: how far a pixel moves to the right for each pixel above the baseline.
        width: factor of the horizontal size.
    """

    across: int = 0
    along: int = 0
    slant: float = 0.0
    width: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator, *, strokes: bool) -> "Look":
        """A random one; `strokes`: of bare strokes, which need some weight to be seen."""
        least, most = (4, 9) if strokes else (0, 6)
        weight = int(rng.integers(least, most))
        return cls(
            across=max(least, weight + int(rng.integers(-3, 4))),
            along=max(least, weight + int(rng.integers(-3, 4))),
            slant=float(rng.uniform(-0.08, 0.3)),
            width=float(rng.uniform(0.7, 1.2)),
        )


def fit(drawing: Drawing, look: Look, size: int) -> Tensor:
    """The varied face in squares: (C, S, S) uint8, ink 255, every character centred across, one baseline, one scale.

    The scale is the largest at which every character is complete.
    """
    ink = drawing.ink[:, None]  # (C, 1, H, W)
    pad = (look.along // 2, look.across // 2)
    ink = F.max_pool2d(ink, (2 * pad[0] + 1, 2 * pad[1] + 1), stride=1, padding=pad)
    left, right, top, bottom = _extent(ink[:, 0] > 0.1, look)
    scale = (size - 2 * MARGIN) / torch.maximum((right - left).max(), bottom.max() - top.min()).item()
    fine = size * FINE
    # From a place in the result (in units of half its side, as grid_sample counts) back to one in the drawing.
    step = size / 2 / scale
    across = step / look.width
    theta = torch.zeros(len(ink), 2, 3)
    theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 1] = across, step * look.slant, step
    centre = (top.min() + bottom.max()) / 2  # a row of the drawing
    theta[:, 0, 2] = (left + right) / 2 / look.width - look.slant * (BASELINE - centre) - CANVAS / 2
    theta[:, 1, 2] = centre - CANVAS / 2
    theta /= CANVAS / 2
    grid = F.affine_grid(theta, [len(ink), 1, fine, fine], align_corners=False)
    small = F.avg_pool2d(F.grid_sample(ink, grid, align_corners=False), FINE)
    return (255 * small[:, 0]).round().clamp(0, 255).to(torch.uint8)


def _extent(inked: Tensor, look: Look) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where each character's ink (C, H, W) ends after width and slant: left, right (C,), top, bottom (C,)."""
    columns = torch.arange(CANVAS, dtype=torch.float32)
    far = torch.tensor(torch.inf)
    first = torch.where(inked, columns, far).amin(2)  # (C, H), inf in rows without ink
    last = torch.where(inked, columns, -far).amax(2)
    shift = look.slant * (BASELINE - columns)  # of each row
    left, right = (look.width * (first + shift)).amin(1), (look.width * (last + 1 + shift)).amax(1)
    rows = inked.any(2)
    top, bottom = torch.where(rows, columns, far).amin(1), torch.where(rows, columns + 1, -far).amax(1)
    return left, right, top, bottom


def bundled(characters: str) -> Iterator[tuple[Drawing, bool]]:
    """Every face that the dependencies bring and that has all characters; with it, whether it is of bare strokes."""
    import matplotlib
    from HersheyFonts import HersheyFonts

    for path in sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf")):
        if path.stem.startswith(LATIN) and "Display" not in path.stem:
            drawing = from_file(path, characters)
            assert drawing is not None, path
            yield replace(drawing, family="Computer Modern") if path.stem in ROMAN else drawing, False
    for name, family in HERSHEY.items():
        font = HersheyFonts()
        font.load_default_font(name)
        font.normalize_rendering(EM)
        yield Drawing(name, family, torch.stack([_strokes(font, character) for character in characters])), True


def _strokes(font, character: str) -> Tensor:
    """One character of a stroke font, one pixel thin, (H, W)."""
    image = Image.new("L", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(image)
    lines = list(font.lines_for_text(character))
    left = min((x for line in lines for x, _ in line), default=0.0)
    right = max((x for line in lines for x, _ in line), default=0.0)
    shift = (CANVAS - left - right) / 2
    for (x0, y0), (x1, y1) in lines:
        pen.line([(x0 + shift, BASELINE - y0), (x1 + shift, BASELINE - y1)], fill=255)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def from_file(path: Path, characters: str) -> Drawing | None:
    """The face in a font file; None where it lacks a character. Raises OSError or RuntimeError for a broken file."""
    from matplotlib.ft2font import FT2Font

    file = FT2Font(str(path))
    known = file.get_charmap()
    if not all(ord(character) in known for character in characters):
        return None
    font = ImageFont.truetype(str(path), EM)
    drawn = []
    for character in characters:
        image = Image.new("L", (CANVAS, CANVAS))
        ImageDraw.Draw(image).text((CANVAS / 2, BASELINE), character, fill=255, font=font, anchor="ms")
        drawn.append(torch.from_numpy(np.asarray(image, dtype=np.float32) / 255))
    ink = torch.stack(drawn)
    return Drawing(path.stem, file.family_name or path.stem, ink) if bool((ink > 0.5).flatten(1).any(1).all()) else None


def hershey_installed() -> bool:
    return importlib.util.find_spec("HersheyFonts") is not None
