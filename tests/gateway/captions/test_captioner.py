"""From answers to captions: utterances speak one after the other, each until its final."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, EngineTimeout, Hypothesis, RequestKind
from gateway.captions.captioner import Captioner
from gateway.captions.cue_builder import DEFAULT_PROFILE, PROFILES, CueBuilder
from gateway.wire import (
    CueEvent,
    DialectMessage,
    Eager,
    Final,
    Finished,
    Flushed,
    OfChannel,
    Resumed,
    ServerEvent,
    Start,
    WordSpan,
)
from gateway.wire.cue import Cue, CueState
from tests.requests import WORD_SAMPLES, sentence_words
from vad.audio import SAMPLE_RATE_HZ
from vad.events import EndReason, SpeechEnded

UTTERANCE_SAMPLES = 10 * SAMPLE_RATE_HZ
PAUSE_SAMPLES = SAMPLE_RATE_HZ // 2
SILENCE = np.zeros(UTTERANCE_SAMPLES, np.float32)
ANSWERED_S, NOW_S = 50.0, 50.25
ENDED_S = ANSWERED_S - 0.5 - 1.5  # the final waits for half a second, and takes one and a half

UNGUARDED = GuardSettings(
    loop="off", no_speech="off", too_fast="off", silence_phrase="off", prompt="off", low_confidence="off"
)
"""The audio of these tests is silence, in which the guard believes nothing."""

LAST_REVISION = 99
"""Of the request that answers an utterance."""

PARTIAL, EAGER, FINAL = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL


def captioner(
    *,
    words: bool = False,
    partials: bool = True,
    eager: bool = False,
    agreement: int = 2,
    guard: GuardSettings | None = None,
) -> Captioner:
    start = Start(words=words, partials=partials, eager=eager, guard=True)
    builder = CueBuilder(PROFILES[DEFAULT_PROFILE])
    return Captioner(start, builder, StabiliserSettings(agreement), guard or UNGUARDED, count(1).__next__)


def start_of(utterance: int) -> int:
    return utterance * UTTERANCE_SAMPLES


def speak(made: Captioner, *utterances: int) -> None:
    """Let utterances begin and end."""
    for utterance in utterances:
        made.begin(utterance, start_of(utterance))
        assert made.end(ended(utterance), LAST_REVISION, ENDED_S) == []


def ended(utterance: int) -> SpeechEnded:
    start_sample = start_of(utterance)
    voiced_end_sample = start_sample + UTTERANCE_SAMPLES - PAUSE_SAMPLES
    audio_end_sample = start_sample + UTTERANCE_SAMPLES
    return SpeechEnded(utterance, start_sample, SILENCE, voiced_end_sample, audio_end_sample, EndReason.SILENCE)


def answer(utterance: int, kind: RequestKind, decoded: str | EngineError, revision: int = 1) -> Answer:
    revision = LAST_REVISION if kind is FINAL else revision
    asked = DecodeRequest("a", utterance, revision, kind, SILENCE, start_of(utterance), 0.0)
    if isinstance(decoded, EngineError):
        return Answer(asked, decoded, 0.5, 1.5, ANSWERED_S)
    outcome = Hypothesis("a", utterance, revision, sentence_words(decoded, start_of(utterance), 0.5), "en")
    return Answer(asked, outcome, 0.5, 1.5, ANSWERED_S)


def partial(made: Captioner, utterance: int, decoded: str | EngineError, revision: int = 1) -> list[ServerEvent]:
    return made.answer(answer(utterance, PARTIAL, decoded, revision), NOW_S)


def final(made: Captioner, utterance: int, decoded: str | EngineError) -> list[ServerEvent]:
    return made.answer(answer(utterance, FINAL, decoded), NOW_S)


def outstanding(made: Captioner) -> tuple[int | None, int | None]:
    """Return where the oldest utterance without a final starts, and the id of the oldest one that has ended."""
    return made.answered_until, None if made.oldest_ended is None else made.oldest_ended.utterance_id


def cues(events: Sequence[ServerEvent], state: CueState | None = None) -> list[Cue]:
    found = [event.cue for event in events if isinstance(event, CueEvent)]
    return [cue for cue in found if state in (None, cue.state)]


def finals(events: Sequence[ServerEvent]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def captions(events: Sequence[ServerEvent], state: CueState | None = None) -> list[str]:
    return [" ".join(cue.lines) for cue in cues(events, state)]


def names(events: Sequence[ServerEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_partial_is_emitted_at_once_and_a_final_with_its_final_cue() -> None:
    made = captioner()
    made.begin(0, 0)
    assert captions(partial(made, 0, "hello")) == ["hello"]
    made.end(ended(0), LAST_REVISION, ENDED_S)
    events = final(made, 0, "hello world")
    assert names(events) == ["CueEvent", "Final"]
    assert captions(events, CueState.FINAL) == ["hello world"]
    assert finals(events)[0].text == "hello world"


def test_a_final_has_its_span_and_language() -> None:
    made = captioner()
    speak(made, 0, 1)
    final(made, 0, "one")
    (last,) = finals(final(made, 1, "two"))
    assert (last.utterance_id, last.start_sample, last.end_sample, last.language) == (
        1,
        UTTERANCE_SAMPLES,
        2 * UTTERANCE_SAMPLES,
        "en",
    )
    assert last.error is None
    assert made.finals == 2


def test_finals_come_in_the_order_of_their_utterances() -> None:
    made = captioner()
    speak(made, 0, 1, 2)
    assert final(made, 2, "three") == []
    assert final(made, 1, "two") == []
    assert [event.text for event in finals(final(made, 0, "one"))] == ["one", "two", "three"]


def test_the_partial_of_a_later_utterance_waits_replaced_by_newer_ones() -> None:
    made = captioner()
    speak(made, 0)
    made.begin(1, start_of(1))
    assert partial(made, 1, "old", revision=1) == []
    assert partial(made, 1, "new", revision=2) == []
    events = final(made, 0, "first")
    assert names(events) == ["CueEvent", "Final", "CueEvent"]
    assert captions(events) == ["first", "new"]


def test_an_utterance_without_words_has_an_empty_final_and_no_cue() -> None:
    made = captioner()
    speak(made, 0)
    events = final(made, 0, "")
    assert names(events) == ["Final"]
    assert finals(events)[0].text == ""


@pytest.mark.parametrize("kind", RequestKind)
def test_answers_after_the_final_are_discarded(kind: RequestKind) -> None:
    made = captioner()
    speak(made, 0, 1)
    final(made, 0, "done")
    assert made.answer(answer(0, kind, "late"), NOW_S) == []
    assert [event.text for event in finals(final(made, 1, "two"))] == ["two"]


def test_an_answer_to_an_utterance_that_never_began_is_discarded() -> None:
    assert final(captioner(), 5, "whose") == []


def test_a_failed_partial_shows_nothing_and_takes_nothing_away() -> None:
    made = captioner()
    made.begin(0, 0)
    assert captions(partial(made, 0, "hello", revision=1)) == ["hello"]
    assert partial(made, 0, EngineBusy("no room"), revision=2) == []
    made.end(ended(0), LAST_REVISION, ENDED_S)
    assert finals(final(made, 0, EngineTimeout("late")))[0].text == "hello"


def test_a_failed_final_carries_its_error_and_the_words_so_far() -> None:
    made = captioner(words=True)
    speak(made, 0)
    partial(made, 0, "hello world", revision=1)
    partial(made, 0, "hello word again", revision=2)
    events = final(made, 0, EngineTimeout("no answer"))
    (failed,) = finals(events)
    assert (failed.text, failed.error, failed.language) == ("hello word again", "engine_timeout", None)
    assert [word.text for word in failed.words] == ["hello", "word", "again"]
    assert captions(events, CueState.FINAL) == ["hello word again"]


def test_a_failed_final_has_the_words_of_a_partial_that_waited_for_its_turn() -> None:
    made = captioner()
    speak(made, 0, 1)
    partial(made, 1, "decoded but never displayed")
    final(made, 1, EngineTimeout("no answer"))
    events = final(made, 0, "first")
    assert [(event.text, event.error) for event in finals(events)] == [
        ("first", None),
        ("decoded but never displayed", "engine_timeout"),
    ]
    assert captions(events, CueState.FINAL) == ["first", "decoded but never displayed"]


def test_a_failed_final_without_words_is_still_emitted() -> None:
    made = captioner()
    speak(made, 0, 1)
    assert [(event.text, event.error) for event in finals(final(made, 0, EngineTimeout("")))] == [
        ("", "engine_timeout")
    ]
    assert finals(final(made, 1, "on"))[0].error is None


def test_the_parts_of_the_latency_add_up_to_the_time_since_the_end_of_speech() -> None:
    made = captioner()
    speak(made, 0)
    (event,) = finals(final(made, 0, "words"))
    latency = event.latency
    assert (latency.endpoint_s, latency.queue_s, latency.decode_s) == (PAUSE_SAMPLES / SAMPLE_RATE_HZ, 0.5, 1.5)
    spoken_s = ENDED_S - latency.endpoint_s
    assert sum((latency.endpoint_s, latency.queue_s, latency.decode_s, latency.delivery_s)) == NOW_S - spoken_s


def test_an_eager_answer_that_was_there_before_the_end_costs_nothing() -> None:
    made = captioner()
    made.begin(0, 0)
    made.answer(answer(0, EAGER, "hello world", revision=7), ANSWERED_S)
    events = made.end(ended(0), 7, ANSWERED_S + 0.3)
    (event,) = finals(events)
    assert event.text == "hello world"
    assert (event.latency.queue_s, event.latency.decode_s, event.latency.delivery_s) == (0.0, 0.0, 0.0)


def test_an_eager_answer_that_comes_after_the_end_costs_what_was_waited_for_it() -> None:
    made = captioner()
    made.begin(0, 0)
    assert made.end(ended(0), 7, ANSWERED_S - 1.0) == []
    (event,) = finals(made.answer(answer(0, EAGER, "hello world", revision=7), ANSWERED_S))
    assert (event.latency.queue_s, event.latency.decode_s, event.latency.delivery_s) == (0.0, 1.0, 0.0)


def test_the_eager_answer_of_an_earlier_pause_is_no_final() -> None:
    made = captioner()
    made.begin(0, 0)
    made.answer(answer(0, EAGER, "hello", revision=3), NOW_S)
    made.resume(0)
    assert made.end(ended(0), LAST_REVISION, ENDED_S) == []
    assert finals(final(made, 0, "hello world"))[0].text == "hello world"


def test_eager_and_resumed_are_emitted_if_requested() -> None:
    made = captioner(eager=True)
    made.begin(0, 0)
    emitted = made.answer(answer(0, EAGER, "hello world", revision=3), NOW_S)
    assert emitted[-1] == Eager(2, 0, "hello world", "en")
    assert made.resume(0) == [Resumed(3, 0)]
    assert made.resume(0) == []


def test_eager_and_resumed_are_not_emitted_unless_requested() -> None:
    made = captioner()
    made.begin(0, 0)
    assert names(made.answer(answer(0, EAGER, "hello world", revision=3), NOW_S)) == ["CueEvent"]
    assert made.resume(0) == []


def test_a_failed_eager_answer_leaves_the_utterance_to_the_request_that_is_made_instead() -> None:
    made = captioner()
    made.begin(0, 0)
    made.end(ended(0), 7, ENDED_S)
    assert made.waits_for(0, 7)
    made.ask_again(0, LAST_REVISION)
    assert not made.waits_for(0, 7)
    assert finals(final(made, 0, "hello"))[0].text == "hello"


def test_words_rejected_by_the_guard_are_dropped_and_the_final_has_the_reason() -> None:
    made = captioner(guard=GuardSettings())
    made.begin(0, 0)
    assert partial(made, 0, "thank you") == []
    made.end(ended(0), LAST_REVISION, ENDED_S)
    (event,) = finals(final(made, 0, "thank you"))
    assert (event.text, event.error, event.guard) == ("", None, ("no_speech", "silence_phrase"))
    assert made.guarded["final", "no_speech"] == made.guarded["partial", "no_speech"] == 1


def test_flagged_words_stay() -> None:
    made = captioner(guard=replace(UNGUARDED, no_speech="flag"))
    speak(made, 0)
    (event,) = finals(final(made, 0, "thank you"))
    assert (event.text, event.guard) == ("thank you", ("no_speech",))


def test_waiting_for_an_earlier_final_counts_as_delivery() -> None:
    made = captioner()
    speak(made, 0, 1)
    made.answer(answer(1, FINAL, "two"), ANSWERED_S)
    first, second = finals(made.answer(answer(0, FINAL, "one"), ANSWERED_S + 3.0))
    assert (first.latency.delivery_s, second.latency.delivery_s) == (3.0, 3.0)


def test_a_clock_that_lags_behind_the_answer_makes_no_negative_latency() -> None:
    made = captioner()
    speak(made, 0)
    (event,) = finals(made.answer(answer(0, FINAL, "one"), ANSWERED_S - 1.0))
    assert event.latency.delivery_s == 0.0


def test_a_mark_with_nothing_before_it_is_emitted_at_once() -> None:
    assert captioner().mark(Flushed(0, "now"), NOW_S) == [Flushed(1, "now")]
    assert captioner().mark(Finished(0, 800, 0), NOW_S) == [Finished(1, 800, 0)]


def test_marks_come_after_what_precedes_them_and_before_what_follows() -> None:
    made = captioner()
    speak(made, 0)
    assert made.mark(Flushed(0, "first"), NOW_S) == []
    speak(made, 1)
    assert made.mark(Flushed(0, "second"), NOW_S) == []
    assert made.mark(Finished(0, 800, 0), NOW_S) == []
    assert final(made, 1, "two") == []
    events = final(made, 0, "one")
    assert names(events) == ["CueEvent", "Final", "Flushed", "CueEvent", "Final", "Flushed", "Finished"]
    assert [event.flush_id for event in events if isinstance(event, Flushed)] == ["first", "second"]
    assert events[-1] == Finished(7, 800, 2)


def test_a_final_lists_its_words_if_requested() -> None:
    with_words, without = captioner(words=True), captioner()
    for made in (with_words, without):
        speak(made, 0)
    assert finals(final(with_words, 0, "hello world"))[0].words == (
        WordSpan("hello", 0, WORD_SAMPLES, 0.5),
        WordSpan("world", WORD_SAMPLES, 2 * WORD_SAMPLES, 0.5),
    )
    assert finals(final(without, 0, "hello world"))[0].words == ()


def test_without_partials_cues_come_with_their_final() -> None:
    made = captioner(partials=False, agreement=1)
    made.begin(0, 0)
    sentence = " ".join(f"word{number:02}" for number in range(30))
    assert partial(made, 0, sentence) == []
    made.end(ended(0), LAST_REVISION, ENDED_S)
    events = final(made, 0, sentence)
    assert {cue.state for cue in cues(events)} == {CueState.FINAL}
    assert " ".join(captions(events)) == sentence


def test_a_final_is_decided_by_its_own_answer_whatever_was_committed() -> None:
    made = captioner(agreement=1)
    made.begin(0, 0)
    assert captions(partial(made, 0, "we hold the truths")) == ["we hold the truths"]
    made.end(ended(0), LAST_REVISION, ENDED_S)
    events = final(made, 0, "we hold these truths")
    assert captions(events, CueState.FINAL) == ["we hold these truths"]
    assert finals(events)[0].text == "we hold these truths"


def test_an_eager_text_is_that_of_the_final_that_follows() -> None:
    made = captioner(eager=True, agreement=1)
    made.begin(0, 0)
    partial(made, 0, "we hold the truths")
    (event,) = (e for e in made.answer(answer(0, EAGER, "we hold these truths", 3), NOW_S) if isinstance(e, Eager))
    (last,) = finals(made.end(ended(0), 3, ENDED_S))
    assert event.text == last.text == "we hold these truths"


def test_committed_words_are_those_that_partials_agree_on() -> None:
    made = captioner()
    made.begin(0, 0)
    assert made.committed(0) == ()
    partial(made, 0, "hello word", revision=1)
    partial(made, 0, "hello world", revision=2)
    assert [word.text for word in made.committed(0)] == [" hello"]


def test_an_utterance_counts_as_outstanding_until_its_final_is_emitted() -> None:
    made = captioner()
    assert outstanding(made) == (None, None)
    made.begin(0, start_of(0))
    assert outstanding(made) == (0, None)
    made.end(ended(0), LAST_REVISION, ENDED_S)
    speak(made, 1)
    final(made, 1, "two")
    assert outstanding(made) == (0, 0)
    final(made, 0, "one")
    assert outstanding(made) == (None, None)


VOCABULARY = ("one", "two", "three", "four", "Five,", "six.", "extraordinarily", "你好")
SENTENCES = st.lists(st.sampled_from(VOCABULARY), max_size=25).map(" ".join)


@st.composite
def streams(draw: st.DrawFn) -> list[Answer]:
    """Answers to up to five utterances, mixed; those of one utterance come in order, its final last."""
    queues = [
        [
            *(answer(utterance, PARTIAL, decoded, revision) for revision, decoded in enumerate(partials, start=1)),
            answer(utterance, FINAL, last, len(partials) + 1),
        ]
        for utterance, (partials, last) in enumerate(
            draw(st.lists(st.tuples(st.lists(SENTENCES, max_size=4), SENTENCES), max_size=5))
        )
    ]
    order = draw(st.permutations([utterance for utterance, queue in enumerate(queues) for _ in queue]))
    return [queues[utterance].pop(0) for utterance in order]


@given(streams(), st.booleans(), st.integers(1, 3))
def test_whatever_the_order_of_answers_each_utterance_speaks_in_its_turn(
    answers: list[Answer], partials: bool, agreement: int
) -> None:
    made = captioner(partials=partials, agreement=agreement)
    utterances = range(len({given_answer.request.utterance_id for given_answer in answers}))
    speak(made, *utterances)
    assert (made.mark(Finished(0, 800, 0), NOW_S) == []) is bool(utterances)
    events = [event for given_answer in answers for event in made.answer(given_answer, NOW_S)]
    assert [event.utterance_id for event in finals(events)] == list(utterances)
    speakers = [event.cue.utterance_id for event in events if isinstance(event, CueEvent)]
    assert speakers == sorted(speakers)
    numbers = [event.seq for event in events if not isinstance(event, DialectMessage | OfChannel)]
    assert numbers == sorted(set(numbers))
    transcript = " ".join(event.text for event in finals(events) if event.text)
    # lines of Chinese may end within what the engine calls a word
    assert "".join(" ".join(captions(events, CueState.FINAL)).split()) == "".join(transcript.split())
    assert not utterances or isinstance(events[-1], Finished)


@given(streams())
def test_finals_of_an_utterance_without_partials_are_what_the_engine_decoded(answers: list[Answer]) -> None:
    made = captioner()
    alone = [given_answer for given_answer in answers if given_answer.request.kind is FINAL]
    speak(made, *range(len(alone)))
    events = [event for given_answer in alone for event in made.answer(given_answer, NOW_S)]
    decoded = {
        given_answer.request.utterance_id: "".join(word.text for word in given_answer.outcome.words).strip()
        for given_answer in alone
        if isinstance(given_answer.outcome, Hypothesis)
    }
    assert [event.text for event in finals(events)] == [decoded[utterance] for utterance in range(len(alone))]
