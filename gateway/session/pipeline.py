"""The path of one session's data, without I/O: audio in, decode requests and events out."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import inf

from decoder.engine import EngineInfo
from decoder.languages import Script
from decoder.scheduler import Answer
from decoder.types import DecodeRequest, RequestKind, RequestReplaced
from gateway.captions.captioner import Captioner
from gateway.captions.chinese_script import with_script
from gateway.captions.cue_builder import CueBuilder
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.decode_requests import DecodeRequests
from gateway.session.eager_finals import EagerFinals
from gateway.session.partial_pacing import PartialPacing
from gateway.session.retry_policy import RetryPolicy
from gateway.session.session_warnings import SessionWarnings
from gateway.session.stage_options import (
    PipelineSettings,
    cue_profile_of,
    frontend_of,
    languages_of,
    segmenter_settings_of,
    unhurried,
)
from gateway.session.stats import SessionStats
from gateway.wire import (
    Ack,
    CadenceChanged,
    Final,
    Finished,
    Flushed,
    ProtocolError,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
)
from vad import events as speech
from vad.audio import SAMPLE_RATE_HZ, s_to_samples

__all__ = ["Effect", "Pipeline"]

_SCRIPTS = {"simplified": Script.SIMPLIFIED, "traditional": Script.TRADITIONAL, "engine": None}

Effect = DecodeRequest | ServerEvent
"""What the driver has to do, in order: submit a request, or append an event."""


class Pipeline:
    """The stages of one session, wired: audio → front end → requests; answers → captioner → events.

    Args:
        session_id: who asks the engine.
        start: what the client wants.
        settings: defaults for what it leaves open.
        info: the engine, for `Ready`.
        next_seq: gives each event its number; channels of one session share it.
        checkpoint: where a resumed session goes on.

    Raises:
        ProtocolError: an option that is not available.
    """

    def __init__(
        self,
        session_id: str,
        start: Start,
        settings: PipelineSettings,
        info: EngineInfo,
        next_seq: Callable[[], int] | None = None,
        checkpoint: Checkpoint = FRESH,
    ) -> None:
        profile, ignored = cue_profile_of(start, settings.session)
        cues = CueBuilder(profile, checkpoint.cue_end_sample)
        self._requests = DecodeRequests(session_id, start, languages_of(start, settings.session, info))
        self._session_id = session_id
        self._start = start
        self._all_settings = settings
        self._settings = unhurried(settings.session) if start.file else settings.session
        self._final_kind = RequestKind.FILE if start.file else RequestKind.FINAL
        self._info = info
        self.next_seq = next_seq or count(checkpoint.first_seq).__next__
        """Returns the number of the next event, also for one that does not come from the pipeline."""
        self._checkpoint = checkpoint
        self._frontend = frontend_of(start, settings, checkpoint.origin)
        self._set_partials(start)
        limits = settings.stabiliser, settings.guard
        self._captioner = Captioner(start, cues, *limits, self.next_seq, checkpoint.origin.utterances)
        self._retries = RetryPolicy()
        self._eager = EagerFinals(is_enabled=self._settings.eager_finals and info.eager_is_final)
        self._acked_s = 0.0
        self._warnings = SessionWarnings(self._settings, self.next_seq, ignored)

    @property
    def audio_end_sample(self) -> int:
        """One past the last sample received, at 16 kHz."""
        return self._frontend.audio_end_sample

    @property
    def next_sample(self) -> int:
        """The next sample frame expected, at the client's rate."""
        return self._frontend.received_samples

    @property
    def audio_samples(self) -> int:
        """Samples received of all channels, at 16 kHz."""
        return self.audio_end_sample

    @property
    def engine_sessions(self) -> tuple[str, ...]:
        """The ids under which it asks the engine."""
        return (self._session_id,)

    @property
    def language(self) -> str | None:
        """The language that is asked for, ISO 639-1; None: it is detected."""
        return self._requests.languages.code

    @property
    def stats(self) -> SessionStats:
        """What it has counted so far."""
        captioner = self._captioner
        return SessionStats(captioner.finals, captioner.guarded, captioner.eager_finals, self._eager.dropped)

    @property
    def lag_s(self) -> float:
        """How much audio has been received since the end of the oldest utterance whose final is outstanding."""
        oldest = self._captioner.oldest_ended
        return (self.audio_end_sample - oldest.end_sample) / SAMPLE_RATE_HZ if oldest else 0.0

    def ready(self, seq: int) -> Ready:
        """Return the session's first event, with that number."""
        info = self._info
        return Ready(seq, self._session_id, info.engine, info.model, info.device, self.language)

    def push_audio(self, data: bytes, now_s: float, channel: int = 0) -> list[Effect]:
        """Push the next bytes of audio.

        Args:
            data: in the announced format, cut anywhere.
            now_s: on the scheduler's clock.
            channel: 0, the only one.

        Raises:
            AudioError: they are not in the announced format.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        if channel:
            raise ProtocolError(f"channel {channel} out of range: expected 0", "channel")
        effects = self._follow(self._frontend.push(data), now_s)
        effects += self._warnings.check(self.lag_s, self._frontend.repaired_samples, self._requests.languages.refused)
        if self.next_sample / self._start.audio.sample_rate_hz - self._acked_s >= self._settings.ack_interval_s:
            effects.append(self._ack())
        return effects

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame: it will be sent again."""
        self._frontend.drop_partial_frame()

    def update(self, start: Start) -> None:
        """Change the options: language, prompt, endpointing, and which events are wanted.

        Raises:
            ProtocolError: one that is not available; then all stay as they were.
        """
        languages = languages_of(start, self._settings, self._info)
        self._frontend.update(segmenter_settings_of(start.endpointing, self._all_settings.segmenter))
        self._start = start
        self._requests.update(start, languages)
        self._captioner.update(start)
        self._set_partials(start)

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance, and emit `Flushed` when everything so far has been answered."""
        effects = self._follow(self._frontend.flush(), now_s)
        return [*effects, *self._captioner.mark(Flushed(0, flush_id), now_s)]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and emit `Finished` when everything has been answered."""
        effects = self._follow(self._frontend.finish(), now_s)
        effects += self._warnings.check(self.lag_s, self._frontend.repaired_samples, self._requests.languages.refused)
        effects += self._warnings.ended(self._frontend.leftover_bytes, self._start.audio.bytes_per_sample_frame)
        return [*effects, self._ack(), *self._captioner.mark(Finished(0, self.audio_end_sample, 0), now_s)]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Take in the engine's answer to one of this session's requests."""
        answer = with_script(answer, self._requests.languages.script, _SCRIPTS[self._settings.chinese_script])
        effects: list[Effect] = [*self._warnings.answered(answer), *self._adapt_pacing(answer)]
        if self._retries.is_due(answer.request, answer.outcome):
            return effects + self._retry(answer.request, now_s)
        events = self._captioner.answer(answer, now_s, is_paused=self._eager.is_current(answer.request))
        return [*effects, *self._with_ack(events)]

    def _set_partials(self, start: Start) -> None:
        interval_s = self._info.partial_interval_s
        self._has_partials = start.partials and interval_s is not None
        interval_samples = max(self._frontend.progress_interval_samples, s_to_samples(interval_s or 0.0))
        self._frontend.progress_interval_samples = interval_samples
        self._pacing = PartialPacing(interval_samples, self._settings.max_partial_stretch)

    def _follow(self, events: list[speech.SpeechEvent], now_s: float) -> list[Effect]:
        """Turn speech events into requests, and into events for the client."""
        effects: list[Effect] = []
        for event in events:
            match event:
                case speech.SpeechStarted():
                    self._requests.begin_utterance(self._checkpoint.revision_of(event.utterance_id))
                    self._captioner.begin(event.utterance_id, event.start_sample)
                    effects.append(SpeechStarted(self.next_seq(), event.utterance_id, event.start_sample))
                case speech.SpeechEnded():
                    effects += self._end(event, now_s)
                case speech.SpeechResumed():
                    effects += self._resume(event)
                case speech.SpeechPaused() if self._wants_eager_final:
                    request = self._request(event, RequestKind.EAGER, now_s + self._settings.final_deadline_s)
                    effects.append(self._eager.begin(request))
                case speech.SpeechProgress() | speech.SpeechPaused() if (
                    self._has_partials and not self._warnings.is_behind
                ):
                    effects.append(self._request(event, RequestKind.PARTIAL, now_s + self._settings.partial_deadline_s))
        return effects

    def _end(self, event: speech.SpeechEnded, now_s: float) -> list[Effect]:
        """Let the eager request answer the utterance if it has all of its audio, else a final one."""
        span = event.start_sample, event.end_sample
        effects: list[Effect] = [SpeechEnded(self.next_seq(), event.utterance_id, *span, event.reason)]
        if not self._eager.end(event.end_sample, is_silence=event.reason is speech.EndReason.SILENCE):
            effects.append(self._request(event, self._final_kind, now_s + self._settings.final_deadline_s))
        return [*effects, *self._with_ack(self._captioner.end(event, self._requests.revision, now_s))]

    def _with_ack(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """Append an ack to events with a final, for there is less outstanding now; nothing follows the last event."""
        has_final = any(isinstance(event, Final) for event in events)
        return [*events, self._ack()] if has_final and not isinstance(events[-1], Finished) else events

    def _resume(self, event: speech.SpeechResumed) -> list[ServerEvent]:
        self._eager.resume()
        return self._captioner.resume(event.utterance_id)

    def _retry(self, request: DecodeRequest, now_s: float) -> list[Effect]:
        """Request a final where the request that was to answer an utterance has failed."""
        self._eager.fail(request)
        if self._captioner.waits_for(request.utterance_id, request.revision):
            deadline_s, revision = now_s + self._settings.final_deadline_s, request.revision + 1
            self._captioner.ask_again(request.utterance_id, revision)
            return [replace(request, kind=self._final_kind, revision=revision, deadline_s=deadline_s)]
        return []

    def _adapt_pacing(self, answer: Answer) -> list[ServerEvent]:
        """Stretch or shrink the partial interval by how a partial fared, and announce it."""
        if answer.request.kind is not RequestKind.PARTIAL:
            return []
        took_s = inf if isinstance(answer.outcome, RequestReplaced) else answer.queue_s + answer.decode_s
        self._pacing.took(took_s * SAMPLE_RATE_HZ)
        self._frontend.progress_interval_samples = self._pacing.interval_samples
        announced = self._pacing.announcement()
        return [] if announced is None else [CadenceChanged(self.next_seq(), announced)]

    @property
    def _wants_eager_final(self) -> bool:
        """Whether the pause that has just begun gets a final: always for a client that asks, else where it pays."""
        return self._eager.are_wanted(
            is_behind=self._warnings.is_behind,
            is_asked_for=self._start.eager,
            is_stretched=self._pacing.is_stretched,
        )

    def _request(self, event: speech.SpeechEvent, kind: RequestKind, deadline_s: float) -> DecodeRequest:
        prefix = self._captioner.committed(event.utterance_id)
        return self._requests.build(event, kind, deadline_s, prefix, in_haste=self._pacing.is_far_behind)

    def _ack(self) -> Ack:
        audio = self._start.audio
        self._acked_s = self.next_sample / audio.sample_rate_hz
        # what was settled before the session was resumed stays so while the detector receives it again
        received = max(self.next_sample, audio.sample_frames(self._checkpoint.origin.settled_sample))
        answered_until = self._captioner.answered_until
        processed = received if answered_until is None else audio.sample_frames(answered_until)
        return Ack(self.next_seq(), received, min(received, processed))
