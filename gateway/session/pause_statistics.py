"""Which pauses are worth an eager final. PURE."""

__all__ = ["PauseStatistics"]

_DECAY = 0.85
"""Factor for the weight of earlier pauses at each new one: about six pauses count."""

_MIN_END_SHARE = 0.6
"""An eager final costs a whole final and saves a fraction of a second: at least three of five should be used."""

_INITIAL_END_SHARE = 0.65
"""Of a speaker not yet observed: pauses count as ends until one is not."""


class PauseStatistics:
    """The share of a speaker's short pauses that ended an utterance; recent pauses weigh more.

    A speaker who reads aloud pauses within sentences, so nearly all eager finals would be discarded; a speaker who
    answers a voice agent pauses when the turn is over.
    """

    def __init__(self) -> None:
        self._end_share = _INITIAL_END_SHARE

    @property
    def is_end_likely(self) -> bool:
        """Whether the next pause probably ends its utterance."""
        return self._end_share >= _MIN_END_SHARE

    def record(self, *, was_end: bool) -> None:
        """Record whether a pause ended its utterance."""
        self._end_share = self._end_share * _DECAY + was_end * (1 - _DECAY)
