"""Chinese in one script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engine import EngineInfo
from decoder.languages import Script
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, Hypothesis, Word
from gateway.captions.chinese_script import in_script, with_script
from gateway.session.pipeline import Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings
from gateway.wire import Endpointing, Final, Start
from tests.requests import request
from tests.sessions import speech
from vad.settings import SegmenterSettings

pytest.importorskip("opencc")

TRADITIONAL = "秋天，樹葉漸漸變紅，頭髮發財。"
SIMPLIFIED = "秋天，树叶渐渐变红，头发发财。"


SETTINGS = PipelineSettings(SegmenterSettings(), StabiliserSettings(), GuardSettings(), SessionSettings())


def words(text: str, length: int = 1) -> tuple[Word, ...]:
    pieces = [text[n : n + length] for n in range(0, len(text), length)]
    return tuple(Word(piece, 2_000 * n, 2_000 * n + 1_600, 0.5) for n, piece in enumerate(pieces))


def text(written: tuple[Word, ...]) -> str:
    return "".join(word.text for word in written)


def answer(language: str | None, written: str) -> Answer:
    asked = request()
    hypothesis = Hypothesis(asked.session_id, asked.utterance_id, asked.revision, words(written), language)
    return Answer(asked, hypothesis, 0.0, 0.0, 0.0)


def decoded(answer: Answer) -> str:
    assert isinstance(answer.outcome, Hypothesis)
    return text(answer.outcome.words)


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("written", [TRADITIONAL, SIMPLIFIED])
def test_words_of_either_script_come_in_the_one_wanted(written: str, length: int) -> None:
    assert text(in_script(words(written, length), Script.SIMPLIFIED)) == SIMPLIFIED
    assert text(in_script(words(written, length), Script.TRADITIONAL)) == TRADITIONAL


def test_characters_that_stand_for_several_go_by_their_phrase_across_words() -> None:
    assert text(in_script(words("头发发财"), Script.TRADITIONAL)) == "頭髮發財"


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.integers(1, 4), st.sampled_from(Script))
def test_words_keep_their_number_and_their_times(written: str, length: int, script: Script) -> None:
    before = words(written, length)

    after = in_script(before, script)

    assert [(word.start_sample, word.end_sample, word.probability) for word in after] == [
        (word.start_sample, word.end_sample, word.probability) for word in before
    ]


@pytest.mark.parametrize(
    ("language", "asked", "default", "expected"),
    [
        ("zh", None, Script.SIMPLIFIED, SIMPLIFIED),
        ("zh", Script.TRADITIONAL, Script.SIMPLIFIED, TRADITIONAL),
        ("zh", None, None, TRADITIONAL),
        ("yue", None, Script.SIMPLIFIED, TRADITIONAL),
        ("yue", Script.SIMPLIFIED, None, SIMPLIFIED),
        ("ja", Script.SIMPLIFIED, Script.SIMPLIFIED, TRADITIONAL),
        (None, Script.SIMPLIFIED, Script.SIMPLIFIED, TRADITIONAL),
    ],
)
def test_the_script_is_the_clients_and_else_the_gateways_for_mandarin(
    language: str | None, asked: Script | None, default: Script | None, expected: str
) -> None:
    assert decoded(with_script(answer(language, TRADITIONAL), asked, default)) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (None, SIMPLIFIED),
        ("zh", SIMPLIFIED),
        ("chinese", SIMPLIFIED),
        ("zh-TW", TRADITIONAL),
        ("cmn-Hant", TRADITIONAL),
    ],
)
@pytest.mark.parametrize("written", [TRADITIONAL, SIMPLIFIED])
def test_finals_of_a_session_are_in_one_script(language: str | None, expected: str, written: str) -> None:
    start = Start(language=language, endpointing=Endpointing(manual=True))
    made = Pipeline("a", start, SETTINGS, EngineInfo("scripted", "script", "none", languages=("en", "zh")))
    effects = [*made.push_audio(speech(2.0), 0.0), *made.flush("now", 0.0)]
    [asked] = [effect for effect in effects if isinstance(effect, DecodeRequest) and effect.kind.ends_utterance]
    decoded = Hypothesis("a", asked.utterance_id, asked.revision, words(written), "zh")

    effects = made.answer(Answer(asked, decoded, 0.0, 0.0, 0.0), 0.0)

    assert asked.language == (None if language is None else "zh")
    assert [effect.text for effect in effects if isinstance(effect, Final)] == [expected]
