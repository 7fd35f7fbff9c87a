"""pocketsphinx, the embedded engine: English only, model inside its wheel, and it follows speech as it is said.

Each utterance has a recogniser of its own that keeps its state between requests, so that a partial costs the new sound
only. pocketsphinx holds Python's interpreter lock while it computes: threads gain nothing, and a long call would starve
the event loop. So there is one worker thread, and it takes sound in small pieces.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import numpy as np
from anyio import CapacityLimiter, Event, to_thread
from pocketsphinx import Decoder, Segment

from decoder.engine import Engine, EngineInfo, EngineWork
from decoder.settings import EngineSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    Hypothesis,
    ModelError,
    RequestKind,
    Word,
)
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["SphinxEngine", "create"]

_LANGUAGE = "en"

_FRAME_SAMPLES = SAMPLE_RATE_HZ // 100
"""pocketsphinx counts time in frames of 10 ms."""

_PIECE_SAMPLES = 3 * _FRAME_SAMPLES
"""Sound of one call into pocketsphinx, 30 ms. It holds the interpreter lock for about 10 ms: the event loop waits
hardly longer than for any switch between Python threads. Longer pieces hold it longer and save nothing.

Every piece but an utterance's last is whole: pocketsphinx moves its running mean at the end of a call, so that pieces
of other lengths would give other words.
"""

_STEP_SAMPLES = 10 * _PIECE_SAMPLES
"""Sound of one visit to the worker thread, 300 ms: a cancelled decode returns after at most one, about 0.1 s."""

_LEVEL_SAMPLES = SAMPLE_RATE_HZ
"""Sound from which an utterance's level and timbre are taken before it is searched, 1 s."""

_FULL_SCALE = 1 << 15
"""What 1.0 is in int16."""

_FILLER_BEGINNINGS = ("<", "[", "+")
"""Of what the model hears beside words: `<sil>`, `[NOISE]`, `++BREATH++` …"""

_RUMBLE = 1e-4
"""Amplitude of the deterministic noise warm-up listens to, −80 dBFS."""

_SEARCH_OPTIONS: dict[str, bool | int] = {"fwdflat": False, "maxhmmpf": 5000, "compallsen": True}
"""The fewest wrong words at an end of utterance that a viewer does not notice.

measured on 22 utterances, 74 s, read and synthetic English, one shared core; WER / RTF / mean and longest end in ms:

| options, beside the level measured over 1 s | WER | RTF | end |
|---|---|---|---|
| fwdflat=False, maxhmmpf=5000 | 0.158 | 0.22 | 32, 72 |
| … maxhmmpf=3000 | 0.172 | 0.15 | 19, 39 |
| … maxhmmpf=2000 | 0.249 | 0.12 | 14, 47 |
| … maxhmmpf=30000 (the default) | 0.167 | 0.39 | 53, 142 |
| fwdflat=True, maxhmmpf=30000 | 0.187 | 0.35 | 181, 509 |
| fwdflat=False, bestpath=False | 0.220 | 0.31 | 24, 57 |

compallsen costs 5 % more and changes none of these words, but without it the first frames of an utterance depend on the
one before. Wider or narrower beams, a heavier language model and fewer word exits gain nothing. With a fixed
level and maxhmmpf=30000, 0.239 of the words are wrong; 0.311 when the sound is ten times softer.
"""

