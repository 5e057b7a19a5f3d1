import torch

from composed.models.mlp import GlyphPredictor


def predictor(**changes) -> GlyphPredictor:
    settings = {"widths": [128, 256, 256, 512, 512, 1024], "dropout": 0.1, "batch_norm_eps": 0.8}
    return GlyphPredictor(62, 100, 32, **{**settings, **changes})


def test_the_published_layout():
    """162 embedded; 128, 256, 256, 512, 512, 1024, then 1024 pixels; normalised but for the first."""
    made = predictor()
    linear = [module for module in made.layers if isinstance(module, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (162, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 1024), (1024, 1024),
    ]  # fmt: skip
    norms = [module for module in made.layers if isinstance(module, torch.nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == [256, 256, 512, 512, 1024]
    assert {norm.eps for norm in norms} == {0.8}
    kinds = [type(module).__name__ for module in made.layers]
    assert [kinds[place - 3] for place, kind in enumerate(kinds) if kind == "Dropout"] == ["Linear"] * 2
    assert (made.character.weight.shape, made.face.weight.shape) == ((62, 62), (100, 100))


def test_every_pixel_depends_on_character_and_face():
    torch.manual_seed(0)
    made = predictor(widths=[16, 16]).eval()
    images = made(torch.tensor([[0, 0], [1, 0], [0, 1]]))
    assert images.shape == (3, 1, 32, 32)
    assert images.abs().max() <= 1
    assert (images[0] != images[1]).all()
    assert (images[0] != images[2]).all()
