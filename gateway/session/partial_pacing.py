"""Paces the partials of one pipeline: less often while the engine is behind. PURE."""

from collections.abc import Callable
from math import inf

from decoder.scheduler import Answer
from decoder.types import RequestKind, RequestReplaced
from gateway.load.ladder import Step
from gateway.session.partial_interval import PartialInterval
from gateway.wire import CadenceChanged
from vad.audio import SAMPLE_RATE_HZ, s_to_samples
from vad.speech_frontend import SpeechFrontend

__all__ = ["PartialPacing"]


class PartialPacing:
    """Whether partials are requested, and how often.

    Args:
        frontend: emits progress at the interval; its own setting is the shortest.
        engine_interval_s: the shortest interval that the engine supports; None: it makes no partials.
        max_stretch: the longest interval, in multiples of the set one, ≥ 1.
        next_seq: numbers events.
        is_enabled: whether the client wants partials.
    """

    def __init__(
        self,
        frontend: SpeechFrontend,
        engine_interval_s: float | None,
        max_stretch: float,
        next_seq: Callable[[], int],
        *,
        is_enabled: bool,
    ) -> None:
        self._frontend = frontend
        self._engine_interval_s = engine_interval_s
        self._max_stretch = max_stretch
        self._next_seq = next_seq
        self._step = Step.NORMAL
        self.restart(is_enabled=is_enabled)

    def restart(self, *, is_enabled: bool) -> None:
        """Start again from the interval that the front end is set to now."""
        self.is_enabled = is_enabled and self._engine_interval_s is not None
        """Whether partials are requested."""
        engine_samples = s_to_samples(self._engine_interval_s or 0.0)
        set_samples = max(self._frontend.progress_interval_samples, engine_samples)
        self._frontend.progress_interval_samples = set_samples
        self._interval = PartialInterval(set_samples, self._max_stretch)

    @property
    def is_paused(self) -> bool:
        """Whether the gateway has stopped all partials, since its engine is overloaded."""
        return self._step >= Step.PARTIALS_OFF

    @property
    def stretch(self) -> float:
        """The actual interval, in multiples of the set one, ≥ 1; 1 where no partials are requested."""
        return self._interval.stretch if self.is_enabled else 1.0

    @property
    def is_stretched(self) -> bool:
        """Whether partials come less often than set."""
        return self._interval.is_stretched

    def on_answer(self, answer: Answer) -> list[CadenceChanged]:
        """Adapt the interval to how long a partial took, and return the announcement of a noticeable change."""
        if answer.request.kind is not RequestKind.PARTIAL:
            return []
        latency_s = inf if isinstance(answer.outcome, RequestReplaced) else answer.queue_s + answer.decode_s
        self._interval.record(latency_s * SAMPLE_RATE_HZ)
        return self._apply()

    def adapt(self, step: Step) -> list[CadenceChanged]:
        """Follow the overload ladder: partials that return do so at the set interval, which is announced.

        Args:
            step: of the gateway, from now on.
        """
        is_relieved, self._step = step < self._step, step
        if not is_relieved or self.is_paused:
            return []
        self._interval.reset()
        return self._apply()

    def _apply(self) -> list[CadenceChanged]:
        self._frontend.progress_interval_samples = self._interval.samples
        announced = self._interval.announcement()
        return [] if announced is None else [CadenceChanged(self._next_seq(), announced)]
