"""Words as clients get them: in every dialect they are joined as the engine writes them."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from gateway.captions.captioner import Captioner
from gateway.captions.cue_builder import DEFAULT_PROFILE, PROFILES, CueBuilder
from gateway.http.openai.response_formats import body_of
from gateway.session.file_session import Passage
from gateway.text import join_lines
from gateway.wire import (
    CODECS,
    Codec,
    DialectMessage,
    DialectReply,
    Final,
    Finished,
    Latency,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
)
from gateway.wire.deepgram.codec import DeepgramCodec
from gateway.wire.deepgram.listen_params import Listen
from gateway.wire.words import committed_and_open, join_words, text_of, whole_words
from tests.contracts.test_codecs import SESSIONS, opened
from tests.gateway.http.openai.test_response_formats import order
from vad import events as speech
from vad.audio import SAMPLE_RATE_HZ
from vad.events import EndReason

UNGUARDED = GuardSettings(
    loop="off", no_speech="off", too_fast="off", silence_phrase="off", prompt="off", low_confidence="off"
)
COMMIT = '{"type":"input_audio_buffer.commit"}'
UTTERANCE_SAMPLES = 10 * SAMPLE_RATE_HZ
AUDIO = np.zeros(UTTERANCE_SAMPLES, np.float32)

LATIN = (
    " all",
    "-female",
    " real",
    "-time",
    " micro",
    "-",
    "phone",
    " don",
    "'t",
    " Oui",
    "\u00a0?",
    " ",
    " 안녕",
    "하세요",
)
UNSPACED = ("你", "好", "，", " 世界", "日本", "語", "です", "。", "สวัส", "ดี")


def word_lists(texts: Sequence[str]) -> st.SearchStrategy[tuple[Word, ...]]:
    """Return the words of a hypothesis, some of them parts of one."""
    return st.lists(st.sampled_from(texts), min_size=1, max_size=8).map(words_of)


def words_of(texts: Sequence[str]) -> tuple[Word, ...]:
    times = [place * 4_000 for place in range(len(texts) + 1)]
    return tuple(Word(text, times[place], times[place + 1], 0.9) for place, text in enumerate(texts))


HYPOTHESES = word_lists(LATIN) | word_lists(UNSPACED) | word_lists(LATIN + UNSPACED)


def written(words: Sequence[Word]) -> str:
    """Return what an engine has written, each gap as one space."""
    return re.sub(r"[^\S\u00a0]+", " ", "".join(word.text for word in words)).strip()


# --- the words themselves --------------------------------------------------------------------------------------------


@given(HYPOTHESES)
def test_joined_words_are_what_the_engine_has_written(words: tuple[Word, ...]) -> None:
    assert join_words(whole_words(words)) == text_of(words) == written(words)


@given(HYPOTHESES, st.integers(0, 8))
def test_joined_words_are_the_same_wherever_they_are_divided(words: tuple[Word, ...], settled: int) -> None:
    committed, tail = committed_and_open(words[:settled], words[settled:])
    assert (*committed, *tail) == whole_words(words)
    assert text_of(words[:settled]).startswith(join_words(committed))


@given(word_lists(LATIN))
def test_words_of_a_script_with_spaces_are_what_stands_between_them(words: tuple[Word, ...]) -> None:
    assert [word.text for word in whole_words(words)] == text_of(words).split(" " if text_of(words) else None)


def test_a_word_lasts_as_long_as_its_parts_and_is_as_sure_as_the_least_sure_of_them() -> None:
    (word,) = whole_words((Word(" real", 0, 4_000, 0.9), Word("-", 4_000, 5_000, 0.5), Word("time", 5_000, 9_000, 0.8)))
    assert (word.text, word.start_sample, word.end_sample, word.probability) == ("real-time", 0, 9_000, 0.5)


def test_a_word_is_open_as_long_as_a_part_of_it_is() -> None:
    words = words_of([" all", "-female", " cast"])
    committed, tail = committed_and_open(words[:1], words[1:])
    assert [word.text for word in committed] == []
    assert [word.text for word in tail] == ["all-female", "cast"]


# --- in every dialect ------------------------------------------------------------------------------------------------


class Session:
    """Utterances as a codec gets them, and its messages."""

    def __init__(self, dialect: str) -> None:
        self.codec: Codec = opened(dialect)
        start, cues = Start(words=True, transcripts=True), CueBuilder(PROFILES[DEFAULT_PROFILE])
        self._captioner = Captioner(start, cues, StabiliserSettings(), UNGUARDED, count(1).__next__)
        self._utterances = 0

    def partial(self, words: tuple[Word, ...]) -> list[str]:
        """Return what is sent for the only partial of an utterance that begins."""
        utterance = self._utterances
        start = utterance * UTTERANCE_SAMPLES
        self._captioner.begin(utterance, start)
        begun = self.send(SpeechStarted(1, utterance, start))
        return begun + self.send(*self._captioner.answer(_answer(utterance, 1, RequestKind.PARTIAL, words), 0.0))

    def final(self, words: tuple[Word, ...], reason: EndReason = EndReason.SILENCE) -> list[str]:
        """Return what is sent for its final."""
        utterance, self._utterances = self._utterances, self._utterances + 1
        start = utterance * UTTERANCE_SAMPLES
        end = start + UTTERANCE_SAMPLES
        ended = self.send(SpeechEnded(1, utterance, start, end, reason))
        self._captioner.end(speech.SpeechEnded(utterance, start, AUDIO, end, end, reason), 2, 0.0)
        return ended + self.send(*self._captioner.answer(_answer(utterance, 2, RequestKind.FINAL, words), 0.0))

    def obey(self, message: str | bytes) -> list[str]:
        """Return what is answered to a message."""
        asked = [event for event in self.codec.receive(message) if isinstance(event, DialectReply)]
        return self.send(*(DialectMessage(event.message) for event in asked))

    def send(self, *events: ServerEvent) -> list[str]:
        sent = [message for event in events for message in self.codec.send(event)]
        return [message if isinstance(message, str) else message.decode() for message in sent]


def _answer(utterance: int, revision: int, kind: RequestKind, words: tuple[Word, ...]) -> Answer:
    asked = DecodeRequest("a", utterance, revision, kind, AUDIO, utterance * UTTERANCE_SAMPLES, 0.0)
    return Answer(asked, Hypothesis("a", utterance, revision, words, "en"), 0.0, 0.0, 0.0)


def joined(*hypotheses: tuple[Word, ...]) -> str:
    """Return the text of utterances that follow each other."""
    return join_lines(text for text in map(written, hypotheses) if text)


def given_two(test: Callable[[tuple[Word, ...], tuple[Word, ...]], None]) -> Callable[[], None]:
    return given(HYPOTHESES, HYPOTHESES)(test)


@given_two
def test_native(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("native")
    for words in (first, second):
        session.partial(words)
        final = json.loads(session.final(words)[-1])
        assert final["text"] == written(words)
        assert [word["text"] for word in final.get("words", [])] == [word.text for word in whole_words(words)]


@given_two
def test_deepgram(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("deepgram")
    session.codec = DeepgramCodec(Listen(interim_results=True))
    for words in (first, second):
        for message in (session.partial(words)[-1], session.final(words)[-1]):
            (sent,) = json.loads(message)["channel"]["alternatives"]
            assert sent["transcript"] == written(words)
            assert [word["punctuated_word"] for word in sent["words"]] == [word.text for word in whole_words(words)]


@given_two
def test_flux(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("deepgram_flux")
    updates = [*session.partial(first), *session.final(first, EndReason.MAX_LENGTH)]
    assert {json.loads(update)["transcript"] for update in updates} <= {written(first)}
    for message in (*session.partial(second), *session.final(second)):
        assert json.loads(message)["transcript"] == joined(first, second)


@given_two
def test_vosk(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("vosk")
    for words in (first, second):
        session.partial(words)
        assert json.loads(session.obey(b"\0\0")[-1]) == {"partial": written(words)}
        session.final(words)
        assert json.loads(session.obey(b"\0\0")[-1])["text"] == written(words)
    for words in (first, second):
        session.partial(words)
        session.final(words)
    assert json.loads(session.obey(b"\0\0")[-1])["text"] == joined(first, second)


@given_two
def test_openai_realtime(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("openai_realtime")
    for words in (first, second):
        events = [json.loads(message) for message in (*session.partial(words), *session.final(words))]
        deltas = "".join(event["delta"] for event in events if "delta" in event)
        assert deltas == events[-1]["transcript"] == written(words)


@given_two
def test_openai_realtime_with_an_item_of_two_utterances(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("openai_realtime")
    session.obey(SESSIONS["openai_realtime"][0])  # without turn detection
    messages = [message for words in (first, second) for message in (*session.partial(words), *session.final(words))]
    session.codec.receive(bytes(9_600))
    events = [json.loads(message) for message in (*messages, *session.obey(COMMIT))]
    assert "".join(event["delta"] for event in events if "delta" in event) == joined(first, second)
    assert events[-1]["transcript"] == joined(first, second)


@given_two
def test_wyoming(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    session = Session("wyoming")
    sent = [message for words in (first, second) for message in (*session.partial(words), *session.final(words))]
    frames = [json.loads(message.partition("\n")[2] or "{}") for message in (*sent, *session.send(Finished(9, 0, 2)))]
    texts = [frame["text"] for frame in frames if "text" in frame]
    assert "".join(texts[:-1]) == texts[-1] == joined(first, second)


@given_two
def test_a_file(first: tuple[Word, ...], second: tuple[Word, ...]) -> None:
    finals = [passage(number, words) for number, words in enumerate((first, second))]
    plain = json.loads(body_of(order(logprobs=True), finals, 20.0, PROFILES[DEFAULT_PROFILE]).text)
    assert plain["text"] == joined(first, second)
    for one in finals:
        tokens = json.loads(body_of(order(logprobs=True), [one], 20.0, PROFILES[DEFAULT_PROFILE]).text)["logprobs"]
        assert "".join(token["token"] for token in tokens).strip(" ") == one.final.text


def passage(number: int, words: tuple[Word, ...]) -> Passage:
    start = number * UTTERANCE_SAMPLES
    sent = text_of(words), "en", Latency(0, 0, 0, 0), whole_words(words)
    return Passage(Final(1, number, start, start + UTTERANCE_SAMPLES, *sent), None, None)


def test_every_dialect_that_writes_words_is_here() -> None:
    assert CODECS.keys() - {"twilio"} == {"native", "deepgram", "deepgram_flux", "vosk", "openai_realtime", "wyoming"}


def test_a_word_with_a_part_without_probability_has_none() -> None:
    (word,) = whole_words((Word(" real", 0, 4_000, 0.9), Word("time", 4_000, 9_000, None)))
    assert (word.text, word.probability) == ("realtime", None)


def test_a_gap_on_its_own_is_no_word_and_separates_those_beside_it() -> None:
    words = whole_words(words_of((" micro", " ", "phone", " ")))
    assert [word.text for word in words] == ["micro", "phone"]
    assert join_words(words) == "micro phone"
