"""How good a model is: likelihoods that say what they are, and sample metrics beside real data."""

from ptheta.metrics.likelihood import HasElboTerms, HasImportanceBound, Kind, Likelihood, likelihood, scores

__all__ = ["HasElboTerms", "HasImportanceBound", "Kind", "Likelihood", "likelihood", "scores"]
