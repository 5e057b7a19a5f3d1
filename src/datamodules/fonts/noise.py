"""Ways to corrupt images into the sources of denoising pairs (Xie, Ma and Liang 2021, the font experiment).

Images are (B, 1, S, S) from -1 (black) to 1 (ink); a noise is called as `noise(images, generator)`.
The published ones are Pillow's on 8-bit images; these are the same maps on floats, a whole batch at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from composed.errors import ConfigError

Noise = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur; each image has its own radius (the standard deviation, in pixels), uniform in [0, `radius`]."""

    radius: float = 2.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        sigma = (self.radius * torch.rand(len(images), 1, generator=generator)).clamp(min=1e-3)  # (B, 1)
        reach = min(int(3 * self.radius) + 1, images.shape[-1] - 1)
        taps = torch.arange(-reach, reach + 1)
        kernel = torch.exp(-0.5 * (taps / sigma).square())  # (B, K)
        kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]  # (B, 1, K)
        rows = images.transpose(0, 1)  # (1, B, S, S): one group of the convolution per image
        for weight, pad in ((kernel[..., None], (0, 0, reach, reach)), (kernel[:, :, None], (reach, reach, 0, 0))):
            rows = F.conv2d(F.pad(rows, pad, mode="replicate"), weight, groups=len(images))
        return rows.transpose(0, 1)


@dataclass(frozen=True)
class Contrast:
    """Every pixel moves towards the image's mean: mean + `factor` (pixel - mean)."""

    factor: float = 0.5

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        mean = images.mean((1, 2, 3), keepdim=True)
        return (mean + self.factor * (images - mean)).clamp(-1, 1)


@dataclass(frozen=True)
class Emboss:
    """Pillow's EMBOSS: the difference to the lower left neighbour on mid-grey; the border stays."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        embossed = images.clone()
        difference = images[..., 1:-1, 1:-1] - images[..., 2:, :-2]
        embossed[..., 1:-1, 1:-1] = (difference + 256 / 255 - 1).clamp(-1, 1)
        return embossed


@dataclass(frozen=True)
class Chain:
    """Several noises, one after the other: `blur`, `contrast` and `emboss` with their default settings."""

    noises: Sequence[str] = ("blur", "contrast")

    def __post_init__(self) -> None:
        unknown = [name for name in self.noises if name not in NOISES]
        if unknown or not self.noises:
            raise ConfigError(f"noise.noises={[*self.noises]}: a list of {', '.join(NOISES)}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        for name in self.noises:
            images = NOISES[name]()(images, generator)
        return images


NOISES: dict[str, type] = {"blur": Blur, "contrast": Contrast, "emboss": Emboss}
