"""The decoding language for the languages that clients request."""

import json
from collections.abc import Callable

import pytest

from decoder.languages import Script
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from gateway.wire.client_events import ProtocolError, Start, Update
from gateway.wire.deepgram.flux_params import read_turns
from gateway.wire.deepgram.listen_params import read_listen
from gateway.wire.language_choice import LanguageChoice, choose_languages
from gateway.wire.native.codec import NativeCodec
from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from gateway.wire.twilio.codec import TwilioCodec
from gateway.wire.wyoming.codec import WyomingCodec

WRITTEN = ("de", "en", "zh")


def realtime(language: str) -> Start:
    codec = OpenAIRealtimeCodec()
    transcription = {"language": language}
    session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
    update = codec.receive(json.dumps({"type": "session.update", "session": session}))[0]
    assert isinstance(update, Update)
    return update.start


def wyoming(language: str) -> Start:
    codec = WyomingCodec()
    for frame in ({"type": "transcribe", "data": {"language": language}}, {"type": "audio-start", "data": _AUDIO}):
        events = codec.receive(json.dumps(frame).encode() + b"\n")
    return next(event for event in events if isinstance(event, Start))


def twilio(language: str) -> Start:
    message = {"event": "start", "start": {"customParameters": {"language": language}}}
    (start,) = TwilioCodec().receive(json.dumps(message))
    assert isinstance(start, Start)
    return start


def native(language: str) -> Start:
    (start,) = NativeCodec().receive(json.dumps({"type": "start", "language": language}))
    assert isinstance(start, Start)
    return start


_AUDIO = {"rate": 16_000, "width": 2, "channels": 1}

DIALECTS: dict[str, Callable[[str], Start]] = {
    "deepgram": lambda language: read_listen([("language", language)]).start,
    "deepgram, detected": lambda language: read_listen([("detect_language", language)]).start,
    "flux": lambda language: read_turns([("language_hint", language)]).start,
    "native": native,
    "openai_realtime": realtime,
    "twilio": twilio,
    "wyoming": wyoming,
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en"),
        ("english", "en"),
        ("English", "en"),
        ("eng", "en"),
        ("en-US", "en"),
        ("en_GB", "en"),
        ("de-AT", "de"),
    ],
)
def test_a_language_is_understood_in_every_dialect_however_it_is_written(
    dialect: str, language: str, code: str
) -> None:
    start = DIALECTS[dialect](language)
    assert choose_languages(start.language, start.languages, WRITTEN).code == code


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("language", ["auto", "AUTO", ""])
def test_auto_and_nothing_leave_the_language_to_be_detected_in_every_dialect(dialect: str, language: str) -> None:
    if dialect == "deepgram, detected" and not language:
        language = "true"
    start = DIALECTS[dialect](language)
    assert choose_languages(start.language, start.languages, WRITTEN) == LanguageChoice()


@pytest.mark.parametrize("language", [None, "", "auto"])
def test_without_a_language_it_is_detected(language: str | None) -> None:
    assert choose_languages(language, (), WRITTEN) == LanguageChoice()


def test_a_language_counts_more_than_a_list() -> None:
    assert choose_languages("en-US", ("de", "zh"), WRITTEN) == LanguageChoice("en")


def test_languages_are_detected_among_those_that_the_engine_writes() -> None:
    assert choose_languages("auto", ("german", "fr", "en", "EN"), WRITTEN).allowed == ("de", "en")


def test_one_language_that_is_left_is_taken_for_granted() -> None:
    assert choose_languages(None, ("fr", "zh-TW"), WRITTEN) == LanguageChoice("zh", (), Script.TRADITIONAL)


def test_auto_in_a_list_allows_all() -> None:
    assert choose_languages(None, ("en", "auto"), WRITTEN) == LanguageChoice()


def test_a_choice_is_read_as_it_is_written() -> None:
    choice = choose_languages(None, ("en", "zh-Hant"), WRITTEN)

    assert choice.allowed_tags == ("en", "zh-Hant")
    assert choose_languages(choice.tag, choice.allowed_tags, WRITTEN) == choice


@pytest.mark.parametrize(
    ("language", "languages", "field", "message"),
    [
        ("fr", (), "language", "language 'fr': whisper supports de, en, zh"),
        (None, ("fr", "ja"), "languages", "languages 'fr, ja': whisper supports de, en, zh"),
        ("Klingon", (), "language", "language 'Klingon': expected a code"),
        (None, ("en", "Klingon"), "languages", "languages 'Klingon': expected a code"),
        (None, ("en",) * 101, "languages", "languages: got 101 languages, at most 100 allowed"),
    ],
)
def test_a_refusal_names_the_field_what_was_got_and_what_is_allowed(
    language: str | None, languages: tuple[str, ...], field: str, message: str
) -> None:
    with pytest.raises(ProtocolError) as refused:
        choose_languages(language, languages, WRITTEN, engine="whisper")

    assert refused.value.field == field
    assert str(refused.value).startswith(message)


def test_the_gateways_own_list_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SESSION__LANGUAGES", "en, es-419")

    assert load_settings().session.languages == ("en", "es-419")


def test_a_list_that_is_not_understood_stops_the_gateway() -> None:
    with pytest.raises(ConfigurationError, match="'Klingon': expected a code"):
        load_settings({"session": {"languages": "en,Klingon"}})
