"""Laws of the adversarial autoencoder: ln 4 where codes match, free codes without it, labels that are few."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial import AAE
from ptheta.data.dataset import Dataset, Events
from ptheta.data.labels import few_labels
from ptheta.data.synthetic import truth
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.aae import aae
from ptheta.spaces import Classes, Levels, Real, Tokens

PLANE = Real((2,))


def clouds(n: int = 300, spread: float = 0.3) -> Dataset:
    """Three clouds of events with their classes."""
    context = torch.arange(n) % 3
    means = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.5]])
    events = Events(means[context] + spread * Noise(3).normal((n, 2), "x"), context)
    return Dataset("clouds", PLANE, events, events[:30], events[30:60], Classes(3))


class Split(nn.Module):
    """Features are the events: the first variable says the category, the others are the numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def matched(shift: float = 0.0, sure: float = 200.0) -> AAE:
    """An autoencoder of (+-1, two normals): its codes follow the prior, if unshifted and sure of their categories."""
    with seeded(0):
        model = AAE(Real((3,)), latent=2, categories=2, features=3, encoder=Split())
    assert model.logits is not None
    with torch.no_grad():
        model.numbers.weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1]]))
        model.numbers.bias.fill_(shift)
        model.logits.weight.copy_(sure * torch.tensor([[1.0, 0, 0], [-1, 0, 0]]))
        model.logits.bias.zero_()
    return model


def best_discriminator_loss(model: AAE, steps: int = 150) -> float:
    """The discriminators' loss on fresh events after training them alone, in nats."""
    discriminator = next(o for o in model.objectives() if o.name == "discriminator")
    rule = torch.optim.Adam(discriminator.parameters, 3e-3)
    for step in range(steps + 1):
        noise = Noise(step)
        signs = 2 * (noise.uniform((500, 1), "sign") < 0.5) - 1
        x = torch.cat([signs, noise.normal((500, 2), "numbers")], 1)
        loss = model.discriminator_loss(x, None, noise).mean()
        rule.zero_grad()
        loss.backward(inputs=list(discriminator.parameters))
        rule.step()
    return float(loss.detach())


def test_where_codes_follow_the_prior_the_best_discriminators_say_a_half_ln_4_each():
    assert best_discriminator_loss(matched()) == pytest.approx(2 * math.log(4), abs=0.04)
    assert best_discriminator_loss(matched(shift=2.0)) < 2 * math.log(4) - 0.5
    assert best_discriminator_loss(matched(sure=0.3)) < 2 * math.log(4) - 0.5  # categories that are never sure


def spread_of_codes(adversary: float, **settings) -> tuple[float, float]:
    """How far means and deviations of codes are from those of a standard normal, after some training."""
    with seeded(0):
        nets = {"encoder": MLP(2, 16, (16,), last=True), "decoder": MLP(2, 2, (16,))}
        model = AAE(PLANE, latent=2, features=16, adversary=adversary, **nets, **settings)
        model.numbers.weight.data *= 6
        model.numbers.bias.data += 3
    data = clouds().without_context()
    model.fit(data, steps=400, batch_size=100, learning_rate=2e-3, seed=0)
    z = model.encode(data.train.x).detach()
    return float(z.mean(0).abs().max()), float((z.std(0) - 1).abs().max())


def test_without_the_adversary_codes_are_free():
    mean, deviation = spread_of_codes(1.0)
    assert mean < 0.6 and deviation < 0.6
    mean, deviation = spread_of_codes(0.0)
    assert mean > 1.5 and deviation > 1


def test_each_loss_is_its_formula():
    model = matched(shift=0.5, sure=1.0).eval()
    x = Noise(4).normal((6, 3), "x")
    code = model.encode(x)
    y, z = code[:, :2], code[:, 2:]
    torch.testing.assert_close(model.classify(x), y.detach())
    torch.testing.assert_close(y.sum(1), torch.ones(6))
    drawn = model.latents(6, Noise(5))
    told = [critic(part)[:, 0] for critic, part in ((model.category_critic, y), (model.critic, z))]
    true = [
        critic(part)[:, 0] for critic, part in ((model.category_critic, drawn[:, :2]), (model.critic, drawn[:, 2:]))
    ]
    of = sum(F.softplus(t) for t in told) + sum(F.softplus(-t) for t in true)
    torch.testing.assert_close(model.discriminator_loss(x, None, Noise(5)), of)
    torch.testing.assert_close(model.encoder_loss(x, None, Noise(5)), sum(F.softplus(-t) for t in told))
    assert bool((model.discriminator_loss(x, None, Noise(5)) != sum(F.softplus(-t) for t in told)).all())
    back = model.generator(code)
    torch.testing.assert_close(model.error(x, None, Noise(5)), (x - back).square().sum(1))


