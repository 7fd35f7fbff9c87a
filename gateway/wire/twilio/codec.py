"""Twilio Media Streams, and Telnyx, Plivo and Exotel, which took after them. PURE; `docs/telephony.md` describes it.

The service calls us and sends a call's sound; it has no use for captions. Whoever has watches the session.
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
"""The end of a call, for services that just close the connection."""

_SHOWN_CHARS = 200
"""Of what the service says about a call; its ids have less than 100."""


class TwilioCodec:
    """One call: `start`, then frames of sound and whatever else, until `stop`; what follows that is skipped."""

    def __init__(self) -> None:
        self._call: CallStart | None = None
        self._timeline: JitterBuffer | None = None
        self._has_stopped = False

    @property
    def timeline(self) -> JitterBuffer | None:
        """Where the call's frames went; None: it has not begun."""
        return self._timeline

    @property
    def call(self) -> CallStart | None:
        """What the service said of the call; None: it has not begun."""
        return self._call

    def about(self) -> Mapping[str, str]:
        """Return what the service calls the call and this stream of it, and the tracks, channel after channel."""
        if self._call is None or self._timeline is None:
            return {}
        told = {"call_id": self._call.call_id, "stream_id": self._call.stream_id, "tracks": ",".join(self._call.tracks)}
        return {name: text[:_SHOWN_CHARS] for name, text in told.items() if text}

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the service.

        Raises:
            ProtocolError: it is none of its kind, or comes before the start.
        """
        told = read(message)
        if self._has_stopped:
            return []
        match told:
            case CallStart():
                return [self._start(told)]
            case Media():
                return [*self._begun("media").push(self._known(told))]
            case StreamStop():
                rest = self._begun("stop").drain()
                self._has_stopped = True
                return [*rest, Stop()]
            case Other():
                return [KeepAlive()] if self._timeline is not None else []
        assert_never(told)

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write nothing of a session: the service would take it for sound to play, or for a mistake."""
        return [event.message] if isinstance(event, DialectMessage) else []

    def _start(self, call: CallStart) -> Start:
        if self._call is not None:
            raise ProtocolError("a second start message: a connection has one call")
        wishes = call.parameters
        ignored: list[str] = []
        prompt, profile = wishes.get("prompt", ""), wishes.get("profile") or None
        # whoever set up the call cannot see a refusal, and would lose all of it
        if len(prompt) > MAX_PROMPT_CHARS:
            ignored.append(f"prompt of {len(prompt)} characters: the first {MAX_PROMPT_CHARS} are read")
        ignored += _nearly_right(wishes)
        self._call, self._timeline = call, JitterBuffer(call.audio, call.tracks)
        return Start(
            audio=call.audio,
            language=wishes.get("language") or wishes.get("lang"),
            is_lenient=True,
            prompt=prompt[:MAX_PROMPT_CHARS],
            cue_profile=profile,
            ignored=tuple(ignored),
            words=True,
            channels=len(call.tracks),
        )

    def _begun(self, got: str) -> JitterBuffer:
        if self._timeline is None:
            raise ProtocolError(f"got {got}: expected a start message, and that first")
        return self._timeline

    def _known(self, media: Media) -> Media:
        """Return a frame of a track that was announced; one that is of no track in particular is of the first."""
        tracks = self._begun("media").tracks
        if media.track and media.track not in tracks:
            shown = repr(media.track[:_SHOWN_CHARS])
            raise ProtocolError(f"track {shown}: announced were {', '.join(tracks)}", "media.track")
        return media if media.track else replace(media, track=tracks[0])


def _nearly_right(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield what is said of names that are those of parameters but for their spelling."""
    for name in islice((name for name in parameters if name not in PARAMETERS), MAX_NAMES):
        meant = meant_by(name, PARAMETERS, only_spelling=True)
        if meant is not None:
            yield f"{name}: there is no such parameter: did you mean {meant}?"
