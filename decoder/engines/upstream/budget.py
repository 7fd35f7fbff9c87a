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

_MIN_SPEECH_S = 60.0
"""For less speech the ratio means nothing: one utterance sent twice is twice the audio."""

_PARTIALS_STOP = 0.8
"""Share of a cap from which the remainder is reserved for finals."""


class Allowance(StrEnum):
    """The requests that the caps allow."""

    EVERYTHING = "everything"
    FINALS = "finals"
    NOTHING = "nothing"


@dataclass(slots=True)
class _Account:
    """The speech of one session that was requested, and the audio that was sent for it."""

    speech_samples: int = 0
    finals_samples: int = 0
    partials_samples: int = 0
    requested_until: dict[int, int] = field(default_factory=dict)
    """Open utterance → end sample of the audio requested so far."""


class Ledger:
    """Limits the audio sent in addition to finals to a share of the speech, per session.

    A final is always sent, so each second of speech is sent once. Partials may add `partial_share` seconds to it. An
    eager request adds nothing if it becomes the final, and all of its audio if it is discarded: it is allowed if all
    discarded audio of the session, this request's included, would stay within `eager_share`.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._accounts: dict[str, _Account] = {}

    def record_request(self, request: DecodeRequest) -> float:
        """Record a request, and return its speech that no earlier request covered, in seconds."""
        account = self._accounts.setdefault(request.session_id, _Account())
        requested_until = account.requested_until.get(request.utterance_id, request.start_sample)
        new_samples = max(0, request.end_sample - requested_until)
        account.speech_samples += new_samples
        account.requested_until[request.utterance_id] = requested_until + new_samples
        if request.kind in (RequestKind.FINAL, RequestKind.FILE):
            del account.requested_until[request.utterance_id]
        return new_samples / SAMPLE_RATE_HZ

    def allows(self, request: DecodeRequest, sent_samples: int) -> bool:
        """Return whether a recorded request may send this number of samples."""
        account = self._accounts[request.session_id]
        match request.kind:
            case RequestKind.PARTIAL:
                allowed = self._settings.partial_share * account.speech_samples
                return account.partials_samples + sent_samples <= allowed
            case RequestKind.EAGER:
                # if the request is discarded, its audio is sent again with the final
                discarded = account.finals_samples + 2 * sent_samples - account.speech_samples
                return discarded <= self._settings.eager_share * account.speech_samples
            case _:
                return True

    def record_sent(self, request: DecodeRequest, sent_samples: int) -> None:
        """Record that audio is sent for a request."""
        account = self._accounts[request.session_id]
        if request.kind is RequestKind.PARTIAL:
            account.partials_samples += sent_samples
        else:
            account.finals_samples += sent_samples

    def has_session(self, session_id: str) -> bool:
        """Return whether requests of the session were recorded and it has not been forgotten."""
        return session_id in self._accounts

    def forget(self, session_id: str) -> None:
        """Discard the account of a session."""
        self._accounts.pop(session_id, None)


@dataclass(slots=True)
class _Minute:
    number: int
    speech_s: float = 0.0
    sent_s: float = 0.0
    cost: float = 0.0


class RollingHour:
    """Compares the audio and the cost of the last hour, by minutes, with the caps."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._minutes: deque[_Minute] = deque(maxlen=_HOUR_MINUTES)

    def add(self, now_s: float, *, speech_s: float = 0.0, sent_s: float = 0.0, cost: float = 0.0) -> None:
        """Record speech requested, or audio sent and its cost."""
        number = int(now_s // _MINUTE_S)
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(_Minute(number))
        latest = self._minutes[-1]
        latest.speech_s += speech_s
        latest.sent_s += sent_s
        latest.cost += cost

    def cost(self, now_s: float) -> float:
        """Return the cost of the last hour."""
        return self._total(now_s, lambda minute: minute.cost)

    def allowance(self, now_s: float) -> Allowance:
        """Return the requests allowed: only finals from 80 % of a cap, nothing once a cap is reached.

        Every second of speech is sent once in its final, so only the audio beyond that counts towards
        `max_audio_per_speech`.
        """
        used = 0.0
        if self._settings.max_cost_per_hour is not None:
            used = self.cost(now_s) / self._settings.max_cost_per_hour
        speech_s = self._total(now_s, lambda minute: minute.speech_s)
        if self._settings.max_audio_per_speech is not None and speech_s >= _MIN_SPEECH_S:
            sent_s = self._total(now_s, lambda minute: minute.sent_s)
            used = max(used, (sent_s / speech_s - 1) / (self._settings.max_audio_per_speech - 1))
        if used >= 1:
            return Allowance.NOTHING
        return Allowance.FINALS if used >= _PARTIALS_STOP else Allowance.EVERYTHING

    def _total(self, now_s: float, of: Callable[[_Minute], float]) -> float:
        oldest = int(now_s // _MINUTE_S) - _HOUR_MINUTES
        return sum(of(minute) for minute in self._minutes if minute.number > oldest)
