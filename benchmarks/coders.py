"""How long autoencoders of three kinds take to train and to decode, beside pythae and plain loops over their networks.

    OMP_NUM_THREADS=1 python benchmarks/coders.py

784 bits, batches of 100, one thread, seed 0; median CPU seconds of turns:

    autoencoder-784    dense networks of 400 hidden units, 20 codes, squared error
    vq-vae-28          the recipe's convolutional coder: 7 x 7 codes of an alphabet of 64, kept by running averages
    aae-784            dense networks of two layers of 400, 20 codes, a critic of two layers of 200

Ours trains as ``fit`` does, with all that an engine does around a step. The plain loop is what a good engineer would
write for this one model; of the adversarial autoencoder it takes one pass of the encoder for the critic and for the
encoder against it, where ours takes one for each. pythae has its own losses, over our networks and by the optimiser of
ours: of a VQ-VAE a squared error, and no codeword is ever reset; of an adversarial autoencoder both gradients of the
encoder at one place, in a single step, which is one pass of it where the paper's phases take two. Before anything is
timed, mean losses agree within five per cent where they are the same loss, and codes of a VQ-VAE but for ties.

Writes benchmarks/results/coders.json.
"""

import statistics
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial import AAE
from ptheta.latent import VQVAE, Autoencoder, Codebook
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary
from ptheta.training import Training, training
from timing import PLAIN, Call, Row, batches, installed, no_grad, row, typical, write

DIMENSIONS, HIDDEN, LATENT, BATCH, SAMPLES, LOOKS = 784, 400, 20, 100, 1000, 30
WORDS, WIDTH = 64, 16

peers: Any = installed("coder_peers").get("coder_peers")

Loop = Iterator[float]


def autoencoder() -> Autoencoder:
    networks = MLP(DIMENSIONS, LATENT, (HIDDEN,)), MLP(LATENT, DIMENSIONS, (HIDDEN,))
    return Autoencoder(Binary((DIMENSIONS,)), latent=LATENT, encoder=networks[0], decoder=networks[1])


def vq_vae() -> VQVAE:
    return VQVAE(Binary((1, 28, 28)), quantiser=Codebook(WORDS, WIDTH), width=32)


def aae() -> AAE:
    return AAE(
        Binary((DIMENSIONS,)),
        latent=LATENT,
        features=HIDDEN,
        encoder=MLP(DIMENSIONS, HIDDEN, (HIDDEN,), last=True),
        decoder=MLP(LATENT, DIMENSIONS, (HIDDEN, HIDDEN)),
    )


# A step of each as a plain loop, yielding the loss of reconstructions


def plain_autoencoder(model: Autoencoder, x: Tensor) -> Loop:
    rule = model.optimizer.build(model.parameters())
    for batch in batches(x, BATCH):
        y = 2 * batch.float() - 1
        loss = ((y - model.decoder(model.encoder(y))) / 2).square().sum(1).mean()
        rule.zero_grad()
        loss.backward()
        rule.step()
        yield loss.item()


def plain_vq_vae(model: VQVAE, x: Tensor) -> Loop:
    """With a codebook of its own: it follows its vectors, and a word that is hardly used moves to one of them."""
    rule, book = model.optimizer.build(model.parameters()), model.quantiser
    assert isinstance(book, Codebook)
    words, counts, sums = book.words.clone(), book.counts.clone(), book.sums.clone()
    for batch in batches(x, BATCH):
        bits = batch.float()
        v = model.encoder(2 * bits - 1)
        flat = v.detach().reshape(-1, WIDTH)
        k = (words.square().sum(1) - 2 * flat @ words.T).argmin(1)
        near = words[k].view_as(v)
        price = model.commitment * (v - near).square().sum() / len(bits)
        logits = model.decoder(v + (near - v).detach()).squeeze(-1)
        loss = F.binary_cross_entropy_with_logits(logits, bits, reduction="sum") / len(bits) + price
        counts.lerp_(torch.bincount(k, minlength=WORDS).float(), 1 - book.decay)
        sums.lerp_(torch.zeros_like(sums).index_add_(0, k, flat), 1 - book.decay)
        fair = len(flat) / WORDS
        if (dead := counts < book.least * fair).any():
            counts[dead] = fair
            sums[dead] = fair * flat[torch.randint(len(flat), (int(dead.sum()),))]
        words = sums / counts[:, None]
        rule.zero_grad()
        loss.backward()
        rule.step()
        yield loss.item()


def plain_aae(model: AAE, x: Tensor) -> Loop:
    """The paper's two phases: both coders, then the critic and the encoder against it by one pass of the encoder."""
    encoder = nn.Sequential(model.encoder, model.numbers)
    critic: Any = model.critic
    coders, critics, against = (
        rule.build(p for net in nets for p in net.parameters())
        for rule, nets in zip(model.optimizers, ((encoder, model.generator), (critic,), (encoder,)), strict=True)
    )
    for batch in batches(x, BATCH):
        y = 2 * batch.float() - 1
        loss = (y - model.generator(encoder(y)).tanh()).square().sum(1).mean()
        coders.zero_grad()
        loss.backward()
        coders.step()
        z = encoder(y)
        told = critic(torch.cat([torch.randn(z.shape), z.detach()]))
        critics.zero_grad()
        (F.softplus(-told[: len(z)]).mean() + F.softplus(told[len(z) :]).mean()).backward()
        critics.step()
        against.zero_grad()
        F.softplus(-critic(z)).mean().backward(inputs=list(encoder.parameters()))
        against.step()
        yield loss.item()


# The same of pythae


