"""What the client of a session sends, as long as it is the one that is connected."""

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
    """One client's way into a session.

    Args:
        parts: of the session.
        life: of the session.
        client: the queue that is sent to that client.
        charge: who pays.
        lost_samples: sample frames that it cannot send again, at its rate.
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
        """Push a message of audio; it is ignored when another client is connected, or audio not accepted.

        Raises:
            AudioError: it is not in the announced format.
            InsufficientCredits, Unauthorized: no more may follow.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        await self._push(data, channel, self._charge)

    async def fill_gap(self) -> None:
        """Push silence in place of the audio that was lost before this client resumed: free, as fast as finals come.

        Raises:
            Lagging: the engine has been too slow for too long.
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

    def handle(self, event: Update | Flush | Stop) -> None:
        """Handle a control event; after a stop there is nothing more to do.

        Raises:
            ProtocolError: an option that is not available.
        """
        if self._life.accepts_audio:
            if isinstance(event, Stop):
                self._life.apply(Transition.STOP)
            self._parts.driver.handle(event)

    def reply(self, message: DialectMessage) -> None:
        """Send a message of the client's codec in its turn."""
        self._parts.output.append(message)

    def reject(self, error: LivecueError) -> None:
        """Report an error that the session survives."""
        self._parts.output.report(error, fatal=False)

    async def _push(self, data: bytes, channel: int, charge: Charge) -> None:
        for number, piece in enumerate(self._parts.intake.slices(data)):
            if number:
                await yield_to_others()
            if not self._is_accepted():
                return
            self._parts.intake.push(piece, channel, charge)

    def _is_accepted(self) -> bool:
        return self._life.accepts_audio and self._parts.output.is_client(self._client)
