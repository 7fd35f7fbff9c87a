"""Transcripts are made of what the journal has."""

import json

import pytest

from gateway.journal.event_json import event_json
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.wire import OfChannel, ServerEvent
from tests.events import correction, final, final_cue, partial_cue, ready

EVENTS = (ready(), partial_cue(2), final_cue(3), final_cue(4, 1, 2), final(5), partial_cue(6, 2))


def written(transcript_format: TranscriptFormat, *emitted: ServerEvent) -> str:
    return transcript([*map(event_json, emitted), '{"type":"applause","seq":99}'], transcript_format)


def test_text_has_a_line_for_each_utterance() -> None:
    assert written(TranscriptFormat.TXT, *EVENTS, final(7, 2)) == "words 1\nwords 2\n"


def test_subtitles_have_the_final_cues() -> None:
    assert written(TranscriptFormat.SRT, *EVENTS) == (
        "1\n00:00:01,006 --> 00:00:01,012\nline 1\n\n2\n00:00:01,012 --> 00:00:01,018\nline 2\n\n"
    )
    assert written(TranscriptFormat.VTT, *EVENTS).startswith("WEBVTT\n\n1.1\n00:00:01.006 --> 00:00:01.012\nline 1\n\n")
    assert [cue["id"] for cue in json.loads(written(TranscriptFormat.JSON, *EVENTS))] == ["1.1", "1.2"]


def test_an_utterance_that_is_decoded_again_after_a_crash_is_there_once() -> None:
    before = (ready(), final_cue(2), final(3), final_cue(4, 2, 1), final_cue(5, 2, 2))
    again = (final_cue(1_006, 2, 1), final(1_007, 2))
    assert [cue["id"] for cue in json.loads(written(TranscriptFormat.JSON, *before, *again))] == ["1.1", "2.1"]


def test_corrected_utterances_have_their_newest_text_and_cues() -> None:
    emitted = (*EVENTS, correction(8, 1, "first"), final_cue(9, 2), final(10, 2), correction(11, 1, "second", 2))
    assert written(TranscriptFormat.TXT, *emitted) == "second\nwords 2\n"
    assert [cue["lines"] for cue in json.loads(written(TranscriptFormat.JSON, *emitted))] == [["second"], ["line 1"]]


def test_a_removed_utterance_is_not_there() -> None:
    emitted = (*EVENTS, final_cue(8, 2), final(9, 2), correction(10, 1, ""))
    assert written(TranscriptFormat.TXT, *emitted) == "words 2\n"
    assert [cue["id"] for cue in json.loads(written(TranscriptFormat.JSON, *emitted))] == ["2.1"]


def test_channels_are_ordered_by_time_and_their_cues_distinguished() -> None:
    emitted = (
        OfChannel(1, final_cue(1, 2)),
        OfChannel(1, final(2, 2)),
        OfChannel(0, final_cue(3)),
        OfChannel(0, final(4)),
    )
    assert written(TranscriptFormat.TXT, *emitted) == "words 1\nwords 2\n"
    assert [cue["id"] for cue in json.loads(written(TranscriptFormat.JSON, *emitted))] == ["0/1.1", "1/2.1"]


@pytest.mark.parametrize("transcript_format", TranscriptFormat)
def test_a_session_without_words_has_an_empty_transcript(transcript_format: TranscriptFormat) -> None:
    empty = {TranscriptFormat.VTT: "WEBVTT\n\n", TranscriptFormat.JSON: "[]"}
    assert written(transcript_format, ready()) == empty.get(transcript_format, "")
    assert transcript_format.media_type.partition("/")[0] in ("text", "application")