def test_any_law_that_can_be_drawn_from_may_be_the_prior():
    ring = truth("ring", radius=2.0, std=0.2)
    model = AAE(PLANE, latent=2, prior=ring)
    z = model.latents(500, Noise(0))
    assert float((z.norm(dim=1) - 2).abs().max()) < 1.2
    assert not hasattr(ring, "parameters") or not list(ring.parameters())
    shares = AAE(PLANE, latent=2, categories=4).latents(8000, Noise(0))[:, :4].mean(0)
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.025)  # five standard errors
    recipe = aae(PLANE, prior="ring")
    assert recipe.model.sample(3, noise=Noise(0)).shape == (3, 2)


def test_few_labels_name_clouds_and_other_labels_are_never_seen():
    data = clouds()
    with seeded(0):
        recipe = aae(PLANE, Classes(3), labels=3, hidden=(32, 32))
    model = recipe.fit(data, steps=250, batch_size=60)
    assert isinstance(model, AAE)
    right = (model.classify(data.test.x).argmax(1) == data.test.context).double().mean()
    assert float(right) > 0.95
    told, other = few_labels(data, labels=6, classes=3, seed=4), few_labels(data, labels=6, classes=3, seed=5)
    assert told[0].train.context is None and told[1].context.bincount().tolist() == [2, 2, 2]
    assert not torch.equal(told[1].x, other[1].x)
    for event, label in zip(told[1].x, told[1].context, strict=True):
        (row,) = (data.train.x == event).all(1).nonzero().flatten().tolist()
        assert data.train.context[row] == label


def test_clusters_are_found_without_a_label():
    data = clouds(spread=0.2).without_context()
    recipe = aae(PLANE, clusters=3, hidden=(32, 32), latent=1)
    model = recipe.fit(data, steps=600, batch_size=100)
    assert isinstance(model, AAE)
    names, truth_of = model.classify(data.train.x).argmax(1), torch.arange(300) % 3
    table = torch.stack([torch.bincount(names[truth_of == k], minlength=3) for k in range(3)])
    assert int(table.amax(1).sum()) > 285 and len(set(table.argmax(1).tolist())) == 3


def test_corruption_is_of_training_alone():
    with seeded(0):
        model = AAE(Levels((1, 4, 4), 5), latent=2, corruption=0.5).eval()
    x = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    clean = model.error(x, None, Noise(0)).detach()
    assert torch.equal(clean, model.error(x, None, Noise(1)).detach())
    assert not torch.allclose(model.train().error(x, None, Noise(0)).detach(), clean)
    y = model.space.embed(x, torch.float32)
    off = model._seen(y, Noise(0), "events") - y
    assert float(off.std()) == pytest.approx(0.5, rel=0.3)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="multiple of the 3 categories, but there are 4"):
        AAE(PLANE, categories=3, labels=4)
    with pytest.raises(ValueError, match="multiple of the 0 categories"):
        AAE(PLANE, labels=4)
    with pytest.raises(ValueError, match="should not be negative, but are -1"):
        AAE(PLANE, adversary=-1.0)
    with pytest.raises(ValueError, match=r"the prior should model Real\(\(8,\)\)"):
        AAE(PLANE, prior=truth("ring"))
    with pytest.raises(ValueError, match=r"has none: data = model.taught\(data\)"):
        AAE(PLANE, categories=3, labels=3).label_loss(clouds().train.x[:2], None, Noise(0))
    with pytest.raises(ValueError, match="was built without categories"):
        AAE(PLANE).classify(clouds().train.x[:2])
    with pytest.raises(ValueError, match="takes classes as its context"):
        aae(PLANE, Tokens(3, 4))
    with pytest.raises(ValueError, match="a ring lies in the plane"):
        aae(PLANE, latent=3, prior="ring")
