"""The sink `zoom`: captions for a Zoom meeting or webinar, by its closed captioning REST API.

https://support.zoom.us/hc/en-us/articles/115002212983. The host copies the API token, an URL, in the meeting.
"""

from urllib.parse import urlsplit, urlunsplit

from gateway.sinks.caption_text import language_tag, text_of
from gateway.sinks.http_client import HttpClient, check_http_url, over_http, with_parameters
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkKind, SinkTarget

__all__ = ["ZOOM", "ZoomSink"]

_PATIENCE_S = 120.0
"""Zoom itself advises to give up after seconds. But its transcript keeps each caption, so late ones are of use to those
who depend on it; after two minutes they would only hide the present."""

_HEADERS = {"content-type": "text/plain; charset=utf-8"}


class ZoomSink:
    """Sends the cues of one session.

    Zoom drops a caption whose number it has, so a repeated one is shown once. The meeting keeps its number when a
    session ends, so a new one continues from the number that Zoom returns.

    Args:
        client: of HTTP.
        target: with the URL of the meeting.
        session: whose cues it sends.
    """

    def __init__(self, client: HttpClient, target: SinkTarget, session: SessionFacts) -> None:
        self._client = client
        self._url = target.url
        self._language = language_tag(target, session)
        self._next: int | None = None
        """Number of the next caption; None: unknown."""
        self._current: tuple[int, int] | None = None
        """Number of the event that was sent last, and that of its caption."""

    async def send(self, delivery: Delivery) -> None:
        """Post a cue; every reply but 2xx is followed by another attempt, as Zoom recommends for all codes."""
        if self._next is None:
            self._next = (await self._last_number() or delivery.number - 1) + 1
        if self._current is None or self._current[0] != delivery.seq:
            self._current = delivery.seq, self._next
        number = self._current[1]
        url = with_parameters(self._url, seq=number, lang=self._language)
        reply = await self._client.request("POST", url, text_of(delivery).encode(), _HEADERS)
        if not reply.is_success:
            raise reply.unavailable()
        self._next = number + 1

    async def _last_number(self) -> int:
        """Return the number of the last caption that Zoom has taken; 0: none, or it does not say."""
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/seq"))
        reply = await self._client.request("GET", url)
        number = reply.text.strip()
        return int(number) if reply.is_success and number.isascii() and number.isdigit() else 0


ZOOM = SinkKind(
    over_http(ZoomSink),
    lambda target: frozenset({Item.CUE}),
    check=check_http_url,
    options=frozenset({"lang"}),
    patience_s=_PATIENCE_S,
    is_for_clients=True,
)
