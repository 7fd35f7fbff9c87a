"""Passes the messages of one client to its session, as long as that client is connected."""

from anyio.lowlevel import checkpoint as yield_to_others

from gateway.delivery.send_queue import SendQueue
from gateway.session.assembly import SessionParts
from gateway.session.audio_intake import Charge
from gateway.session.lifecycle import Lifecycle, Transition
from gateway.wire import DialectMessage, Flush, Gap, Stop, Update
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["ClientInput"]


class ClientInput:
    """The input of one client to a session.

    Args:
        parts: of the session.
        life: of the session.
        client: send queue of the client's connection.
        charge: charges the client for its audio.
        lost_samples: lost sample frames that the client cannot send again, at its rate.
    """

    def __init__(
        self,
        parts: SessionParts,
        life: Lifecycle,
        client: SendQueue,
        charge: Charge,
        lost_samples: int = 0,
    ) -> None:
        self._parts = parts
        self._life = life
        self._client = client
        self._charge = charge
        self._rate_hz = parts.audio.sample_rate_hz
        self._lost_samples = lost_samples

    async def push_audio(self, data: bytes, channel: int) -> None:
        """Push an audio message; discard it if another client is connected, or audio is not accepted.

        Raises:
            AudioError: the audio is not in the announced format.
            InsufficientCredits, Unauthorized: no more audio may follow.
            Lagging: transcription is too far behind.
            ProtocolError: no such channel.
        """
        await self._push(data, channel, self._charge)

    async def fill_gap(self) -> None:
        """Push silence in place of audio lost before this client resumed, free of charge, at the pace of the finals.

        Raises:
            Lagging: transcription is too far behind.
        """
        lost, self._lost_samples = self._lost_samples, 0
        if not lost or not self._is_accepted():
            return
        pipeline = self._parts.pipeline
        begin = pipeline.audio_end_sample
        end = begin + lost * SAMPLE_RATE_HZ // self._rate_hz
        self._parts.output.append(Gap(pipeline.next_seq(), begin, end))
        for silence in self._parts.intake.gap_slices(lost):
            await self._parts.intake.caught_up(self._is_accepted)
            await self._push(silence, 0, lambda audio_s: None)

    def mark_gap(self, samples: int) -> None:
        """Emit that the next audio is silence in place of lost audio, once at each place.

        Args:
            samples: length of the silence, at 16 kHz.
        """
        pipeline = self._parts.pipeline
        begin = pipeline.audio_end_sample
        end = begin + samples
        if self._is_accepted() and self._parts.intake.is_new_gap(begin, end):
            self._parts.output.append(Gap(pipeline.next_seq(), begin, end))

    def handle(self, event: Update | Flush | Stop) -> None:
        """Handle a control event; ignore it after a stop.

        Raises:
            ProtocolError: an option is not available.
        """
        if self._life.accepts_audio:
            if isinstance(event, Stop):
                self._life.apply(Transition.STOP)
            self._parts.driver.handle(event)

    def reply(self, message: DialectMessage) -> None:
        """Send a message of the client's codec, in order with the session's events."""
        self._parts.output.append(message)

    def reject(self, error: LivecueError) -> None:
        """Report an error that does not end the session."""
        self._parts.output.report(error, fatal=False)

    async def _push(self, data: bytes, channel: int, charge: Charge) -> None:
        for number, piece in enumerate(self._parts.intake.slices(data)):
            if number:
                await yield_to_others()
            if not self._is_accepted():
                return
            self._parts.driver.push_audio(piece, channel)
            self._parts.intake.account(piece, channel, charge)

    def _is_accepted(self) -> bool:
        return self._life.accepts_audio and self._parts.output.is_client(self._client)
