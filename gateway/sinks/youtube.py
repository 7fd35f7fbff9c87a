"""The sink `youtube`: captions for a YouTube live stream, by "closed captions over HTTP".

https://support.google.com/youtube/answer/6077032. The URL is in YouTube Studio: Closed captions, Post captions to URL.
"""

from datetime import UTC, datetime

from gateway.sinks.caption_text import text_of
from gateway.sinks.http_client import HttpClient, check_http_url, over_http, with_parameters
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkKind, SinkTarget

__all__ = ["YOUTUBE", "YoutubeSink"]

_PATIENCE_S = 120.0
"""Captions carry their time, so YouTube can still place them; a live stream is a minute behind at most."""

_HEADERS = {"content-type": "text/plain"}


class YoutubeSink:
    """Sends the cues of one session, each with the time of its first word.

    Captions of one stream are numbered without gaps, and YouTube drops a repeated number. Since it does not tell the
    last one, a session's numbers begin with the second in which it was opened, above those of any earlier session.

    Args:
        client: of HTTP.
        target: with the URL of the stream.
        session: whose cues it sends.
    """

    def __init__(self, client: HttpClient, target: SinkTarget, session: SessionFacts) -> None:
        self._client = client
        self._url = target.url
        self._first = int(session.opened_s)

    async def send(self, delivery: Delivery) -> None:
        """Post a cue; every reply but 2xx is followed by another attempt."""
        spoken = datetime.fromtimestamp(delivery.spoken_at_s, UTC).replace(tzinfo=None)
        body = f"{spoken.isoformat(timespec='milliseconds')}\n{text_of(delivery, '<br>')}\n"
        url = with_parameters(self._url, seq=self._first + delivery.number)
        reply = await self._client.request("POST", url, body.encode(), _HEADERS)
        if not reply.is_success:
            raise reply.unavailable()


YOUTUBE = SinkKind(
    over_http(YoutubeSink),
    lambda target: frozenset({Item.CUE}),
    check=check_http_url,
    patience_s=_PATIENCE_S,
    is_for_clients=True,
)
