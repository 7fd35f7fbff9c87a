"""The options of a client, applied to the settings of a session's stages. PURE."""

from dataclasses import dataclass, replace
from math import inf
from reprlib import repr as shortened
from typing import TypeVar

from decoder.engine import EngineInfo
from decoder.settings import GuardSettings, StabiliserSettings
from gateway.captions.cue_builder import PROFILES, CueProfile
from gateway.settings import SessionSettings
from gateway.wire import Endpointing, ProtocolError, Start
from gateway.wire.language_choice import LanguageChoice, choose_languages
from vad.detector import DETECTORS, create_detector
from vad.settings import MIN_THRESHOLD, USUAL_THRESHOLD, SegmenterSettings
from vad.speech_frontend import SpeechFrontend
from vad.stream_origin import StreamOrigin

__all__ = ["PipelineSettings", "cue_profile_of", "frontend_of", "languages_of", "segmenter_settings_of", "unhurried"]

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the stages of a session are set to, before the client's wishes."""

    segmenter: SegmenterSettings
    stabiliser: StabiliserSettings
    guard: GuardSettings
    session: SessionSettings


def unhurried(settings: SessionSettings) -> SessionSettings:
    """Return the settings of a session that may be as far behind as it likes."""
    return replace(settings, eager_finals=False, lag_shed_s=inf, lag_limit_s=inf)


def cue_profile_of(start: Start, settings: SessionSettings) -> tuple[CueProfile, tuple[str, ...]]:
    """Return the profile of the session's cues, and what of the start is ignored."""
    name = settings.cue_profile if start.cue_profile is None else start.cue_profile
    if name in PROFILES:
        return PROFILES[name], start.ignored
    message = f"no cue profile {shortened(name)}: there are {', '.join(PROFILES)}"
    if not start.is_lenient:
        raise ProtocolError(message, "cues.profile")
    return PROFILES[settings.cue_profile], (*start.ignored, f"{message}; the gateway's is used")


def languages_of(start: Start, settings: SessionSettings, info: EngineInfo) -> LanguageChoice:
    languages = start.languages or settings.languages
    try:
        return choose_languages(start.language, languages, info.languages, engine=info.engine)
    except ProtocolError as error:
        if not start.is_lenient:
            raise
        choice = choose_languages(None, settings.languages, info.languages, engine=info.engine)
        return replace(choice, refused=str(error))


def frontend_of(start: Start, settings: PipelineSettings, origin: StreamOrigin) -> SpeechFrontend:
    wishes = start.endpointing
    detector = settings.session.detector if wishes.detector is None else wishes.detector
    if detector not in DETECTORS:
        raise ProtocolError(
            f"no detector {shortened(detector)}: there are {', '.join(DETECTORS)}", "endpointing.detector"
        )
    return SpeechFrontend(
        start.audio, create_detector(detector), segmenter_settings_of(wishes, settings.segmenter), origin
    )


def segmenter_settings_of(wishes: Endpointing, settings: SegmenterSettings) -> SegmenterSettings:
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
