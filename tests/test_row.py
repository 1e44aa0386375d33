"""When a row of a paper's table counts as reproduced."""

import pytest

from ptheta.papers.row import Row, shown


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


def test_the_ends_of_the_scale_are_named():
    row = Row("r", 10.0, 3.0, "at most", "nats", "digits", "nade")
    assert row.span_text == ""
    assert Row(**{**vars(row), "floor": (9.234, "independent")}).span_text == "floor 9.234 (independent)"
    both = Row(**{**vars(row), "floor": (1.0, "one mode"), "ceiling": (8.0, "true samples")})
    assert both.span_text == "floor 1 (one mode), ceiling 8 (true samples)"


def test_numbers_below_one_keep_four_decimals():
    assert [shown(x) for x in (142.6215, -1.0, 0.01862, 0.0)] == ["142.62", "-1.00", "0.0186", "0.0000"]
    assert shown(-0.0049, beside=0.0186, sign="+") == "-0.0049" and shown(0.5, beside=2.5, sign="+") == "+0.50"
