"""One paced stream against a server, from connect to the last answer."""

import math
from collections.abc import Sequence

import anyio
from anyio import CancelScope

from clients.bench.endpoint import Conditions, Endpoint, StreamPlan
from clients.bench.pacing import Capture, Frame, duration_s
from clients.bench.stream_record import StreamRecord
from clients.bench.trace import StreamTrace
from clients.connection import Closed, Connection, ConnectionFailed
from clients.dialects.driver import DriverEvent, Ready, SettlingDriver
from gateway.wire import ProtocolError

__all__ = ["StreamRun"]

_RECONNECT_WAITS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Before each further attempt to reconnect after a cut: a server may be full until it notices the loss."""


class StreamRun:
    """Plays one stream and records what it observes.

    Its audio begins when the server is ready: what a client says before is no concern of the server. From then on the
    audio is that of a microphone, which neither a blocked send nor a cut connection stops.

    Args:
        plan: what to play.
        endpoint: the server.
        conditions: of the run.
        start_s: time of the event loop's clock at which the run starts.
    """

    def __init__(self, plan: StreamPlan, endpoint: Endpoint, conditions: Conditions, start_s: float) -> None:
        self._endpoint = endpoint
        self._conditions = conditions
        self._connect_at_s = start_s + plan.connect_at_s
        self._driver = endpoint.make_driver()
        self._finishing = anyio.Event()
        self._connected_s = 0.0
        self._quiet = CancelScope()
        """Ends once a server that is to settle has sent nothing for long enough."""
        self._scope = CancelScope()
        """Of the current connection; its deadline is the longest silence of the server."""
        rate_hz = self._driver.sample_rate_hz
        trace = StreamTrace(plan.stream, plan.recording, duration_s(plan.pcm, rate_hz))
        self._capture = Capture(plan.pcm, rate_hz, conditions.frame_s, trace.pacing)
        self._queue = self._capture.queue
        self._record = StreamRecord(trace, start_s)

    @property
    def trace(self) -> StreamTrace:
        """What was observed so far."""
        return self._record.trace

    @property
    def position_s(self) -> float:
        """Audio captured so far, in seconds."""
        return self._capture.position_s

    def leave(self) -> None:
        """End the audio now; the server is still given time to answer what it was sent."""
        self._capture.leave()

    async def run(self) -> StreamTrace:
        """Play the stream, and return what was observed; a refusal or failure is in the trace."""
        with anyio.move_on_at(self._connect_at_s):
            await self._capture.left()
        if self._capture.has_left:
            self.trace.audio_s = 0.0
            self._record.fail("interrupted", "the run ended before the stream connected")
            return self.trace
        self._record.connecting(anyio.current_time())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._play)
            attempt = 0
            while not self._record.is_over:
                attempt = await self._attempt(attempt)
            tasks.cancel_scope.cancel()
        return self.trace

    async def _play(self) -> None:
        await self._capture.run()
        self.trace.audio_s = self._capture.audio_s
        self._renew_deadline()

    async def _attempt(self, attempt: int) -> int:
        """Use one connection until the stream is over or cut; take and return how many attempts failed in a row."""
        now_s = anyio.current_time()
        self._scope = CancelScope(deadline=now_s + self._conditions.ready_timeout_s)
        try:
            with self._scope:
                async with self._endpoint.connect(self._driver.target(self._endpoint.url)) as connection:
                    await self._use(connection)
        except ConnectionFailed as error:
            if self._record.is_cut and attempt < len(_RECONNECT_WAITS_S):
                await anyio.sleep(_RECONNECT_WAITS_S[attempt])
                return attempt + 1
            self._refused(error)
        if self._scope.cancelled_caught:
            self._timed_out()
        return 0

    async def _use(self, connection: Connection) -> None:
        self._connected_s = anyio.current_time()
        self._driver.open()
        if self._endpoint.is_ready_when_connected:
            self._note([Ready()])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, connection)
            tasks.start_soon(self._cut, connection, tasks.cancel_scope)
            if isinstance(self._driver, SettlingDriver):
                tasks.start_soon(self._settle, self._driver)
            await self._read(connection)
            tasks.cancel_scope.cancel()

    async def _write(self, connection: Connection) -> None:
        """Send what the driver has to send: the only task that sends, so that messages keep their order."""
        has_finished = False
        try:
            while True:
                if self._queue.is_over and not has_finished:
                    has_finished = True
                    self._finish()
                await self._send_outgoing(connection)
                taken = await self._queue.take()
                if taken is not None:
                    await self._send_frame(connection, *taken)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the task that reads learns why

    def _finish(self) -> None:
        self._driver.finish()
        self._record.finishing()
        self._finishing.set()

    async def _send_frame(self, connection: Connection, frame: Frame, queued_s: float) -> None:
        self._record.sent(frame.start_s)
        self._driver.send_audio(frame.pcm)
        await self._send_outgoing(connection)
        # Audio that waited for a new connection was held up by the cut, not by a server that does not read.
        since_s = max(queued_s, self._connected_s)
        self.trace.pacing.frames += 1
        self.trace.pacing.blocked_s.append(anyio.current_time() - since_s)

    async def _send_outgoing(self, connection: Connection) -> None:
        for message in self._driver.take_outgoing():
            await connection.send(message)

    async def _read(self, connection: Connection) -> None:
        while not self._record.is_over:
            try:
                message = await connection.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                self._note(self._driver.closed(*_closing(error)))
                self._record.fail("closed", "the connection closed before all audio was answered")
                return
            if isinstance(self._driver, SettlingDriver):
                self._quiet.deadline = anyio.current_time() + self._driver.settle_s
            self._renew_deadline()  # a message without an event is a sign of life too: some servers repeat themselves
            try:
                self._note(self._driver.receive(message))
            except ProtocolError as error:
                self._record.fail("protocol_error", str(error))
                return
            self._queue.wake()  # the driver may have an answer to send

    async def _settle(self, driver: SettlingDriver) -> None:
        """End the session of a server that never says that it has answered everything, once it has nothing to say."""
        await self._finishing.wait()
        with CancelScope(deadline=anyio.current_time() + driver.settle_s) as self._quiet:
            await anyio.sleep_forever()
        driver.settle()
        self._queue.wake()

    async def _cut(self, connection: Connection, scope: CancelScope) -> None:
        """Cut the connection at the next position that is due, if there is one, and leave the scope."""
        cut_every_s = self._conditions.cut_every_s
        if cut_every_s is None:
            return
        await self._capture.begun()
        assert self._record.begin_s is not None
        played_s = anyio.current_time() - self._record.begin_s
        cut_s = cut_every_s * (math.floor(played_s / cut_every_s) + 1)
        await anyio.sleep_until(self._record.begin_s + cut_s)
        if cut_s >= self.trace.audio_s or self._capture.has_left:
            return
        resumes = self._driver.lose()
        self._record.cut(anyio.current_time(), resumes=resumes)
        if not resumes:
            self._driver = self._endpoint.make_driver()
        scope.cancel()
        await anyio.aclose_forcefully(connection)

    def _note(self, events: Sequence[DriverEvent]) -> None:
        now_s = anyio.current_time()
        for event in events:
            self._record.note(event, now_s)
        if events:
            self._renew_deadline()
        if self._record.begin_s is not None:
            self._capture.begin(self._record.begin_s)

    def _renew_deadline(self) -> None:
        """Give the server time for its next event, counted from now or, later, from the end of the audio."""
        if self._record.begin_s is not None and self._record.is_live:
            end_s = self._record.begin_s + self.trace.audio_s
            answer_s = max(anyio.current_time(), end_s) + self._conditions.answer_timeout_s
            self._scope.deadline = min(answer_s, end_s + self._conditions.drain_timeout_s)

    def _refused(self, error: ConnectionFailed) -> None:
        if error.status is not None:
            self._note(self._driver.closed(error.status, error.body))
        code = "unreachable" if error.status is None else str(error.status)
        self._record.fail(code, str(error))

    def _timed_out(self) -> None:
        self._record.fail("timeout", _timeout_text(self._conditions, is_live=self._record.is_live))


def _closing(error: Exception) -> tuple[int | None, str]:
    """Return the code and reason of a close frame, if that ended the connection."""
    return (error.code, error.reason) if isinstance(error, Closed) else (None, "")


def _timeout_text(conditions: Conditions, *, is_live: bool) -> str:
    if not is_live:
        return f"the server took no audio within {conditions.ready_timeout_s:g} s"
    limits = f"{conditions.answer_timeout_s:g} s without a message, or {conditions.drain_timeout_s:g} s in all"
    return f"the server has not answered all audio after its end (limit {limits})"
