"""Theory with closed forms: tables, chains, trees, mixtures, kernels, heads and divergences. No networks."""

from ptheta.distributions.chains import ARTable, Markov, causal_neighbours, prefix_neighbours
from ptheta.distributions.chow_liu import ChowLiu
from ptheta.distributions.copula import GaussianCopula
from ptheta.distributions.dequantized import Dequantized, TrainedDequantized, dequantized_space
from ptheta.distributions.forest import Forest
from ptheta.distributions.full_table import FullTable
from ptheta.distributions.gaussian_mixture import GaussianMixture
from ptheta.distributions.kde import KDE
from ptheta.distributions.mixtures import ProductMixture
from ptheta.distributions.resampling import SMOTE, Bootstrap
from ptheta.distributions.simple import Gaussian, Uniform
from ptheta.distributions.table_mixture import TableMixture
from ptheta.distributions.tables import Independent

__all__ = [
    "ARTable",
    "Bootstrap",
    "ChowLiu",
    "Dequantized",
    "Forest",
    "FullTable",
    "Gaussian",
    "GaussianCopula",
    "GaussianMixture",
    "Independent",
    "KDE",
    "Markov",
    "ProductMixture",
    "SMOTE",
    "TableMixture",
    "TrainedDequantized",
    "Uniform",
    "causal_neighbours",
    "dequantized_space",
    "prefix_neighbours",
]
