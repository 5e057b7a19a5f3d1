"""The noises of images are Pillow's maps, a batch at once, and functions of their generator."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter

from composed.datamodules.fonts.noise import Blur, Chain, Contrast, Emboss
from composed.errors import ConfigError


@pytest.fixture
def images() -> torch.Tensor:
    """8-bit images of a bar and a dot, from -1 to 1."""
    pixels = torch.zeros(3, 1, 32, 32)
    pixels[:, :, 6:26, 10:16] = 255
    pixels[1, :, 20:24, 20:24] = 128
    return pixels / 127.5 - 1


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pillow(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(((image[0] + 1) * 127.5).round().to(torch.uint8).numpy())


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image, dtype=np.float32))[None] / 127.5 - 1


def test_contrast_is_pillows(images):
    for noised, image in zip(Contrast(0.5)(images, stream()), images, strict=True):
        torch.testing.assert_close(noised, tensor(ImageEnhance.Contrast(pillow(image)).enhance(0.5)), atol=0.02, rtol=0)


def test_emboss_is_pillows(images):
    for noised, image in zip(Emboss()(images, stream()), images, strict=True):
        torch.testing.assert_close(noised, tensor(pillow(image).filter(ImageFilter.EMBOSS)), atol=0.01, rtol=0)


def test_blur_is_a_gaussian_of_each_images_own_radius(images):
    radii = 2 * torch.rand(3, 1, generator=stream(4))[:, 0]
    for noised, image, radius in zip(Blur(2.0)(images, stream(4)), images, radii, strict=True):
        blurred = tensor(pillow(image).filter(ImageFilter.GaussianBlur(radius.item())))
        assert (noised - blurred).abs().mean() < 0.02  # Pillow's is three box blurs


def test_a_blur_of_radius_0_changes_nothing(images):
    torch.testing.assert_close(Blur(0.0)(images, stream()), images)


@pytest.mark.parametrize("noise", [Blur(), Contrast(), Emboss(), Chain(["blur", "emboss"])])
def test_the_same_stream_gives_the_same_images_in_range(images, noise):
    first = noise(images, stream(1))
    assert torch.equal(first, noise(images, stream(1)))
    assert first.shape == images.shape
    assert first.abs().max() <= 1 + 1e-6
    assert not torch.equal(first, images)


def test_a_chain_applies_one_after_the_other(images):
    chained = Chain(["contrast", "emboss"])(images, stream())
    torch.testing.assert_close(chained, Emboss()(Contrast()(images, stream()), stream()))


def test_an_unknown_noise_in_a_chain_is_named():
    with pytest.raises(ConfigError, match="a list of blur, contrast, emboss"):
        Chain(["blur", "rain"])
