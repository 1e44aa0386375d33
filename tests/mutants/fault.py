"""One fault of the mutation check."""

from typing import NamedTuple, final

__all__ = ["Fault", "Faults"]


@final
class Fault(NamedTuple):
    """A fragment of one line, and what a person might have written instead.

    Args:
        before: The fragment; it occurs once in its file.
        after: What replaces it.
        breaks: What is wrong then, in a phrase.
        reason: Why no test can notice, for faults that change no result; else empty.
    """

    before: str
    after: str
    breaks: str
    reason: str = ""

    def seeded(self, text: str) -> str:
        """The file with the fault in it."""
        if text.count(self.before) != 1:
            raise ValueError(f"{self.before!r} should occur once, but it occurs {text.count(self.before)} times.")
        return text.replace(self.before, self.after)

    def line(self, text: str) -> int:
        """The number of the line, from 1, on which the fragment lies."""
        return text[: text.index(self.before)].count("\n") + 1


Faults = dict[str, tuple[Fault, ...]]
