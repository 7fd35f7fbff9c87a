"""What is decoded of the languages that clients ask for."""

import pytest

from decoder.languages import Script
from gateway.errors import ConfigurationError
from gateway.languages import LanguageChoice, choose_languages
from gateway.settings import load_settings
from gateway.wishes import ProtocolError

WRITTEN = ("de", "en", "zh")


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
        ("fr", (), "language", "language 'fr': whisper writes de, en, zh"),
        (None, ("fr", "ja"), "languages", "languages 'fr, ja': whisper writes de, en, zh"),
        ("Klingon", (), "language", "language 'Klingon': allowed are a code"),
        (None, ("en", "Klingon"), "languages", "languages 'Klingon': allowed are a code"),
        (None, ("en",) * 101, "languages", "languages: 101 of them, allowed are 100"),
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
    with pytest.raises(ConfigurationError, match="'Klingon': allowed are a code"):
        load_settings({"session": {"languages": "en,Klingon"}})
