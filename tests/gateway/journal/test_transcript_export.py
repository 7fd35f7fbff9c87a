"""Transcripts are made of what the journal has."""

import json
from io import BytesIO
from zipfile import ZipFile

import pytest

from gateway.journal.event_json import event_json
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.wire import ChannelName, Details, OfChannel, ServerEvent
from tests.events import correction, final, final_cue, partial_cue, ready

EVENTS = (ready(), partial_cue(2), final_cue(3), final_cue(4, 1, 2), final(5), partial_cue(6, 2))


def written(transcript_format: TranscriptFormat, *emitted: ServerEvent) -> str:
    return exported(transcript_format, *emitted).decode()


def exported(transcript_format: TranscriptFormat, *emitted: ServerEvent) -> bytes:
    return transcript([*map(event_json, emitted), '{"type":"applause","seq":99}'], transcript_format).content


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


TWO = (OfChannel(1, final_cue(1, 2)), OfChannel(1, final(2, 2)), OfChannel(0, final_cue(3)), OfChannel(0, final(4)))
ANN, BOB = ChannelName(0, "Ann"), ChannelName(1, "Bob & <Co>")


def test_the_newest_title_heads_text_and_webvtt() -> None:
    emitted = (Details(1, "first"), *EVENTS, Details(9, "a --> b"))
    assert written(TranscriptFormat.TXT, *emitted) == "a --> b\n\nwords 1\n"
    assert written(TranscriptFormat.VTT, *emitted).startswith("WEBVTT a -> b\n\n1.1\n")
    assert written(TranscriptFormat.SRT, *emitted).startswith("1\n00:00:01,006")


def test_names_of_several_channels_precede_their_words() -> None:
    emitted = (*TWO, Details(9, None, (ANN, BOB)))
    assert written(TranscriptFormat.TXT, *emitted) == "Ann: words 1\nBob & <Co>: words 2\n"
    srt = written(TranscriptFormat.SRT, *emitted)
    assert "\nAnn: line 1\n" in srt
    assert "\nBob & <\u200bCo>: line 1\n" in srt


def test_names_are_voices_in_webvtt_and_speakers_in_json() -> None:
    emitted = (*TWO, Details(9, None, (ANN, BOB)))
    vtt = written(TranscriptFormat.VTT, *emitted)
    assert "\n<v Ann>line 1\n" in vtt
    assert "\n<v Bob &amp; &lt;Co&gt;>line 1\n" in vtt
    assert [cue["speaker"] for cue in json.loads(written(TranscriptFormat.JSON, *emitted))] == ["Ann", "Bob & <Co>"]


def test_a_single_name_precedes_no_words() -> None:
    emitted = (*TWO, Details(9, None, (BOB,)))
    assert written(TranscriptFormat.TXT, *emitted) == "words 1\nwords 2\n"
    assert "Bob" not in written(TranscriptFormat.SRT, *emitted)
    assert [cue.get("speaker") for cue in json.loads(written(TranscriptFormat.JSON, *emitted))] == [None, BOB.name]


def test_a_session_without_channels_has_the_name_of_channel_0() -> None:
    assert "<v Ann>line 2\n" in written(TranscriptFormat.VTT, *EVENTS, Details(9, None, (ANN,)))


def test_a_document_has_the_final_cues_and_the_language_that_is_spoken() -> None:
    assert "0:00:01.00,0:00:01.01,Default,,0,0,0,,line 1\n" in written(TranscriptFormat.ASS, *EVENTS)
    ttml = written(TranscriptFormat.TTML, *EVENTS)
    assert 'xml:lang="en"' in ttml
    assert 'begin="00:00:01.006" end="00:00:01.012">line 1</p>' in ttml


def test_a_document_for_word_has_the_finals() -> None:
    with ZipFile(BytesIO(exported(TranscriptFormat.DOCX, *EVENTS, final(7, 2)))) as package:
        assert "words 1 words 2" in package.read("word/document.xml").decode()


@pytest.mark.parametrize("transcript_format", TranscriptFormat)
def test_a_session_without_words_has_an_empty_transcript(transcript_format: TranscriptFormat) -> None:
    empty = {
        TranscriptFormat.TXT: "",
        TranscriptFormat.SRT: "",
        TranscriptFormat.VTT: "WEBVTT\n\n",
        TranscriptFormat.JSON: "[]",
        TranscriptFormat.SCC: "Scenarist_SCC V1.0\n\n",
    }
    content = exported(transcript_format, ready())
    if transcript_format in empty:
        assert content.decode() == empty[transcript_format]
    assert b"line" not in content.partition(b"<body>")[2]
    assert transcript_format.media_type.partition("/")[0] in ("text", "application")
