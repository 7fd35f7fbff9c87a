"""Which pauses are worth a final decoded at once. PURE."""

__all__ = ["PauseStatistics"]

_MEMORY = 0.85
"""What one more pause leaves of the others' weight: half a dozen pauses count."""

_WORTH = 0.6
"""An eager final costs a whole final and saves a fraction of a second: at least three of five should be of use."""

_UNKNOWN = 0.65
"""Of a speaker nobody has heard yet: taken to stop where he pauses, until he does not once."""


class PauseStatistics:
    """The share of a speaker's short pauses that were the end of an utterance, the last ones counting most.

    Someone who reads aloud pauses within sentences, and nearly all eager finals would be thrown away; someone who
    answers an agent pauses when the turn is over.
    """

    def __init__(self) -> None:
        self._ends = _UNKNOWN

    @property
    def pays(self) -> bool:
        """Whether the next pause is likely to be an end."""
        return self._ends >= _WORTH

    def paused(self, *, was_end: bool) -> None:
        """Note what became of a pause."""
        self._ends = self._ends * _MEMORY + was_end * (1 - _MEMORY)
