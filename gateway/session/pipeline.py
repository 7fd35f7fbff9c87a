"""One session's path of the data, without I/O: sound in, decode requests and events out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import inf
from reprlib import repr as shortened
from typing import TypeVar

from decoder.engine import EngineInfo
from decoder.languages import Script
from decoder.prompts import condense_prompt
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, RequestKind, RequestReplaced
from gateway.captions.captioner import Captioner
from gateway.captions.chinese_script import with_script
from gateway.captions.cue_builder import PROFILES, CueBuilder, CueProfile
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.partial_pacing import PartialPacing
from gateway.session.pause_statistics import PauseStatistics
from gateway.session.retry_policy import RetryPolicy
from gateway.session.session_warnings import SessionWarnings
from gateway.settings import SessionSettings
from gateway.wire import (
    Ack,
    CadenceChanged,
    Endpointing,
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
from gateway.wire.language_choice import LanguageChoice, choose_languages
from vad import events as speech
from vad.audio import SAMPLE_RATE_HZ, s_to_samples
from vad.detector import DETECTORS, create_detector
from vad.settings import MIN_THRESHOLD, USUAL_THRESHOLD, SegmenterSettings
from vad.speech_frontend import SpeechFrontend
from vad.stream_origin import StreamOrigin

__all__ = ["Effect", "Pipeline", "PipelineSettings"]

_Number = TypeVar("_Number", int, float)

_SCRIPTS = {"simplified": Script.SIMPLIFIED, "traditional": Script.TRADITIONAL, "engine": None}

Effect = DecodeRequest | ServerEvent
"""What the shell has to do: submit a request, or send an event; in the order given."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the stages of a session are set to, before the client's wishes."""

    segmenter: SegmenterSettings
    stabiliser: StabiliserSettings
    guard: GuardSettings
    session: SessionSettings


