"""Response bodies of upstreams, in every format, and invalid ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.upstream.response_parsing import ErrorBody, TimedText, Transcription, read_error, read_response
from decoder.languages import language_code
from decoder.settings import ResponseFormat

FORMATS: tuple[ResponseFormat, ...] = ("verbose_json", "json", "text", "srt", "vtt")

SRT = (
    b"1\r\n00:00:00,500 --> 00:00:01,400\r\nHello there,\r\nyou.\r\n\r\n"
    b"2\r\n01:00:02,000 --> 01:00:03,000\r\n<i>Bye.</i>\r\n\r\n"
)
VTT = b"WEBVTT\n\nNOTE made by hand\n\nfirst\n00:00.500 --> 00:01.400 align:start\n<v Ann>Hello there.\n"
PAGE = b"\n<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


def verbose(**fields: object) -> bytes:
    return json.dumps({"text": "Hello.", **fields}).encode()


def test_json_has_a_text_without_the_space_before_it() -> None:
    assert read_response(b'{"text": " Hello there."}', "json") == Transcription("Hello there.")


def test_an_empty_text_is_an_answer() -> None:
    assert read_response(b'{"text": ""}', "json") == Transcription("")


def test_plain_text_is_taken_as_it_is() -> None:
    assert read_response("Grüße.\n".encode(), "text") == Transcription("Grüße.")


def test_verbose_json_has_words_segments_language_and_probabilities() -> None:
    body = verbose(
        language="german",
        words=[{"word": " Hello", "start": 0.1, "end": 0.5}],
        segments=[
            {"text": " Hello.", "start": 0, "end": 1.5, "avg_logprob": -0.2, "no_speech_prob": 0.1},
            {"text": " Bye.", "start": 2, "end": 3, "avg_logprob": -0.4, "no_speech_prob": 0.3},
        ],
    )

    transcription = read_response(body, "verbose_json")

    assert transcription.words == (TimedText("Hello", 0.1, 0.5),)
    assert transcription.segments == (TimedText("Hello.", 0.0, 1.5), TimedText("Bye.", 2.0, 3.0))
    assert transcription.language == "de"
    assert transcription.avg_logprob == pytest.approx(-0.3)
    assert transcription.no_speech_probability == pytest.approx(0.2)


def test_languages_of_newer_models_are_read_too() -> None:
    assert read_response(verbose(languages=[{"code": "fr"}]), "json").language == "fr"


@pytest.mark.parametrize(
    "fields",
    [
        {"words": None, "segments": "none", "language": 3},
        {"words": [{"word": "x"}, 7, {"word": "x", "start": "0", "end": 1}], "languages": ["en"]},
        {"segments": [{"text": "x", "start": True, "end": 1}], "language": "klingon"},
    ],
)
def test_missing_or_malformed_fields_of_verbose_json_are_ignored(fields: dict[str, object]) -> None:
    assert read_response(verbose(**fields), "verbose_json") == Transcription("Hello.")


def test_a_word_that_ends_before_it_begins_has_no_length() -> None:
    [word] = read_response(verbose(words=[{"word": "x", "start": 2.0, "end": 1.0}]), "verbose_json").words
    assert (word.start_s, word.end_s) == (2.0, 2.0)


def test_subrip_has_the_times_of_its_cues() -> None:
    transcription = read_response(SRT, "srt")
    assert transcription.text == "Hello there, you. Bye."
    assert transcription.segments == (TimedText("Hello there, you.", 0.5, 1.4), TimedText("Bye.", 3602.0, 3603.0))


def test_webvtt_has_the_times_of_its_cues_without_notes_names_and_tags() -> None:
    assert read_response(VTT, "vtt").segments == (TimedText("Hello there.", 0.5, 1.4),)


def test_a_cue_without_text_is_left_out() -> None:
    silent = b"WEBVTT\n\n00:00.500 --> 00:01.400\n<v Ann> \n\n00:02.000 --> 00:03.000\nBye.\n"

    assert read_response(silent, "vtt").segments == (TimedText("Bye.", 2.0, 3.0),)


def test_a_file_without_cues_is_an_answer() -> None:
    assert read_response(b"", "srt") == Transcription("")
    assert read_response(b"WEBVTT\n\n", "vtt") == Transcription("")


@pytest.mark.parametrize("response_format", FORMATS)
def test_json_is_parsed_whatever_format_was_requested(response_format: ResponseFormat) -> None:
    assert read_response(b'{"text": "Hello."}', response_format).text == "Hello."


@pytest.mark.parametrize("response_format", FORMATS)
def test_a_web_page_is_not_a_response(response_format: ResponseFormat) -> None:
    with pytest.raises(ValueError, match="web page"):
        read_response(PAGE, response_format)


@pytest.mark.parametrize(
    ("body", "response_format"),
    [
        (b"", "json"),
        (b"null", "json"),
        (b'{"text": null}', "json"),
        (b'{"error": {"message": "no"}}', "json"),
        (b'["Hello"]', "verbose_json"),
        (b"\xff\xfe", "text"),
        (b"Hello.", "srt"),
        (b"", "vtt"),
        (b"[" * 100_000, "json"),
    ],
)
def test_an_invalid_response_is_refused(body: bytes, response_format: ResponseFormat) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its own text is for people
        read_response(body, response_format)


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_any_bytes_are_a_transcription_or_a_value_error(body: bytes, response_format: ResponseFormat) -> None:
    try:
        transcription = read_response(body, response_format)
    except ValueError:
        return
    assert transcription.text == transcription.text.strip()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.sampled_from(["word", "text", "start", "end", "avg_logprob"]), JSON_VALUES)


@given(
    st.fixed_dictionaries(
        {"text": st.text(max_size=9)},
        optional={"words": st.lists(RECORDS), "segments": st.lists(RECORDS), "language": JSON_VALUES},
    )
)
def test_any_json_with_a_text_is_an_answer_whose_times_are_in_order(answer: dict[str, object]) -> None:
    transcription = read_response(json.dumps(answer).encode(), "verbose_json")
    assert all(0 <= spoken.start_s <= spoken.end_s for spoken in transcription.words + transcription.segments)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"error": {"code": "not_found", "message": "no model", "details": null}}', "not_found", "no model"),
        (b'{"error": {"message": "slow", "type": "requests", "param": null, "code": null}}', "requests", "slow"),
        (b'{"error": "model is loading"}', None, "model is loading"),
        (b'{"detail": "Not Found"}', None, "Not Found"),
        (b'{"message": "nope", "code": 40110000}', None, "nope"),
        (b"upstream connect error\n", None, "upstream connect error"),
        (PAGE, None, None),
        (b"", None, None),
    ],
)  # fmt: skip
def test_error_bodies_of_many_shapes_are_parsed(body: bytes, code: str | None, message: str | None) -> None:
    assert read_error(body) == ErrorBody(code, message)


@given(st.binary(max_size=2_000))
def test_any_error_message_is_one_short_line(body: bytes) -> None:
    message = read_error(body).message
    assert message is None or (len(message) <= 200 and "\n" not in message)


@pytest.mark.parametrize(
    ("name", "code"),
    [("english", "en"), ("en", "en"), ("en-GB", "en"), ("castilian", "es"), ("xx", None), ("", None)],
)
def test_languages_are_known_by_name_and_code(name: str, code: str | None) -> None:
    assert language_code(name) == code
