"""The size of events in memory: all content of variable length counts, also in notes of codecs."""

import json

import pytest

from gateway.wire import (
    Codec,
    Correction,
    Cue,
    CueState,
    DialectMessage,
    DialectReply,
    Flushed,
    Note,
    OfChannel,
    WordSpan,
)
from gateway.wire.deepgram.flux_codec import FluxCodec
from gateway.wire.event_size import bytes_of
from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from gateway.wire.server_events import channel_of, without_channel

LONG = "x" * 4_000
SESSION = {"audio": {"input": {"transcription": {"model": "a", "prompt": LONG}}}}


def notes(codec: Codec, **message: object) -> list[Note]:
    replies = [event for event in codec.receive(json.dumps(message)) if isinstance(event, DialectReply)]
    return [reply.message for reply in replies if isinstance(reply.message, Note)]


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (OpenAIRealtimeCodec(), {"type": "session.update", "session": SESSION}),
        (FluxCodec(), {"type": "Configure", "keyterms": [LONG[:1_000]] * 4}),
    ],
)
def test_a_note_counts_with_the_text_it_holds(codec: Codec, message: dict[str, object]) -> None:
    (note,) = notes(codec, **message)
    assert bytes_of(DialectMessage(note)) > len(LONG)


def test_text_counts_in_bytes() -> None:
    assert bytes_of(DialectMessage("ä" * 1_000)) - bytes_of(DialectMessage("")) == 2_000


def test_an_event_of_a_channel_counts_like_the_event() -> None:
    event = Flushed(1, LONG)
    assert bytes_of(OfChannel(1, event)) == bytes_of(event) > len(LONG)


def test_an_event_is_found_with_and_without_its_channel() -> None:
    event = Flushed(1, "a")
    assert (channel_of(event), without_channel(event)) == ((None, event), event)
    assert (channel_of(OfChannel(1, event)), without_channel(OfChannel(1, event))) == ((1, event), event)


def test_a_correction_counts_with_its_text_its_cues_and_its_words() -> None:
    cue = Cue("0.1", 0, 1, 0, 1, (LONG,), len(LONG), CueState.FINAL)
    removed, corrected = Correction(1, 0, 1, "", ()), Correction(1, 0, 1, LONG, (cue,))
    assert bytes_of(corrected) - bytes_of(removed) > 2 * len(LONG)
    assert bytes_of(Correction(1, 0, 1, LONG, (cue,), (WordSpan("a", 0, 1, None),))) > bytes_of(corrected)
