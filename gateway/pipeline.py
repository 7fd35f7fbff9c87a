"""One session's path of the data, without I/O: sound in, decode requests and events out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from reprlib import repr as shortened
from typing import TypeVar

from decoder.engine import EngineInfo
from decoder.scheduler import Answer
from decoder.settings import StabiliserSettings
from decoder.types import DecodeRequest, EngineError, RequestCancelled, RequestKind, RequestReplaced
from gateway.captioner import Captioner
from gateway.cues import PROFILES, CueBuilder
from gateway.errors import Lagging
from gateway.settings import SessionSettings
from gateway.wire import (
    Ack,
    Endpointing,
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
from vad.detector import DETECTORS, create_detector
from vad.listener import Listener
from vad.settings import SegmenterSettings

__all__ = ["Effect", "Pipeline", "PipelineSettings"]

_Number = TypeVar("_Number", int, float)

Effect = DecodeRequest | ServerEvent
"""What the shell has to do: submit a request, or send an event; in the order given."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the stages of a session are set to, before the client's wishes."""

    segmenter: SegmenterSettings
    stabiliser: StabiliserSettings
    session: SessionSettings


class Pipeline:
    """The stages of one session, wired: listener → requests; answers → captioner → events.

    Args:
        session_id: who asks the engine.
        start: what the client wants.
        settings: what it gets where it has no wish.
        info: the engine, for `Ready`.

    Raises:
        ProtocolError: a wish that cannot be met.
    """

    def __init__(self, session_id: str, start: Start, settings: PipelineSettings, info: EngineInfo) -> None:
        profile = settings.session.cue_profile if start.cue_profile is None else start.cue_profile
        if profile not in PROFILES:
            raise ProtocolError(f"no cue profile {shortened(profile)}: there are {', '.join(PROFILES)}", "cues.profile")
        if start.language is not None and info.languages and start.language not in info.languages:
            allowed = ", ".join(sorted(info.languages))
            raise ProtocolError(f"language {shortened(start.language)}: {info.engine} writes {allowed}", "language")
        self._session_id = session_id
        self._start = start
        self._settings = settings.session
        self._info = info
        self._next_seq = count(1).__next__
        self._listener = _listener(start, settings)
        self._captioner = Captioner(
            CueBuilder(PROFILES[profile]),
            settings.stabiliser,
            self._next_seq,
            words=start.words,
            partials=start.partials,
        )
        self._revisions: dict[int, int] = {}
        """Revision of the last request of each utterance that is still being spoken."""
        self._acked_s = 0.0
        self._warned: set[str] = set()
        """Codes of the conditions that hold and have been announced."""

    @property
    def heard_sample(self) -> int:
        """One past the last sample heard, at 16 kHz."""
        return self._listener.heard_sample

    @property
    def finals(self) -> int:
        """How many finals have been said."""
        return self._captioner.finals

    @property
    def lag_s(self) -> float:
        """How much sound has been heard since the end of the oldest utterance whose final is outstanding."""
        oldest = self._captioner.oldest_ended
        return (self.heard_sample - oldest.end_sample) / SAMPLE_RATE_HZ if oldest else 0.0

    def next_seq(self) -> int:
        """Return the number of the next event, for one the shell sends itself."""
        return self._next_seq()

    def ready(self) -> Ready:
        """Return the session's first event."""
        info = self._info
        return Ready(self._next_seq(), self._session_id, info.engine, info.model, info.device, self._start.language)

    def hear(self, data: bytes, now_s: float) -> list[Effect]:
        """Hear the next bytes of sound.

        Args:
            data: in the announced format, cut anywhere.
            now_s: on the scheduler's clock.

        Raises:
            AudioError: they are not in the announced format.
            Lagging: the engine has been too slow for too long.
        """
        effects = self._follow(self._listener.push(data), now_s)
        effects += self._conditions()
        if self._listener.received_samples / self._start.audio.sample_rate_hz - self._acked_s >= (
            self._settings.ack_interval_s
        ):
            effects.append(self._ack())
        return effects

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance, and say `Flushed` when everything so far has been answered."""
        effects = self._follow(self._listener.flush(), now_s)
        return [*effects, *self._captioner.mark(Flushed(0, flush_id), now_s)]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and say `Finished` when everything has been answered."""
        effects = self._follow(self._listener.finish(), now_s)
        effects += self._conditions()
        if self._listener.leftover_bytes:
            got, whole = self._listener.leftover_bytes, self._start.audio.bytes_per_sample_frame
            message = f"the sound ended {got} bytes into a sample frame: a whole one has {whole}"
            effects.append(Warning(self._next_seq(), "incomplete_sample", message))
        effects.append(self._ack())
        return [*effects, *self._captioner.mark(Finished(0, self.heard_sample, 0), now_s)]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Take in the engine's answer to one of this session's requests."""
        effects: list[Effect] = list(self._failure(answer))
        effects += self._captioner.answer(answer, now_s)
        if answer.request.kind is RequestKind.FINAL:
            effects.append(self._ack())
        return effects

    def _follow(self, events: list[speech.SpeechEvent], now_s: float) -> list[Effect]:
        """Turn what the listener heard into requests, and into events for the client."""
        effects: list[Effect] = []
        for event in events:
            match event:
                case speech.SpeechStarted():
                    self._revisions[event.utterance_id] = 0
                    self._captioner.begin(event.utterance_id, event.start_sample)
                    effects.append(SpeechStarted(self._next_seq(), event.utterance_id, event.start_sample))
                case speech.SpeechEnded():
                    self._captioner.end(event)
                    effects.append(
                        SpeechEnded(
                            self._next_seq(), event.utterance_id, event.start_sample, event.end_sample, event.reason
                        )
                    )
                    effects.append(self._request(event, RequestKind.FINAL, now_s + self._settings.final_deadline_s))
                    del self._revisions[event.utterance_id]
                case speech.SpeechProgress() | speech.SpeechPaused() if self._wants_partials:
                    effects.append(self._request(event, RequestKind.PARTIAL, now_s + self._settings.partial_deadline_s))
                case _:
                    pass
        return effects

    @property
    def _wants_partials(self) -> bool:
        return self._start.partials and "partials_paused" not in self._warned

    def _request(self, event: speech.SpeechEvent, kind: RequestKind, deadline_s: float) -> DecodeRequest:
        self._revisions[event.utterance_id] += 1
        return DecodeRequest(
            session_id=self._session_id,
            utterance_id=event.utterance_id,
            revision=self._revisions[event.utterance_id],
            kind=kind,
            samples=event.samples,
            start_sample=event.start_sample,
            deadline_s=deadline_s,
            language=self._start.language,
            prompt=self._start.prompt,
            prefix=self._captioner.committed(event.utterance_id),
        )

    def _ack(self) -> Ack:
        rate_hz, received = self._start.audio.sample_rate_hz, self._listener.received_samples
        self._acked_s = received / rate_hz
        answered_until = self._captioner.answered_until
        processed = received if answered_until is None else answered_until * rate_hz // SAMPLE_RATE_HZ
        return Ack(self._next_seq(), received, min(received, processed))

    def _conditions(self) -> Iterator[Warning]:
        """Announce each condition when it begins; the overload ladder's last step raises."""
        settings, lag_s = self._settings, self.lag_s
        if lag_s >= settings.lag_limit_s:
            raise Lagging(f"{lag_s:.1f} s of sound wait for their words: at most {settings.lag_limit_s:g} s may")
        if self._listener.repaired_samples:
            yield from self._announce("repaired_samples", "samples that are no number or beyond ±1 were mended")
        if lag_s >= settings.lag_shed_s:
            yield from self._announce("partials_paused", f"{lag_s:.1f} s behind: only finals until that has passed")
        elif lag_s <= settings.lag_shed_s / 2:
            self._warned.discard("partials_paused")
        if lag_s >= settings.lag_limit_s / 2:
            yield from self._announce("lagging", f"{lag_s:.1f} s behind: at {settings.lag_limit_s:g} s this ends")
        elif lag_s <= settings.lag_limit_s / 4:
            self._warned.discard("lagging")

    def _failure(self, answer: Answer) -> Iterator[Warning]:
        """Announce that partials fail, once until one succeeds; a failed final says so itself."""
        outcome = answer.outcome
        if answer.request.kind is RequestKind.FINAL or isinstance(outcome, RequestReplaced | RequestCancelled):
            return
        if isinstance(outcome, EngineError):
            yield from self._announce("partials_failing", f"{outcome.code}: {outcome}")
        else:
            self._warned.discard("partials_failing")

    def _announce(self, code: str, message: str) -> Iterator[Warning]:
        if code not in self._warned:
            self._warned.add(code)
            yield Warning(self._next_seq(), code, message)


def _listener(start: Start, settings: PipelineSettings) -> Listener:
    wishes = start.endpointing
    detector = settings.session.detector if wishes.detector is None else wishes.detector
    if detector not in DETECTORS:
        raise ProtocolError(
            f"no detector {shortened(detector)}: there are {', '.join(DETECTORS)}", "endpointing.detector"
        )
    return Listener(start.audio, create_detector(detector), _segmenter_settings(wishes, settings.segmenter))


def _segmenter_settings(wishes: Endpointing, settings: SegmenterSettings) -> SegmenterSettings:
    def wish(wanted: _Number | None, default: _Number) -> _Number:
        return default if wanted is None else wanted

    try:
        return replace(
            settings,
            silence_ms=wish(wishes.silence_ms, settings.silence_ms),
            pause_ms=wish(wishes.pause_ms, settings.pause_ms),
            max_utterance_s=wish(wishes.max_utterance_s, settings.max_utterance_s),
            progress_interval_ms=wish(wishes.partial_interval_ms, settings.progress_interval_ms),
        )
    except ValueError as error:
        # the segmenter's name for it is not the client's
        message = str(error).replace("progress_interval_ms", "partial_interval_ms")
        raise ProtocolError(message, "endpointing") from error
