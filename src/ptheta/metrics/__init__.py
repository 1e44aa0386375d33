"""How good a model is: likelihoods that say what they are, and sample metrics beside real data."""

from ptheta.metrics.c2st import two_sample_test
from ptheta.metrics.coverage import precision_recall_density_coverage
from ptheta.metrics.features import Extractor, features
from ptheta.metrics.frechet import frechet_distance
from ptheta.metrics.likelihood import Kind, Likelihood, likelihood, scores
from ptheta.metrics.memorisation import Neighbours, nearest_neighbours, train_share, train_share_interval
from ptheta.metrics.mmd import kernel_distance, mmd
from ptheta.metrics.result import MetricResult
from ptheta.metrics.sample_report import NearestPairs, SampleReport
from ptheta.metrics.samples import SampleEvaluator, evaluate_samples

__all__ = [
    "Extractor",
    "Kind",
    "Likelihood",
    "MetricResult",
    "NearestPairs",
    "Neighbours",
    "SampleEvaluator",
    "SampleReport",
    "evaluate_samples",
    "features",
    "frechet_distance",
    "kernel_distance",
    "likelihood",
    "mmd",
    "nearest_neighbours",
    "precision_recall_density_coverage",
    "scores",
    "train_share",
    "train_share_interval",
    "two_sample_test",
]
