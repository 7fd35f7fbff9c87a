"""The sink `obs`: captions in a text source of OBS, and in the captions of its stream, by obs-websocket 5.

https://github.com/obsproject/obs-websocket/blob/master/docs/generated/protocol.md
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

import anyio
from websockets.exceptions import WebSocketException

from gateway.errors import ConfigurationError
from gateway.sinks.sink import Delivery, EventRefused, Item, SessionFacts, Sink, SinkKind, SinkTarget, SinkUnavailable
from gateway.wire import Correction, CueEvent
from gateway.wire.cue import Cue

__all__ = ["OBS", "ObsSink"]

_PATIENCE_S = 5.0
"""What is displayed is about now: older captions would only flash by."""

_TIMEOUT_S = 3.0
"""OBS is on this machine or the next one."""

_PORT = 4455
"""Of obs-websocket."""

_NO_EVENTS = 0
"""OBS's own events are not subscribed."""


class ObsSink:
    """Displays the cues of one session: partial ones and corrections in the text source, final ones in both.

    Args:
        target: with host, password and options.
    """

    def __init__(self, target: SinkTarget) -> None:
        parts = urlsplit(target.url)
        self._url = f"ws://{parts.hostname}:{parts.port or _PORT}"
        self._password = unquote(parts.password or "")
        self._source = target.options.get("source")
        self._streams = target.options.get("stream", "0") == "1"
        self._shown: Cue | None = None
        self._client: _Client | None = None

    async def send(self, delivery: Delivery) -> None:
        """Display a cue, or the corrected text if its utterance is still displayed."""
        cue = self._cue_of(delivery)
        text = "\n".join(cue.lines) if cue is not None else ""
        try:
            client = await self._connected()
            if self._source is not None:
                settings = {"inputName": self._source, "inputSettings": {"text": text}, "overlay": True}
                await client.request("SetInputSettings", settings)
            if self._streams and delivery.item is Item.CUE:
                await client.request("SendStreamCaption", {"captionText": text})
        except (OSError, WebSocketException, TimeoutError) as error:
            await self.aclose()
            raise SinkUnavailable(getattr(error, "strerror", None) or f"OBS: {type(error).__name__}") from error
        self._shown = cue or self._shown

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, WebSocketException):
                await client.aclose()

    def _cue_of(self, delivery: Delivery) -> Cue | None:
        """Return what is to be displayed; None: nothing, since the captioner has removed it."""
        match delivery.inner:
            case CueEvent(_, cue):
                return cue
            case Correction(utterance_id=utterance_id, cues=cues):
                if self._source is None or self._shown is None or self._shown.utterance_id != utterance_id:
                    raise EventRefused("the corrected words are not displayed any more")
                return cues[-1] if cues else None
        raise AssertionError("it takes cues and corrections only")

    async def _connected(self) -> "_Client":
        if self._client is None:
            client = _Client(self._url, self._password)
            try:
                await client.connect()
            except BaseException:
                with suppress(OSError, WebSocketException):
                    await client.aclose()
                raise
            self._client = client
        return self._client


class _Client:
    """A connection to OBS, by the library simpleobsws."""

    def __init__(self, url: str, password: str) -> None:
        import simpleobsws

        self._library = simpleobsws
        identification = simpleobsws.IdentificationParameters(eventSubscriptions=_NO_EVENTS)
        self._connection = simpleobsws.WebSocketClient(url, password, identification)

    async def connect(self) -> None:
        """Connect and identify.

        Raises:
            OSError, WebSocketException: there is no OBS.
            TimeoutError: it does not identify: the password is wrong.
        """
        with anyio.fail_after(_TIMEOUT_S):
            await self._connection.connect()
        if not await self._connection.wait_until_identified(timeout=_TIMEOUT_S):
            raise TimeoutError("OBS did not accept the password")

    async def request(self, name: str, fields: dict[str, object]) -> None:
        """Send a request, and wait for its answer.

        Raises:
            EventRefused: OBS refuses it.
            TimeoutError: it does not answer, or the connection is lost.
        """
        try:
            request = self._library.Request(name, fields)
            response = await self._connection.call(request, timeout=_TIMEOUT_S)
        except (self._library.MessageTimeout, self._library.NotIdentifiedError) as error:
            raise TimeoutError(f"{name} was not answered") from error
        if not response.ok():
            status = response.requestStatus
            raise EventRefused(f"OBS refuses {name}: {status.comment or f'status {status.code}'}")

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()


@asynccontextmanager
async def _open(target: SinkTarget, session: SessionFacts) -> AsyncIterator[Sink]:
    sink = ObsSink(target)
    try:
        yield sink
    finally:
        await sink.aclose()


def _takes(target: SinkTarget) -> frozenset[Item]:
    if "source" in target.options:
        return frozenset({Item.PARTIAL, Item.CUE, Item.CORRECTION})
    return frozenset({Item.CUE})


def _check(target: SinkTarget) -> None:
    if find_spec("simpleobsws") is None:
        raise ConfigurationError(f"sink {target.name}: needs the extra 'obs': pip install 'livecue[obs]'")
    if urlsplit(target.url).scheme != "obs" or not urlsplit(target.url).hostname:
        raise ConfigurationError(f"sink {target.name}: expected obs://:PASSWORD@HOST:PORT")
    if "source" not in target.options and target.options.get("stream") != "1":
        raise ConfigurationError(f"sink {target.name}: expected #source=NAME of a text source, or #stream=1, or both")


OBS = SinkKind(_open, _takes, check=_check, options=frozenset({"source", "stream"}), patience_s=_PATIENCE_S)