class Pipeline:
    """The stages of one session, wired: listener → requests; answers → captioner → events.

    Args:
        session_id: who asks the engine.
        start: what the client wants.
        settings: what it gets where it has no wish.
        info: the engine, for `Ready`.
        next_seq: gives each event its number; channels of one session share it.
        checkpoint: where the session goes on, where it is taken up again.

    Raises:
        ProtocolError: a wish that cannot be met.
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
        profile, ignored = _cue_profile(start, settings.session)
        cues = CueBuilder(profile, checkpoint.cue_end_sample)
        self.languages = _languages(start, settings.session, info)
        self._session_id = session_id
        self._start = start
        self._prompt = condense_prompt(start.prompt)
        self._all_settings = settings
        self._settings = _unhurried(settings.session) if start.file else settings.session
        self._final_kind = RequestKind.FILE if start.file else RequestKind.FINAL
        self._info = info
        self.next_seq = next_seq or count(checkpoint.first_seq).__next__
        """Gives the next event its number; for those the shell sends itself, too."""
        self._checkpoint = checkpoint
        self._listener = _listener(start, settings, checkpoint.origin)
        self._set_partials(start)
        limits = settings.stabiliser, settings.guard
        self._captioner = Captioner(start, cues, *limits, self.next_seq, checkpoint.origin.utterances)
        self._eagerness, self._retries = PauseStatistics(), RetryPolicy()
        self._has_eager_finals = self._settings.eager_finals and info.eager_is_final
        self.eager_dropped = 0
        """Eager requests in vain, for the speaker went on."""
        self._revision = 0
        """Of the last request of the utterance being spoken."""
        self._eager: DecodeRequest | None = None
        """The eager request of the pause the speaker is in."""
        self._acked_s = 0.0
        self._conditions = SessionWarnings(self._settings, self.next_seq, ignored)

    @property
    def audio_end_sample(self) -> int:
        """One past the last sample heard, at 16 kHz."""
        return self._listener.audio_end_sample

    @property
    def next_sample(self) -> int:
        """The sample frame, at the client's rate, that is to come next."""
        return self._listener.received_samples

    @property
    def finals(self) -> int:
        """How many finals have been said."""
        return self._captioner.finals

    @property
    def guarded(self) -> Mapping[tuple[str, str], int]:
        """What the hallucination guard found: (partial or final, reason) → times."""
        return self._captioner.guarded

    @property
    def eager_used(self) -> int:
        """Finals whose words an eager request had already brought, or was about to, when the utterance ended."""
        return self._captioner.eager_finals

    @property
    def lag_s(self) -> float:
        """How much sound has been heard since the end of the oldest utterance whose final is outstanding."""
        oldest = self._captioner.oldest_ended
        return (self.audio_end_sample - oldest.end_sample) / SAMPLE_RATE_HZ if oldest else 0.0

    def ready(self) -> Ready:
        """Return the session's first event."""
        own = self.next_seq(), self._session_id
        return Ready(*own, self._info.engine, self._info.model, self._info.device, self.languages.code)

    def push_audio(self, data: bytes, now_s: float) -> list[Effect]:
        """Hear the next bytes of sound.

        Args:
            data: in the announced format, cut anywhere.
            now_s: on the scheduler's clock.

        Raises:
            AudioError: they are not in the announced format.
            Lagging: the engine has been too slow for too long.
        """
        effects = self._follow(self._listener.push(data), now_s)
        effects += self._conditions.heard(self.lag_s, self._listener.repaired_samples, self.languages.refused)
        if self.next_sample / self._start.audio.sample_rate_hz - self._acked_s >= self._settings.ack_interval_s:
            effects.append(self._ack())
        return effects

    def drop_cut(self) -> None:
        """Forget the bytes of a sample frame that is not whole: it will be sent again."""
        self._listener.drop_cut()

    def update(self, start: Start) -> None:
        """Go on with other wishes: language, prompt, endpointing, and what is told.

        Raises:
            ProtocolError: one that cannot be met; then all stays as it was.
        """
        languages = _languages(start, self._settings, self._info)
        self._listener.update(_segmenter_settings(start.endpointing, self._all_settings.segmenter))
        self._start, self._prompt, self.languages = start, condense_prompt(start.prompt), languages
        self._captioner.update(start)
        self._set_partials(start)

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance, and say `Flushed` when everything so far has been answered."""
        effects = self._follow(self._listener.flush(), now_s)
        return [*effects, *self._captioner.mark(Flushed(0, flush_id), now_s)]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and say `Finished` when everything has been answered."""
        effects = self._follow(self._listener.finish(), now_s)
        effects += self._conditions.heard(self.lag_s, self._listener.repaired_samples, self.languages.refused)
        effects += self._conditions.ended(self._listener.leftover_bytes, self._start.audio.bytes_per_sample_frame)
        return [*effects, self._ack(), *self._captioner.mark(Finished(0, self.audio_end_sample, 0), now_s)]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Take in the engine's answer to one of this session's requests."""
        answer = with_script(answer, self.languages.script, _SCRIPTS[self._settings.chinese_script])
        effects: list[Effect] = [*self._conditions.answered(answer), *self._paced(answer)]
        if self._retries.is_due(answer.request, answer.outcome):
            return effects + self._ask_again(answer.request, now_s)
        told = self._captioner.answer(answer, now_s, is_paused=answer.request is self._eager)
        return [*effects, *self._said(told)]

    def _set_partials(self, start: Start) -> None:
        interval_s = self._info.partial_interval_s
        self._has_partials = start.partials and interval_s is not None
        interval_samples = max(self._listener.progress_interval_samples, s_to_samples(interval_s or 0.0))
        self._listener.progress_interval_samples = interval_samples
        self._cadence = PartialPacing(interval_samples, self._settings.max_partial_stretch)

    def _follow(self, events: list[speech.SpeechEvent], now_s: float) -> list[Effect]:
        """Turn what the listener heard into requests, and into events for the client."""
        effects: list[Effect] = []
        for event in events:
            match event:
                case speech.SpeechStarted():
                    self._revision = self._checkpoint.revision_of(event.utterance_id)
                    self._captioner.begin(event.utterance_id, event.start_sample)
                    effects.append(SpeechStarted(self.next_seq(), event.utterance_id, event.start_sample))
                case speech.SpeechEnded():
                    effects += self._end(event, now_s)
                case speech.SpeechResumed():
                    effects += self._resume(event)
                case speech.SpeechPaused() if self._wants_eager_final:
                    self._eager = self._request(event, RequestKind.EAGER, now_s + self._settings.final_deadline_s)
                    effects.append(self._eager)
                case speech.SpeechProgress() | speech.SpeechPaused() if (
                    self._has_partials and not self._conditions.is_behind
                ):
                    effects.append(self._request(event, RequestKind.PARTIAL, now_s + self._settings.partial_deadline_s))
        return effects

    def _end(self, event: speech.SpeechEnded, now_s: float) -> list[Effect]:
        """Let the eager request answer the utterance if it heard all of it, else a final one."""
        eager, self._eager = self._eager, None
        if event.reason is speech.EndReason.SILENCE:
            self._eagerness.paused(was_end=True)
        span = event.start_sample, event.end_sample
        effects: list[Effect] = [SpeechEnded(self.next_seq(), event.utterance_id, *span, event.reason)]
        if eager is None or eager.end_sample != event.end_sample:
            self.eager_dropped += eager is not None
            effects.append(self._request(event, self._final_kind, now_s + self._settings.final_deadline_s))
        return [*effects, *self._said(self._captioner.end(event, self._revision, now_s))]

    def _said(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """Add an ack to events that hold a final, for there is less outstanding now; after the last event nothing."""
        has_final = any(isinstance(event, Final) for event in events)
        return [*events, self._ack()] if has_final and not isinstance(events[-1], Finished) else events

    def _resume(self, event: speech.SpeechResumed) -> list[ServerEvent]:
        self._eagerness.paused(was_end=False)
        self.eager_dropped += self._eager is not None
        self._eager = None
        return self._captioner.resume(event.utterance_id)

    def _ask_again(self, request: DecodeRequest, now_s: float) -> list[Effect]:
        """Ask for a final where the request that was to answer an utterance has failed."""
        if request is self._eager:
            self._eager = None
        if self._captioner.waits_for(request.utterance_id, request.revision):
            deadline_s, revision = now_s + self._settings.final_deadline_s, request.revision + 1
            self._captioner.ask_again(request.utterance_id, revision)
            return [replace(request, kind=self._final_kind, revision=revision, deadline_s=deadline_s)]
        return []

    def _paced(self, answer: Answer) -> list[ServerEvent]:
        """Stretch or shrink the partial interval by how a partial fared, and announce it."""
        if answer.request.kind is not RequestKind.PARTIAL:
            return []
        took_s = inf if isinstance(answer.outcome, RequestReplaced) else answer.queue_s + answer.decode_s
        self._cadence.took(took_s * SAMPLE_RATE_HZ)
        self._listener.progress_interval_samples = self._cadence.interval_samples
        announced = self._cadence.announcement()
        return [] if announced is None else [CadenceChanged(self.next_seq(), announced)]

    @property
    def _wants_eager_final(self) -> bool:
        """Whether the pause that has just begun gets a final: always for a client that asks, else where it pays."""
        if not self._has_eager_finals or self._conditions.is_behind:
            return False
        return self._start.eager or (self._eagerness.pays and not self._cadence.is_stretched)

    def _request(self, event: speech.SpeechEvent, kind: RequestKind, deadline_s: float) -> DecodeRequest:
        self._revision += 1
        return DecodeRequest(
            session_id=self._session_id,
            utterance_id=event.utterance_id,
            revision=self._revision,
            kind=kind,
            samples=event.samples,
            start_sample=event.start_sample,
            deadline_s=deadline_s,
            language=self.languages.code,
            languages=self.languages.allowed,
            prompt=self._prompt,
            prefix=self._captioner.committed(event.utterance_id),
            in_haste=self._cadence.is_far_behind,
            speech_probability=event.speech_probability,
            ends_in_speech=event.voiced_end_sample >= event.end_sample,
        )

    def _ack(self) -> Ack:
        audio = self._start.audio
        self._acked_s = self.next_sample / audio.sample_rate_hz
        # what was settled before the session was taken up stays so while the detector hears it again
        received = max(self.next_sample, audio.sample_frames(self._checkpoint.origin.settled_sample))
        answered_until = self._captioner.answered_until
        processed = received if answered_until is None else audio.sample_frames(answered_until)
        return Ack(self.next_seq(), received, min(received, processed))


def _unhurried(settings: SessionSettings) -> SessionSettings:
    """Return the settings of a session that may be as far behind as it likes."""
    return replace(settings, eager_finals=False, lag_shed_s=inf, lag_limit_s=inf)


def _cue_profile(start: Start, settings: SessionSettings) -> tuple[CueProfile, tuple[str, ...]]:
    """Return the profile of the session's cues, and what of the start is ignored."""
    name = settings.cue_profile if start.cue_profile is None else start.cue_profile
    if name in PROFILES:
        return PROFILES[name], start.ignored
    message = f"no cue profile {shortened(name)}: there are {', '.join(PROFILES)}"
    if not start.is_lenient:
        raise ProtocolError(message, "cues.profile")
    return PROFILES[settings.cue_profile], (*start.ignored, f"{message}; the gateway's is used")


