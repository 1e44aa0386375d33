"""Contexts of any kind in models: pictures, texts, many classes; whole models, not readers alone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ptheta.adversarial import GAN
from ptheta.autoregressive import MADE, NADE, PixelCNN
from ptheta.data.dataset import Dataset, Events
from ptheta.diffusion import DDPM, Consistency
from ptheta.flows import MAF, RealNVP
from ptheta.latent import VAE, Coded
from ptheta.nn.contexts import ClassReader, Flat, Maps, PictureReader, TextReader
from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from ptheta.nn.puzzle import PatchReader
from ptheta.nn.unet import UNet
from ptheta.noise import Noise, seeded
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Tokens
from ptheta.taxonomy import leaves
from toy_law import toy_contexts, toy_data

IMAGE, VECTOR, GIVEN = Levels((1, 8, 6), 5), Levels((6,), 5), Levels((3, 4, 4), 256)
OTHERWISE = {"rnn-nade", "tabddpm"}  # of frames, of tables
NETWORKS = tuple(leaf.name for _, leaf in leaves() if leaf.contexts in ("any", "needed") and leaf.name not in OTHERWISE)
FLAT_ON_IMAGES = {"text-to-image"}  # images too, whose contexts are read as vectors
OWN = {"srgan": Maps, "next-frame": Maps, "puzzle-gan": PatchReader}  # at its own size, or as a set of patches
ON_IMAGES = {"row-lstm", "diagonal-bilstm", "pixelcnn", "gated-pixelcnn", "pixelcnn-pp", "dcgan", "pix2pix", *OWN}
PICTURED = ON_IMAGES | {
    "regression",
    "realnvp",
    "vae",
    "vq-vae",
    "ddpm",
    "edm",
    "consistency",
    "flow-matching",
    "pacgan",
    "wgan-gp",
    "r3gan",
}


def test_recipes_that_take_no_pictures_refuse_them_in_a_sentence():
    refusing = [leaf for _, leaf in leaves() if leaf.contexts in ("none", "classes") and leaf.spaces != ("table",)]
    for leaf in refusing:
        events = IMAGE if "levels" in leaf.spaces else Binary((2, 2)) if "binary" in leaf.spaces else Real((4,))
        with pytest.raises(ValueError, match=r"context"):
            find_recipe(leaf.name)(events, GIVEN)


@pytest.mark.filterwarnings("ignore:.* layers have no bfloat16 here")  # which some processors lack
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_recipes_fit_and_sample_given_pictures_texts_and_many_classes(name: str, precision: str):
    spaces: tuple[Space, ...] = (IMAGE,) if name in ON_IMAGES | FLAT_ON_IMAGES else (IMAGE, VECTOR)
    spaces = spaces if precision == "float32" else spaces[:1]
    for space in spaces:
        for context_space, kind in (
            (GIVEN, OWN.get(name, PictureReader) if space is IMAGE and name in PICTURED else Flat),
            (Tokens(5, 30), TextReader),
            (Classes(300), ClassReader),
        ):
            recipe: Any = find_recipe(name)(space, context_space)
            inner = getattr(recipe.model, "model", recipe.model)  # of a dequantised one
            inner = inner.prior if isinstance(inner, Coded) else inner
            inner = inner.teacher if isinstance(inner, Consistency) else inner
            assert type(inner.reader) is kind
            data = toy_data(recipe.model, 8)
            recipe.fit(data, steps=1, epochs=None, batch_size=4, precision=precision, validation_events=4)
            x = recipe.model.sample(2, data.train.context[:2], noise=Noise(0))
            space.check(x)


def copies(n: int, seed: int) -> Events:
    """Bits whose right half repeats the left one, which is what is given."""
    half = (Noise(seed).uniform((n, 1, 4, 2), "bits") < 0.5).to(torch.uint8)
    return Events(torch.cat([half, half], 3), half)


def test_a_pixelcnn_given_half_of_the_picture_learns_the_other():
    space, given = Binary((1, 4, 4)), Binary((1, 4, 2))
    data = Dataset("copies", space, copies(1000, 0), copies(100, 1), copies(100, 2), context_space=given)
    with seeded(0):
        model = PixelCNN(space, width=8, layers=1, kernel=3, context_space=given)
    before = float(-model.log_prob(data.test.x, data.test.context).mean().detach())
    model.fit(data, steps=150, batch_size=64, learning_rate=0.01, seed=0, schedule="cosine")
    after = float(-model.log_prob(data.test.x, data.test.context).mean().detach())
    assert before > 8 and after < 0.05, f"{after} nats are left of {before}"
    assert torch.equal(model.sample(100, data.test.context, noise=Noise(0)), data.test.x)
    wrong = float(-model.log_prob(data.test.x, data.test.context.roll(1, 0)).mean().detach())
    assert wrong > 8, "the picture is not what it goes by"


# Who reads what


def test_models_of_vectors_refuse_maps_and_all_refuse_a_reader_of_other_contexts():
    maps = PictureReader(GIVEN, IMAGE.shape[1:])
    for make in (NADE, MADE, GAN):
        with pytest.raises(ValueError, match="takes a context as a vector, but its reader gives maps"):
            make(IMAGE, context_space=GIVEN, reader=maps)
    with pytest.raises(ValueError, match="takes a context as a vector, but its reader gives maps"):
        MAF(Real((2,)), context_space=GIVEN, reader=maps)
    for make in (PixelCNN, VAE, DDPM, GAN, NADE):
        with pytest.raises(ValueError, match="but those of the model are of None"):
            make(IMAGE, reader=maps)


@pytest.mark.parametrize(
    "make", [PixelCNN, VAE, lambda s, **k: DDPM(s, steps=2, **k), lambda s, **k: RealNVP(Real(s.shape), **k)]
)
def test_networks_of_images_take_vectors_and_maps_of_any_size(make):
    small, large = (PictureReader(GIVEN, size, features=2) for size in ((3, 5), (16, 12)))
    for reader in (None, Flat(GIVEN), small, large):
        with seeded(0):
            model = make(IMAGE, context_space=GIVEN, reader=reader)
        context = toy_contexts(GIVEN, 3, Noise(0))
        assert model.sample(3, context, noise=Noise(0)).shape == (3, *IMAGE.shape)
        assert reader is None or model.reader is reader


def test_networks_made_by_hand_see_a_vector_unless_a_reader_says_otherwise():
    for model in (
        VAE(IMAGE, context_space=GIVEN, encoder=torch.nn.Identity(), decoder=torch.nn.Identity()),
        DDPM(IMAGE, context_space=GIVEN, network=UNet(1, width=8, context=(48,))),
    ):
        assert isinstance(model.reader, Flat)
    assert isinstance(VAE(IMAGE, context_space=GIVEN).reader, PictureReader)
    assert isinstance(DDPM(IMAGE, context_space=GIVEN).reader, PictureReader)


def test_readers_that_learn_nothing_leave_no_trace_in_what_is_saved():
    with_class = NADE(VECTOR, hidden=4, context_space=Classes(3))
    assert not [name for name in with_class.state_dict() if "reader" in name]


def test_each_player_has_a_reader_of_its_own():
    model = GAN(VECTOR, latent=2, context_space=Tokens(3, 4))
    assert model.reader is not None and model.discriminator_reader is not None
    own, other = (list(r.parameters()) for r in (model.reader, model.discriminator_reader))
    assert own and all(torch.equal(p, q) and p is not q for p, q in zip(own, other, strict=True))
    discriminator, generator = model.objectives()
    assert {id(p) for p in own} <= {id(p) for p in generator.parameters}
    assert {id(p) for p in other} <= {id(p) for p in discriminator.parameters}


# Networks that take maps


def changed(network: Any, maps: Tensor, place: tuple[int, int], *inputs: Tensor) -> Tensor:
    """Which pixels of the output change, Boolean with shape (H, W), when the maps do at a place."""
    other = maps.clone()
    other[..., place[0], place[1]] += 1
    with torch.no_grad():
        return (network(*inputs, other) != network(*inputs, maps))[0].any(0)


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (5, 4)], ids=str)
def test_every_pixel_of_the_maps_is_in_its_place_in_both_players(size: tuple[int, int]):
    with seeded(0):
        generator = DCGANGenerator(2, (3, *size), width=2, context=(2, *size)).double().eval()
        discriminator = DCGANDiscriminator((3, *size), width=2, context=(2, *size)).double().eval()
        maps, z, y = (torch.randn(1, *shape, dtype=torch.float64) for shape in ((2, *size), (2,), (3, *size)))
    for place in ((0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 1)):
        assert bool(changed(generator, maps, place, z)[place]), "a pixel of the image does not see its own of the maps"
        other = maps.clone()
        other[..., place[0], place[1]] += 1
        assert bool((discriminator(y, other) != discriminator(y, maps)).all())


def test_maps_of_an_image_are_added_to_it_pixel_by_pixel():
    with seeded(0):
        generator = DCGANGenerator(2, (3, 9, 14), width=2, context=(2, 9, 14)).eval()
        maps = torch.randn(2, 2, 9, 14)
    last = generator.layers[-1]
    assert isinstance(last, torch.nn.ConvTranspose2d)
    last.weight.data.zero_()  # all that comes before the image
    assert torch.equal(generator(torch.zeros(2, 2), maps), generator.maps[-1](maps, (9, 14)))


def test_maps_join_the_input_of_a_unet():
    with seeded(0):
        network = UNet(1, width=8, multipliers=(1, 1), attention=False, context=(2, 9, 7)).double()
        for p in network.parameters():
            p.data += 0.1 * torch.randn(p.shape)
        x, maps = torch.randn(1, 1, 9, 7, dtype=torch.float64), torch.randn(1, 2, 9, 7, dtype=torch.float64)
    clock = torch.tensor([0.5], dtype=torch.float64)
    for place in ((0, 0), (8, 6), (4, 3)):
        assert bool(changed(lambda c: network(x, clock, c), maps, place)[place])
    assert network(x, clock, maps[..., :3, :3]).shape == x.shape
