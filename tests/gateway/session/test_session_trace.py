"""Spans of utterances, from the timings that finals carry."""

from dataclasses import dataclass, field

import pytest

from gateway.session.session_trace import MAX_UNSENT, SessionTrace
from gateway.tracing import Attributes, Span
from gateway.wire import Final, Finished, Latency, OfChannel, SpeechStarted, Warning

LATENCY = Latency(endpoint_s=0.7, queue_s=0.1, decode_s=0.2, delivery_s=0.05)


@dataclass
class Recorded:
    """A session's span that keeps what it gets."""

    trace_id: str | None = "0" * 31 + "1"
    is_recorded: bool = True
    spans: list[Span] = field(default_factory=list)
    notes: list[tuple[str, float, Attributes]] = field(default_factory=list)
    ended: tuple[float, Attributes, str | None] | None = None

    def add(self, span: Span) -> None:
        self.spans.append(span)

    def note(self, name: str, at_s: float, attributes: Attributes) -> None:
        self.notes.append((name, at_s, attributes))

    def end(self, at_s: float, attributes: Attributes, error: str | None) -> None:
        self.ended = at_s, attributes, error


def final(utterance_id: int = 1, error: str | None = None, language: str | None = "en") -> Final:
    return Final(9, utterance_id, 16_000, 48_000, "words of a user", language, LATENCY, error=error)


def started(utterance_id: int = 1) -> SpeechStarted:
    return SpeechStarted(1, utterance_id, 16_000)


def parts(span: Span) -> list[tuple[str, float, float]]:
    return [(part.name, round(part.start_s, 6), round(part.end_s, 6)) for part in span.children]


def test_an_utterance_lasts_from_its_speech_until_its_final_is_sent_and_its_parts_follow_one_another() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(started(), 100.0)
    trace.emitted(final(), 103.0)
    assert recorded.spans == []
    trace.sent(final(), 103.5)

    (span,) = recorded.spans
    assert (span.name, span.start_s, span.end_s, span.error) == ("utterance", 100.0, 103.5, None)
    assert parts(span) == [
        ("endpoint_wait", 101.95, 102.65),
        ("queue", 102.65, 102.75),
        ("decode", 102.75, 102.95),
        ("delivery", 102.95, 103.5),
    ]
    assert span.attributes == {
        "livecue.utterance.id": 1,
        "livecue.audio.start_s": 1.0,
        "livecue.audio.end_s": 3.0,
        "livecue.sent": "yes",
        "livecue.language": "en",
    }


def test_no_part_begins_before_its_utterance_when_audio_comes_faster_than_real_time() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(started(), 100.0)
    trace.emitted(final(language=None), 100.3)
    trace.sent(final(language=None), 100.4)

    assert parts(recorded.spans[0])[:2] == [("endpoint_wait", 100.0, 100.0), ("queue", 100.0, 100.05)]
    assert "livecue.language" not in recorded.spans[0].attributes


def test_channels_have_utterances_of_their_own() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    for channel in (0, 1):
        trace.emitted(OfChannel(channel, started()), 100.0 + channel)
        trace.emitted(OfChannel(channel, final()), 105.0)
    trace.sent(OfChannel(1, final()), 106.0)

    assert [(span.start_s, span.attributes["livecue.channel"]) for span in recorded.spans] == [(101.0, 1)]


def test_an_utterance_that_began_before_a_resume_begins_with_its_endpoint_wait() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(final(), 103.0)
    trace.sent(final(), 103.0)

    assert recorded.spans[0].start_s == pytest.approx(103.0 - 1.05)


def test_a_failed_final_is_an_error_and_warnings_are_notes() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(started(), 100.0)
    trace.emitted(Warning(2, "lagging", "transcription is 50 s behind"), 101.0)
    trace.emitted(final(error="engine_timeout"), 103.0)
    trace.sent(final(error="engine_timeout"), 103.0)

    assert recorded.spans[0].error == "engine_timeout"
    assert recorded.notes == [("warning", 101.0, {"livecue.warning": "lagging"})]


def test_finals_that_are_not_seen_to_be_sent_end_when_emitted_and_do_not_pile_up() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    for utterance_id in range(MAX_UNSENT + 1):
        trace.emitted(started(utterance_id), 100.0)
        trace.emitted(final(utterance_id), 103.0)

    (span,) = recorded.spans
    assert (span.attributes["livecue.utterance.id"], span.end_s, span.attributes["livecue.sent"]) == (0, 103.0, "no")


def test_the_end_of_a_session_ends_what_is_open() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(started(1), 100.0)
    trace.emitted(started(2), 102.0)
    trace.emitted(final(1), 103.0)
    trace.sent(Finished(3, 0, 1), 103.0)
    trace.end("engine_failed", 4.0, 1, 110.0)

    assert [(span.end_s, span.error) for span in recorded.spans] == [(103.0, None), (110.0, "no_final")]
    outcome = {"livecue.outcome": "engine_failed", "livecue.audio_s": 4.0, "livecue.finals": 1}
    assert recorded.ended == (110.0, outcome, "engine_failed")


@pytest.mark.parametrize("outcome", ["finished", "interrupted"])
def test_a_session_that_ends_as_it_should_has_no_error(outcome: str) -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.end(outcome, 0.0, 0, 1.0)
    assert trace.trace_id == recorded.trace_id
    assert recorded.ended is not None
    assert recorded.ended[2] is None


def test_a_session_that_is_not_sampled_keeps_nothing() -> None:
    recorded = Recorded(is_recorded=False)
    trace = SessionTrace(recorded)
    trace.emitted(started(), 100.0)
    trace.emitted(final(), 103.0)
    trace.sent(final(), 103.0)
    trace.end("finished", 4.0, 1, 110.0)

    assert recorded.spans == []


def test_no_span_has_words_of_a_user() -> None:
    recorded = Recorded()
    trace = SessionTrace(recorded)
    trace.emitted(final(), 103.0)
    trace.end("finished", 4.0, 1, 110.0)
    assert "words of a user" not in repr(recorded)


def test_other_events_leave_no_trace() -> None:
    recorded = Recorded()
    SessionTrace(recorded).emitted(Finished(1, 0, 0), 100.0)
    assert (recorded.spans, recorded.notes) == ([], [])
