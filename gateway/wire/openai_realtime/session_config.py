"""The configuration of a Realtime session: patched by updates, and converted to a start. PURE."""

from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from gateway.wire import AudioFormat, Encoding, Endpointing, ProtocolError, Start
from gateway.wire.language_choice import LanguageChoice, choose_languages
from gateway.wire.openai_realtime.messages import (
    AudioObject,
    FormatObject,
    Include,
    InputObject,
    NoiseReductionObject,
    SemanticVad,
    ServerVad,
    SessionObject,
    TranscriptionObject,
    TurnDetectionObject,
)
from gateway.wire.openai_realtime.validation_errors import Refusal
from vad.audio import MAX_RATE_HZ, MIN_RATE_HZ, SAMPLE_RATE_HZ
from vad.settings import MIN_THRESHOLD, USUAL_THRESHOLD, SegmenterSettings

__all__ = ["Defaults", "SessionConfig"]

DECODED = AudioFormat(Encoding.PCM_F32LE, SAMPLE_RATE_HZ)
"""What the codec decodes all audio to, so that a client may change its format at any time."""

MAX_PROMPT_CHARS = 1_000
"""Read from the end of a prompt: Whisper reads its last 223 tokens, which is about this many characters."""

_PCM_RATE_HZ = 24_000
_TELEPHONE_RATE_HZ = 8_000

_EAGERNESS_SILENCE_MS = {"low": 1_500, "medium": 800, "auto": 800, "high": 500}
"""Silence that ends a turn, by eagerness: without a semantic model of turns, silence decides."""

_BETA_FORMATS = {
    "pcm16": FormatObject("audio/pcm", _PCM_RATE_HZ),
    "g711_ulaw": FormatObject("audio/pcmu"),
    "g711_alaw": FormatObject("audio/pcma"),
}

_ENCODINGS = {
    "audio/pcm": Encoding.PCM_S16LE,
    "audio/pcmu": Encoding.PCM_MULAW,
    "audio/pcma": Encoding.PCM_ALAW,
}

_S = TypeVar("_S", bound=msgspec.Struct)
_V = TypeVar("_V")

_PLACE = "session.audio.input"


@dataclass(frozen=True, slots=True)
class Defaults:
    """The gateway's defaults for a session.

    Attributes:
        model: name of the engine's model.
        languages: codes that the engine supports; empty: any.
        segmenter: when speech begins and ends.
    """

    model: str = ""
    languages: tuple[str, ...] = ()
    segmenter: SegmenterSettings = field(default_factory=SegmenterSettings)


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The configuration of a session."""

    defaults: Defaults
    format: FormatObject
    transcription: TranscriptionObject | None
    turn_detection: TurnDetectionObject | None
    noise_reduction: NoiseReductionObject | None = None
    include: Include | None = None

    @classmethod
    def of(cls, defaults: Defaults, model: str | None = None) -> "SessionConfig":
        """Return the configuration before the first update.

        Args:
            defaults: of the gateway.
            model: name that the URL requests; any name selects the loaded model.
        """
        vad = _server_vad(ServerVad(), defaults)
        return cls(defaults, _BETA_FORMATS["pcm16"], TranscriptionObject(model or defaults.model), vad)

    @property
    def is_manual(self) -> bool:
        """Whether utterances end only at the client's commits."""
        return self.turn_detection is None

    @property
    def audio(self) -> AudioFormat:
        """The format of the client's audio."""
        rate_hz = self.format.rate
        return AudioFormat(_ENCODINGS[self.format.type], rate_hz if isinstance(rate_hz, int) else _TELEPHONE_RATE_HZ)

    def patched(self, patch: SessionObject) -> "SessionConfig":
        """Return the configuration after an update: an absent field stays unchanged, null switches its setting off.

        Raises:
            Refusal: a value is not allowed.
        """
        wanted = _input(patch)
        config = replace(
            self,
            format=_format(_given(wanted.format, self.format)),
            transcription=self._with_model(_patched(self.transcription, wanted.transcription)),
            turn_detection=self._turn_detection(wanted.turn_detection),
            noise_reduction=_patched(self.noise_reduction, wanted.noise_reduction),
            include=_given(patch.include, self.include),
        )
        config.start()  # raises if an option is not available
        return config

    def start(self) -> Start:
        """Return the configuration as the start of a session.

        Raises:
            Refusal: the engine does not support the language.
        """
        transcription = self.transcription or TranscriptionObject()
        choice = _languages(transcription, self.defaults.languages)
        return Start(
            audio=DECODED,
            language=choice.tag,
            languages=choice.allowed_tags,
            prompt=_prompt(transcription),
            endpointing=self._endpointing(),
            transcripts=True,
        )

    @property
    def effective(self) -> AudioObject:
        """The configuration in effect, as sent to the client."""
        return AudioObject(InputObject(self.format, self.transcription, self.noise_reduction, self.turn_detection))

    def _with_model(self, transcription: TranscriptionObject | None) -> TranscriptionObject | None:
        """Return the same with the loaded model's name if it names none."""
        if transcription is None or _value(transcription.model, "").strip():
            return transcription
        return msgspec.structs.replace(transcription, model=self.defaults.model)

    def _turn_detection(self, patch: TurnDetectionObject | UnsetType | None) -> TurnDetectionObject | None:
        old = self.turn_detection
        match patch:
            case ServerVad():
                return _server_vad(_merged(old, patch) if isinstance(old, ServerVad) else patch, self.defaults)
            case SemanticVad():
                wanted = _merged(old, patch) if isinstance(old, SemanticVad) else patch
                return msgspec.structs.replace(wanted, eagerness=_value(wanted.eagerness, "auto"))
            case None:
                return None
            case _:
                return old

    def _endpointing(self) -> Endpointing:
        match self.turn_detection:
            case ServerVad(threshold=threshold, prefix_padding_ms=padding_ms, silence_duration_ms=silence_ms):
                settings = self.defaults.segmenter
                return Endpointing(
                    threshold=max(MIN_THRESHOLD, _value(threshold, USUAL_THRESHOLD)),
                    pad_before_ms=_value(padding_ms, settings.pad_before_ms),
                    silence_ms=_value(silence_ms, settings.silence_ms),
                )
            case SemanticVad(eagerness=eagerness):
                return Endpointing(silence_ms=_EAGERNESS_SILENCE_MS[_value(eagerness, "auto")])
            case None:
                return Endpointing(manual=True)
        assert_never(self.turn_detection)


