"""What classifiers and regressions of scikit-learn see of events, and the two that stand beside our numbers.

Linear models and neighbours see *points*: numbers in standard units, names one-hot. Trees see *cells*: numbers as they
are, names as codes, which they split as sets, and nothing where a cell is blank.
"""

from typing import Any, cast

import numpy as np
from torch import Tensor

from ptheta.spaces import Space, Symbols, Table

__all__ = ["boosted_classifier", "boosted_regressor", "cells_for_trees", "logistic", "points_of"]

MOST_NAMES = 255  # of one column, that scikit-learn's trees split as sets


def points_of(space: Space, x: Tensor) -> np.ndarray:
    """Events (n, *space.shape) as points, float64 with shape (n, W)."""
    points = space.points(x) if isinstance(space, Table) else space.embed(x).flatten(1).double()
    return points.cpu().numpy()


def cells_for_trees(space: Space, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Events as trees take them.

    Args:
        space: What an event is.
        x: Events with shape (n, *space.shape).

    Returns:
        Cells, float64 with shape (n, D), NaN where blank; and which columns are names, Boolean with shape (D,).
    """
    cells = space.cells(x).double().cpu().numpy()
    if isinstance(space, Table):
        names = [not f.is_number and f.kind != "ordered" and len(f.names) <= MOST_NAMES for f in space.fields]
    else:
        names = [isinstance(space, Symbols) and space.n <= MOST_NAMES] * cells.shape[1]
    return cells, np.array(names, dtype=bool)


def logistic() -> Any:
    """A logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500)


def boosted_classifier(names: np.ndarray, seed: int = 0) -> Any:
    """Gradient boosting of trees that tell classes.

    Args:
        names: Which columns are names, Boolean with shape (D,).
        seed: Of its held-out rows.

    Returns:
        A classifier.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(categorical_features=cast("Any", names), random_state=seed)


def boosted_regressor(names: np.ndarray, seed: int = 0) -> Any:
    """Gradient boosting of trees that guess a number.

    Args:
        names: Which columns are names, Boolean with shape (D,).
        seed: Of its held-out rows.

    Returns:
        A regression.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(categorical_features=cast("Any", names), random_state=seed)