_SINGLE_WORD_GRAMMAR = "#JSGF V1.0; grammar level; public <level> = a;"
"""The smallest search there is, for a recogniser of which only the features are wanted."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def create(settings: EngineSettings) -> Engine:
    """Return the pocketsphinx engine; its model is loaded by `warm_up` or the first request."""
    return SphinxEngine(settings)


class _LevelMeter:
    """Measures the mean cepstrum of sound: what its level, microphone and room add to every frame.

    pocketsphinx subtracts a running mean that starts from a fixed guess and first moves after 3 s. Live utterances are
    shorter than that, so the guess decides what is heard: see `_SEARCH_OPTIONS`.
    """

    def __init__(self) -> None:
        self._features = Decoder(lm=None, fwdflat=False, bestpath=False, loglevel="FATAL")
        self._features.add_jsgf_string("level", _SINGLE_WORD_GRAMMAR)
        self._features.activate_search("level")

    def mean_cepstrum(self, samples: Float32) -> str | None:
        """Return the mean as pocketsphinx writes it, or None where the sound is digital silence."""
        self._features.reinit_feat()
        self._features.start_utt()
        self._features.process_raw(_to_pcm16(samples), no_search=True, full_utt=True)
        mean = str(self._features.get_cmn(False))
        self._features.end_utt()
        return None if "nan" in mean else mean


class _Recogniser:
    """One pocketsphinx decoder and how far it is in its utterance. Only the worker thread calls it."""

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL", **_SEARCH_OPTIONS)
        self._is_listening = False
        self.fed_samples = 0

    def begin(self, mean_cepstrum: str | None) -> None:
        """Start an utterance; what was heard before has no part in it."""
        if self._is_listening:
            self._decoder.end_utt()
        # Noise and mean are estimated on across utterances; this forgets both.
        self._decoder.reinit_feat()
        if mean_cepstrum is not None:
            self._decoder.set_cmn(mean_cepstrum)
        self._decoder.start_utt()
        self._is_listening = True
        self.fed_samples = 0

    def feed(self, samples: Float32, end: int) -> None:
        """Search `samples` from where it stopped up to `end`, samples since the utterance began."""
        for start in range(self.fed_samples, end, _PIECE_SAMPLES):
            stop = min(start + _PIECE_SAMPLES, end)
            self._decoder.process_raw(_to_pcm16(samples[start:stop]))
            self.fed_samples = stop

    def words_so_far(self, request: DecodeRequest) -> tuple[Word, ...]:
        """Return the words on the best path at this moment; their probabilities are not known yet."""
        # measured: 0.2 ms after 18 s of sound, so partials may have times too
        return _words(self._decoder.seg(), request, has_probability=False)

    def end(self, request: DecodeRequest) -> tuple[Word, ...]:
        """End the utterance and return its words."""
        self._is_listening = False
        self._decoder.end_utt()
        return _words(self._decoder.seg(), request, has_probability=True)


@dataclass(slots=True, eq=False)
class _Stream:
    """One utterance a recogniser follows.

    Attributes:
        recogniser: what follows it.
        start_sample: where its sound begins on the session's time line.
        level_samples: how much sound its level was taken from.
        is_paused: its last request was eager, so that the utterance may be over without a final being asked.
    """

    recogniser: _Recogniser
    start_sample: int
    level_samples: int
    is_paused: bool = False

    def goes_on_in(self, request: DecodeRequest) -> bool:
        """Say whether the request extends what was fed, with a level that would be measured the same."""
        return (
            request.start_sample == self.start_sample
            and len(request.samples) >= self.recogniser.fed_samples
            and min(len(request.samples), _LEVEL_SAMPLES) == self.level_samples
        )


class SphinxEngine:
    """Follows up to `settings.sphinx_streams` utterances at once, each in a recogniser of its own.

    | request | its utterance has a stream | a stream is free | none is |
    |---|---|---|---|
    | partial, eager | feed what is new, answer | open one, feed all, answer | `EngineBusy` |
    | final | feed what is new, end, close the stream | feed all to a spare recogniser, end | the same |

    A paused stream, or one of an earlier utterance of the same session, counts as free when no other is. A request that
    does not extend what was fed is decoded from its start, and so is one after a request of less than 1 s: the level is
    taken from the utterance's first second, and until it is there every request has another one.

    The search cannot be forced to a prefix: committed words are put in front of those heard after them. Path scores are
    no probabilities of tokens, so that `avg_logprob` is None; a final's words have posteriors of their own.
    """

    info = EngineInfo("sphinx", "en-us (pocketsphinx)", "cpu", (_LANGUAGE,), eager_is_final=False, files_beside=True)

    def __init__(self, settings: EngineSettings) -> None:
        """Make an engine that has loaded nothing yet.

        Args:
            settings: `sphinx_streams` and `max_batch` count here.
        """
        self.work = EngineWork()
        self.max_batch = settings.max_batch
        self.parallel = 1  # a second would only wait: see the worker thread
        self._max_streams = settings.sphinx_streams
        self._streams: dict[tuple[str, int], _Stream] = {}
        # Whose requests are being answered, but for those that `forget` came for meanwhile.
        self._serving: set[str] = set()
        # At most two more than there are streams: finals are decoded one after the other, a file's beside them.
        self._idle: list[_Recogniser] = []
        self._meter: _LevelMeter | None = None
        # One: the interpreter lock lets no second thread compute. Its own: other blocking work never waits for it.
        self._limiter = CapacityLimiter(1)
        self._live_batches = 0
        self._nothing_live = Event()
        """Set, and replaced, when the last live batch is done."""
        # A task cancelled by asyncio itself leaves its thread behind; the next call waits for that one here.
        self._thread_turn = threading.Lock()

    async def warm_up(self) -> None:
        """Load one recogniser and let it listen to a second of faint noise.

        Raises:
            ModelError: the model cannot be loaded.
        """
        noise = np.random.default_rng(0).normal(0.0, _RUMBLE, SAMPLE_RATE_HZ).astype(np.float32)
        request = DecodeRequest("warm-up", 0, 1, RequestKind.FINAL, noise, start_sample=0, deadline_s=0.0)
        try:
            await self._follow(request)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"pocketsphinx model en-us cannot be loaded: {error}") from error

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer a request, in the same order."""
        is_live = any(request.kind is not RequestKind.FILE for request in batch)
        self._live_batches += is_live
        try:
            return [await self._answer(request) for request in batch]
        finally:
            self._live_batches -= is_live
            if not self._live_batches:
                self._nothing_live.set()
                self._nothing_live = Event()

    def forget(self, session_id: str) -> None:
        """Free the streams of that session."""
        self._serving.discard(session_id)
        for key in [key for key in self._streams if key[0] == session_id]:
            self._close(key)

    async def aclose(self) -> None:
        """Free all recognisers."""
        self._streams.clear()
        self._idle.clear()
        self._meter = None

    async def _answer(self, request: DecodeRequest) -> Hypothesis | EngineError:
        if request.language not in (None, _LANGUAGE):
            return EngineFailed(f"language {request.language!r}: pocketsphinx has a model for {_LANGUAGE!r} only")
        words = request.forced
        if len(request.samples):
            if not self._has_room_for(request):
                return EngineBusy(f"{self._max_streams} utterances are followed already: no room for a partial")
            try:
                words = await self._follow(request)
            except (RuntimeError, ValueError) as error:
                return EngineFailed(f"pocketsphinx failed: {error}")
        elif request.kind.ends_utterance:
            self._close((request.session_id, request.utterance_id))
        return Hypothesis(request.session_id, request.utterance_id, request.revision, words, _LANGUAGE)

    def _has_room_for(self, request: DecodeRequest) -> bool:
        key = (request.session_id, request.utterance_id)
        if request.kind.ends_utterance or key in self._streams or len(self._streams) < self._max_streams:
            return True
        for other, stream in self._streams.items():
            is_earlier = other[0] == request.session_id and other[1] < request.utterance_id
            if is_earlier or stream.is_paused:
                self._close(other)
                return True
        return False

    async def _follow(self, request: DecodeRequest) -> tuple[Word, ...]:
        key = (request.session_id, request.utterance_id)
        self._serving.add(request.session_id)
        if key in self._streams and not self._streams[key].goes_on_in(request):
            self._close(key)
        stream = self._streams.pop(key, None)
        try:
            if stream is None:
                stream = await self._in_thread(self._begin, await self._take_recogniser(), request)
            words = await self._listen(stream.recogniser, request)
        except (RuntimeError, ValueError):
            stream = None  # what pocketsphinx failed with is not used again
            raise
        finally:
            if stream is not None:
                stream.is_paused = request.kind is RequestKind.EAGER
                if request.kind.ends_utterance or request.session_id not in self._serving:
                    self._idle.append(stream.recogniser)
                else:
                    self._streams[key] = stream
            self._serving.discard(request.session_id)
        return _going_on_from(request.forced, words)

    async def _take_recogniser(self) -> _Recogniser:
        return self._idle.pop() if self._idle else await self._in_thread(_Recogniser)

    def _begin(self, recogniser: _Recogniser, request: DecodeRequest) -> _Stream:
        self._meter = self._meter or _LevelMeter()
        opening = request.samples[:_LEVEL_SAMPLES]
        recogniser.begin(self._meter.mean_cepstrum(opening))
        return _Stream(recogniser, request.start_sample, level_samples=len(opening))

    async def _listen(self, recogniser: _Recogniser, request: DecodeRequest) -> tuple[Word, ...]:
        is_final = request.kind.ends_utterance
        length = len(request.samples)
        end = length if is_final else length - length % _PIECE_SAMPLES
        for stop in range(recogniser.fed_samples + _STEP_SAMPLES, end, _STEP_SAMPLES):
            if request.kind is RequestKind.FILE:
                await self._until_nothing_is_live()
            await self._in_thread(recogniser.feed, request.samples, stop)
        await self._in_thread(recogniser.feed, request.samples, end)
        return await self._in_thread(recogniser.end if is_final else recogniser.words_so_far, request)

    async def _until_nothing_is_live(self) -> None:
        while self._live_batches:
            await self._nothing_live.wait()

    def _close(self, key: tuple[str, int]) -> None:
        if key in self._streams:
            self._idle.append(self._streams.pop(key).recogniser)

    async def _in_thread(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        def take_turn() -> _T:
            with self._thread_turn:
                return function(*args, **kwargs)

        return await to_thread.run_sync(take_turn, limiter=self._limiter)


def _to_pcm16(samples: Float32) -> bytes:
    """Return little-endian int16 of float32 samples, rounded; what is beyond full scale is clipped."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()


def _words(segments: Iterable[Segment] | None, request: DecodeRequest, *, has_probability: bool) -> tuple[Word, ...]:
    """Return the words among pocketsphinx's segments, on the session's time line, inside the request's span."""
    words: list[Word] = []
    earliest_sample = request.start_sample
    for segment in segments or ():
        if segment.word.startswith(_FILLER_BEGINNINGS):
            continue
        start = request.start_sample + segment.start_frame * _FRAME_SAMPLES
        end = request.start_sample + (segment.end_frame + 1) * _FRAME_SAMPLES
        start = min(max(start, earliest_sample), request.end_sample)
        end = min(max(end, start), request.end_sample)
        # its posteriors are rounded logarithms: 1.001 occurs
        probability = min(float(segment.prob), 1.0) if has_probability else None
        words.append(Word(f" {_spelling(segment.word)}", start, end, probability))
        earliest_sample = end
    return tuple(words)


def _spelling(entry: str) -> str:
    """Return how a dictionary entry is written: `the(2)` is a pronunciation of `the`; the pronoun is `I`."""
    word = entry.partition("(")[0]
    return "I" + word[1:] if word == "i" or word.startswith("i'") else word


def _going_on_from(prefix: tuple[Word, ...], words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words with the committed ones in front: pocketsphinx cannot be forced to a prefix."""
    if [word.text for word in words[: len(prefix)]] == [word.text for word in prefix]:
        return prefix + words[len(prefix) :]
    committed_end = prefix[-1].end_sample
    later = (word for word in words if word.start_sample + word.end_sample >= 2 * committed_end)
    return prefix + tuple(replace(word, start_sample=max(word.start_sample, committed_end)) for word in later)
