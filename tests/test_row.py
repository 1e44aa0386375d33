"""When a row of a paper's table counts as reproduced."""

import pytest

from ptheta.recipes.row import Row


@pytest.mark.parametrize(
    ("rule", "line", "passing", "failing"),
    [
        ("at most", 3.0, [3.0, -9.0], [3.1]),
        ("at least", 3.0, [3.0, 9.0], [2.9]),
        ("within", 0.5, [10.5, 9.5], [10.6, 9.4]),
    ],
)
def test_a_row_passes_by_its_rule(rule, line, passing, failing):
    row = Row("r", 10.0, line, rule, "nats", "digits", "nade")
    assert all(row.passed(ours) for ours in passing)
    assert not any(row.passed(ours) for ours in failing)
