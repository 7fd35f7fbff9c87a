"""The data path of one session, without I/O: audio in, decode requests and events out."""

from collections.abc import Callable, Iterator
from itertools import count

from decoder.engine import EngineInfo
from decoder.languages import Script
from decoder.scheduler import Answer
from decoder.types import DecodeRequest
from gateway.captions.captioner import Captioner
from gateway.captions.chinese_script import with_script
from gateway.captions.cue_builder import CueBuilder
from gateway.load.ladder import Step
from gateway.session.acknowledgements import Acknowledgements
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.decode_requests import DecodeRequests
from gateway.session.partial_pacing import PartialPacing
from gateway.session.request_policy import RequestPolicy
from gateway.session.session_warnings import SessionWarnings
from gateway.session.stage_options import (
    PipelineSettings,
    cue_profile_of,
    frontend_of,
    languages_of,
    segmenter_settings_of,
    without_lag_limits,
)
from gateway.session.stats import SessionStats
from gateway.wire import (
    Ack,
    Final,
    Finished,
    Flushed,
    ProtocolError,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Warning,
)
from vad import events as speech
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Effect", "Pipeline"]

_SCRIPTS = {"simplified": Script.SIMPLIFIED, "traditional": Script.TRADITIONAL, "engine": None}

Effect = DecodeRequest | ServerEvent
"""What the driver does next: submit a request, or append an event."""


class Pipeline:
    """The stages of one session, wired: audio → front end → requests; answers → captioner → events.

    Args:
        session_id: under which the engine is asked.
        start: the client's options.
        settings: defaults of the options.
        info: the engine.
        next_seq: numbers events; channels of one session share it.
        checkpoint: where a resumed session continues.

    Raises:
        ProtocolError: an option is not available.
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
        self._session_id = session_id
        self._audio = start.audio
        self._default_segmenter = settings.segmenter
        self._settings = without_lag_limits(settings.session) if start.file else settings.session
        self._info = info
        self.next_seq = next_seq or count(checkpoint.first_seq).__next__
        """Returns the number of the next event, also for one that does not come from the pipeline."""
        self._checkpoint = checkpoint
        origin = checkpoint.origin
        languages = languages_of(start, settings.session, info)
        self._requests = DecodeRequests(session_id, start, languages, self._settings)
        self._frontend = frontend_of(start, settings, origin)
        engine_interval_s, max_stretch = info.partial_interval_s, self._settings.max_partial_stretch
        self._pacing = PartialPacing(
            self._frontend, engine_interval_s, max_stretch, self.next_seq, is_enabled=start.partials
        )
        cues = CueBuilder(profile, checkpoint.cue_end_sample)
        limits = settings.stabiliser, settings.guard
        self._captioner = Captioner(start, cues, *limits, self.next_seq, origin.utterances)
        ack_interval_s = self._settings.ack_interval_s
        self._acks = Acknowledgements(start.audio, ack_interval_s, origin.settled_sample, self.next_seq)
        self._warnings = SessionWarnings(self._settings, self.next_seq, ignored)
        stages = self._requests, self._captioner, self._pacing, self._warnings
        has_eager_finals = self._settings.eager_finals and info.eager_is_final
        self._policy = RequestPolicy(start, *stages, has_eager_finals=has_eager_finals)

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
        """The ids under which the engine is asked."""
        return (self._session_id,)

    @property
    def language(self) -> str | None:
        """The requested language, ISO 639-1; None: it is detected."""
        return self._requests.languages.code

    @property
    def pad_after_samples(self) -> int:
        """Audio that an utterance keeps after its last speech."""
        return self._frontend.pad_after_samples

    @property
    def stats(self) -> SessionStats:
        """The counts so far."""
        captioner = self._captioner
        eager = captioner.eager_finals, self._policy.eager_dropped
        return SessionStats(captioner.finals, captioner.guarded, *eager, captioner.words, self.lag_s)

    @property
    def stretch(self) -> float:
        """The interval of partials, in multiples of the set one, ≥ 1."""
        return self._pacing.stretch

    @property
    def lag_s(self) -> float:
        """Seconds of audio received since the end of the oldest utterance whose final is outstanding."""
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
            AudioError: the bytes are not in the announced format.
            Lagging: transcription is too far behind.
            ProtocolError: no such channel.
        """
        if channel:
            raise ProtocolError(f"channel {channel} out of range: expected 0", "channel")
        effects = [*self._follow(self._frontend.push(data), now_s), *self._check()]
        if self._acks.is_due(self.next_sample):
            effects.append(self._ack())
        return effects

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame, which the client will send again."""
        self._frontend.drop_partial_frame()

    def update(self, start: Start) -> None:
        """Change the options: language, prompt, endpointing, and which events are wanted.

        Raises:
            ProtocolError: an option is not available; then nothing changes.
        """
        languages = languages_of(start, self._settings, self._info)
        self._frontend.update(segmenter_settings_of(start.endpointing, self._default_segmenter))
        self._requests.update(start, languages)
        self._policy.update(start)
        self._captioner.update(start)
        self._pacing.restart(is_enabled=start.partials)

    def adapt(self, step: Step) -> list[Effect]:
        """Follow the overload ladder of the gateway, which is at that step from now on."""
        return [*self._pacing.adapt(step)]

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance, and emit `Flushed` once everything so far has been answered."""
        effects = self._follow(self._frontend.flush(), now_s)
        return [*effects, *self._captioner.mark(Flushed(0, flush_id), now_s)]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and emit `Finished` once everything has been answered."""
        effects = [*self._follow(self._frontend.finish(), now_s), *self._check()]
        effects += self._warnings.ended(self._frontend.leftover_bytes, self._audio.bytes_per_sample_frame)
        return [*effects, self._ack(), *self._captioner.mark(Finished(0, self.audio_end_sample, 0), now_s)]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Handle the engine's answer to one of this session's requests."""
        answer = with_script(answer, self._requests.languages.script, _SCRIPTS[self._settings.chinese_script])
        effects: list[Effect] = [*self._warnings.answered(answer), *self._pacing.on_answer(answer)]
        if self._policy.should_retry(answer):
            return [*effects, *self._policy.retry(answer.request, now_s)]
        events = self._captioner.answer(answer, now_s, is_paused=self._policy.is_current_eager(answer.request))
        return [*effects, *self._with_ack(events)]

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
                    self._policy.on_resume()
                    effects += self._captioner.resume(event.utterance_id)
                case speech.SpeechProgress() | speech.SpeechPaused():
                    effects += self._policy.on_progress(event, now_s)
        return effects

    def _end(self, event: speech.SpeechEnded, now_s: float) -> list[Effect]:
        span = event.start_sample, event.end_sample
        effects: list[Effect] = [SpeechEnded(self.next_seq(), event.utterance_id, *span, event.reason)]
        effects += self._policy.on_end(event, now_s)
        return [*effects, *self._with_ack(self._captioner.end(event, self._requests.revision, now_s))]

    def _with_ack(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """Append an ack after a final, since less audio is outstanding then; nothing follows `Finished`."""
        has_final = any(isinstance(event, Final) for event in events)
        return [*events, self._ack()] if has_final and not isinstance(events[-1], Finished) else events

    def _check(self) -> Iterator[Warning]:
        return self._warnings.check(self.lag_s, self._frontend.repaired_samples, self._requests.languages.refused)

    def _ack(self) -> Ack:
        return self._acks.build(self.next_sample, self._captioner.answered_until)
