"""Deepgram's JSON answer about a file."""

import json

from decoder.types import Word
from gateway.http.deepgram.response_format import FileFacts, body_of
from gateway.session.file_session import Passage
from gateway.wire import Final, Latency
from gateway.wire.deepgram.listen_params import read_listen
from gateway.wire.words import text_of, whole_words

FACTS = FileFacts("request", "ab12", "2026-01-02T03:04:05Z", 2.5, "tiny")
HELLO = (Word(" Hello", 8_000, 16_000, 0.9), Word(" there", 16_000, 24_000, 0.7))


def passage(number: int, words: tuple[Word, ...], language: str | None) -> Passage:
    final = Final(1, number, 0, 32_000, text_of(words), language, Latency(0, 0, 0, 0), whole_words(words))
    return Passage(final, None, None)


def test_the_words_of_all_passages_are_one_transcript() -> None:
    passages = [passage(0, HELLO, "en"), passage(1, (), None), passage(2, (Word(" Bye", 30_000, 32_000, 0.9),), None)]
    answer = json.loads(body_of(read_listen([("utterances", "true"), ("detect_language", "true")]), passages, FACTS))

    (channel,) = answer["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == "Hello there Bye"
    assert channel["detected_language"] == "en"
    assert [one["transcript"] for one in answer["results"]["utterances"]] == ["Hello there", "Bye"]
    assert [(one["start"], one["end"]) for one in answer["results"]["utterances"]] == [(0.5, 1.5), (1.875, 2.0)]
    assert answer["metadata"]["duration"] == 2.5


def test_without_a_language_none_is_named() -> None:
    answer = json.loads(body_of(read_listen([("detect_language", "true")]), [passage(0, HELLO, None)], FACTS))

    assert "detected_language" not in answer["results"]["channels"][0]
    assert "utterances" not in answer["results"]
