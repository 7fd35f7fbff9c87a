"""Response bodies, built from passages."""

import io
import json
import math

import pysubs2
import pytest
import webvtt

from decoder.types import Task
from gateway.captions.cue_profiles import PROFILES
from gateway.http.openai.request_form import Granularity, Order, ResponseFormat
from gateway.http.openai.response_formats import DeltaWriter, body_of, text_of
from gateway.session.file_session import Passage
from gateway.wire import Final, Latency, WordSpan
from vad.audio import SAMPLE_RATE_HZ

PROFILE = PROFILES["netflix"]

SEGMENT_KEYS = {
    "id", "seek", "start", "end", "text", "tokens",
    "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
}  # fmt: skip


def passage(
    number: int,
    text: str,
    *,
    language: str | None = "en",
    probability: float | None = 0.5,
    avg_logprob: float | None = None,
) -> Passage:
    """Return a passage from `number` seconds on: a quarter of a second a word, after as much silence."""
    start = number * SAMPLE_RATE_HZ
    quarter = SAMPLE_RATE_HZ // 4
    words = tuple(
        WordSpan(word, start + place * quarter, start + (place + 1) * quarter, probability)
        for place, word in enumerate(text.split(), start=1)
    )
    end = start + (len(words) + 2) * quarter
    final = Final(1, number, start, end, text, language, Latency(0, 0, 0, 0), words)
    return Passage(final, avg_logprob, None)


def order(response_format: ResponseFormat = ResponseFormat.JSON, **options: object) -> Order:
    defaults: dict[str, object] = {
        "task": Task.TRANSCRIBE,
        "language": None,
        "languages": (),
        "prompt": "",
        "temperature": 0.0,
        "granularities": frozenset({Granularity.SEGMENT}),
        "logprobs": False,
        "stream": False,
        "silence_ms": None,
        "model": "tiny.en",
    }
    return Order(response_format=response_format, **(defaults | options))  # type: ignore[arg-type]  # of many types


def read(wanted: Order, *passages: Passage, duration_s: float = 3.0) -> dict[str, object]:
    parsed = json.loads(body_of(wanted, passages, duration_s, PROFILE).text)
    assert isinstance(parsed, dict)
    return parsed


