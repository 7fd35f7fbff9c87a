"""The record of a stream: everything on the stream's own clock."""

from clients.bench.stream_record import StreamRecord
from clients.bench.trace import Cut, Observed, StreamTrace
from clients.dialects.driver import Failed, Finished, Ready, TimedText, Transcript


def record(start_s: float = 100.0) -> StreamRecord:
    made = StreamRecord(StreamTrace(0, "talk", 2.0), start_s)
    made.connecting(101.0)
    return made


def words(text: str, start_s: float = 0.0) -> Transcript:
    return Transcript("1", text, True, words=(TimedText(text, start_s, start_s + 0.5),))


def test_the_audio_begins_when_the_server_is_ready() -> None:
    made = record()
    made.note(Ready(), 101.5)
    made.note(words("one"), 102.0)
    assert (made.trace.connect_s, made.trace.began_s) == (0.5, 1.5)
    assert made.trace.transcripts == [Observed(0.5, words("one"))]


def test_the_server_takes_audio_from_its_ready_to_the_cut_and_again_after_it() -> None:
    made = record()
    states = [made.is_live]
    made.note(Ready(), 101.5)
    states.append(made.is_live)
    made.cut(103.0, resumes=True)
    states.append(made.is_live)
    made.note(Ready(), 103.5)
    states.append(made.is_live)
    assert states == [False, True, False, True]


def test_another_ready_changes_nothing_while_the_connection_lasts() -> None:
    made = record()
    made.note(Ready(), 101.5)
    made.note(Ready(), 109.0)
    assert (made.begin_s, made.trace.cuts) == (101.5, [])


def test_a_failure_before_the_audio_is_a_refusal_and_a_later_one_is_not() -> None:
    refused, failed = record(), record()
    refused.note(Failed("503", "full"), 101.1)
    failed.note(Ready(), 101.1)
    failed.note(Failed("1011", "broken"), 103.0)
    assert (refused.trace.failure, refused.trace.was_refused) == (("503", "full"), True)
    assert (failed.trace.failure, failed.trace.was_refused) == (("1011", "broken"), False)


def test_nothing_is_recorded_after_the_end() -> None:
    made = record()
    made.note(Ready(), 101.0)
    made.finishing()
    made.note(Finished(), 103.5)
    made.note(words("late"), 104.0)
    made.fail("closed", "")
    assert (made.trace.ended_s, made.trace.transcripts, made.trace.failure) == (2.5, [], None)


def test_a_server_that_ends_before_the_audio_does_has_failed() -> None:
    early, unready = record(), record()
    early.note(Ready(), 101.0)
    early.note(Finished(), 102.0)
    unready.finishing()
    unready.note(Finished(), 102.0)
    for made in (early, unready):
        assert made.trace.failure is not None
        assert made.trace.failure[0] == "ended_early"
        assert made.trace.ended_s is None


def test_text_before_the_audio_is_not_an_answer_to_it() -> None:
    made = record()
    made.note(words("greeting"), 101.0)
    assert made.trace.transcripts == []


def test_a_resumed_session_keeps_its_segments_and_times() -> None:
    made = record()
    made.note(Ready(), 101.0)
    made.cut(103.0, resumes=True)
    was_cut = made.is_cut
    made.note(Ready(), 103.4)
    made.sent(2.0)
    made.note(words("two"), 104.0)
    [cut] = made.trace.cuts
    assert (cut.at_s, round(cut.live_s or 0.0, 6), cut.resumed) == (2.0, 2.4, True)
    assert (was_cut, made.is_cut) == (True, False)
    assert made.trace.transcripts[0].transcript == words("two")


def test_a_new_session_has_segments_of_its_own_and_times_from_where_its_audio_began() -> None:
    made = record()
    made.note(Ready(), 101.0)
    made.cut(103.0, resumes=False)
    assert made.trace.cuts == [Cut(2.0, None, False)]
    made.note(words("early"), 103.0)
    made.sent(2.1)
    made.sent(2.2)
    made.note(words("two", 0.25), 104.0)
    early, two = (observed.transcript for observed in made.trace.transcripts)
    assert early.words == words("early").words
    assert two.segment == "2/1"
    assert (two.words[0].start_s, two.words[0].end_s) == (2.35, 2.85)
