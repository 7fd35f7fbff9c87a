"""The sink `teams`: CART captions for a Microsoft Teams meeting.

https://learn.microsoft.com/microsoftteams/platform/apps-in-teams-meetings/meeting-apps-apis, "Send real-time captions".
The organiser copies the CART link from the meeting's options.
"""

from http import HTTPStatus

from gateway.sinks.caption_text import language_tag, text_of
from gateway.sinks.http_client import HttpClient, check_http_url, over_http, with_parameters
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkKind, SinkRefused, SinkTarget

__all__ = ["TEAMS", "TeamsSink"]

_PATIENCE_S = 120.0
"""As for Zoom: the meeting's transcript keeps each line."""

_HEADERS = {"content-type": "text/plain; charset=utf-8"}


class TeamsSink:
    """Sends the cues of one session, each as a new line of captions.

    A line should have 80 to 120 characters at most; a cue of the profile `teams` has fewer. Requests have no number:
    where a reply is lost, the line is sent, and displayed, twice.

    Args:
        client: of HTTP.
        target: with the CART link.
        session: whose cues it sends.
    """

    def __init__(self, client: HttpClient, target: SinkTarget, session: SessionFacts) -> None:
        self._client = client
        language = language_tag(target, session).lower()
        self._url = target.url if "&lang=" in target.url else with_parameters(target.url, lang=language)

    async def send(self, delivery: Delivery) -> None:
        """Post a cue. Only an invalid link ends the sink: 404 is a meeting that has not started its captions yet."""
        reply = await self._client.request("POST", self._url, text_of(delivery, " ").encode(), _HEADERS)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise SinkRefused(f"{reply.reason}: the CART link is wrong or has expired; copy a new one from the meeting")
        if not reply.is_success:
            raise reply.unavailable()


TEAMS = SinkKind(
    over_http(TeamsSink),
    lambda target: frozenset({Item.CUE}),
    check=check_http_url,
    options=frozenset({"lang"}),
    patience_s=_PATIENCE_S,
    is_for_clients=True,
)
