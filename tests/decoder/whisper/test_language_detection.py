"""The language of utterances, given the earlier utterances of their session."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.types import DecodeRequest, RequestKind
from decoder.whisper.language_detection import SessionLanguages, judge_language
from vad.audio import s_to_samples

ENGLISH = {"en": 0.98, "de": 0.01, "es": 0.005, "pt": 0.005}
GERMAN = {"en": 0.01, "de": 0.98, "es": 0.005, "pt": 0.005}
SPANISH = {"en": 0.005, "de": 0.005, "es": 0.95, "pt": 0.04}
LIKELY_PORTUGUESE = {"en": 0.05, "de": 0.05, "es": 0.3, "pt": 0.6}

SILENCE = np.zeros(s_to_samples(30), np.float32)

Detected = tuple[RequestKind, int, float, Mapping[str, float]]
"""Kind, utterance, seconds of audio, and detected probabilities."""


def final(utterance: int, seconds: float, probabilities: Mapping[str, float]) -> Detected:
    return RequestKind.FINAL, utterance, seconds, probabilities


def partial(utterance: int, seconds: float, probabilities: Mapping[str, float]) -> Detected:
    return RequestKind.PARTIAL, utterance, seconds, probabilities


def languages(*detected: Detected, allowed: tuple[str, ...] = ()) -> list[str]:
    """Return the language that each request of a session is decoded in."""
    session, judged = SessionLanguages(), []
    for revision, (kind, utterance, seconds, probabilities) in enumerate(detected):
        language, session = judge_language(
            session, request(kind, utterance, seconds, revision, allowed), certain(probabilities)
        )
        judged.append(language)
    return judged


def request(
    kind: RequestKind, utterance: int, seconds: float, revision: int = 1, allowed: tuple[str, ...] = ()
) -> DecodeRequest:
    samples = SILENCE[: s_to_samples(seconds)]
    start_sample = utterance * s_to_samples(60)
    return DecodeRequest("a", utterance, revision, kind, samples, start_sample, 0.0, languages=allowed)


def certain(probabilities: Mapping[str, float]) -> Callable[[], Mapping[str, float]]:
    return lambda: probabilities


def unasked() -> Mapping[str, float]:
    raise AssertionError("the language was detected although it was settled")


@pytest.mark.parametrize("kind", [RequestKind.FINAL, RequestKind.EAGER, RequestKind.FILE])
def test_a_speaker_who_changes_language_is_followed_at_once(kind: RequestKind) -> None:
    english = [(kind, utterance, 5.0, ENGLISH) for utterance in range(20)]

    assert languages(*english, (kind, 20, 3.0, GERMAN), (kind, 21, 3.0, ENGLISH))[-3:] == ["en", "de", "en"]


def test_a_short_utterance_has_the_language_of_the_session() -> None:
    assert languages(final(0, 5.0, SPANISH), final(1, 4.0, SPANISH), final(2, 0.9, LIKELY_PORTUGUESE))[-1] == "es"


def test_a_first_utterance_has_the_likeliest_language() -> None:
    assert languages(final(0, 0.9, LIKELY_PORTUGUESE)) == ["pt"]


def test_a_short_first_utterance_is_weak_evidence() -> None:
    assert languages(final(0, 0.5, LIKELY_PORTUGUESE), final(1, 1.0, SPANISH)) == ["pt", "es"]


def test_repeated_weak_evidence_adds_up_to_a_change() -> None:
    doubts = [final(utterance, 3.0, LIKELY_PORTUGUESE) for utterance in range(1, 8)]

    judged = languages(final(0, 5.0, SPANISH), *doubts)

    assert judged[1] == "es"
    assert judged[-1] == "pt"


def test_partials_of_one_utterance_keep_their_language() -> None:
    unsure = {"en": 0.3, "de": 0.4, "es": 0.2, "pt": 0.1}

    assert languages(partial(0, 0.5, unsure), partial(0, 1.0, {**unsure, "en": 0.5}))[-1] == "de"


def test_partials_leave_a_language_that_proves_wrong() -> None:
    assert languages(partial(0, 0.5, GERMAN), partial(0, 1.5, ENGLISH)) == ["de", "en"]


def test_partials_keep_their_language_undetected_once_there_is_audio_enough() -> None:
    _, session = judge_language(SessionLanguages(), request(RequestKind.PARTIAL, 0, 2.0), certain(GERMAN))

    language, _ = judge_language(session, request(RequestKind.PARTIAL, 0, 2.5, 2), unasked)

    assert language == "de"


def test_the_rest_after_a_cut_changes_no_language() -> None:
    _, session = judge_language(SessionLanguages(), request(RequestKind.PARTIAL, 0, 1.5), certain(GERMAN))
    rest = replace(request(RequestKind.PARTIAL, 0, 0.7, 2), start_sample=s_to_samples(1.0))

    language, _ = judge_language(session, rest, unasked)

    assert language == "de"


def test_evidence_of_an_eager_request_is_discarded_if_speech_continues() -> None:
    resumed = [(RequestKind.EAGER, 1, 2.0, GERMAN), final(1, 6.0, ENGLISH)]

    assert languages(final(0, 5.0, ENGLISH), *resumed, final(2, 0.6, GERMAN))[-2:] == ["en", "en"]


def test_an_eager_request_that_answers_its_utterance_counts_like_a_final() -> None:
    eager = RequestKind.EAGER, 1, 4.0, GERMAN

    assert languages(final(0, 5.0, ENGLISH), eager, final(2, 0.6, ENGLISH)) == ["en", "de", "de"]


def test_only_allowed_languages_are_detected() -> None:
    assert languages(final(0, 3.0, LIKELY_PORTUGUESE), allowed=("en", "es")) == ["es"]


def test_a_list_of_unsupported_languages_allows_all() -> None:
    assert languages(final(0, 3.0, GERMAN), allowed=("tlh",)) == ["de"]


_CODES = ("en", "de", "es", "pt")
_PROBABILITIES = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).map(
    lambda numbers: dict(zip(_CODES, numbers, strict=True))
)
_UTTERANCES = st.tuples(
    st.sampled_from([RequestKind.FINAL, RequestKind.PARTIAL, RequestKind.EAGER]),
    st.integers(0, 4),
    st.floats(0.01, 30.0),
    _PROBABILITIES,
)


@given(st.lists(_UTTERANCES, max_size=12), st.sets(st.sampled_from(_CODES)))
def test_any_session_is_decoded_in_allowed_languages(detected: list[Detected], allowed: set[str]) -> None:
    judged = languages(*detected, allowed=tuple(sorted(allowed)))

    assert set(judged) <= (allowed or set(_CODES))


@given(st.lists(_UTTERANCES, max_size=12), st.sampled_from([ENGLISH, GERMAN, SPANISH]))
def test_two_clear_utterances_are_followed_after_any_session(
    detected: list[Detected], clear: Mapping[str, float]
) -> None:
    judged = languages(*detected, final(98, 3.0, clear), final(99, 3.0, clear))

    assert judged[-1] == max(clear, key=lambda code: clear[code])


@given(st.lists(_UTTERANCES.filter(lambda detected: detected[0] is not RequestKind.EAGER), max_size=12))
def test_partials_change_no_final(detected: list[Detected]) -> None:
    ordered = sorted(detected, key=lambda item: item[1])
    finals = [item for item in ordered if item[0] is RequestKind.FINAL]

    mixed = languages(*ordered)

    assert [mixed[n] for n, item in enumerate(ordered) if item[0] is RequestKind.FINAL] == languages(*finals)
