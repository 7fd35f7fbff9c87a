"""Applies a client's options to the settings of a session's stages. PURE."""

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

__all__ = [
    "PipelineSettings",
    "cue_profile_of",
    "frontend_of",
    "languages_of",
    "segmenter_settings_of",
    "without_lag_limits",
]

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The settings of a session's stages, before the client's options."""

    segmenter: SegmenterSettings
    stabiliser: StabiliserSettings
    guard: GuardSettings
    session: SessionSettings


def without_lag_limits(settings: SessionSettings) -> SessionSettings:
    """Return the settings without eager finals and without limits on the lag."""
    return replace(settings, eager_finals=False, lag_shed_s=inf, lag_limit_s=inf)


def cue_profile_of(start: Start, settings: SessionSettings) -> tuple[CueProfile, tuple[str, ...]]:
    """Return the cue profile of a session, and messages about options that are ignored.

    Raises:
        ProtocolError: no such profile, and the client's dialect is not lenient.
    """
    name = settings.cue_profile if start.cue_profile is None else start.cue_profile
    if name in PROFILES:
        return PROFILES[name], start.ignored
    message = f"unknown cue profile {shortened(name)}: expected one of {', '.join(PROFILES)}"
    if not start.is_lenient:
        raise ProtocolError(message, "cues.profile")
    return PROFILES[settings.cue_profile], (*start.ignored, f"{message}; using {settings.cue_profile}")


def languages_of(start: Start, settings: SessionSettings, info: EngineInfo) -> LanguageChoice:
    """Return the languages to decode in; one that is refused, where the dialect is lenient, is detected instead.

    Raises:
        ProtocolError: a language is not available, and the client's dialect is not lenient.
    """
    languages = start.languages or settings.languages
    try:
        return choose_languages(start.language, languages, info.languages, engine=info.engine)
    except ProtocolError as error:
        if not start.is_lenient:
            raise
        choice = choose_languages(None, settings.languages, info.languages, engine=info.engine)
        return replace(choice, refused=str(error))


def frontend_of(start: Start, settings: PipelineSettings, origin: StreamOrigin) -> SpeechFrontend:
    """Return the front end of a session.

    Args:
        start: the client's options.
        settings: their defaults.
        origin: where the audio begins.

    Raises:
        ProtocolError: no such detector, or an endpointing option is out of range.
    """
    options = start.endpointing
    detector = settings.session.detector if options.detector is None else options.detector
    if detector not in DETECTORS:
        message = f"unknown detector {shortened(detector)}: expected one of {', '.join(DETECTORS)}"
        raise ProtocolError(message, "endpointing.detector")
    segmenter = segmenter_settings_of(options, settings.segmenter)
    return SpeechFrontend(start.audio, create_detector(detector), segmenter, origin)


def segmenter_settings_of(options: Endpointing, settings: SegmenterSettings) -> SegmenterSettings:
    """Return the settings of a session's segmenter.

    Args:
        options: the client's; its threshold scales all three thresholds.
        settings: defaults of the options.

    Raises:
        ProtocolError: an option is out of range.
    """

    def choose(option: _Number | None, default: _Number) -> _Number:
        return default if option is None else option

    strictness = choose(options.threshold, USUAL_THRESHOLD) / USUAL_THRESHOLD
    try:
        return replace(
            settings,
            onset_threshold=max(MIN_THRESHOLD, settings.onset_threshold * strictness),
            offset_threshold=max(MIN_THRESHOLD, settings.offset_threshold * strictness),
            endpoint_threshold=max(MIN_THRESHOLD, settings.endpoint_threshold * strictness),
            pad_before_ms=choose(options.pad_before_ms, settings.pad_before_ms),
            silence_ms=choose(options.silence_ms, settings.silence_ms),
            pause_ms=choose(options.pause_ms, settings.pause_ms),
            max_utterance_s=choose(options.max_utterance_s, settings.max_utterance_s),
            progress_interval_ms=choose(options.partial_interval_ms, settings.progress_interval_ms),
            manual=options.manual or settings.manual,
        )
    except ValueError as error:
        # clients know the option by another name than the segmenter
        message = str(error).replace("progress_interval_ms", "partial_interval_ms")
        raise ProtocolError(message, "endpointing") from error
