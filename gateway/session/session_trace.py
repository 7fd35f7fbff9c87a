"""Turns the events of one session into spans, from the timings that its finals carry. PURE."""

from dataclasses import dataclass
from itertools import pairwise

from gateway.tracing import SessionSpan, Span
from gateway.wire import Final, ServerEvent, SpeechStarted, Warning
from gateway.wire.server_events import channel_of
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["MAX_UNSENT", "SessionTrace"]

MAX_UNSENT = 64
"""Finals whose sending is awaited: some minutes of speech. A client that is disconnected gets its finals by replay,
which is not observed; then the oldest span ends when its final was emitted."""

_Key = tuple[int | None, int]
"""Channel and utterance."""


@dataclass(frozen=True, slots=True)
class _Emitted:
    final: Final
    started_s: float
    emitted_s: float


class SessionTrace:
    """Records a span for each utterance of a session: from the detection of its speech until its final is sent.

    Each has four children, one after the other: `endpoint_wait`, `queue`, `decode` and `delivery`, which the final's
    latency gives. The last ends when the final has been sent.

    Args:
        span: of the session.
    """

    def __init__(self, span: SessionSpan) -> None:
        self._span = span
        self._started_s: dict[_Key, float] = {}
        """Of utterances without a final."""
        self._unsent: dict[_Key, _Emitted] = {}

    @property
    def trace_id(self) -> str | None:
        """Id of the trace, 32 hexadecimal digits; None: tracing is disabled."""
        return self._span.trace_id

    def emitted(self, event: ServerEvent, now_s: float) -> None:
        """Handle an event of the session's pipeline.

        Args:
            event: in the order of emission.
            now_s: in seconds since 1970.
        """
        if not self._span.is_recorded:
            return
        channel, inner = channel_of(event)
        match inner:
            case SpeechStarted(utterance_id=utterance_id):
                self._started_s[channel, utterance_id] = now_s
            case Final(utterance_id=utterance_id):
                key = channel, utterance_id
                # speech that began before the session was resumed from the journal has no start here
                started_s = self._started_s.pop(key, now_s - _total_s(inner))
                self._unsent[key] = _Emitted(inner, started_s, now_s)
                if len(self._unsent) > MAX_UNSENT:
                    self._add(next(iter(self._unsent)), None)
            case Warning(code=code):
                self._span.note("warning", now_s, {"livecue.warning": code})
            case _:
                pass

    def sent(self, event: ServerEvent, now_s: float) -> None:
        """Handle an event that has been written to the client's connection; only finals matter."""
        channel, inner = channel_of(event)
        if isinstance(inner, Final) and (channel, inner.utterance_id) in self._unsent:
            self._add((channel, inner.utterance_id), now_s)

    def end(self, outcome: str, audio_s: float, finals: int, now_s: float) -> None:
        """End the session's span, and those of utterances whose final was not sent, or that have none.

        Args:
            outcome: `finished`, `interrupted`, or the code of the error that ended the session.
            audio_s: audio received, in seconds.
            finals: number of finals emitted.
            now_s: in seconds since 1970.
        """
        for key in tuple(self._unsent):
            self._add(key, None)
        for (channel, utterance_id), started_s in self._started_s.items():
            attributes = _identity(channel, utterance_id)
            self._span.add(Span("utterance", started_s, now_s, attributes, error="no_final"))
        attributes = {"livecue.outcome": outcome, "livecue.audio_s": audio_s, "livecue.finals": finals}
        self._span.end(now_s, attributes, None if outcome in ("finished", "interrupted") else outcome)

    def _add(self, key: _Key, sent_s: float | None) -> None:
        self._span.add(_utterance_span(key, self._unsent.pop(key), sent_s))


def _utterance_span(key: _Key, emitted: _Emitted, sent_s: float | None) -> Span:
    final, started_s = emitted.final, emitted.started_s
    latency = final.latency
    end_s = emitted.emitted_s if sent_s is None else sent_s
    decoded_s = emitted.emitted_s - latency.delivery_s
    begun_s = decoded_s - latency.decode_s
    queued_s = begun_s - latency.queue_s
    # the endpoint wait is audio time: a client that sends faster than real time waits for less
    edges_s = [
        max(started_s, edge_s) for edge_s in (queued_s - latency.endpoint_s, queued_s, begun_s, decoded_s, end_s)
    ]
    names = "endpoint_wait", "queue", "decode", "delivery"
    children = tuple(Span(name, *edges) for name, edges in zip(names, pairwise(edges_s), strict=True))
    attributes = _identity(*key) | {
        "livecue.audio.start_s": final.start_sample / SAMPLE_RATE_HZ,
        "livecue.audio.end_s": final.end_sample / SAMPLE_RATE_HZ,
        "livecue.sent": "yes" if sent_s is not None else "no",
    }
    if final.language is not None:
        attributes["livecue.language"] = final.language
    return Span("utterance", started_s, edges_s[-1], attributes, final.error, children)


def _identity(channel: int | None, utterance_id: int) -> dict[str, str | int | float]:
    return {"livecue.utterance.id": utterance_id, **({} if channel is None else {"livecue.channel": channel})}


def _total_s(final: Final) -> float:
    latency = final.latency
    return latency.endpoint_s + latency.queue_s + latency.decode_s + latency.delivery_s