def _languages(start: Start, settings: SessionSettings, info: EngineInfo) -> LanguageChoice:
    languages = start.languages or settings.languages
    try:
        return choose_languages(start.language, languages, info.languages, engine=info.engine)
    except ProtocolError as error:
        if not start.is_lenient:
            raise
        choice = choose_languages(None, settings.languages, info.languages, engine=info.engine)
        return replace(choice, refused=str(error))


def _listener(start: Start, settings: PipelineSettings, origin: StreamOrigin) -> SpeechFrontend:
    wishes = start.endpointing
    detector = settings.session.detector if wishes.detector is None else wishes.detector
    if detector not in DETECTORS:
        raise ProtocolError(
            f"no detector {shortened(detector)}: there are {', '.join(DETECTORS)}", "endpointing.detector"
        )
    return SpeechFrontend(
        start.audio, create_detector(detector), _segmenter_settings(wishes, settings.segmenter), origin
    )


def _segmenter_settings(wishes: Endpointing, settings: SegmenterSettings) -> SegmenterSettings:
    def wish(wanted: _Number | None, default: _Number) -> _Number:
        return default if wanted is None else wanted

    strictness = wish(wishes.threshold, USUAL_THRESHOLD) / USUAL_THRESHOLD
    try:
        return replace(
            settings,
            onset_threshold=max(MIN_THRESHOLD, settings.onset_threshold * strictness),
            offset_threshold=max(MIN_THRESHOLD, settings.offset_threshold * strictness),
            endpoint_threshold=max(MIN_THRESHOLD, settings.endpoint_threshold * strictness),
            pad_before_ms=wish(wishes.pad_before_ms, settings.pad_before_ms),
            silence_ms=wish(wishes.silence_ms, settings.silence_ms),
            pause_ms=wish(wishes.pause_ms, settings.pause_ms),
            max_utterance_s=wish(wishes.max_utterance_s, settings.max_utterance_s),
            progress_interval_ms=wish(wishes.partial_interval_ms, settings.progress_interval_ms),
            manual=wishes.manual or settings.manual,
        )
    except ValueError as error:
        # the segmenter's name for it is not the client's
        message = str(error).replace("progress_interval_ms", "partial_interval_ms")
        raise ProtocolError(message, "endpointing") from error
