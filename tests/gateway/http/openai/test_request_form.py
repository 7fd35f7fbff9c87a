"""The form of a transcription request: accepted and refused fields, and the refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engine import EngineInfo
from decoder.types import Task
from gateway.errors import InvalidRequest
from gateway.http.openai.request_form import Granularity, Order, ResponseFormat, read_order

ENGLISH = EngineInfo("whisper", "tiny.en", "cpu", ("en",))
ANY = EngineInfo("scripted", "script", "none", translates=True)
MANY = EngineInfo("whisper", "small", "cpu", ("de", "en", "fr"))


def order(info: EngineInfo = ANY, task: Task = Task.TRANSCRIBE, /, **fields: str | list[str]) -> Order:
    form = {"model": ("whisper-1",)} | {
        name.replace("__", "[]"): (value,) if isinstance(value, str) else tuple(value) for name, value in fields.items()
    }
    return read_order(form, task, info)


def refusal(info: EngineInfo = ANY, task: Task = Task.TRANSCRIBE, /, **fields: str | list[str]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        order(info, task, **fields)
    return refused.value


def test_a_model_is_all_that_is_needed() -> None:
    plain = Order(Task.TRANSCRIBE, ResponseFormat.JSON, None, (), "", 0.0, frozenset(), False, False, None, ANY.model)
    assert order() == plain


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "large-v3", "名前", "", " "])
def test_any_name_of_a_model_will_do_or_an_empty_one(model: str) -> None:
    assert order(model=model).response_format is ResponseFormat.JSON


def test_a_track_may_be_named() -> None:
    assert (order().track, order(track="2").track) == (None, 2)


@pytest.mark.parametrize("track", ["0", "-1", "1.5", "first", "1000", "9" * 10_000])
def test_a_track_is_a_number_from_1(track: str) -> None:
    assert refusal(track=track).field == "track"


@pytest.mark.parametrize("model", [[], ["a", "b"]])
def test_no_model_and_two_will_not(model: list[str]) -> None:
    assert refusal(model=model).field == "model"


def test_fields_that_are_not_known_are_ignored() -> None:
    assert order(user="somebody", vad_filter="maybe", known_speaker_names__=["agent"]) == order()


def test_empty_optional_fields_count_as_missing() -> None:
    empty: dict[str, str | list[str]] = {
        "language": "",
        "prompt": "",
        "temperature": "",
        "stream": "",
        "response_format": "",
        "include__": [""],
    }
    assert order(**empty) == order()


@pytest.mark.parametrize("name", list(ResponseFormat))
def test_every_format_is_known_by_its_name(name: ResponseFormat) -> None:
    assert order(response_format=name.value).response_format is name


def test_diarization_is_refused() -> None:
    error = refusal(response_format="diarized_json")
    assert error.field == "response_format"
    assert "json, text, srt, vtt, verbose_json" in str(error)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("response_format", "yaml", "json, text, srt, vtt, verbose_json"),
        ("temperature", "1.5", "a number from 0 to 1"),
        ("temperature", "warm", "a number from 0 to 1"),
        ("temperature", "nan", "a number from 0 to 1"),
        ("stream", "yes", "true, false"),
        ("language", "Klingon", "a code such as en"),
        ("language", "12", "a code such as en"),
        ("include", "tokens", "logprobs"),
        ("timestamp_granularities", "letter", "word, segment"),
        ("chunking_strategy", "never", "auto"),
        ("language", ["de", "en"], "once"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(name: str, value: str | list[str], allowed: str) -> None:
    fields = {"response_format": "verbose_json"} if name == "timestamp_granularities" else {}
    error = refusal(**fields, **{name: value})
    assert error.field == name
    assert allowed in str(error)
    assert str(error).startswith(name)


def test_lists_are_spelt_with_brackets_or_without() -> None:
    both = order(response_format="verbose_json", timestamp_granularities__=["word"], timestamp_granularities="segment")
    assert both.granularities == {Granularity.WORD, Granularity.SEGMENT}
    assert order(response_format="verbose_json").granularities == {Granularity.SEGMENT}
    assert order(response_format="verbose_json", timestamp_granularities__="word").granularities == {Granularity.WORD}


@pytest.mark.parametrize("name", ["timestamp_granularities[0]", "timestamp_granularities[]", "timestamp_granularities"])
def test_a_list_may_be_written_as_php_and_qs_write_it(name: str) -> None:
    assert order(response_format="verbose_json", **{name: "word"}).granularities == {Granularity.WORD}
    both = order(response_format="verbose_json", **{"timestamp_granularities[0]": "word", name: "segment"})
    assert Granularity.SEGMENT in both.granularities
    assert order(**{"languages[0]": "de", "languages[1]": "en"}).languages == ("de", "en")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("timestamp_granularity", "timestamp_granularities"),
        ("timestampGranularities[]", "timestamp_granularities"),
        ("timestamp_granularities[word]", "timestamp_granularities[]"),
        ("timestamp_granularities[0][]", "timestamp_granularities[]"),
        ("responseFormat", "response_format"),
        ("response-format", "response_format"),
        ("Language", "language"),
        ("langauge", "language"),
        ("language[]", "language"),
        ("promt", "prompt"),
        ("chunking_strategy[silence_duration]", "chunking_strategy[silence_duration_ms]"),
    ],
)
def test_a_field_that_is_nearly_right_is_named_with_the_one_that_is_meant(name: str, meant: str) -> None:
    error = refusal(**{name: "word"})
    assert error.field == name
    assert f"did you mean {meant}?" in str(error)


@pytest.mark.parametrize(
    "name", ["temperature_inc", "hotwords", "vad_filter", "task", "diarize", "file_url", "stream_options", "x" * 10**6]
)
def test_fields_of_other_services_are_not_taken_for_mistakes(name: str) -> None:
    assert order(**{name: "1"}) == order()


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt"])
def test_times_of_words_need_a_format_that_has_them_and_those_of_segments_are_left_out(response_format: str) -> None:
    assert "verbose_json" in str(refusal(timestamp_granularities__="word", response_format=response_format))
    assert order(timestamp_granularities__="segment", response_format=response_format).granularities == frozenset()


def test_log_probabilities_need_a_format_that_has_them() -> None:
    assert order(include__="logprobs").logprobs
    assert "json" in str(refusal(include__="logprobs", response_format="text"))


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_only_text_is_streamed_and_the_rest_comes_whole(response_format: str) -> None:
    assert order(stream="True").stream
    assert order(stream="true", response_format="text").stream
    assert not order(stream="false").stream
    assert not order(stream="true", response_format=response_format).stream


def test_a_language_that_the_model_does_not_write_is_refused_with_those_it_does() -> None:
    assert order(MANY, language="DE").language == "de"
    assert order(MANY, language="en-GB").language == "en"
    assert order(ANY, language="xx").language == "xx"
    error = refusal(MANY, language="ja")
    assert error.field == "language"
    assert "de, en, fr" in str(error)


def test_a_single_remaining_language_of_several_is_used() -> None:
    assert order(ENGLISH, languages__=["de", "en"]).language == "en"
    assert order(MANY, languages__=["de", "en"]).language is None
    assert order(MANY, languages__=["de", "en"], language="fr").language == "fr"
    assert refusal(ENGLISH, languages__=["de", "fr"]).field == "languages"


def test_detection_is_limited_to_the_listed_languages_that_the_model_supports() -> None:
    assert order(MANY, languages__=["de", "en-US", "ja"]).languages == ("de", "en")
    assert order(MANY, languages__=["german", "auto"]).languages == ()
    assert order(MANY).languages == ()


@pytest.mark.parametrize("value", ["english", "eng", "en-US", "EN", "en_GB"])
def test_a_language_is_understood_however_it_is_written(value: str) -> None:
    assert order(ENGLISH, language=value).language == "en"


@pytest.mark.parametrize("value", ["auto", "", " "])
def test_auto_and_nothing_leave_the_language_to_be_detected(value: str) -> None:
    assert order(ENGLISH, language=value).language is None


def test_keywords_stand_before_the_prompt() -> None:
    assert order(keywords__=["Ada", "Alan"], prompt="A talk.").prompt == "Ada, Alan. A talk."
    assert order(keywords="Ada").prompt == "Ada."


def test_a_long_prompt_is_truncated_to_its_end() -> None:
    assert order(prompt="a" * 5_000 + "end").prompt == "a" * 997 + "end"


def test_voice_activity_detection_may_have_a_setting_of_how_much_silence_ends_an_utterance() -> None:
    strategy = {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.5"}
    assert order(**strategy).silence_ms is None
    assert order(**strategy, **{"chunking_strategy[silence_duration_ms]": "300"}).silence_ms == 300
    assert order(chunking_strategy="auto").silence_ms is None


def test_an_engine_that_cannot_translate_refuses() -> None:
    assert order(ANY, Task.TRANSLATE).task is Task.TRANSLATE
    assert "does not translate" in str(refusal(ENGLISH, Task.TRANSLATE))


_NAMES = st.sampled_from(
    ["model", "language", "languages[]", "prompt", "temperature", "stream", "response_format", "include[]"]
) | st.text(max_size=8)


@given(st.dictionaries(_NAMES, st.lists(st.text(max_size=12), max_size=3).map(tuple)))
def test_any_form_is_an_order_or_a_refusal(fields: dict[str, tuple[str, ...]]) -> None:
    try:
        read = read_order(fields, Task.TRANSCRIBE, MANY)
    except InvalidRequest as refused:
        error = refused
    else:
        assert 0 <= read.temperature <= 1
        assert read.language in (None, *MANY.languages)
        return
    assert error.field is not None
    assert error.field in str(error)