def _input(patch: SessionObject) -> InputObject:
    """Return the audio options, given in today's form or in the beta's flat one."""
    nested = patch.audio.input if isinstance(patch.audio, AudioObject) else UNSET
    if isinstance(nested, InputObject):
        return nested
    beta = patch.input_audio_format
    return InputObject(
        UNSET if isinstance(beta, UnsetType) else _BETA_FORMATS[beta],
        patch.input_audio_transcription,
        patch.input_audio_noise_reduction,
        patch.turn_detection,
    )


def _patched(old: _S | None, patch: _S | UnsetType | None) -> _S | None:
    if isinstance(patch, UnsetType):
        return old
    return patch if old is None or patch is None else _merged(old, patch)


def _merged(old: _S, patch: _S) -> _S:
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return msgspec.structs.replace(old, **{name: value for name, value in fields.items() if value is not UNSET})


def _given(value: _V | UnsetType, default: _V) -> _V:
    return default if isinstance(value, UnsetType) else value


def _value(value: _V | UnsetType | None, default: _V) -> _V:
    return default if value is None or isinstance(value, UnsetType) else value


def _format(wanted: FormatObject | None) -> FormatObject:
    wanted = wanted or FormatObject()
    if wanted.type == "audio/pcm":
        rate_hz = _value(wanted.rate, _PCM_RATE_HZ)
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise Refusal(
                f"rate {rate_hz} out of range: expected {MIN_RATE_HZ} to {MAX_RATE_HZ}", field=f"{_PLACE}.format.rate"
            )
        return FormatObject(wanted.type, rate_hz)
    if _value(wanted.rate, _TELEPHONE_RATE_HZ) != _TELEPHONE_RATE_HZ:
        raise Refusal(f"rate {wanted.rate}: expected 8000 for {wanted.type}", field=f"{_PLACE}.format.rate")
    return FormatObject(wanted.type)


def _server_vad(wanted: ServerVad, defaults: Defaults) -> ServerVad:
    settings = defaults.segmenter
    return msgspec.structs.replace(
        wanted,
        threshold=_value(wanted.threshold, USUAL_THRESHOLD),
        prefix_padding_ms=_value(wanted.prefix_padding_ms, settings.pad_before_ms),
        silence_duration_ms=_value(wanted.silence_duration_ms, settings.silence_ms),
    )


def _languages(wanted: TranscriptionObject, supported: tuple[str, ...]) -> LanguageChoice:
    """Return the language, or the candidates for its detection."""
    languages = [text for text in _value(wanted.languages, ()) if text.strip()]
    try:
        return choose_languages(_value(wanted.language, ""), languages, supported)
    except ProtocolError as error:
        raise Refusal(str(error), field=f"{_PLACE}.transcription.{error.field}") from error


def _prompt(wanted: TranscriptionObject) -> str:
    """Return keywords and prompt as one text; the prompt last, because the beginning is truncated."""
    keywords = ", ".join(keyword.strip() for keyword in _value(wanted.keywords, ()))
    prompt = _value(wanted.prompt, "").strip()
    return " ".join(part for part in (keywords and f"{keywords}.", prompt) if part)[-MAX_PROMPT_CHARS:]
