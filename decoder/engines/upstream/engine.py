"""The upstream engine: sends audio to services that offer `POST /audio/transcriptions`, within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio

from decoder.engine import Engine, EngineInfo, EngineWork, PoolReport
from decoder.engine_selection import create_engine
from decoder.engines.upstream.admission import Surroundings
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.budget import Allowance, Ledger, RollingHour
from decoder.engines.upstream.client import HttpUpstream, Upstream, UpstreamRequest
from decoder.engines.upstream.pool import Pool, TimedTranscript
from decoder.engines.upstream.retry_policy import PartialSkipped, UpstreamWithoutCredits
from decoder.engines.upstream.word_timing import append_new_words
from decoder.settings import EngineSettings, PoolSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, Hypothesis, ModelError, RequestKind, Word
from vad.audio import Float32, s_to_samples

__all__ = ["UpstreamEngine", "create"]

_CONTEXT_WORDS = 2
"""Committed words that the window of a partial repeats: their times are estimated, so a cut after the last word might
truncate it."""

_PROMPT_WORDS = 40
"""Words before the window that become its prompt, because context improves decoding; Whisper reads at most 224
tokens."""

_FINALS = (RequestKind.FINAL, RequestKind.FILE)
"""The kinds that are the last request of an utterance, even if it fails."""


def create(settings: EngineSettings) -> Engine:
    """Return the engine of the configured upstreams, not connected yet.

    Raises:
        ModelError: no upstream is configured, an API key is missing, or the local engine is unknown.
    """
    if not settings.upstreams:
        raise ModelError("engine upstream has no upstreams: set engine.upstreams or --upstream-url")
    pool = settings.pool
    has_local = pool.fallback or pool.partials == "local"
    local = create_engine(replace(settings, name=pool.local_engine, upstreams=())) if has_local else None
    return UpstreamEngine([HttpUpstream(upstream) for upstream in settings.upstreams], pool, local)


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of an utterance that is sent for a partial.

    Attributes:
        start_sample: where it begins on the session's time line.
        known: words that the response cannot change.
        expected: the number of last known words that lie in the window.
    """

    start_sample: int
    known: tuple[Word, ...]
    expected: int


