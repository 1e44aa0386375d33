"""Codebooks, their lattices, and the bound that a prior over codes makes; each with a twin that is caught."""

from typing import Any

import pytest
import torch
from torch import Tensor

from exact_scores import exact_log_prob
from ptheta.autoregressive import MADE
from ptheta.data import load
from ptheta.latent import VAE, VQVAE, Codebook, FiniteScalars, LatentBound, VampPrior
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.latent import vq_vae
from ptheta.spaces import Binary

CENTRES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def clouds(n: int = 400) -> Tensor:
    """Points around four centres, in turn."""
    return CENTRES.repeat(n // 4, 1) + 0.1 * Noise(0).normal((n, 2), "cloud")


def perplexity(book: Codebook, v: Tensor) -> float:
    shares = torch.bincount(book.indices(v), minlength=book.n) / len(v)
    return float(torch.special.entr(shares).sum().exp())


def followed(book: Codebook, v: Tensor, steps: int = 400) -> Codebook:
    for step in range(steps):
        book(v, Noise(step))
    return book


def far_away(**settings: Any) -> Codebook:
    book = Codebook(4, 2, decay=0.9, **settings)
    book.words += 100
    book.sums.copy_(book.words * book.counts[:, None])
    return book.train()


def test_a_codebook_comes_to_rest_at_the_means_of_what_it_stands_for():
    v = clouds()
    book = Codebook(4, 2, decay=0.9)
    book.begin(v[:4])
    followed(book, v)
    k = book.indices(v)
    means = torch.stack([v[k == j].mean(0) for j in range(4)])
    torch.testing.assert_close(book.words, means, atol=1e-3, rtol=0)
    assert float((book.words[:, None] - CENTRES).norm(dim=2).min(1).values.max()) < 0.1
    assert float(book(v, Noise(0))[1].mean()) < 0.03, "what vectors pay is not their squared distance"


def test_dead_codewords_move_and_the_twin_without_that_is_caught():
    v = clouds()
    assert perplexity(followed(far_away(), v), v) > 3
    assert perplexity(followed(far_away(least=0.0), v), v) < 1.01


def test_a_codebook_rests_where_it_is_not_trained():
    book, v = far_away().eval(), clouds()
    before = book.words.clone()
    book(v, Noise(0))
    assert torch.equal(book.words, before)


@pytest.mark.parametrize("levels", [(2,), (3, 2), (8, 5, 5)])
def test_finite_scalars_number_their_lattice_one_to_one(levels: tuple[int, ...]):
    lattice = FiniteScalars(levels)
    k = torch.arange(lattice.n)
    words = lattice.codewords(k)
    assert len(words.unique(dim=0)) == lattice.n and float(words.abs().max()) == 1
    inside = (words + 1) / 2 * (lattice.size - 1)  # places, each the middle of its part of the line
    v = torch.logit((inside + 0.5) / lattice.size)
    assert torch.equal(lattice.indices(v), k)
    torch.testing.assert_close(lattice(v, Noise(0))[0], words)


def test_gradients_pass_the_rounding():
    for quantiser in (Codebook(5, 3), FiniteScalars((3, 3, 3))):
        v = Noise(0).normal((4, 3), "v").requires_grad_()
        quantiser.eval()(v, Noise(0))[0].sum().backward()
        assert v.grad is not None and bool((v.grad > 0).all())


def small_model() -> LatentBound:
    with seeded(0):
        coder = VQVAE(Binary((4,)), quantiser=Codebook(3, 2), codes=2, width=8)
        model = LatentBound(coder, MADE(coder.code_space)).double()
        for p in model.parameters():
            p.data += 0.5 * torch.randn_like(p)
    return model.eval()


def test_pictures_are_decoded_a_hundred_at_a_time():
    with seeded(0):
        coder = VQVAE(Binary((1, 4, 4)), quantiser=Codebook(3, 2), width=2).eval()
    rows: list[int] = []
    coder.decoder.register_forward_hook(lambda _, seen, __: rows.append(len(seen[0])))
    z = (3 * Noise(0).uniform((250, *coder.code_space.shape), "code")).long()
    whole, decoded = coder.draw(z, noise=Noise(1)), coder.decode(z)
    assert rows == [100, 100, 50] * 2
    assert torch.equal(whole[100:200], coder.draw(z[100:200], noise=Noise(1).rows(100)))
    assert torch.equal(decoded[100:200], coder.decode(z[100:200]))
    assert coder.draw(z[:0]).shape == (0, 1, 4, 4)


def test_the_bound_is_below_the_sum_over_codes_and_the_price_of_codes_alone_is_not():
    model = small_model()
    x = torch.cartesian_prod(*[torch.arange(2, dtype=torch.uint8)] * 4)
    exact = exact_log_prob(model, x, None)
    assert abs(float(exact.exp().sum()) - 1) < 1e-9
    bound = model.elbo(x)
    assert bool((bound <= exact + 1e-9).all())
    codes_alone = model.prior.log_prob(model.coder.encode(x))  # what is quoted by mistake: it forgets log p(x | z)
    assert bool((codes_alone > exact).any())


def test_the_doubly_reparameterised_gradient_is_the_gradient_with_less_noise():
    def slopes(doubly: bool, seeds: int = 300) -> Tensor:
        with seeded(0):
            model = VAE(
                Binary((6,)), latent=2, encoder=MLP(6, 4, ()), decoder=MLP(2, 6, ()), importance=20, doubly=doubly
            )
            model = model.double()
        x = (Noise(5).uniform((4, 6), "x") < 0.4).to(torch.uint8)
        found = []
        for seed in range(seeds):
            loss = model.loss(x, None, Noise(seed)).mean()
            found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.encoder.parameters()))]))
        return torch.stack(found)

    plain, doubly = slopes(False), slopes(True)
    gap, error = (plain - doubly).mean(0), (plain - doubly).std(0) / len(plain) ** 0.5
    assert float((gap / error).abs().max()) < 4, "another expectation"
    assert float(doubly.var(0).sum()) < 0.8 * float(plain.var(0).sum())


