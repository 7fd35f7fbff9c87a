"""The missing parts of a recording, in one sentence."""

import pytest

from clients.missing_audio import Incomplete, MissingAudio
from gateway.wire import Final, Flushed, Gap, Latency, OfChannel, Ready, ServerEvent

SECOND = 16_000


def final(start_s: float, end_s: float, error: str | None = None) -> Final:
    span = round(start_s * SECOND), round(end_s * SECOND)
    return Final(1, 0, *span, "" if error else "good morning", "en", Latency(0, 0, 0, 0), error=error)


def gaps(*events: ServerEvent) -> MissingAudio:
    found = MissingAudio()
    for event in events:
        found.add(event)
    return found


def test_a_recording_with_all_its_words_needs_no_sentence() -> None:
    assert gaps(final(0, 1), final(2, 3)).sentence() is None


def test_missing_audio_is_reported_with_its_position_and_reason() -> None:
    found = gaps(final(0, 1), final(62.5, 65, "engine_timeout"), final(70, 71), Gap(1, 3_600 * SECOND, 3_601 * SECOND))
    assert found.sentence() == (
        "the transcript of 3.5 s is missing: 0:01:02.5 to 0:01:05.0 (engine_timeout), "
        "1:00:00.0 to 1:00:01.0 (audio_lost)"
    )


def test_only_the_first_of_many_places_are_listed_with_the_number_of_others() -> None:
    events = [event for start in range(0, 40, 4) for event in (final(start, start + 1, "broken"), final(start + 2, 3))]
    sentence = gaps(*events).sentence()
    assert sentence is not None
    assert sentence.count("(broken)") == 5
    assert sentence.endswith("and 5 more")


def test_an_engine_that_fails_on_and_on_is_given_up() -> None:
    found = gaps(*[final(start, start + 1, "broken") for start in range(4)])
    with pytest.raises(Incomplete, match=r"failed at 5 utterances in a row \(broken\)"):
        found.add(OfChannel(0, final(4, 5, "broken")))


def test_failures_with_words_between_them_are_no_reason_to_give_up() -> None:
    gaps(*[final(start, start + 1, "broken" if start % 3 else None) for start in range(30)])


def test_how_far_there_are_words_is_known() -> None:
    assert gaps(final(0, 1), final(2, 62.3), final(70, 71, "broken")).answered_until == "0:01:02.3"


def test_a_session_has_begun_once_it_is_ready() -> None:
    assert not gaps().has_begun
    assert gaps(Ready(1, "s", "scripted", "script", "none", None)).has_begun


def test_an_event_without_words_misses_none() -> None:
    assert gaps(Flushed(1, "a")).sentence() is None
