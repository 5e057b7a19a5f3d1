"""The denoiser of the font task: the published small U-Net, image to image.

Letters: B images, S pixels of a side, W the width of the first layer.
"""

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Three strided convolutions down, two transposed ones up with skips, one last step up; tanh.

    The published layout, with the width of all layers as a multiple of the first's. Requires S to be a multiple of 8
    and at least 16: instance normalisation needs more than one pixel.

    Args:
        width: W, 64 in the paper.
        dropout: in the innermost layer down and both up.
    """

    def __init__(self, *, width: int, dropout: float) -> None:
        super().__init__()
        down = {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False}
        self.down1 = nn.Sequential(nn.Conv2d(1, width, **down), nn.LeakyReLU(0.2))  # type: ignore[arg-type]
        self.down2 = nn.Sequential(
            nn.Conv2d(width, 2 * width, **down),  # type: ignore[arg-type]
            nn.InstanceNorm2d(2 * width),
            nn.LeakyReLU(0.2),
        )
        self.down3 = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, **down),  # type: ignore[arg-type]
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
        )
        self.up1 = self._up(2 * width, 2 * width, dropout)
        self.up2 = self._up(4 * width, width, dropout)
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(2 * width, 1, 4, padding=1), nn.Tanh()
        )

    @staticmethod
    def _up(before: int, after: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(after),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, 1, S, S) from -1 to 1."""
        first = self.down1(images)  # (B, W, S/2, S/2)
        second = self.down2(first)  # (B, 2W, S/4, S/4)
        third = self.down3(second)  # (B, 2W, S/8, S/8)
        up = torch.cat([self.up1(third), second], 1)  # (B, 4W, S/4, S/4)
        up = torch.cat([self.up2(up), first], 1)  # (B, 2W, S/2, S/2)
        return self.final(up)
