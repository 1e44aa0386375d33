"""The mutation check: faults that a person could make, seeded one by one, and whether a test notices each.

    python -m tests.mutants                   every fault against the tests that reach its line
    python -m tests.mutants --only frechet    those whose file or sentence holds the word

``table`` gathers the faults, one literal per package of the library beside it; ``coverage_map`` finds which tests
reach which lines; ``runner`` seeds a fault in a copy of the checkout and runs those tests on it.
"""