def test_json_has_the_text_the_model_the_languages_and_the_duration() -> None:
    assert read(order(), passage(0, "Hello there."), passage(2, "Good bye.")) == {
        "text": "Hello there. Good bye.",
        "model": "tiny.en",
        "language": "en",
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_the_most_frequent_language_comes_first() -> None:
    body = read(order(), passage(0, "Ja."), passage(1, "Good morning."), passage(2, "Nein.", language="de"))
    assert body["languages"] == [{"code": "en"}, {"code": "de"}]
    assert body["language"] == "en"


def test_without_speech_the_language_is_the_requested_one() -> None:
    assert read(order(language="fr"))["languages"] == [{"code": "fr"}]
    nothing = read(order())
    assert (nothing["text"], nothing["language"], nothing["languages"]) == ("", None, [])
    assert read(order(ResponseFormat.VERBOSE_JSON))["language"] == "unknown"


def test_scripts_without_spaces_get_none_between_passages() -> None:
    assert text_of([passage(0, "こんにちは"), passage(1, ""), passage(2, "さようなら")]) == "こんにちはさようなら"


def test_verbose_json_has_a_segment_for_each_passage_with_all_its_keys() -> None:
    body = read(order(ResponseFormat.VERBOSE_JSON), passage(0, "Hello there."), passage(1, ""), passage(2, "Bye."))
    segments = body["segments"]
    assert isinstance(segments, list)
    assert [segment.keys() for segment in segments] == [SEGMENT_KEYS] * 2
    first, second = segments
    assert (first["id"], first["start"], first["end"], first["seek"]) == (0, 0.25, 0.75, 25)
    assert (second["id"], second["start"], second["end"], second["seek"]) == (1, 2.25, 2.5, 225)
    assert first["text"] == " Hello there."
    assert first["avg_logprob"] == pytest.approx(math.log(0.5))
    assert body["language"] == "english"
    assert body["task"] == "transcribe"
    assert "words" not in body


def test_the_engines_own_log_probability_goes_before_that_of_its_words() -> None:
    body = read(order(ResponseFormat.VERBOSE_JSON), passage(0, "Hello", avg_logprob=-0.25))
    segments = body["segments"]
    assert isinstance(segments, list)
    assert segments[0]["avg_logprob"] == -0.25


def test_verbose_json_has_the_requested_granularities() -> None:
    words = order(ResponseFormat.VERBOSE_JSON, granularities=frozenset({Granularity.WORD}))
    body = read(words, passage(1, "Hello there."))
    assert body["words"] == [
        {"word": "Hello", "start": 1.25, "end": 1.5},
        {"word": "there.", "start": 1.5, "end": 1.75},
    ]
    assert "segments" not in body
    both = order(ResponseFormat.VERBOSE_JSON, granularities=frozenset(Granularity))
    assert {"words", "segments"} <= read(both, passage(1, "Hello there.")).keys()


def test_a_translation_is_english() -> None:
    body = read(order(ResponseFormat.VERBOSE_JSON, task=Task.TRANSLATE), passage(0, "Hello", language="de"))
    assert (body["language"], body["task"]) == ("english", "translate")


def test_log_probabilities_are_those_of_words_whose_probability_is_known() -> None:
    known, unknown = passage(0, "Hé there"), passage(2, "Bye", probability=None)
    body = read(order(logprobs=True), known, unknown)
    logprobs = body["logprobs"]
    assert isinstance(logprobs, list)
    assert [entry["token"] for entry in logprobs] == [" Hé", " there"]
    assert logprobs[0]["bytes"] == list(" Hé".encode())
    assert logprobs[0]["logprob"] == pytest.approx(math.log(0.5))
    assert read(order(logprobs=True), passage(0, "No", probability=0.0))["logprobs"] != []


def test_text_is_one_line() -> None:
    body = body_of(order(ResponseFormat.TEXT), [passage(0, "Hello there."), passage(2, "Bye.")], 3.0, PROFILE)
    assert (body.text, body.media_type) == ("Hello there. Bye.\n", "text/plain; charset=utf-8")


def test_subtitles_are_read_back_by_others() -> None:
    items = [passage(0, "Hello there."), passage(4, "Bye.")]
    srt, vtt = (body_of(order(kind), items, 6.0, PROFILE) for kind in (ResponseFormat.SRT, ResponseFormat.VTT))
    assert (srt.media_type, vtt.media_type) == ("application/x-subrip; charset=utf-8", "text/vtt; charset=utf-8")
    assert [event.text for event in pysubs2.SSAFile.from_string(srt.text, format_="srt")] == ["Hello there.", "Bye."]
    captions = webvtt.from_buffer(io.StringIO(vtt.text)).captions
    assert [caption.start for caption in captions] == ["00:00:00.250", "00:00:04.250"]


def test_subtitles_keep_a_sentence_of_two_utterances_together() -> None:
    items = [passage(0, "We were"), passage(1, "late.")]
    srt = body_of(order(ResponseFormat.SRT), items, 3.0, PROFILE)
    assert [event.text for event in pysubs2.SSAFile.from_string(srt.text, format_="srt")] == ["We were late."]


def test_deltas_together_are_the_text_of_done() -> None:
    writer = DeltaWriter(order(stream=True))
    events = [writer.delta(passage(n, text)) for n, text in enumerate(["Hello", "", "there.", "さ", "よ"])]
    *rest, done = writer.end()
    assert rest == []
    assert events[1] is None
    items = [json.loads(event) for event in events if event is not None]
    assert [event["type"] for event in items] == ["transcript.text.delta"] * 4
    assert "".join(event["delta"] for event in items) == json.loads(done)["text"]
    assert json.loads(done)["type"] == "transcript.text.done"


def test_a_stream_without_speech_still_has_a_delta() -> None:
    delta, done = map(json.loads, DeltaWriter(order(stream=True)).end())
    assert delta == {"type": "transcript.text.delta", "delta": ""}
    assert done == {"type": "transcript.text.done", "text": "", "languages": []}