def test_a_vampprior_of_all_events_is_the_aggregate_posterior_of_the_encoder():
    events = torch.cartesian_prod(*[torch.arange(2, dtype=torch.uint8)] * 3)
    space = Binary((3,))
    with seeded(0):
        encoder = MLP(3, 4, (8,)).double()
        prior = VampPrior(encoder, space, 2, components=8).double()
    prior.pseudo.data.zero_()
    prior.start_at(space.embed(events, torch.float64))
    z = Noise(1).normal((5, 2), "z").double()
    mean, log_std = encoder(space.embed(events, torch.float64)).chunk(2, 1)
    each = torch.distributions.Normal(mean, log_std.exp()).log_prob(z[:, None]).sum(2).detach()
    torch.testing.assert_close(prior.log_prob(z), each.exp().mean(1).log())
    wrong = each.exp().sum(1).log()  # without 1 / K
    assert float((wrong - prior.log_prob(z).detach()).min()) > 2


def test_the_recipe_learns_in_both_stages():
    data = load("digits").without_context()
    recipe = vq_vae(data.space, codewords=16, width=8, prior_width=8)
    model: Any = recipe.model
    recipe.stages[0].model.fit(data, **{**recipe.stages[0].training, "steps": 120}, learning_rate=0.005, seed=0)
    coded, rates = recipe.stages[1].data(data), []
    for _ in range(2):
        reconstruction, rate = (float(t.detach().mean()) for t in model.elbo_terms(data.test.x))
        rates.append(rate)
        recipe.stages[1].model.fit(coded, steps=60, batch_size=100, learning_rate=0.01, seed=0)
    assert -reconstruction < 130, "uniform levels have 181.3 nats"
    assert rates[1] < rates[0] - 1, f"the prior's rate went from {rates[0]} to {rates[1]} nats"
