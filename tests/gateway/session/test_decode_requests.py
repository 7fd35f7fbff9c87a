"""The decode requests of one pipeline: numbers, deadlines and options."""

import numpy as np
import pytest

from decoder.types import DecodeRequest, RequestKind, Task, Word
from gateway.session.decode_requests import DecodeRequests
from gateway.settings import SessionSettings
from gateway.wire import Start
from gateway.wire.language_choice import choose_languages
from vad.events import SpeechEvent

SETTINGS = SessionSettings(partial_deadline_s=0.5, final_deadline_s=2.0)
ENGLISH = choose_languages("en")
EVENT = SpeechEvent(3, 100, np.zeros(1_600, np.float32), 900, 1_700, speech_probability=0.8)


def requests(start: Start | None = None) -> DecodeRequests:
    return DecodeRequests("a", start or Start(), ENGLISH, SETTINGS)


def build(made: DecodeRequests, kind: RequestKind = RequestKind.PARTIAL, now_s: float = 10.0) -> DecodeRequest:
    return made.build(EVENT, kind, now_s, [Word(" one", 100, 200, 0.9)], in_haste=True)


def test_a_request_has_the_audio_and_the_options() -> None:
    request = build(requests(Start(task=Task.TRANSLATE, temperature=0.4, prompt="Ada.")))
    assert (request.session_id, request.utterance_id, request.start_sample) == ("a", 3, 100)
    assert request.samples is EVENT.samples
    assert (request.task, request.temperature, request.prompt, request.language) == (Task.TRANSLATE, 0.4, "Ada.", "en")
    assert [word.text for word in request.prefix] == [" one"]
    assert request.in_haste
    assert (request.speech_probability, request.ends_in_speech) == (0.8, False)


@pytest.mark.parametrize(
    ("kind", "deadline_s"), [(RequestKind.PARTIAL, 10.5), (RequestKind.EAGER, 12.0), (RequestKind.FINAL, 12.0)]
)
def test_partials_have_the_earlier_deadline(kind: RequestKind, deadline_s: float) -> None:
    assert build(requests(), kind).deadline_s == deadline_s


def test_revisions_count_up_from_where_the_utterance_began() -> None:
    made = requests()
    assert [build(made).revision, build(made).revision] == [1, 2]
    made.begin_utterance(1_000)
    assert build(made).revision == made.revision == 1_001


def test_an_update_concerns_the_next_request() -> None:
    made = requests(Start(prompt="Ada."))
    made.update(Start(prompt="Bob."), choose_languages("de"))
    request = build(made)
    assert (request.prompt, request.language) == ("Bob.", "de")


@pytest.mark.parametrize(("is_file", "kind"), [(False, RequestKind.FINAL), (True, RequestKind.FILE)])
def test_a_retry_is_a_final_of_the_same_audio(is_file: bool, kind: RequestKind) -> None:
    made = requests(Start(file=is_file))
    failed = build(made, RequestKind.EAGER)
    retried = made.retry(failed, 20.0)
    assert (retried.kind, retried.revision, retried.deadline_s) == (kind, failed.revision + 1, 22.0)
    assert retried.samples is failed.samples
