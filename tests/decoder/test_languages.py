"""Languages as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.languages import LANGUAGE_NAMES, Language, Script, language_code, read_language


@pytest.mark.parametrize(
    "text", ["en", "EN", " en ", "eng", "english", "English", "en-US", "en_GB", "en-Latn-US", "en-US-x-twang"]
)
def test_codes_names_and_tags_are_one_language(text: str) -> None:
    assert read_language(text) == Language("en")


@pytest.mark.parametrize("text", ["", "  ", "auto", "AUTO", "und", "mul", "multi", "detect"])
def test_auto_and_empty_text_request_detection(text: str) -> None:
    assert read_language(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ger", "de"),
        ("deu", "de"),
        ("fre", "fr"),
        ("cmn", "zh"),
        ("nb-NO", "no"),
        ("iw", "he"),
        ("fil-PH", "tl"),
        ("haw", "haw"),
        ("yue", "yue"),
        ("haitian creole", "ht"),
        ("castilian", "es"),
        ("lao", "lo"),
    ],
)
def test_other_codes_and_names_are_those_of_whisper(text: str, code: str) -> None:
    assert read_language(text) == Language(code)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("zh", None),
        ("zh-Hans", Script.SIMPLIFIED),
        ("zh-CN", Script.SIMPLIFIED),
        ("zh_SG", Script.SIMPLIFIED),
        ("zh-Hant", Script.TRADITIONAL),
        ("zh-TW", Script.TRADITIONAL),
        ("zh-HK", Script.TRADITIONAL),
        ("cmn-Hant-CN", Script.TRADITIONAL),
        ("zh-hans-tw", Script.SIMPLIFIED),
    ],
)
def test_the_chinese_script_follows_from_script_or_region_subtag(text: str, script: Script | None) -> None:
    assert read_language(text) == Language("zh", script)


def test_regions_of_other_languages_name_no_script() -> None:
    assert read_language("en-HK") == Language("en")


def test_an_unknown_code_is_passed_to_the_engine() -> None:
    assert read_language("tlh-AQ") == Language("tlh")


@pytest.mark.parametrize("text", ["klingon", "e", "en glish", "12", "¿", "en" * 100, "english-US"])
def test_an_unknown_language_is_refused_with_the_expected_forms(text: str) -> None:
    with pytest.raises(ValueError, match="expected a code such as en"):
        read_language(text)


@given(st.sampled_from(sorted(LANGUAGE_NAMES)), st.sampled_from([None, *Script]))
def test_tags_are_read_as_they_are_written(code: str, script: Script | None) -> None:
    written = Language(code, script if code in ("zh", "yue") else None)

    assert read_language(written.tag) == written


@given(st.sampled_from(sorted(LANGUAGE_NAMES.items())))
def test_names_are_those_of_their_codes(entry: tuple[str, str]) -> None:
    code, name = entry

    assert language_code(name) == language_code(code) == code


@given(st.text())
def test_any_text_is_a_language_or_refused(text: str) -> None:
    try:
        language = read_language(text)
    except ValueError:
        return
    assert language is None or 2 <= len(language.code) <= 3
