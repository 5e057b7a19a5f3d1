import torch

from composed.models.unet import UNet


def test_the_published_shapes():
    made = UNet(width=64, dropout=0.5)
    shapes = {name: tuple(value.shape) for name, value in made.named_parameters()}
    assert shapes == {
        "down1.0.weight": (64, 1, 4, 4),
        "down2.0.weight": (128, 64, 4, 4),
        "down3.0.weight": (128, 128, 4, 4),
        "up1.0.weight": (128, 128, 4, 4),
        "up2.0.weight": (256, 64, 4, 4),
        "final.2.weight": (1, 128, 4, 4),
        "final.2.bias": (1,),
    }


def test_it_maps_images_of_any_fitting_size_to_themselves_in_range():
    torch.manual_seed(0)
    made = UNet(width=4, dropout=0.5).eval()
    for side in (16, 32, 64):
        output = made(torch.randn(2, 1, side, side))
        assert output.shape == (2, 1, side, side)
        assert output.abs().max() <= 1


def test_every_output_pixel_is_reached_by_the_input_and_dropout_rests_in_eval_mode():
    torch.manual_seed(0)
    made = UNet(width=4, dropout=0.5).eval()
    images = torch.randn(1, 1, 32, 32, requires_grad=True)
    assert torch.equal(made(images), made(images))
    made(images).sum().backward()
    assert (images.grad != 0).float().mean() > 0.99
