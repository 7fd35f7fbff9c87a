"""Cached spectrograms of growing utterances; caching changes no answer."""

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from decoder.features import IncrementalLogMel
from decoder.types import DecodeRequest
from decoder.whisper.utterance_cache import UtteranceStore
from tests.audio import noise, speechlike
from tests.contracts.engines import request
from vad.audio import Float32

FILTERS: Float32 = FeatureExtractor().mel_filters
FRAMES = 800
SPOKEN = speechlike(4.0)


def store(*session_ids: str) -> UtteranceStore:
    made = UtteranceStore()
    made.admit(session_ids)
    return made


def is_as_fresh(kept: UtteranceStore, asked: DecodeRequest) -> bool:
    return np.array_equal(kept.window(asked, FILTERS, FRAMES), UtteranceStore().window(asked, FILTERS, FRAMES))


def spectrograms() -> int:
    """Return the number of instances in memory, of all tests."""
    return sum(type(found) is IncrementalLogMel for found in gc.get_objects())


def test_growing_utterance_has_the_spectrogram_of_the_whole() -> None:
    kept = store("session")

    assert all(is_as_fresh(kept, request(SPOKEN[:end])) for end in range(4_000, len(SPOKEN), 8_000))


def test_shorter_other_or_moved_audio_starts_a_new_spectrogram() -> None:
    kept = store("session")
    asked = request(SPOKEN)

    assert is_as_fresh(kept, asked)
    assert is_as_fresh(kept, replace(asked, samples=SPOKEN[:20_000]))
    assert is_as_fresh(kept, replace(asked, samples=noise(5.0)))
    assert is_as_fresh(kept, replace(asked, samples=noise(6.0), start_sample=160))
    assert is_as_fresh(kept, replace(asked, utterance_id=2))
    assert is_as_fresh(kept, replace(asked, session_id="other"))


def test_two_utterances_in_turn_have_their_own_spectrograms() -> None:
    kept = store("session")
    first, second = request(SPOKEN), request(noise(3.0), utterance_id=2)

    assert all(is_as_fresh(kept, asked) for asked in (first, second, first, second))


def test_threads_at_one_utterance_do_not_disturb_each_other() -> None:
    kept = store("session")
    growing = [request(SPOKEN[:end]) for end in range(4_000, len(SPOKEN), 4_000)]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda asked: is_as_fresh(kept, asked), growing * 4))


def test_ended_utterances_and_sessions_leave_nothing() -> None:
    kept = store("ended", "gone")
    ended, gone, stranger = (request(SPOKEN, session_id=name) for name in ("ended", "gone", "stranger"))
    before = spectrograms()
    for asked in (ended, gone, stranger):
        kept.window(asked, FILTERS, FRAMES)
    assert spectrograms() == before + 2

    kept.drop(replace(ended, utterance_id=7))
    assert spectrograms() == before + 2
    kept.drop(ended)
    kept.forget("gone")
    kept.forget("never seen")

    assert spectrograms() == before
    kept.window(gone, FILTERS, FRAMES)
    assert spectrograms() == before
