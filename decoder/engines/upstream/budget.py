"""Budgets the audio sent per second of speech, and its cost. PURE: time is an argument."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from decoder.settings import PoolSettings
from decoder.types import DecodeRequest, RequestKind
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Allowance", "Ledger", "RollingHour"]

_MINUTE_S = 60
_HOUR_MINUTES = 60

_LEAST_SPEECH_S = 60.0
"""Less speech has no ratio: one utterance asked twice is twice the audio."""

_PARTIALS_STOP = 0.8
"""Share of a cap from which the rest is kept for finals."""


class Allowance(StrEnum):
    """What the caps leave to be sent."""

    EVERYTHING = "everything"
    FINALS = "finals"
    NOTHING = "nothing"


@dataclass(slots=True)
class _Account:
    """One session's: how much of its speech has been asked for, and what was sent for it."""

    speech_samples: int = 0
    finals_samples: int = 0
    partials_samples: int = 0
    asked_until: dict[int, int] = field(default_factory=dict)
    """Open utterance → end of the audio of its latest request."""


class Ledger:
    """Keeps what is sent beside the finals within a share of the speech, session by session.

    A final is sent in any case, so each second of speech is sent once. Partials may add `partial_share` seconds to it.
    An eager request adds nothing if it becomes the final, and all of its audio if it does not: it is allowed where,
    should it be in vain, all such audio of the session stays below `eager_share`.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._accounts: dict[str, _Account] = {}

    def ask(self, request: DecodeRequest) -> float:
        """Note a request, and return how much speech it asks for that none before has, in seconds."""
        account = self._accounts.setdefault(request.session_id, _Account())
        asked_until = account.asked_until.get(request.utterance_id, request.start_sample)
        new_samples = max(0, request.end_sample - asked_until)
        account.speech_samples += new_samples
        account.asked_until[request.utterance_id] = asked_until + new_samples
        if request.kind in (RequestKind.FINAL, RequestKind.FILE):
            del account.asked_until[request.utterance_id]
        return new_samples / SAMPLE_RATE_HZ

    def allows(self, request: DecodeRequest, sent_samples: int) -> bool:
        """Return whether a request that has been noted may send so much audio."""
        account = self._accounts[request.session_id]
        match request.kind:
            case RequestKind.PARTIAL:
                allowed = self._settings.partial_share * account.speech_samples
                return account.partials_samples + sent_samples <= allowed
            case RequestKind.EAGER:
                in_vain = account.finals_samples + 2 * sent_samples - account.speech_samples
                return in_vain <= self._settings.eager_share * account.speech_samples
            case _:
                return True

    def sent(self, request: DecodeRequest, sent_samples: int) -> None:
        """Note that audio is sent for a request."""
        account = self._accounts[request.session_id]
        if request.kind is RequestKind.PARTIAL:
            account.partials_samples += sent_samples
        else:
            account.finals_samples += sent_samples

    def knows(self, session_id: str) -> bool:
        """Return whether a session has asked and has not been forgotten."""
        return session_id in self._accounts

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session."""
        self._accounts.pop(session_id, None)


@dataclass(slots=True)
class _Minute:
    number: int
    speech_s: float = 0.0
    sent_s: float = 0.0
    cost: float = 0.0


class RollingHour:
    """What the last hour's speech took: audio and money, to the minute, against the caps."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._minutes: deque[_Minute] = deque(maxlen=_HOUR_MINUTES)

    def add(self, now_s: float, *, speech_s: float = 0.0, sent_s: float = 0.0, cost: float = 0.0) -> None:
        """Note speech that was asked for, or audio that was sent and what it costs."""
        number = int(now_s // _MINUTE_S)
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(_Minute(number))
        latest = self._minutes[-1]
        latest.speech_s += speech_s
        latest.sent_s += sent_s
        latest.cost += cost

    def cost(self, now_s: float) -> float:
        """Return what the hour's audio costs."""
        return self._total(now_s, lambda minute: minute.cost)

    def allowance(self, now_s: float) -> Allowance:
        """Return what the caps leave: finals only from 80 % of one, nothing at it.

        Of the audio for a second of speech, only what is beyond the one second every final needs counts.
        """
        used = 0.0
        if self._settings.max_cost_per_hour is not None:
            used = self.cost(now_s) / self._settings.max_cost_per_hour
        speech_s = self._total(now_s, lambda minute: minute.speech_s)
        if self._settings.max_audio_per_speech is not None and speech_s >= _LEAST_SPEECH_S:
            sent_s = self._total(now_s, lambda minute: minute.sent_s)
            used = max(used, (sent_s / speech_s - 1) / (self._settings.max_audio_per_speech - 1))
        if used >= 1:
            return Allowance.NOTHING
        return Allowance.FINALS if used >= _PARTIALS_STOP else Allowance.EVERYTHING

    def _total(self, now_s: float, of: Callable[[_Minute], float]) -> float:
        oldest = int(now_s // _MINUTE_S) - _HOUR_MINUTES
        return sum(of(minute) for minute in self._minutes if minute.number > oldest)