class UpstreamEngine:
    """Sends each request independently, so that slow, failing and split requests delay no others.

    | request | partials = off | upstream | local |
    |---|---|---|---|
    | partial | not requested | its newest seconds, to the pool | to the local engine |
    | eager | to the pool, while few enough are discarded | the same | the same |
    | final, file | to the pool; on failure to the local engine, if `fallback` is set | the same | the same |

    Args:
        clients: of the upstreams, the preferred one first.
        settings: of the pool.
        local: engine for local partials and `fallback`; None if neither is set.
        surroundings: clock and randomness.
    """

    def __init__(
        self,
        clients: Sequence[Upstream],
        settings: PoolSettings,
        local: Engine | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.work = EngineWork()
        self.max_batch = 1
        self.parallel = sum(client.settings.concurrency for client in clients)
        self.fallbacks = 0
        """Finals decoded by the local engine."""
        self.speech_s = 0.0
        """Speech requested, each second counted once."""
        self._settings = settings
        self._surroundings = surroundings or Surroundings()
        self._pool = Pool(clients, settings, self._record_spent, self._surroundings)
        self._ledger = Ledger(settings)
        self._hour = RollingHour(settings)
        self._local = local
        self._local_lock = anyio.Lock()  # the local engine decodes one batch at a time
        self._partials: dict[str, tuple[int, tuple[Word, ...]]] = {}
        """Session → the utterance and the words of its latest upstream partial."""
        self.info = EngineInfo(
            engine="upstream",
            model=", ".join(dict.fromkeys(client.settings.model for client in clients)),
            device=", ".join(client.name for client in clients),
            eager_is_final=settings.eager_share > 0,
            translates=any(client.settings.translates for client in clients),
            partial_interval_s={"off": None, "upstream": settings.partial_interval_s, "local": 0.0}[settings.partials],
            pool=self.report,
        )

    async def warm_up(self) -> None:
        """Connect to every upstream and load the local engine; an unavailable upstream may become available later.

        Raises:
            ModelError: the local engine's model cannot be loaded.
        """
        await self._pool.connect()
        if self._local is not None:
            await self._local.warm_up()

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order."""
        answers: dict[int, Hypothesis | EngineError] = {}

        async def answer(place: int, request: DecodeRequest) -> None:
            answers[place] = await self._answer(request)

        async with anyio.create_task_group() as tasks:
            for place, request in enumerate(batch):
                tasks.start_soon(answer, place, request)
        return [answers[place] for place in range(len(batch))]

    def forget(self, session_id: str) -> None:
        """Discard the state of a session."""
        self._ledger.forget(session_id)
        self._partials.pop(session_id, None)
        if self._local is not None:
            self._local.forget(session_id)

    def report(self) -> PoolReport:
        """Return the state of the upstreams."""
        now_s = self._surroundings.clock()
        allowance = self._hour.allowance(now_s)
        return PoolReport(
            upstreams=tuple(member.report() for member in self._pool.members),
            is_usable=self._settings.fallback or (self._pool.is_usable and allowance is not Allowance.NOTHING),
            speech_s=self.speech_s,
            cost_last_hour=self._hour.cost(now_s),
            allowance=allowance.value,
            hedges=self._pool.hedges,
            fallbacks=self.fallbacks,
        )

    async def aclose(self) -> None:
        """Close all connections, and the local engine."""
        await self._pool.aclose()
        if self._local is not None:
            await self._local.aclose()

    async def _answer(self, request: DecodeRequest) -> Hypothesis | EngineError:
        if not len(request.samples):
            return _hypothesis(request, request.forced)
        is_final = request.kind in _FINALS
        if request.kind is RequestKind.PARTIAL and self._settings.partials == "local":
            return await self._decode_locally(request)
        new_speech_s = self._ledger.record_request(request)
        self.speech_s += new_speech_s
        self._hour.add(self._surroundings.clock(), speech_s=new_speech_s)
        try:
            return await self._decode_upstream(request)
        except EngineError as error:
            if not is_final or not self._settings.fallback:
                return error
            self.fallbacks += 1
            return await self._decode_locally(request)
        finally:
            if is_final and self._settings.partials == "local" and self._local is not None:
                # it may keep state of the utterance from partials, and gets no final to end it
                self._local.forget(request.session_id)

    async def _decode_upstream(self, request: DecodeRequest) -> Hypothesis:
        """Send the request, or its newest part, to the pool.

        Raises:
            EngineError: the budget does not allow it, or no upstream answered.
        """
        window = self._window(request)
        samples = request.samples[window.start_sample - request.start_sample :]
        self._spend_budget(request, padded_samples(len(samples)))
        transcript = await self._pool.transcribe(_upstream_request(request, window, samples))
        words = append_new_words(window.known, window.expected, transcript.words)
        if request.kind is RequestKind.PARTIAL and self._ledger.has_session(request.session_id):
            self._partials[request.session_id] = (request.utterance_id, words)
        return _hypothesis(request, words, transcript)

    def _spend_budget(self, request: DecodeRequest, samples: int) -> None:
        """Account for the audio about to be sent.

        Raises:
            EngineError: the budget does not allow it.
        """
        allowance = self._hour.allowance(self._surroundings.clock())
        if allowance is Allowance.NOTHING:
            raise UpstreamWithoutCredits("the upstreams' budget for this hour is spent")
        if allowance is Allowance.FINALS and request.kind not in _FINALS:
            raise EngineBusy("the upstreams' budget for this hour is nearly spent: only finals are sent")
        if not self._ledger.allows(request, samples):
            raise PartialSkipped("the audio sent per second of speech exceeds the configured share")
        self._ledger.record_sent(request, samples)

    def _window(self, request: DecodeRequest) -> _Window:
        """Return the audio to send: all of it, or for a partial the newest part that is not committed."""
        start, known = request.start_sample, request.forced
        if request.kind is RequestKind.PARTIAL:
            start = max(start, request.end_sample - s_to_samples(self._settings.partial_window_s))
            utterance_id, latest = self._partials.get(request.session_id, (None, ()))
            if utterance_id == request.utterance_id:
                # words before the window are not decoded again until the final, so they are kept
                known += tuple(word for word in latest[len(known) :] if word.end_sample <= start)
            if known:
                start = max(start, min(known[-_CONTEXT_WORDS:][0].start_sample, request.end_sample))
        expected = sum(word.start_sample + word.end_sample >= 2 * start for word in known)
        return _Window(start, known, expected)

    def _record_spent(self, sent_s: float, cost: float) -> None:
        self._hour.add(self._surroundings.clock(), sent_s=sent_s, cost=cost)

    async def _decode_locally(self, request: DecodeRequest) -> Hypothesis | EngineError:
        assert self._local is not None, "`create` makes one if the settings need it"
        async with self._local_lock:
            [answer] = await self._local.decode([request])
        return answer


def _upstream_request(request: DecodeRequest, window: _Window, samples: Float32) -> UpstreamRequest:
    before = window.known[: len(window.known) - window.expected][-_PROMPT_WORDS:]
    context = "".join(word.text for word in before).strip() if window.start_sample > request.start_sample else ""
    return UpstreamRequest(
        name=f"{request.session_id}-{request.utterance_id}-{request.revision}",
        kind=request.kind,
        samples=samples,
        start_sample=window.start_sample,
        language=request.language,
        prompt=f"{request.prompt} {context}".strip(),
        task=request.task,
        temperature=request.temperature,
    )


def _hypothesis(request: DecodeRequest, words: tuple[Word, ...], timed: TimedTranscript | None = None) -> Hypothesis:
    transcription = None if timed is None else timed.transcription
    return Hypothesis.answering(
        request,
        words,
        language=request.language or (None if transcription is None else transcription.language),
        avg_logprob=None if transcription is None else transcription.avg_logprob,
        no_speech_probability=None if transcription is None else transcription.no_speech_probability,
    )
