"""Laws of the GAN that names classes: K logits are K + 1 classes, features are matched, only told labels are seen."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial import SemiSupervisedGAN
from ptheta.data.dataset import Dataset, Events
from ptheta.nn.mlp import MLP
from ptheta.nn.noisy import NoisyMLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.adversarial_uses import semi_supervised_gan
from ptheta.spaces import Classes, Levels, Real, Tokens

SPACE = Real((2,))


def blobs(n: int = 300, spread: float = 0.3) -> Dataset:
    """Three clouds of events with their classes."""
    context = torch.arange(n) % 3
    means = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.5]])
    x = means[context] + spread * Noise(3).normal((n, 2), "x")
    events = Events(x, context)
    return Dataset("blobs", SPACE, events, events[:30], events[30:60], Classes(3))


def small(labels: int = 6, **settings) -> SemiSupervisedGAN:
    torch.manual_seed(0)
    return SemiSupervisedGAN(SPACE, classes=3, labels=labels, latent=2, features=8, **settings).double()


def taught(**settings) -> SemiSupervisedGAN:
    model = small(**settings)
    model.taught(blobs())
    return model.eval()  # without corruption


# K logits are K + 1 classes -------------------------------------------------------------------------------------------


def explicit(logits: Tensor, target: int | Tensor) -> Tensor:
    """The cross-entropy of K + 1 classes whose last logit is zero."""
    extended = torch.cat([logits, torch.zeros(len(logits), 1).to(logits)], 1)
    goal = torch.full((len(logits),), target) if isinstance(target, int) else target
    return F.cross_entropy(extended, goal, reduction="none")


def test_the_loss_and_its_gradient_are_those_of_k_plus_1_classes():
    model, x = taught(), blobs().train.x[:5].double()
    fake = model.push(model.latents(5, Noise(0)), None).detach()
    on_data, on_fake, on_known = (model.logits(model.trunk(y)) for y in (x, fake, model.labelled.double()))
    real = -torch.logsumexp(on_data, 1) + F.softplus(torch.logsumexp(on_data, 1))  # -ln of the sum of K of K + 1
    k_plus_1 = explicit(on_data, 3)
    torch.testing.assert_close(real, -torch.log1p(-(-k_plus_1).exp()))
    # Of a labelled event the K + 1 classes say -ln p(k, real | x) = -ln p(k | x, real) - ln p(real | x).
    labelled = explicit(on_known, model.known)
    realness = F.softplus(-torch.logsumexp(on_known, 1))
    expected = (real + explicit(on_fake, 3)) / 2 + (labelled - realness).mean()
    loss = model.discriminator_loss(x, None, Noise(0))
    torch.testing.assert_close(loss, expected)
    parameters = [*model.trunk.parameters(), *model.logits.parameters()]
    ours, theirs = (torch.autograd.grad(value.mean(), parameters, retain_graph=True) for value in (loss, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)
    twin = explicit(on_fake, 0)  # a port that calls fakes the first class
    assert not torch.allclose(explicit(on_fake, 3), twin)


def test_a_constant_on_all_logits_moves_what_is_real_and_no_class():
    model, x = taught(), blobs().train.x[:5]
    before = model.classify(x.double())
    loss = model.discriminator_loss(x.double(), None, Noise(0)).detach()
    with torch.no_grad():
        model.logits.bias += 3
    torch.testing.assert_close(model.classify(x.double()), before)
    assert not torch.allclose(model.discriminator_loss(x.double(), None, Noise(0)), loss)
    with torch.no_grad():
        model.logits.bias[0] += 1  # the twin: a constant on one
    assert not torch.allclose(model.classify(x.double()), before)


# Features -------------------------------------------------------------------------------------------------------------


def test_the_generator_matches_mean_features_and_no_more():
    model, x = taught(), blobs().train.x[:6].double()
    fake = model.push(model.latents(6, Noise(0)), None)
    off = model.trunk(fake).mean(0) - model.trunk(x).mean(0)
    loss = model.generator_loss(x, None, Noise(0))
    torch.testing.assert_close(loss, off.square().mean().expand(6))
    shuffled = model.generator_loss(x.flip(0), None, Noise(0))
    torch.testing.assert_close(shuffled, loss)  # pairs do not matter, means do
    assert not torch.allclose(model.generator_loss(x + 1, None, Noise(0)), loss)


# Labels ---------------------------------------------------------------------------------------------------------------


def test_labels_are_few_stratified_and_named_by_a_seed():
    data, model = blobs(), small(labels=12)
    hidden = model.taught(data, seed=4)
    assert hidden.context_space is None and hidden.train.context is None and hidden.valid.context is None
    assert model.known.bincount().tolist() == [4, 4, 4]
    for event, label in zip(model.labelled, model.known, strict=True):
        (row,) = (data.train.x.double() == event).all(1).nonzero().flatten().tolist()
        assert data.train.context[row] == label
    same, other = small(labels=12), small(labels=12)
    same.taught(data, seed=4), other.taught(data, seed=5)
    assert torch.equal(same.labelled, model.labelled) and not torch.equal(other.labelled, model.labelled)


def test_labels_that_were_not_told_are_never_seen():
    """Many ports train on all labels: another class of any other event must change nothing."""
    losses = []
    for swap in (False, True):
        data, model = blobs(), small()
        told = small()
        told.taught(data)
        context = data.train.context.clone()
        if swap:
            untold = ~(data.train.x.double()[:, None] == told.labelled).all(2).any(1)
            context[untold] = (context[untold] + 1) % 3
        train = Events(data.train.x, context)
        hidden = model.taught(Dataset("blobs", SPACE, train, train[:9], train[:9], Classes(3)))
        model.labelled.copy_(told.labelled), model.known.copy_(told.known)
        losses.append(model.discriminator_loss(hidden.train.x[:9].double(), None, Noise(0)))
    assert torch.equal(*losses)


def test_unlabelled_events_move_the_borders():
    data = blobs()
    recipe = semi_supervised_gan(
        SPACE, Classes(3), labels=3, hidden=(32, 16), latent=4, corruption=0.1, layer_noise=0.0
    )
    model = recipe.fit(data, steps=200, batch_size=50)
    right = (model.classify(data.test.x).argmax(1) == data.test.context).double().mean()
    assert float(right) > 0.95


def test_without_labels_it_is_an_unsupervised_game():
    model = small(labels=0).eval()
    assert model.discriminator_loss(blobs().train.x[:4].double(), None, Noise(0)).shape == (4,)
    assert model.taught(blobs()).context_space is None
    assert semi_supervised_gan(SPACE).model.labels == 0


def test_corruption_is_of_training_alone():
    model, x = taught(corruption=0.5), blobs().train.x[:4].double()
    clean = model.discriminator_loss(x, None, Noise(0))
    assert torch.equal(clean, model.discriminator_loss(x, None, Noise(0)))
    assert not torch.allclose(model.train().discriminator_loss(x, None, Noise(0)), clean)
    model.classify(x)
    assert model.training  # as it was


def test_the_first_events_set_the_centre_and_the_lengths_of_weights():
    with seeded(0):
        trunk = NoisyMLP(2, (16, 8), noise=0.0).double()
    x = blobs().train.x.double() * 5 + 3
    trunk.begin(x)
    h = x - trunk.centre
    torch.testing.assert_close(h.mean(0), torch.zeros(2).double())
    for layer in trunk.layers:
        y = layer(h)
        torch.testing.assert_close(y.mean(0), torch.zeros(y.shape[1]).double())
        torch.testing.assert_close(y.std(0, correction=0), torch.ones(y.shape[1]).double())
        h = y.relu()
    torch.testing.assert_close(trunk(x), h)


def test_no_unit_outgrows_its_length_and_noise_is_of_training_alone():
    with seeded(0):
        trunk = NoisyMLP(2, (16, 8)).double()
    x = blobs().train.x.double()
    before = trunk.eval()(x)
    assert torch.equal(trunk(x), before)
    with torch.no_grad():
        for layer in trunk.layers:
            layer.direction.mul_(7)
    torch.testing.assert_close(trunk(x), before)
    names = {name.rsplit(".", 1)[1] for name, _ in trunk.named_parameters()}
    assert names == {"direction", "bias"}  # lengths do not learn
    trunk.train()
    with seeded(1):
        first = trunk(x)
    with seeded(2):
        assert not torch.allclose(trunk(x), first)


def test_training_begins_with_what_the_first_events_set():
    recipe = semi_supervised_gan(SPACE, Classes(3), labels=3, hidden=(8, 4), latent=4, corruption=0.0)
    recipe.fit(blobs(), steps=1, batch_size=20)
    trunk: Any = recipe.model.trunk
    torch.testing.assert_close(trunk.centre, blobs().train.x.mean(0), atol=0.05, rtol=0.05)


# Refusals -------------------------------------------------------------------------------------------------------------


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="multiple of the 3 classes, or 0, but there are 4"):
        small(labels=4)
    with pytest.raises(ValueError, match=r"has none: data = model.taught\(data\)"):
        small().discriminator_loss(blobs().train.x[:2].double(), None, Noise(0))
    with pytest.raises(ValueError, match="expected 200 training events of each class, but class 0 has fewer"):
        small(labels=600).taught(blobs())
    with pytest.raises(ValueError, match="expected one of 3 classes for each event"):
        small().taught(blobs().without_context())
    with pytest.raises(ValueError, match="takes classes as its context"):
        semi_supervised_gan(SPACE, Tokens(3, 4))
    assert isinstance(small().trunk, nn.Module)


def test_the_recipes_fakes_are_many_from_the_start():
    """Matching means asks for no variety: a generator without batch normalisation gave one picture for all latents."""
    space = Levels((1, 8, 8), 17)

    def spread(generator: nn.Module) -> float:
        with seeded(0):
            z = torch.randn(200, 100)
        return float(generator(z).detach().var(0).mean().sqrt())

    with seeded(0):
        recipe: Any = semi_supervised_gan(space)
        plain = MLP(100, 64, (500, 500), activation=nn.ReLU)
    assert spread(recipe.model.generator) > 3 * spread(plain)
