"""Twilio Media Streams, and Telnyx, Plivo and Exotel, which imitate it. PURE; `docs/telephony.md` describes it.

The service connects and sends a call's audio; it has no use for captions. Viewers watch the session instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import assert_never

from gateway.wire import ClientEvent, DialectMessage, KeepAlive, ProtocolError, ServerEvent, Start, Stop
from gateway.wire.misspellings import MAX_NAMES, meant_by
from gateway.wire.twilio.jitter_buffer import JitterBuffer
from gateway.wire.twilio.messages import MAX_PROMPT_CHARS, PARAMETERS, CallStart, Media, Other, StreamStop, read

__all__ = ["HANG_UP", "TwilioCodec"]

HANG_UP = '{"event":"stop"}'
"""A stop message, for services that end a call by closing the connection."""

_MAX_INFO_CHARS = 200
"""Length of a field in the call's description; ids have less than 100."""


class TwilioCodec:
    """One call: `start`, then audio frames and other messages, until `stop`; whatever follows is ignored."""

    def __init__(self) -> None:
        self._call: CallStart | None = None
        self._jitter_buffer: JitterBuffer | None = None
        self._has_stopped = False

    @property
    def jitter_buffer(self) -> JitterBuffer | None:
        """The call's jitter buffer; None: it has not begun."""
        return self._jitter_buffer

    @property
    def call(self) -> CallStart | None:
        """The start message of the call; None: it has not begun."""
        return self._call

    def about(self) -> Mapping[str, str]:
        """Return the service's ids of the call and of this stream, and the track names in order of channels."""
        if self._call is None or self._jitter_buffer is None:
            return {}
        info = {"call_id": self._call.call_id, "stream_id": self._call.stream_id, "tracks": ",".join(self._call.tracks)}
        return {name: text[:_MAX_INFO_CHARS] for name, text in info.items() if text}

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the service.

        Raises:
            ProtocolError: it is not a message of the service, or comes before the start.
        """
        parsed = read(message)
        if self._has_stopped:
            return []
        match parsed:
            case CallStart():
                return [self._start(parsed)]
            case Media():
                return [*self._started("media").push(self._with_track(parsed))]
            case StreamStop():
                drained = self._started("stop").drain()
                self._has_stopped = True
                return [*drained, Stop()]
            case Other():
                return [KeepAlive()] if self._jitter_buffer is not None else []
        assert_never(parsed)

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return no session events: the service would take them for audio to play, or for errors."""
        match event:
            case DialectMessage(str() | bytes() as message):
                return [message]
            case _:
                return []

    def _start(self, call: CallStart) -> Start:
        if self._call is not None:
            raise ProtocolError("got a second start message: expected one call per connection")
        parameters = call.parameters
        ignored: list[str] = []
        prompt, profile = parameters.get("prompt", ""), parameters.get("profile") or None
        # a refusal would end the call, and its author could not see why
        if len(prompt) > MAX_PROMPT_CHARS:
            ignored.append(f"prompt has {len(prompt)} characters: only the first {MAX_PROMPT_CHARS} are used")
        ignored += _misspellings(parameters)
        self._call, self._jitter_buffer = call, JitterBuffer(call.audio, call.tracks)
        return Start(
            audio=call.audio,
            language=parameters.get("language") or parameters.get("lang"),
            is_lenient=True,
            prompt=prompt[:MAX_PROMPT_CHARS],
            cue_profile=profile,
            ignored=tuple(ignored),
            words=True,
            channels=len(call.tracks),
        )

    def _started(self, got: str) -> JitterBuffer:
        if self._jitter_buffer is None:
            raise ProtocolError(f"got {got}: expected a start message first")
        return self._jitter_buffer

    def _with_track(self, media: Media) -> Media:
        """Return a frame with its track, which must be announced; the default is the first track."""
        tracks = self._started("media").tracks
        if media.track and media.track not in tracks:
            got = repr(media.track[:_MAX_INFO_CHARS])
            raise ProtocolError(f"track {got}: expected one of {', '.join(tracks)}", "media.track")
        return media if media.track else replace(media, track=tracks[0])


def _misspellings(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each misspelt parameter name."""
    for name in islice((name for name in parameters if name not in PARAMETERS), MAX_NAMES):
        meant = meant_by(name, PARAMETERS, only_spelling=True)
        if meant is not None:
            yield f"unknown parameter {name}: did you mean {meant}?"
