"""Laws of text to image: who is told which text is wrong, what that costs, and whom it moves."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial import Hinge, TextToImage, UnitSlopes
from ptheta.data.dataset import Dataset, Events
from ptheta.nn.contexts import Flat, PictureReader, TextReader
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.adversarial_uses import text_to_image
from ptheta.spaces import Classes, Levels, Real, Tokens

SPACE, TEXT = Real((2,)), Tokens(2, 4, ("", "left", "right", "up"))


def small(space=SPACE, **settings) -> TextToImage:
    torch.manual_seed(0)
    reader = TextReader(TEXT, features=4)
    nets = {"generator": MLP(3, space.dimensions, (8,), context=4), "trunk": MLP(space.dimensions, 6, (8,))}
    return TextToImage(space, TEXT, **{"latent": 3, "features": 6, "reader": reader, **nets, **settings}).double()


def pairs(n: int = 5) -> tuple[Tensor, Tensor]:
    x = Noise(1).normal((n, 2), "x").double()
    return x, torch.tensor([[1, 3], [2, 3], [3, 1], [3, 2], [2, 0]])[:n]


def explicit(model: TextToImage, features: Tensor, text: Tensor) -> Tensor:
    """M, one pair of an event and a text after the other."""
    told, features = model.match_head(model.discriminator_reader(text)).detach(), features.detach()
    sharpness, rows = math.exp(float(model.sharpness.detach())), []
    t = [[sharpness * float(F.cosine_similarity(f, b, dim=0)) for b in told] for f in features]
    for i in range(len(text)):
        allowed = [j for j in range(len(text)) if j == i or not torch.equal(text[j], text[i])]
        of_text = math.log(sum(math.exp(t[i][j]) for j in allowed))
        of_event = math.log(sum(math.exp(t[j][i]) for j in allowed))
        rows.append(of_text + of_event - 2 * t[i][i])
    return torch.tensor(rows, dtype=torch.float64)


def test_the_losses_are_the_game_and_the_matching():
    model, (x, text) = small(matching=0.7), pairs()
    assert model.reader is not model.discriminator_reader
    fake = model.push(model.latents(5, Noise(0)), model.reader(text))
    on_data, on_fake = model.trunk(x), model.trunk(fake)
    v, w = model.critic_head(on_data)[:, 0], model.critic_head(on_fake)[:, 0]
    critic = F.softplus(-v) + F.softplus(w) + explicit(model, on_data, text)
    torch.testing.assert_close(model.discriminator_loss(x, text, Noise(0)), critic)
    maker = F.softplus(-w) + 0.7 * explicit(model, on_fake, text)
    torch.testing.assert_close(model.generator_loss(x, text, Noise(0)), maker)


def test_fakes_of_one_text_that_are_alike_cost_as_much_as_their_latents_differ():
    model, (x, text) = small(matching=0.0, diversity=0.3), pairs()
    said, noise = model.reader(text), Noise(0)
    z, other = model.latents(5, noise), model.latents(5, noise.at("another draw"))
    a, b = model.push(z, said), model.push(other, said)
    apart = (a - b).abs().mean(1) / (z - other).abs().mean(1)
    game = F.softplus(-model.critic_head(model.trunk(a))[:, 0])
    torch.testing.assert_close(model.generator_loss(x, text, noise), game + 0.3 / (apart + 1e-3))
    model.push = lambda z, c, *, borrowed=False: 0 * z[:, :2]
    alike = model.generator_loss(x, text, noise) - F.softplus(-model.critic_head(model.trunk(0 * x))[:, 0])
    torch.testing.assert_close(alike, torch.full((5,), 300.0).double())  # the most it costs


def test_texts_that_are_alike_are_no_wrong_texts():
    model, (x, text) = small(matching=1.0), pairs()
    text[3] = text[0]
    fake = model.trunk(x)
    expected = F.softplus(-model.critic_head(fake)[:, 0]) + explicit(model, fake, text)
    model.push = lambda z, c, *, borrowed=False: x
    torch.testing.assert_close(model.generator_loss(x, text, Noise(0)), expected)
    one = small(game=Hinge(), matching=1.0)
    one.push = lambda z, c, *, borrowed=False: x
    lone = one.generator_loss(x, text[:1].expand(5, -1), Noise(0))  # one text for all: nothing is wrong
    torch.testing.assert_close(lone, -one.critic_head(one.trunk(x))[:, 0])


def test_without_matching_the_text_moves_nothing():
    x, text = pairs()
    for weight, moves in ((0.0, False), (1.0, True)):
        model = small(matching=weight)
        losses = [model.discriminator_loss(x, c, Noise(0)) for c in (text, text.flip(0))]
        fixed = model.push(model.latents(5, Noise(0)), model.reader(text)).detach()
        model.push = lambda z, c, *, borrowed=False, fixed=fixed: fixed  # the critic's own view alone
        losses = [model.discriminator_loss(x, c, Noise(0)) for c in (text, text.flip(0))]
        assert torch.allclose(losses[0], losses[1]) != moves
        names = {n for n, p in model.named_parameters() if any(p is q for q in model.objectives()[0].parameters)}
        assert ("sharpness" in names and "match_head.weight" in names) == moves


def test_the_matching_moves_shared_features_readers_and_the_generator():
    x, text = pairs()
    for name, objective in (("trunk", 0), ("discriminator_reader", 0), ("generator", 1), ("reader", 1)):
        slopes = []
        for weight in (0.0, 1.0):
            model = small(matching=weight)
            loss = model.objectives()[objective].loss(x, text, Noise(0)).mean()
            (slope, *_) = torch.autograd.grad(loss, list(getattr(model, name).parameters()), allow_unused=True)
            slopes.append(torch.zeros(1).double() if slope is None else slope)
        assert not torch.allclose(slopes[0], slopes[1]), f"the texts leave the {name} alone"


def test_the_bound_never_exceeds_what_a_batch_can_tell():
    x, text = pairs()
    for seed in range(5):
        with seeded(seed):
            model = small(game=Hinge())
        for p in model.parameters():
            p.data += Noise(seed).normal(p.shape, "shake").double()
        features = model.trunk(x)
        m = explicit(model, features, text)
        assert float(math.log(5) - m.mean() / 2) <= math.log(5)


@pytest.mark.parametrize("matching", [0.0, 1.0])
def test_it_draws_what_texts_say_and_not_without_matching(matching: float):
    """Two clouds, named by words: with wrong texts beside right ones the word decides, without it need not."""
    k = torch.arange(1200) % 2
    x = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])[k] + 0.3 * Noise(3).normal((1200, 2), "x")
    text = torch.stack([torch.full_like(k, 3), 1 + k], 1)
    events = Events(x, text)
    data = Dataset("sides", SPACE, events, events[:20], events[:20], TEXT)
    with seeded(0):
        model = small(matching=matching).float()
    model.fit(data, steps=300, batch_size=64, learning_rate=2e-3, seed=0)
    says = torch.tensor([[3, 1], [3, 2]]).repeat(200, 1)
    drawn = model.sample(400, says, noise=Noise(0))
    right = float(((drawn[:, 0] > 0) == (says[:, 1] == 2)).double().mean())
    assert right > 0.95 if matching else right < 0.8


def test_a_word_never_seen_and_bad_calls_get_a_sentence():
    with pytest.raises(ValueError, match="text-to-image draws what a context says and needs one"):
        text_to_image(Levels((1, 8, 8), 5))
    with pytest.raises(ValueError, match="draws images"):
        text_to_image(Levels((9,), 5), TEXT)
    with pytest.raises(ValueError, match="takes a context as a vector, but its reader gives maps"):
        TextToImage(SPACE, Levels((1, 2, 2), 5), reader=PictureReader(Levels((1, 2, 2), 5), (4, 4)))
    with pytest.raises(ValueError, match="pairs of events and texts, but the contexts are None"):
        small().generator_loss(pairs()[0], None, Noise(0))
    with pytest.raises(ValueError, match="purple"):
        TEXT.parse(["purple left"], "--context")


def test_it_trains_on_images_as_its_recipe_says():
    recipe: Any = text_to_image(Levels((3, 8, 8), 5), Classes(3), width=2)
    x = (Noise(1).uniform((12, 3, 8, 8), "x") * 5).to(torch.uint8)
    events = Events(x, torch.arange(12) % 3)
    data = Dataset("few", Levels((3, 8, 8), 5), events, events[:2], events[:2], Classes(3))
    model = recipe.model.fit(data, **{**recipe.training, "steps": 2, "batch_size": 4})
    assert isinstance(model.reader, Flat) and isinstance(model.game, Hinge)
    model.space.check(model.sample(2, torch.tensor([0, 2]), noise=Noise(0)))


def test_the_penalty_is_of_the_number_that_judges():
    model, (x, text) = small(penalty=UnitSlopes(2.0), trunk=nn.Identity(), features=2, matching=0.0), pairs()
    model.critic_head = nn.Linear(2, 1).double()
    model.critic_head.weight.data.copy_(torch.tensor([[1.7, 0.0]]))
    plain = small(trunk=model.trunk, features=2, matching=0.0, generator=model.generator)
    plain.critic_head, plain.reader = model.critic_head, model.reader
    paid = model.discriminator_loss(x, text, Noise(0)) - plain.discriminator_loss(x, text, Noise(0))
    torch.testing.assert_close(paid, torch.full((5,), 2 * 0.49, dtype=torch.float64))
