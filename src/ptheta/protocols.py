"""Questions that a model answers by its methods. No code, no data: ``issubclass`` answers as ``isinstance`` does.

Goodfellow's taxonomy is visible in them: explicit and tractable is ``HasLogProb``, explicit and approximate is
``HasElbo`` or ``HasEnergy``, implicit is neither.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from ptheta.model import Estimate
from ptheta.noise import Noise

__all__ = [
    "HasCode",
    "HasCodeLaw",
    "HasComplete",
    "HasElbo",
    "HasElboTerms",
    "HasEnergy",
    "HasEnergyBound",
    "HasImportanceBound",
    "HasLayerRates",
    "HasLogProb",
    "HasPseudoLikelihood",
    "HasTranslate",
    "HasValidation",
]


@runtime_checkable
class HasLogProb(Protocol):
    """Explicit and tractable."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact, normalised log-likelihood log p(x | context) in nats, with shape (B,)."""
        ...


@runtime_checkable
class HasElbo(Protocol):
    """Explicit, approximated from below."""

    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log p(x | context) in nats, the mean over ``draws``, with shape (B,)."""
        ...


@runtime_checkable
class HasEnergy(Protocol):
    """Explicit up to a constant: log p(x) = -energy(x) - log Z."""

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The (free) energy of events in nats, with shape (B,)."""
        ...

    def log_partition(self, noise: Noise | None = None, budget: int = 1000) -> Estimate:
        """log Z: by enumeration when small, else by annealed importance sampling over ``budget`` temperatures."""
        ...


@runtime_checkable
class HasEnergyBound(Protocol):
    """An energy that may be a bound: log p(x) >= -energy(x) - log Z."""

    def energy_is_bound(self) -> bool:
        """Whether ``energy`` is an upper bound on the free energy, because what is hidden is too much to sum out."""
        ...


@runtime_checkable
class HasPseudoLikelihood(Protocol):
    """A cheap sign of progress where no likelihood is at hand. Not a likelihood."""

    def pseudo_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The sum over variables of log p(x_i | all others) in nats, with shape (B,)."""
        ...


@runtime_checkable
class HasCode(Protocol):
    """Maps events to codes and back. What a code is, the model's ``code_space`` says."""

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The code of each event, with shape (B, *code_space.shape)."""
        ...

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event of each code, with shape (B, *space.shape)."""
        ...


@runtime_checkable
class HasCodeLaw(Protocol):
    """A coder whose decoder is a law p(x | z) of events, so that a prior over its codes makes a bound."""

    def code_terms(
        self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A code z from q(z | x) for each event, and log p(x | z) and log q(z | x) in nats, each with shape (B,)."""
        ...

    def draw(self, z: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """An event from p(x | z) for each code, with shape (B, *space.shape)."""
        ...


@runtime_checkable
class HasComplete(Protocol):
    """Fills what a mask leaves open."""

    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Events equal to ``x`` where the Boolean ``mask`` is true, sampled elsewhere, with shape (B, *space.shape)."""
        ...


@runtime_checkable
class HasElboTerms(Protocol):
    """A bound that splits in two: elbo = reconstruction - rate."""

    def elbo_terms(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reconstruction E log p(x | z) and rate KL(q(z | x) || p(z)) in nats, each with shape (B,)."""
        ...


@runtime_checkable
class HasImportanceBound(Protocol):
    """A bound that tightens with the number of importance samples."""

    def importance_bound(
        self, x: Tensor, k: int, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> Tensor:
        """The lower bound log (1/k) sum_j p(x, z_j) / q(z_j | x) in nats, with shape (B,)."""
        ...


@runtime_checkable
class HasLayerRates(Protocol):
    """A bound whose rate is a sum over layers of codes."""

    def layer_rates(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> Tensor:
        """What each layer tells of each event in nats, the lowest first, with shape (layers, B)."""
        ...


@runtime_checkable
class HasTranslate(Protocol):
    """A map between the classes of a labelled data set."""

    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Counterparts in the classes ``target`` (B,), with shape (B, *space.shape); None where there is but one."""
        ...


@runtime_checkable
class HasValidation(Protocol):
    """What a model without a likelihood is chosen by: a map's or a coder's error."""

    def validation(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The error of each event, lower is better, with shape (B,)."""
        ...
