"""PURE: finds the greatest count that still passes, in few probes."""

from dataclasses import dataclass

__all__ = ["Bisection"]

CLOSE = 1.1
"""The search ends when the least count that failed is within a tenth of the greatest that passed."""


@dataclass(slots=True)
class Bisection:
    """A search for the greatest count that passes, where all below pass and all above fail.

    Attributes:
        count: to be tried next, ≥ 1; None: the search is over.
        passed: greatest count that passed; None: none did.
        failed: least count that failed; None: none did.
        probes: how many more there may be.
    """

    count: int | None
    probes: int
    passed: int | None = None
    failed: int | None = None

    def note(self, *, has_passed: bool) -> None:
        """Take in what came of `count`, and choose the next.

        Raises:
            ValueError: the search is over.
        """
        if self.count is None:
            raise ValueError("the search is over: no count is to be tried")
        if has_passed:
            self.passed = self.count
        else:
            self.failed = self.count
        self.probes -= 1
        self.count = self._next() if self.probes > 0 else None

    def _next(self) -> int | None:
        if self.failed is None:
            return None if self.passed is None else max(self.passed + 1, round(self.passed * 1.5))
        if self.passed is None:
            return self.failed // 2 or None
        is_close = self.failed <= max(self.passed + 1, self.passed * CLOSE)
        return None if is_close else (self.passed + self.failed) // 2
