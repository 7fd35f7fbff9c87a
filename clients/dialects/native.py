"""livecue's own dialect, `/v1/stream`: the only one whose sessions outlive their connection. PURE.

One segment is one utterance, all of its cues joined. Committed are the `stable_chars` of its cues. What the server has
not answered is kept, and a resumed session continues with it.
"""

from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address
from clients.dialects.driver import (
    AudioEncoding,
    DriverEvent,
    DriverOptions,
    Failed,
    Finished,
    Ready,
    Target,
    TimedText,
    Transcript,
)
from clients.dialects.failures import failure
from clients.dialects.json_messages import encode, with_options
from clients.dialects.segments import Segments
from clients.dialects.single_connection import bearer
from clients.event_dedup import EventDeduplicator
from clients.replay_buffer import SEND_AHEAD_S, Buffered, ReplayBuffer
from gateway.wire import (
    SAMPLE_RATE_HZ,
    Ack,
    Audio,
    Cue,
    CueEvent,
    Error,
    Final,
    Resume,
    ServerEvent,
    Start,
    Stop,
    WordSpan,
)
from gateway.wire import Finished as SessionFinished
from gateway.wire import Ready as SessionReady
from gateway.wire.native.codec import NativeClientCodec
from gateway.wire.words import after_words, join_words

__all__ = ["NativeDriver"]

_PATH = "/v1/stream"


class NativeDriver:
    """A resumable session.

    | state     | event            | next state                                        |
    |-----------|------------------|---------------------------------------------------|
    | lost      | open             | sending; resuming if there is a session to resume |
    | resuming  | Ready            | sending, from the sample that the server requests |
    | any       | lose             | lost                                              |
    | any       | Finished, Failed | over                                              |

    Args:
        options: the user's; `extra` sets fields of the start message: `endpointing.silence_ms`, `partials` …
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    encoding: AudioEncoding = AudioEncoding.PCM_S16LE

    def __init__(self, options: DriverOptions) -> None:
        self._options = options
        self._start = Start(language=options.language, prompt=", ".join(options.terms), words=True, resumable=True)
        self._buffer = ReplayBuffer(self._start.audio)
        self._dedup = EventDeduplicator()
        self._codec = NativeClientCodec()
        self._segments = Segments()
        self._cues: dict[int, dict[str, Cue]] = {}
        """Cues of each utterance without a final, in order."""
        self._outgoing: list[str | bytes] = []
        self._session: SessionReady | None = None
        self._may_send = False
        self._is_over = False

    def target(self, url: str) -> Target:
        """Return the address of `/v1/stream`."""
        return Target(address(url, _PATH), headers=bearer(self._options.api_key))

    def open(self) -> None:
        """Begin the session, or resume it."""
        session, self._outgoing = self._session, []
        if session is None or session.resume_token is None:
            self._buffer.restart()
            self._outgoing.append(self._start_message())
            self._may_send = True
            self._send_buffered()
        else:
            held_sample = self._buffer.held_sample
            resume = Resume(session.session_id, session.resume_token, self._dedup.seq, held_sample)
            self._outgoing += self._codec.send(resume)

    def send_audio(self, pcm: bytes) -> None:
        """Queue the next audio; beyond 45 s without an answer it waits for the server."""
        if pcm:
            self._add(Audio(pcm))

    def finish(self) -> None:
        """Queue the stop."""
        self._add(Stop())

    def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
        """Return the events of a message.

        Raises:
            ProtocolError: it is not of the dialect, or requests audio that was never sent.
        """
        return [made for event in self._codec.receive(message) for made in self._events(event)]

    def closed(self, code: int | None, reason: str) -> Sequence[DriverEvent]:
        """Return the failure that an end of the connection before `Finished` is."""
        if self._is_over:
            return []
        self._is_over = True
        return [failure(code, reason)]

    def lose(self) -> bool:
        """Stop sending; return whether the server keeps the session."""
        self._may_send = False
        self._outgoing = []
        return not self._is_over and self._session is not None and self._session.resume_token is not None

    def take_outgoing(self) -> Sequence[str | bytes]:
        """Return the messages to send now."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # --- sending -------------------------------------------------------------------------------------------------

    def _start_message(self) -> str:
        [message] = self._codec.send(self._start)
        return encode(with_options(msgspec.json.decode(message, type=dict[str, object]), self._options.extra))

    def _add(self, item: Audio | Stop) -> None:
        self._buffer.add(item)
        self._send_buffered()

    def _send_buffered(self) -> None:
        while self._may_send and self._buffer.sent_ahead_s <= SEND_AHEAD_S:
            item: Buffered | None = self._buffer.take()
            if item is None:
                return
            self._outgoing += self._codec.send(item)

    # --- receiving -----------------------------------------------------------------------------------------------

    def _events(self, event: ServerEvent) -> Sequence[DriverEvent]:
        is_new = self._dedup.is_new(event)
        match event:
            case _ if self._is_over:
                return []
            case SessionReady():
                return self._begun(event)
            case Ack(processed_samples=processed):
                self._buffer.acked(processed)
                self._send_buffered()
                return []
            case Error(code=code, message=message, fatal=True):
                self._is_over = True
                return [Failed(code, message)]
            case CueEvent(cue=cue) if is_new:
                return self._cue(cue)
            case Final() if is_new:
                return self._final(event)
            case SessionFinished():
                self._is_over = True
                return [Finished()]
            case _:
                return []

    def _begun(self, session: SessionReady) -> Sequence[DriverEvent]:
        if self._session is not None:
            self._buffer.rewind_to(session.next_sample)
            if self._buffer.has_gap:
                self._is_over = True
                return [Failed("audio_lost", f"the server requested audio from sample {session.next_sample}: not kept")]
        self._session = session
        self._may_send = True
        self._send_buffered()
        return [Ready()]

    def _cue(self, cue: Cue) -> list[Transcript]:
        cues = self._cues.setdefault(cue.utterance_id, {})
        cues[cue.cue_id] = cue
        return self._segments.update(
            cue.utterance_id,
            _joined([line for each in cues.values() for line in each.lines]),
            committed_chars=len(_joined(_committed_lines(tuple(cues.values())))),
        )

    def _final(self, final: Final) -> list[Transcript]:
        self._cues.pop(final.utterance_id, None)
        words = tuple(
            TimedText(word.text, word.start_sample / SAMPLE_RATE_HZ, word.end_sample / SAMPLE_RATE_HZ)
            for word in final.words
        )
        return self._segments.update(
            final.utterance_id, final.text, is_final=True, committed_chars=len(final.text), words=words
        )


def _committed_lines(cues: Sequence[Cue]) -> list[str]:
    """Return the lines of an utterance up to the first character that may change."""
    lines: list[str] = []
    for cue in cues:
        text = "\n".join(cue.lines)
        lines += text[: cue.stable_chars].split("\n")
        if cue.stable_chars < len(text):
            break
    return [line.rstrip() for line in lines]


def _joined(lines: Sequence[str]) -> str:
    """Return lines as one text: with a space between them, unless their script has none."""
    words: tuple[WordSpan, ...] = ()
    for line in lines:
        if line:
            words = (*words, *after_words(words, (WordSpan(line, 0, 0, None),)))
    return join_words(words)