def their_loop(model: nn.Module, x: Tensor, found: Callable[[Any], float]) -> Loop:
    rule = torch.optim.Adam(model.parameters(), fused=True)
    for batch in batches(x, BATCH):
        out = model({"data": batch.float()})
        rule.zero_grad()
        out.loss.backward()
        rule.step()
        yield found(out)


def their_game(model: Any, x: Tensor, found: Callable[[Any], float]) -> Loop:
    """As its trainer takes a step of an adversarial autoencoder."""
    coders = torch.optim.Adam([*model.encoder.parameters(), *model.decoder.parameters()], fused=True)
    critics = torch.optim.Adam(model.discriminator.parameters(), fused=True)
    for batch in batches(x, BATCH):
        out = model({"data": batch.float()})
        coders.zero_grad()
        out.autoencoder_loss.backward(retain_graph=True)
        critics.zero_grad()
        out.discriminator_loss.backward()
        coders.step()
        critics.step()
        yield found(out)


# The workloads: rows of a training step, and of decoding


def measure(name: str, model: Any, x: Tensor, plain: Loop, theirs: tuple[Any, Loop] | None, same: bool = True) -> Row:
    """A row of a training step, after thirty of each have lost about the same."""
    loops = {"plain": plain, **({"pythae": theirs[1]} if theirs else {})}
    engine = training(model, x, Training.of(steps=10**6, batch_size=BATCH))
    ours = [next(iter(next(engine).losses.values())) for _ in range(LOOKS)][-1]  # the mean so far
    for peer, loop in loops.items():
        lost = statistics.mean(next(loop) for _ in range(LOOKS))
        assert abs(lost - ours) < 0.05 * ours or (peer == "pythae" and not same), (name, peer, ours, lost)
    calls: dict[str, Call] = {"ours": lambda: next(engine)} | {k: partial(next, loop) for k, loop in loops.items()}
    return row(name, "train", BATCH, typical(calls), PLAIN)


def autoencoders(x: Tensor) -> Iterator[Row]:
    with seeded(0):
        ours = autoencoder()
    plain, copy = deepcopy(ours).train(), deepcopy(ours)
    theirs = peers and peers.autoencoder(copy.encoder, copy.decoder, (DIMENSIONS,), LATENT)
    theirs = theirs and (theirs, their_loop(theirs, x, lambda out: out.loss.item()))
    yield measure("autoencoder-784", ours, x, plain_autoencoder(plain, x), theirs)


def vq_vaes(x: Tensor) -> Iterator[Row]:
    x = x.view(-1, 1, 28, 28)
    with seeded(0):
        ours = vq_vae()
        no_grad(partial(ours.begin, x[:BATCH], None))()
    plain, copy = deepcopy(ours).train(), deepcopy(ours)
    theirs = None
    if peers:
        made = peers.vq_vae(copy.encoder, copy.decoder, (1, 28, 28), WORDS, copy.commitment)
        book: Any = ours.quantiser
        made.quantizer.embeddings.copy_(book.words)
        made.quantizer.ema_embed.copy_(book.sums)
        made.quantizer.cluster_size.copy_(book.counts)
        codes = made.eval()({"data": x[:BATCH].float()}).quantized_indices
        assert (codes == ours.encode(x[:BATCH])).float().mean() > 0.999
        theirs = made, their_loop(made.train(), x, lambda out: out.loss.item())
    yield measure("vq-vae-28", ours, x, plain_vq_vae(plain, x), theirs, same=False)
    codes = ours.eval().encode(x)[torch.randint(len(x), (SAMPLES,))]
    calls = {"ours": no_grad(lambda: ours.draw(codes)), "plain": no_grad(lambda: plain_draw(ours, codes))}
    yield row("vq-vae-28", "draw from codes", SAMPLES, typical(calls), PLAIN)


def plain_draw(model: VQVAE, codes: Tensor) -> Tensor:
    book: Any = model.quantiser
    parts = [model.decoder(book.words[k.view(-1, *model.grid)]).sigmoid() for k in codes.split(BATCH)]
    return torch.cat([(torch.rand(p.shape) < p).to(torch.uint8).squeeze(-1) for p in parts])


def aaes(x: Tensor) -> Iterator[Row]:
    with seeded(0):
        ours = aae()
    plain, copy = deepcopy(ours).train(), deepcopy(ours)
    theirs = None
    if peers:
        encoder = nn.Sequential(copy.encoder, copy.numbers)
        made = peers.aae(encoder, copy.generator, copy.critic, (DIMENSIONS,), LATENT)
        theirs = made, their_game(made, x, lambda out: 8 * out.recon_loss.item())  # half of what is (0, 1) in (-1, 1)
    yield measure("aae-784", ours, x, plain_aae(plain, x), theirs, same=False)
    calls: dict[str, Call] = {
        "ours": lambda: ours.sample(SAMPLES),
        "plain": no_grad(lambda: (ours.generator(torch.randn(SAMPLES, LATENT)) > 0).view(torch.uint8)),
    }
    if theirs:
        calls["pythae"] = no_grad(lambda: peers.drawn(theirs[0], SAMPLES, LATENT))
    yield row("aae-784", "sample", SAMPLES, typical(calls), PLAIN)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = (Noise(0).uniform((1000, DIMENSIONS), "x") < 0.13).to(torch.uint8)
    rows = [*autoencoders(x), *vq_vaes(x), *aaes(x)]
    settings = {"hidden": HIDDEN, "latent": LATENT, "codewords": WORDS, "codeword": WIDTH}
    write("coders", rows, settings, ("pythae",) if peers else ())


if __name__ == "__main__":
    main()
